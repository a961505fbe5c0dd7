//! Clocks, in the units of `platform_api_vmcore.h` and `runtime_timer.h`.

/// Microseconds since boot.
#[unsafe(no_mangle)]
pub extern "C" fn os_time_get_boot_us() -> u64 {
    microseconds(libc::CLOCK_MONOTONIC)
}

/// Microseconds of CPU time that this thread has used.
#[unsafe(no_mangle)]
pub extern "C" fn os_time_thread_cputime_us() -> u64 {
    microseconds(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// 0 if there is no such clock.
fn microseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec to be filled.
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return 0;
    }
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1000
}
