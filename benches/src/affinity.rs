//! Staying on one core: a move to another one shows in times.

use std::io;

/// Binds this thread, and what it starts from now on, to the last core it may run on; gives the core's number. Not the
/// first, which is where most interrupts go.
///
/// # Errors
/// sched_setaffinity(2)'s.
pub fn stay_on_one_core() -> io::Result<usize> {
    // SAFETY: all zeros is the empty set.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of_val(&cores);
    // SAFETY: `cores` is valid for writing `size` bytes.
    if unsafe { libc::sched_getaffinity(0, size, &mut cores) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the index is below CPU_SETSIZE.
    let last = (0..libc::CPU_SETSIZE as usize).rfind(|&core| unsafe { libc::CPU_ISSET(core, &cores) });
    let last = last.ok_or(io::ErrorKind::NotFound)?;
    // SAFETY: as above.
    unsafe {
        libc::CPU_ZERO(&mut cores);
        libc::CPU_SET(last, &mut cores);
    }
    // SAFETY: `cores` is valid for reading `size` bytes.
    match unsafe { libc::sched_setaffinity(0, size, &cores) } {
        0 => Ok(last),
        _ => Err(io::Error::last_os_error()),
    }
}
