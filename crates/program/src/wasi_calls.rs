//! WASI's functions, as imports of guests: each works on the parts of the instance that calls it.

use wayfarer_runtime::{Caller, HostCall, HostError, HostFunc, Trap};
use wayfarer_wasi::{Outcome, WasiFunction};

use crate::instance::HostParts;
use crate::streams::Streams;

/// The host function for an import of this name that has so many parameters.
pub fn host_func(name: (Box<str>, Box<str>), function: &'static WasiFunction, params: usize) -> HostFunc {
    let plain = move |caller: &mut Caller<'_>, slots: &mut [u64]| call(function, caller, slots, params);
    let call: Box<HostCall> = match function.name {
        "path_open" => Box::new(move |caller, slots| noticed(plain, path_opened, caller, slots)),
        "fd_renumber" => Box::new(move |caller, slots| noticed(plain, renumbered, caller, slots)),
        "fd_close" => Box::new(move |caller, slots| noticed(plain, closed, caller, slots)),
        _ => Box::new(plain),
    };
    HostFunc { name, restartable: true, call, data: None }
}

fn call(
    function: &WasiFunction,
    caller: &mut Caller<'_>,
    slots: &mut [u64],
    params: usize,
) -> Result<(), HostError> {
    let parts = HostParts::of(caller.instance);
    let parts = parts.ok_or_else(|| HostError::Trap(Trap::host("unknown instance")))?;
    let thread = caller.env.thread().clone();
    let (memory, args) = (caller.memory(), &slots[..params]);
    let outcome = match parts.recording.get() {
        None => (function.call)(&parts.wasi, &memory, &*thread, args),
        Some(recording) => recording.call(function, &parts.wasi, &memory, &thread, args),
    };
    match outcome {
        Outcome::Errno(errno) => {
            slots[0] = u64::from(errno);
            Ok(())
        }
        Outcome::Exit(status) => Err(HostError::Trap(Trap::Exit(status))),
        Outcome::Interrupted => Err(HostError::Interrupted),
        Outcome::Trap(text) => Err(HostError::Trap(Trap::Host(text))),
    }
}

/// Calls a function that may make, move or end a descriptor, and tells those of it who want to know.
fn noticed(
    call: impl Fn(&mut Caller<'_>, &mut [u64]) -> Result<(), HostError>,
    notice: fn(&Streams, &Caller<'_>, &[u64]),
    caller: &mut Caller<'_>,
    slots: &mut [u64],
) -> Result<(), HostError> {
    let streams = HostParts::of(caller.instance).and_then(|parts| parts.streams.get()).cloned();
    let Some(streams) = streams else { return call(caller, slots) };
    let args = slots.to_vec();
    call(caller, slots)?;
    if slots.first() == Some(&0) {
        notice(&streams, caller, &args);
    }
    Ok(())
}

fn path_opened(streams: &Streams, caller: &Caller<'_>, args: &[u64]) {
    let Some(result) = args.get(8) else { return };
    // An address has 32 bits; what is above them means nothing. The descriptor was written there before.
    if let Ok(fd) = caller.memory().read_u32((*result as u32).into()) {
        streams.opened(caller.env, fd);
    }
}

fn renumbered(streams: &Streams, caller: &Caller<'_>, args: &[u64]) {
    if let &[from, to, ..] = args {
        streams.renumbered(caller.env, from as u32, to as u32);
    }
}

fn closed(streams: &Streams, _: &Caller<'_>, args: &[u64]) {
    if let &[fd, ..] = args {
        streams.closed(fd as u32);
    }
}
