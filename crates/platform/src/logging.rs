//! `bh_log.h` and `bh_assert.h`, and printing. Functions of many arguments are C (`logging.c`): stable Rust cannot
//! define them, and a symbol of a C object is not exported from a Rust library, so the exported symbols are jumps.

use std::arch::{global_asm, naked_asm};
use std::ffi::{c_char, c_int};
use std::sync::Mutex;

use crate::ffi::{guard, text};
use crate::log::{enabled_at, print, stamp};

use crate::memory::os_dumps_proc_mem_info;
use crate::ticks::bh_get_tick_ms;

unsafe extern "C" {
    fn wayfarer_bh_log();
    fn wayfarer_os_printf();
    fn wayfarer_os_vprintf();
}

/// Exports a C function under its public name: a jump, which leaves every argument where it is.
macro_rules! jump_to {
    ($c:path) => {
        #[cfg(target_arch = "x86_64")]
        naked_asm!("jmp {}", sym $c);
        #[cfg(target_arch = "aarch64")]
        naked_asm!("b {}", sym $c);
        #[cfg(target_arch = "s390x")]
        naked_asm!("jg {}", sym $c);
    };
}

/// `bh_log` of the header: prints a message if its level is logged.
///
/// # Safety
/// As the header's prototype says; it is not callable from Rust in a meaningful way.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_log() {
    jump_to!(wayfarer_bh_log);
}

/// `os_printf` of the header: as printf.
///
/// # Safety
/// As for `bh_log`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_printf() {
    jump_to!(wayfarer_os_printf);
}

/// `os_vprintf` of the header: as vprintf.
///
/// # Safety
/// As for `bh_log`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_vprintf() {
    jump_to!(wayfarer_os_vprintf);
}

// What C calls here: names that only this library knows.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl wayfarer_log_begin", ".hidden wayfarer_log_begin", ".type wayfarer_log_begin, @function",
    "wayfarer_log_begin:", "jmp {}", sym log_begin
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl wayfarer_log_begin", ".hidden wayfarer_log_begin", ".type wayfarer_log_begin, %function",
    "wayfarer_log_begin:", "b {}", sym log_begin
);
#[cfg(target_arch = "s390x")]
global_asm!(
    ".globl wayfarer_log_begin", ".hidden wayfarer_log_begin", ".type wayfarer_log_begin, @function",
    "wayfarer_log_begin:", "jg {}", sym log_begin
);

/// Prints a message's stamp, unless its level is filtered out.
extern "C" fn log_begin(level: u32) -> bool {
    guard(false, || {
        let shown = enabled_at(level);
        if shown {
            print(&stamp());
        }
        shown
    })
}

/// Milliseconds of the last call, and of all of them.
static STAGES: Mutex<(u32, u32)> = Mutex::new((0, 0));

/// Prints how long it is since the last call, and since the first, if the log level is at least that for debugging.
///
/// # Safety
/// `prompt` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_print_time(prompt: *const c_char) {
    guard((), || {
        if !enabled_at(3) {
            return;
        }
        // SAFETY: as the caller promises.
        let prompt = unsafe { text(prompt) };
        // A clock of 32 bits wraps around after 49 days.
        let now = bh_get_tick_ms() as u32;
        let mut stages = STAGES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last, total) = *stages;
        let stage = if last == 0 { 0 } else { now.wrapping_sub(last) };
        let total = total.wrapping_add(stage);
        *stages = (now, total);
        print(&format!("{prompt:<48} time of last stage: {stage} ms, total time: {total} ms\n"));
    });
}

/// Prints the process's resident memory, if the log level is at least that for debugging.
///
/// # Safety
/// `prompt` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_print_proc_mem(prompt: *const c_char) {
    guard((), || {
        if !enabled_at(3) {
            return;
        }
        let mut usage = [0 as c_char; 1024];
        // SAFETY: the buffer's size, and as the caller promises.
        let (status, usage, prompt) = unsafe {
            let status = os_dumps_proc_mem_info(usage.as_mut_ptr(), usage.len() as u32);
            (status, text(usage.as_ptr()), text(prompt))
        };
        if status == 0 {
            print(&format!("{prompt}\n===== memory usage =====\n{usage}==========\n"));
        }
    });
}

/// As bh_print_proc_mem, with a place in the source as the prompt.
///
/// # Safety
/// `function` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_log_proc_mem(function: *const c_char, line: u32) {
    guard((), || {
        // SAFETY: as the caller promises.
        let place = format!("[MEM] {}(...) L{line}", unsafe { text(function) });
        let place = std::ffi::CString::new(place).unwrap_or_default();
        // SAFETY: a string.
        unsafe { bh_print_proc_mem(place.as_ptr()) };
    });
}

/// Ends the process, and says where, unless `v` is true (not 0). What `bh_assert` calls in hosts built with `BH_DEBUG`: it is
/// the host that asks for it.
///
/// # Safety
/// The names are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_assert_internal(
    v: i64,
    file_name: *const c_char,
    line_number: c_int,
    expr_string: *const c_char,
) {
    if v != 0 {
        return;
    }
    let shown = |name: *const c_char, missing: &str| {
        // SAFETY: as the caller promises.
        if name.is_null() { missing.to_owned() } else { unsafe { text(name) } }
    };
    let (file, expression) = (shown(file_name, "NULL FILENAME"), shown(expr_string, "NULL EXPR_STRING"));
    crate::log::error!("\nASSERTION FAILED: {expression}, at file {file}, line {line_number}\n");
    // SAFETY: no preconditions; C's own, so that what is in stdout's buffer stays there as it would in C.
    unsafe { libc::abort() };
}
