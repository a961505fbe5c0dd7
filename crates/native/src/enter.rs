//! Into compiled code, and out of it: by returning, or at once from anywhere above.

use crate::capture::Area;
use crate::{backtrace, signals};
use std::arch::global_asm;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering;
use wayfarer_interp::mixed::Ended;
use wayfarer_runtime::{
    CompiledFunc, ContinuationCode, EntryCode, ExecEnv, Trap, TrapCode, VmContext, VmCtx, native_stack,
};

/// A run of compiled code: from the call that entered it until it is left.
#[repr(C)]
pub(crate) struct Level {
    /// The stack pointer to leave with; written by `wayfarer_enter`.
    pub(crate) stack: usize,
    /// The thread's environment.
    pub(crate) env: *mut ExecEnv,
    /// The run below, in the same environment.
    below: *mut c_void,
    /// What the code may access that is not there: the reservation of the instance's memory.
    pub(crate) guard: (usize, usize),
    /// Why it was left, with [`TRAPPED`].
    pub(crate) trap: Option<Trap>,
    /// The context that it runs in.
    pub(crate) vmctx: *mut VmCtx,
    /// Where its frames are captured to.
    pub(crate) area: Area,
    /// For the unwinder.
    pub(crate) exception: crate::capture::Exception,
}

/// How compiled code was left: it returned.
const RETURNED: u32 = 0;
/// In a trap.
pub(crate) const TRAPPED: u32 = 1;
/// Its frames were captured.
pub(crate) const CAPTURED: u32 = 2;

unsafe extern "C" {
    /// Calls `code(vmctx, a, b)`. `level` is a [`Level`].
    fn wayfarer_enter(
        level: *mut c_void,
        code: *const (),
        vmctx: *mut c_void,
        a: *mut c_void,
        b: *mut c_void,
    ) -> u32;

    /// Makes the `wayfarer_enter` that was given this [`Level`] return `status`. Frames in between are gone.
    pub(crate) fn wayfarer_leave(level: *mut c_void, status: u32) -> !;
}

/// Calls a compiled function with arguments in `slots`, which its results replace. `None` as for [`run`].
///
/// # Safety
/// Both must be of the instance that `vm` is the context of, the entry the one for the function's type; the slots have room
/// for arguments and results.
pub(crate) unsafe fn call(
    env: &mut ExecEnv,
    vm: &VmContext,
    guard: (usize, usize),
    entry: EntryCode,
    func: CompiledFunc,
    slots: *mut u64,
) -> Option<Result<(), Ended>> {
    // SAFETY: an entry takes a function and its slots.
    unsafe { run(env, vm, guard, entry.as_ptr(), func.as_ptr().cast_mut().cast(), slots.cast()) }
}

/// Goes on at a loop header, with its `state`, in this `frame`. `None` as for [`run`].
///
/// # Safety
/// The code must be of the instance that `vm` is the context of; state and frame must be as it wants them
/// (`wayfarer_abi::symbol::continuation`).
pub(crate) unsafe fn go_on(
    env: &mut ExecEnv,
    vm: &VmContext,
    guard: (usize, usize),
    code: ContinuationCode,
    state: *mut u64,
    frame: *mut u64,
) -> Option<Result<(), Ended>> {
    // SAFETY: a continuation takes a state and a frame.
    unsafe { run(env, vm, guard, code.as_ptr(), state.cast(), frame.cast()) }
}

/// Runs `code(vmctx, a, b)`. `None` if another thread runs compiled code of this instance, or if so much of the native stack is
/// used that only what is interpreted still has room.
///
/// # Safety
/// The code must be of the instance that `vm` is the context of, take these arguments, and touch nothing else.
unsafe fn run(
    env: &mut ExecEnv,
    vm: &VmContext,
    guard: (usize, usize),
    code: *const (),
    a: *mut c_void,
    b: *mut c_void,
) -> Option<Result<(), Ended>> {
    let limit = native_stack::limit_to_enter(env.stack_boundary.get())?;
    let entered = vm.enter(env, limit)?;
    let mut level = Level {
        stack: 0,
        env,
        below: env.native,
        guard,
        trap: None,
        vmctx: vm.as_ptr(),
        area: Area::default(),
        exception: Default::default(),
    };
    env.native = (&raw mut level).cast();
    let outer = signals::enter(&raw mut level);
    // SAFETY: the caller vouches for the code.
    let status = unsafe { wayfarer_enter((&raw mut level).cast(), code, vm.as_ptr().cast(), a, b) };
    signals::leave(outer);
    // SAFETY: the environment outlives the run.
    let env = unsafe { &mut *level.env };
    env.native = level.below;
    if status != RETURNED {
        // SAFETY: the context lives as long as its instance.
        unsafe { (*level.vmctx).capture.store(env.left.base(), Ordering::Relaxed) };
    }
    vm.leave(entered);
    Some(match status {
        RETURNED => Ok(()),
        CAPTURED => {
            // SAFETY: a context's instance outlives it.
            let instance = unsafe { (*level.vmctx).instance };
            level.area.frames(instance, &mut env.captured, &mut env.kept);
            Err(Ended::Captured)
        }
        _ => Err(Ended::Trap(level.trap.take().unwrap_or(Trap::Code(TrapCode::Unreachable)))),
    })
}

