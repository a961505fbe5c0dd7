//! Arguments, environment, exit, random bytes, scheduling.

use crate::{Call, Ended, Stop};
use rustix::rand::{GetRandomFlags, getrandom};
use std::borrow::Cow;

pub(crate) fn args_get(call: &Call<'_>) -> Ended {
    write_strings(call, &call.ctx.program().args)
}

pub(crate) fn args_sizes_get(call: &Call<'_>) -> Ended {
    write_sizes(call, &call.ctx.program().args)
}

pub(crate) fn environ_get(call: &Call<'_>) -> Ended {
    write_strings(call, &call.ctx.program().env)
}

pub(crate) fn environ_sizes_get(call: &Call<'_>) -> Ended {
    write_sizes(call, &call.ctx.program().env)
}

/// Pointers to parameter 0, NUL-terminated strings to parameter 1.
fn write_strings(call: &Call<'_>, strings: &[Vec<u8>]) -> Ended {
    let (mut pointer, mut at) = (call.ptr(0), call.ptr(1));
    for string in strings {
        // `at` fits 32 bits as long as what was written before it was in bounds.
        call.memory.write_u32(pointer, at as u32)?;
        call.memory.write(at, string)?;
        at += string.len() as u64;
        call.memory.write_u8(at, 0)?;
        at += 1;
        pointer += 4;
    }
    Ok(())
}

/// Count to parameter 0, bytes with terminators to parameter 1.
fn write_sizes(call: &Call<'_>, strings: &[Vec<u8>]) -> Ended {
    let bytes: usize = strings.iter().map(|s| s.len() + 1).sum();
    call.out(0, 4)?;
    call.out(1, 4)?;
    call.memory.write_u32(call.ptr(0), strings.len() as u32)?;
    call.memory.write_u32(call.ptr(1), bytes as u32)?;
    Ok(())
}

pub(crate) fn proc_exit(call: &Call<'_>) -> Ended {
    Err(Stop::Exit(call.u32(0)))
}

/// A signal of the guest is the guest's affair: it traps with WAMR's message, and the host process gets none.
pub(crate) fn proc_raise(call: &Call<'_>) -> Ended {
    Err(Stop::Trap(Cow::Owned(format!("wasi proc raise {}", call.u32(0) as i32))))
}

pub(crate) fn random_get(call: &Call<'_>) -> Ended {
    let (mut at, size) = (call.ptr(0), call.ptr(1));
    call.memory.range(at, size)?;
    let end = at + size;
    let mut chunk = [0; 4096];
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(chunk.len());
        let filled = match getrandom(&mut chunk[..want], GetRandomFlags::empty()) {
            Ok(filled) => filled,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        call.memory.write(at, &chunk[..filled])?;
        at += filled as u64;
    }
    Ok(())
}

pub(crate) fn sched_yield(_: &Call<'_>) -> Ended {
    std::thread::yield_now();
    Ok(())
}
