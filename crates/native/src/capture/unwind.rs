//! Capture by a forced unwind: every compiled frame has a landing pad that saves its state and lets the unwind go on
//! (Itanium C++ ABI: Exception Handling, section 1.6.2 "forced unwind").

use crate::enter::{CAPTURED, Level, wayfarer_leave};
use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

/// The unwinder's header of an exception.
#[repr(C, align(16))]
#[derive(Debug, Default)]
pub(crate) struct Exception {
    class: u64,
    cleanup: usize,
    private: [usize; 6],
}

/// What the unwinder knows of a frame.
#[repr(C)]
pub(crate) struct Context {
    _opaque: [u8; 0],
}

type Stop = unsafe extern "C" fn(c_int, c_int, u64, *mut Exception, *mut Context, *mut c_void) -> c_int;

#[link(name = "gcc_s")]
unsafe extern "C-unwind" {
    fn _Unwind_ForcedUnwind(exception: *mut Exception, stop: Stop, argument: *mut c_void) -> c_int;
}

#[link(name = "gcc_s")]
unsafe extern "C" {
    fn _Unwind_GetCFA(context: *mut Context) -> usize;
}

/// Distance from the stack pointer at a call to the callee's canonical frame address.
pub(crate) const CFA_BIAS: usize = if cfg!(target_arch = "s390x") { 160 } else { 0 };

/// Captures the frames of the innermost run of compiled code, and leaves it.
///
/// # Safety
/// The run must be innermost, and between its frames and this call nothing may have a destructor.
pub(crate) unsafe fn capture(level: *mut Level) -> ! {
    // SAFETY: the level and its exception outlive the unwind, which `stop` ends. Code that left wrote a record.
    unsafe {
        let (vm, env) = (&*(*level).vmctx, &*(*level).env);
        let left = env.left.base();
        (*level).area.take(left, vm.capture.load(Ordering::Relaxed), vm.instance);
        vm.capture.store(left, Ordering::Relaxed);
        _Unwind_ForcedUnwind(&raw mut (*level).exception, stop, level.cast());
        // It only returns if the stack cannot be walked: a table is missing. There is nothing left to go back to.
        std::process::abort()
    }
}

/// Called before each frame: makes room for what its landing pads write, and leaves once all frames of the run were
/// visited.
unsafe extern "C" fn stop(
    _version: c_int,
    _actions: c_int,
    _class: u64,
    _exception: *mut Exception,
    context: *mut Context,
    level: *mut c_void,
) -> c_int {
    let level: *mut Level = level.cast();
    // SAFETY: the unwinder passes on what `capture` gave it; nothing else uses the level meanwhile.
    unsafe {
        let reached = _Unwind_GetCFA(context) >= (*level).stack + CFA_BIAS;
        let vm = &*(*level).vmctx;
        let env = &mut *(*level).env;
        let area = &mut (*level).area;
        if area.is_one_by_one() {
            let first = env.left.base();
            area.take(first, vm.capture.load(Ordering::Relaxed), vm.instance);
            vm.capture.store(first, Ordering::Relaxed);
        }
        if reached {
            area.written(vm.capture.load(Ordering::Relaxed));
            wayfarer_leave(level.cast(), CAPTURED);
        }
        if !area.is_one_by_one() && !area.has_room(vm.capture.load(Ordering::Relaxed)) {
            area.written(vm.capture.load(Ordering::Relaxed));
            match area.extend(&mut env.kept) {
                Ok(start) => vm.capture.store(start, Ordering::Relaxed),
                // There is no way back. But where a frame is left to there is room for any one of them.
                Err(_) => {
                    area.take_one_by_one(vm.instance);
                    vm.capture.store(env.left.base(), Ordering::Relaxed);
                }
            }
        }
    }
    0
}
