//! `time.h`: both clocks count from the same monotonic clock.

use crate::call::{LibcCall, LibcTrap, int, params, raw_params};

/// Size of the guest's `struct timespec`: `time_t` has eight bytes, `long` four, and four of padding follow.
const TIMESPEC_SIZE: u64 = 16;

pub(crate) fn clock_gettime(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    // The clock's id is not looked at: what a guest passes differs between its C libraries (in wasi-libc it is an
    // address), and WAMR hosts know one clock here.
    let [_clock, timespec] = params(args)?;
    let now = call.host.monotonic_ns();
    let memory = call.host.memory();
    memory.range(timespec.into(), TIMESPEC_SIZE)?;
    memory.write_u64(timespec.into(), now / 1_000_000_000)?;
    memory.write_u32(timespec.wrapping_add(8).into(), (now % 1_000_000_000) as u32)?;
    int(0)
}

/// `clock_t` has eight bytes and counts nanoseconds, as `CLOCKS_PER_SEC` of wasi-libc says.
pub(crate) fn clock(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [] = raw_params(args)?;
    Ok(call.host.monotonic_ns())
}
