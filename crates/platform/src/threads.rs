//! `platform_api_extension.h`: threads.

use std::arch::naked_asm;
use std::ffi::{c_int, c_uint, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use crate::log::print;

use crate::{BHT_ERROR, BHT_OK};

/// What a thread runs. It may end by os_thread_exit, which unwinds.
pub type thread_start_routine_t = Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void>;

/// This thread's id.
#[unsafe(no_mangle)]
pub extern "C" fn os_self_thread() -> libc::pthread_t {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() }
}

/// Starts a thread, with a stack of so many bytes: 0, and its id, if it runs. Prints why if the size is none for a stack.
/// os_thread_join gives NULL for it, unless it ends with os_thread_exit.
///
/// # Safety
/// `p_tid` is NULL, which is refused, or may be written; `start` can be called with `arg` on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_thread_create(
    p_tid: *mut libc::pthread_t,
    start: thread_start_routine_t,
    arg: *mut c_void,
    stack_size: c_uint,
) -> c_int {
    let Some(start) = start.filter(|_| !p_tid.is_null()) else { return BHT_ERROR };
    let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: initializes the attributes, which are used and destroyed only if it did.
    if unsafe { libc::pthread_attr_init(attr.as_mut_ptr()) } != 0 {
        return BHT_ERROR;
    }
    // SAFETY: initialized above.
    let sized = unsafe { libc::pthread_attr_setstacksize(attr.as_mut_ptr(), stack_size as usize) } == 0;
    let mut created = false;
    if sized {
        let order = Box::into_raw(Box::new(Order { start, arg }));
        // SAFETY: initialized above; the new thread owns the order, and takes it only once.
        created = unsafe { libc::pthread_create(p_tid, attr.as_ptr(), run, order.cast()) } == 0;
        if !created {
            // SAFETY: no thread has it.
            drop(unsafe { Box::from_raw(order) });
        }
    } else {
        let least = libc::PTHREAD_STACK_MIN;
        print(&format!("Invalid thread stack size {stack_size}. Min stack size on Linux = {least}\n"));
    }
    // SAFETY: initialized above, and used no more.
    unsafe { libc::pthread_attr_destroy(attr.as_mut_ptr()) };
    if created { BHT_OK } else { BHT_ERROR }
}

/// What a new thread is to do.
struct Order {
    start: unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void,
    arg: *mut c_void,
}

/// Nothing in this frame is dropped when the thread ends in the middle of its function.
extern "C" fn run(order: *mut c_void) -> *mut c_void {
    extern "C-unwind" fn call(order: *mut c_void) {
        // SAFETY: os_thread_create boxed it for this thread.
        let Order { start, arg } = *unsafe { Box::from_raw(order.cast::<Order>()) };
        // SAFETY: the host said that it can be called with this.
        unsafe { start(arg) };
    }
    call(order);
    null_mut()
}

/// As os_thread_create; all threads have the same priority.
///
/// # Safety
/// As for os_thread_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_thread_create_with_prio(
    p_tid: *mut libc::pthread_t,
    start: thread_start_routine_t,
    arg: *mut c_void,
    stack_size: c_uint,
    _prio: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { os_thread_create(p_tid, start, arg, stack_size) }
}

/// Waits until a thread has ended. 0, or an errno.
///
/// # Safety
/// The thread was neither joined nor detached; `retval` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_thread_join(thread: libc::pthread_t, retval: *mut *mut c_void) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::pthread_join(thread, retval) }
}

/// Lets go of a thread, that nobody will join. 0, or an errno.
///
/// # Safety
/// The thread was neither joined nor detached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_thread_detach(thread: libc::pthread_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::pthread_detach(thread) }
}

/// Ends this thread; os_thread_join gives the value. A jump, so that there is no frame of ours to unwind.
///
/// # Safety
/// The thread is the host's, and runs no guest.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_thread_exit(retval: *mut c_void) {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("jmp {}@PLT", sym libc::pthread_exit);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("b {}", sym libc::pthread_exit);
    #[cfg(target_arch = "s390x")]
    naked_asm!("jg {}@PLT", sym libc::pthread_exit);
}

/// Whether code may be written or run, where a system has one state of a thread for that: none that this library runs on.
#[unsafe(no_mangle)]
pub extern "C" fn os_thread_jit_write_protect_np(_enabled: bool) {}

/// Waits so many microseconds: 0, or -1 if a signal came.
#[unsafe(no_mangle)]
pub extern "C" fn os_usleep(usec: u32) -> c_int {
    let time = libc::timespec {
        tv_sec: libc::time_t::from(usec / 1_000_000),
        tv_nsec: libc::c_long::from(usec % 1_000_000) * 1000,
    };
    // SAFETY: a valid time, and nothing to be written.
    unsafe { libc::nanosleep(&raw const time, null::<libc::timespec>().cast_mut()) }
}
