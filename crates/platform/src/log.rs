//! Log messages: `[HH:MM:SS:mmm - THREAD]: text` on C's stdout, like the hosts of this API expect.

use std::ffi::CString;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ffi::{CEnum, enum_value};

/// How much is logged: a message appears when its level is at most the one set.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub enum log_level_t {
    /// Only what ends the process.
    WASM_LOG_LEVEL_FATAL = 0,
    /// And errors.
    WASM_LOG_LEVEL_ERROR = 1,
    /// And warnings (the default).
    WASM_LOG_LEVEL_WARNING = 2,
    /// And notes for debugging.
    WASM_LOG_LEVEL_DEBUG = 3,
    /// And everything else.
    WASM_LOG_LEVEL_VERBOSE = 4,
}

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for log_level_t {}

/// Level of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Level {
    /// What failed.
    Error = 1,
    /// What may be a mistake.
    Warning = 2,
    /// What only matters to who looks for a problem.
    Verbose = 4,
}

const DEFAULT_LEVEL: u32 = log_level_t::WASM_LOG_LEVEL_WARNING as u32;

static LEVEL: AtomicU32 = AtomicU32::new(DEFAULT_LEVEL);

/// Sets the process-wide log level.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_log_level(level: MaybeUninit<log_level_t>) {
    set_level(enum_value(level));
}

/// Sets the log level by number. Not part of any public header, but some hosts link to it.
#[unsafe(no_mangle)]
pub extern "C" fn bh_log_set_verbose_level(level: u32) {
    set_level(level);
}

fn set_level(level: u32) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// Whether a message of this level would be printed.
pub fn enabled(level: Level) -> bool {
    enabled_at(level as u32)
}

/// The same for a level by number.
pub fn enabled_at(level: u32) -> bool {
    level <= LEVEL.load(Ordering::Relaxed)
}

/// Prints a message, with time of day and thread, unless its level is filtered out.
///
/// It goes through C's stdout rather than Rust's, so that it keeps its place among what the host prints.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    print(&format!("{}{message}\n", stamp()));
}

/// What a message begins with.
pub fn stamp() -> String {
    // SAFETY: no arguments, cannot fail.
    let thread = unsafe { libc::pthread_self() } as usize;
    format!("[{} - {thread:X}]: ", time_of_day())
}

/// The time where the process is: `HH:MM:SS:mmm`. (WAMR prints the time since the machine was started.)
fn time_of_day() -> String {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both are places for the answers. Zeros are a time, too, should there be none.
    let local = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        libc::localtime_r(&raw const now.tv_sec, local.as_mut_ptr());
        local.assume_init()
    };
    format!("{:02}:{:02}:{:02}:{:03}", local.tm_hour, local.tm_min, local.tm_sec, now.tv_nsec / 1_000_000)
}

/// Prints text on C's stdout.
pub fn print(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // SAFETY: the format takes one C string, which is what it gets.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($arg:tt)*) => { $crate::log::log($crate::log::Level::Error, format_args!($($arg)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __warning {
    ($($arg:tt)*) => {
        $crate::log::log($crate::log::Level::Warning, format_args!("warning: {}", format_args!($($arg)*)))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __verbose {
    ($($arg:tt)*) => { $crate::log::log($crate::log::Level::Verbose, format_args!($($arg)*)) };
}

/// Logs an error.
pub use crate::__error as error;
/// Logs what only matters to who looks for a problem.
pub use crate::__verbose as verbose;
/// Logs a warning.
pub use crate::__warning as warning;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::enum_of;

    #[test]
    fn the_level_filters() {
        wasm_runtime_set_log_level(enum_of(log_level_t::WASM_LOG_LEVEL_ERROR as u32));
        assert!(enabled(Level::Error) && !enabled(Level::Warning));
        bh_log_set_verbose_level(4);
        assert!(enabled(Level::Verbose));
        wasm_runtime_set_log_level(MaybeUninit::new(log_level_t::WASM_LOG_LEVEL_WARNING));
        assert!(enabled(Level::Warning) && !enabled(Level::Verbose));
    }
}