/// The innermost run in this environment.
pub(crate) fn level(env: &ExecEnv) -> *mut Level {
    env.native.cast()
}

/// Leaves the innermost run in a trap.
///
/// # Safety
/// Compiled code must be running in `env`, and nothing with a destructor may be on the stack above it.
pub(crate) unsafe fn trap(env: *mut ExecEnv, trap: Trap) -> ! {
    // SAFETY: the run's level is on the stack below.
    unsafe {
        let level = level(&*env);
        ptr::write(&raw mut (*level).trap, Some(trap));
        backtrace::collect(level);
        wayfarer_leave(level.cast(), TRAPPED)
    }
}

// Each `wayfarer_enter` saves what its caller expects to find again, notes the stack pointer in the level's first word,
// and calls. `wayfarer_leave` takes the stack pointer from there and goes on behind that call.

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl wayfarer_enter",
    ".hidden wayfarer_enter",
    ".type wayfarer_enter, @function",
    "wayfarer_enter:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov [rdi], rsp",
    "mov rax, rsi",
    "mov rdi, rdx",
    "mov rsi, rcx",
    "mov rdx, r8",
    "call rax",
    "xor eax, eax",
    "2:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size wayfarer_enter, . - wayfarer_enter",
    ".globl wayfarer_leave",
    ".hidden wayfarer_leave",
    ".type wayfarer_leave, @function",
    "wayfarer_leave:",
    "mov rsp, [rdi]",
    "mov eax, esi",
    "jmp 2b",
    ".size wayfarer_leave, . - wayfarer_leave",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl wayfarer_enter",
    ".hidden wayfarer_enter",
    ".type wayfarer_enter, %function",
    "wayfarer_enter:",
    ".cfi_startproc",
    "stp x29, x30, [sp, #-160]!",
    ".cfi_def_cfa_offset 160",
    ".cfi_offset x29, -160",
    ".cfi_offset x30, -152",
    "mov x29, sp",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "stp d8, d9, [sp, #96]",
    "stp d10, d11, [sp, #112]",
    "stp d12, d13, [sp, #128]",
    "stp d14, d15, [sp, #144]",
    "mov x9, sp",
    "str x9, [x0]",
    "mov x9, x1",
    "mov x0, x2",
    "mov x1, x3",
    "mov x2, x4",
    "blr x9",
    "mov w0, #0",
    "2:",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp d8, d9, [sp, #96]",
    "ldp d10, d11, [sp, #112]",
    "ldp d12, d13, [sp, #128]",
    "ldp d14, d15, [sp, #144]",
    "ldp x29, x30, [sp], #160",
    "ret",
    ".cfi_endproc",
    ".size wayfarer_enter, . - wayfarer_enter",
    ".globl wayfarer_leave",
    ".hidden wayfarer_leave",
    ".type wayfarer_leave, %function",
    "wayfarer_leave:",
    "ldr x9, [x0]",
    "mov sp, x9",
    "mov w0, w1",
    "b 2b",
    ".size wayfarer_leave, . - wayfarer_leave",
);

