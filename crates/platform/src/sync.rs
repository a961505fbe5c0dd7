//! `platform_api_vmcore.h` and `platform_api_extension.h`: locks. They are POSIX's, and used as POSIX says; NULL is refused.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr::null;

use crate::{BHT_ERROR, BHT_OK};

/// 0 or -1.
fn result(errno: c_int) -> c_int {
    if errno == 0 { BHT_OK } else { BHT_ERROR }
}

/// Makes a mutex.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mutex_init(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if mutex.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_mutex_init(mutex, null()) })
}

/// Makes a mutex that its owner may lock again.
///
/// # Safety
/// The argument is NULL or memory for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_recursive_mutex_init(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if mutex.is_null() {
        return BHT_ERROR;
    }
    let mut attr = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: initializes the attributes, which are used and destroyed only if it did; the mutex as the caller promises.
    unsafe {
        if libc::pthread_mutexattr_init(attr.as_mut_ptr()) != 0 {
            return BHT_ERROR;
        }
        libc::pthread_mutexattr_settype(attr.as_mut_ptr(), libc::PTHREAD_MUTEX_RECURSIVE);
        let errno = libc::pthread_mutex_init(mutex, attr.as_ptr());
        libc::pthread_mutexattr_destroy(attr.as_mut_ptr());
        result(errno)
    }
}

/// Ends a mutex.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mutex_destroy(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if mutex.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_mutex_destroy(mutex) })
}

/// Locks a mutex.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if mutex.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_mutex_lock(mutex) })
}

/// Unlocks a mutex.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mutex_unlock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if mutex.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_mutex_unlock(mutex) })
}

/// Makes a condition variable.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_init(cond: *mut libc::pthread_cond_t) -> c_int {
    if cond.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_cond_init(cond, null()) })
}

/// Ends a condition variable.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_destroy(cond: *mut libc::pthread_cond_t) -> c_int {
    if cond.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_cond_destroy(cond) })
}

/// Wakes one of those that wait.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_signal(cond: *mut libc::pthread_cond_t) -> c_int {
    if cond.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_cond_signal(cond) })
}

/// Wakes all that wait.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_broadcast(cond: *mut libc::pthread_cond_t) -> c_int {
    if cond.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_cond_broadcast(cond) })
}

/// Waits for a condition variable, with the mutex unlocked meanwhile.
///
/// # Safety
/// The arguments are NULL or such objects, which are used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_wait(
    cond: *mut libc::pthread_cond_t,
    mutex: *mut libc::pthread_mutex_t,
) -> c_int {
    if cond.is_null() || mutex.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_cond_wait(cond, mutex) })
}

/// As `os_cond_wait`, for so many microseconds at most; for ever if all bits are set. ETIMEDOUT if the time was up.
///
/// # Safety
/// As for `os_cond_wait`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_cond_reltimedwait(
    cond: *mut libc::pthread_cond_t,
    mutex: *mut libc::pthread_mutex_t,
    useconds: u64,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        if useconds == u64::MAX || cond.is_null() || mutex.is_null() {
            return os_cond_wait(cond, mutex);
        }
        let until = deadline(useconds);
        match libc::pthread_cond_timedwait(cond, mutex, &raw const until) {
            libc::ETIMEDOUT => libc::ETIMEDOUT,
            errno => result(errno),
        }
    }
}

/// The time of the clock that condition variables go by, so many microseconds from now.
fn deadline(useconds: u64) -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec to be filled.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // Less than two seconds in nanoseconds: fits on every target.
    let nanoseconds = now.tv_nsec + (useconds % 1_000_000) as libc::c_long * 1000;
    let seconds = libc::time_t::try_from(useconds / 1_000_000).unwrap_or(libc::time_t::MAX);
    libc::timespec {
        tv_sec: now
            .tv_sec
            .saturating_add(seconds)
            .saturating_add(libc::time_t::from(nanoseconds / 1_000_000_000)),
        tv_nsec: nanoseconds % 1_000_000_000,
    }
}

/// Makes a lock for many readers or one writer.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_rwlock_init(lock: *mut libc::pthread_rwlock_t) -> c_int {
    if lock.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_rwlock_init(lock, null()) })
}

/// Locks for reading.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_rwlock_rdlock(lock: *mut libc::pthread_rwlock_t) -> c_int {
    if lock.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_rwlock_rdlock(lock) })
}

/// Locks for writing.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_rwlock_wrlock(lock: *mut libc::pthread_rwlock_t) -> c_int {
    if lock.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_rwlock_wrlock(lock) })
}

/// Unlocks.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_rwlock_unlock(lock: *mut libc::pthread_rwlock_t) -> c_int {
    if lock.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_rwlock_unlock(lock) })
}

/// Ends such a lock.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_rwlock_destroy(lock: *mut libc::pthread_rwlock_t) -> c_int {
    if lock.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::pthread_rwlock_destroy(lock) })
}

/// Opens a semaphore by name, or makes it, as sem_open does. NULL, and an errno, if that fails.
///
/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_open(
    name: *const c_char,
    oflags: c_int,
    mode: c_int,
    val: c_int,
) -> *mut libc::sem_t {
    // SAFETY: as the caller promises.
    let semaphore = unsafe { libc::sem_open(name, oflags, mode, val) };
    if semaphore == libc::SEM_FAILED { std::ptr::null_mut() } else { semaphore }
}

/// Closes a semaphore.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_close(sem: *mut libc::sem_t) -> c_int {
    if sem.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::sem_close(sem) })
}

/// Takes one, or waits for it.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_wait(sem: *mut libc::sem_t) -> c_int {
    if sem.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::sem_wait(sem) })
}

/// Takes one if there is any.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_trywait(sem: *mut libc::sem_t) -> c_int {
    if sem.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::sem_trywait(sem) })
}

/// Gives one.
///
/// # Safety
/// The argument is NULL or such an object, which is used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_post(sem: *mut libc::sem_t) -> c_int {
    if sem.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::sem_post(sem) })
}

/// Writes how many there are.
///
/// # Safety
/// The arguments are NULL or such objects, which are used as POSIX says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_getvalue(sem: *mut libc::sem_t, sval: *mut c_int) -> c_int {
    if sem.is_null() || sval.is_null() {
        return BHT_ERROR;
    }
    // SAFETY: as the caller promises.
    result(unsafe { libc::sem_getvalue(sem, sval) })
}

/// Takes a semaphore's name away: 0, or -1 and an errno.
///
/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_sem_unlink(name: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { libc::sem_unlink(name) }
}
