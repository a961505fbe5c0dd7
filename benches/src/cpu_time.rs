//! CPU time of this process.

use std::time::Duration;

/// User and system time of all threads so far (clock_gettime(2)).
pub fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What `f` gives, and the time it took.
pub fn of<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let value = f();
    (value, now() - start)
}