#[cfg(target_arch = "s390x")]
global_asm!(
    ".globl wayfarer_enter",
    ".hidden wayfarer_enter",
    ".type wayfarer_enter, @function",
    "wayfarer_enter:",
    ".cfi_startproc",
    "stmg %r6, %r15, 48(%r15)",
    ".cfi_offset %r14, -48",
    ".cfi_offset %r15, -40",
    "aghi %r15, -224",
    ".cfi_def_cfa_offset 384",
    "std %f8, 160(%r15)",
    "std %f9, 168(%r15)",
    "std %f10, 176(%r15)",
    "std %f11, 184(%r15)",
    "std %f12, 192(%r15)",
    "std %f13, 200(%r15)",
    "std %f14, 208(%r15)",
    "std %f15, 216(%r15)",
    "stg %r15, 0(%r2)",
    "lgr %r1, %r3",
    "lgr %r2, %r4",
    "lgr %r3, %r5",
    "lgr %r4, %r6",
    "basr %r14, %r1",
    "lghi %r2, 0",
    "2:",
    "ld %f8, 160(%r15)",
    "ld %f9, 168(%r15)",
    "ld %f10, 176(%r15)",
    "ld %f11, 184(%r15)",
    "ld %f12, 192(%r15)",
    "ld %f13, 200(%r15)",
    "ld %f14, 208(%r15)",
    "ld %f15, 216(%r15)",
    "lmg %r6, %r15, 272(%r15)",
    "br %r14",
    ".cfi_endproc",
    ".size wayfarer_enter, . - wayfarer_enter",
    ".globl wayfarer_leave",
    ".hidden wayfarer_leave",
    ".type wayfarer_leave, @function",
    "wayfarer_leave:",
    "lg %r15, 0(%r2)",
    "llgfr %r2, %r3",
    "j 2b",
    ".size wayfarer_leave, . - wayfarer_leave",
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".globl wayfarer_enter",
    ".hidden wayfarer_enter",
    ".type wayfarer_enter, @function",
    "wayfarer_enter:",
    ".cfi_startproc",
    "addi sp, sp, -208",
    ".cfi_def_cfa_offset 208",
    "sd ra, 0(sp)",
    ".cfi_offset ra, -208",
    "sd s0, 8(sp)",
    "sd s1, 16(sp)",
    "sd s2, 24(sp)",
    "sd s3, 32(sp)",
    "sd s4, 40(sp)",
    "sd s5, 48(sp)",
    "sd s6, 56(sp)",
    "sd s7, 64(sp)",
    "sd s8, 72(sp)",
    "sd s9, 80(sp)",
    "sd s10, 88(sp)",
    "sd s11, 96(sp)",
    "fsd fs0, 104(sp)",
    "fsd fs1, 112(sp)",
    "fsd fs2, 120(sp)",
    "fsd fs3, 128(sp)",
    "fsd fs4, 136(sp)",
    "fsd fs5, 144(sp)",
    "fsd fs6, 152(sp)",
    "fsd fs7, 160(sp)",
    "fsd fs8, 168(sp)",
    "fsd fs9, 176(sp)",
    "fsd fs10, 184(sp)",
    "fsd fs11, 192(sp)",
    "sd sp, 0(a0)",
    "mv t0, a1",
    "mv a0, a2",
    "mv a1, a3",
    "mv a2, a4",
    "jalr t0",
    "li a0, 0",
    "2:",
    "ld ra, 0(sp)",
    "ld s0, 8(sp)",
    "ld s1, 16(sp)",
    "ld s2, 24(sp)",
    "ld s3, 32(sp)",
    "ld s4, 40(sp)",
    "ld s5, 48(sp)",
    "ld s6, 56(sp)",
    "ld s7, 64(sp)",
    "ld s8, 72(sp)",
    "ld s9, 80(sp)",
    "ld s10, 88(sp)",
    "ld s11, 96(sp)",
    "fld fs0, 104(sp)",
    "fld fs1, 112(sp)",
    "fld fs2, 120(sp)",
    "fld fs3, 128(sp)",
    "fld fs4, 136(sp)",
    "fld fs5, 144(sp)",
    "fld fs6, 152(sp)",
    "fld fs7, 160(sp)",
    "fld fs8, 168(sp)",
    "fld fs9, 176(sp)",
    "fld fs10, 184(sp)",
    "fld fs11, 192(sp)",
    "addi sp, sp, 208",
    "ret",
    ".cfi_endproc",
    ".size wayfarer_enter, . - wayfarer_enter",
    ".globl wayfarer_leave",
    ".hidden wayfarer_leave",
    ".type wayfarer_leave, @function",
    "wayfarer_leave:",
    "ld sp, 0(a0)",
    "mv a0, a1",
    "j 2b",
    ".size wayfarer_leave, . - wayfarer_leave",
);
