//! `runtime_timer.h`, as far as it tells the time.

use crate::clock::os_time_get_boot_us;

/// Milliseconds since boot.
#[unsafe(no_mangle)]
pub extern "C" fn bh_get_tick_ms() -> u64 {
    os_time_get_boot_us() / 1000
}

/// Milliseconds since `last_system_clock`, which is set to now.
///
/// # Safety
/// `last_system_clock` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_get_elpased_ms(last_system_clock: *mut u32) -> u32 {
    // A clock of 32 bits wraps around after 49 days.
    let now = bh_get_tick_ms() as u32;
    // SAFETY: as the caller promises.
    now.wrapping_sub(unsafe { last_system_clock.replace(now) })
}
