//! WASI's functions, as imports of guests: each works on the parts of the instance that calls it.

use wayfarer_runtime::{Caller, HostError, HostFunc, Trap};
use wayfarer_wasi::{Outcome, WasiFunction};

use crate::instance::HostParts;

/// The host function for an import of this name that has so many parameters.
pub fn host_func(name: (Box<str>, Box<str>), function: &'static WasiFunction, params: usize) -> HostFunc {
    HostFunc {
        name,
        restartable: true,
        call: Box::new(move |caller, slots| call(function, caller, slots, params)),
        data: None,
    }
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
    match (function.call)(&parts.wasi, &caller.memory(), &*thread, &slots[..params]) {
        Outcome::Errno(errno) => {
            slots[0] = u64::from(errno);
            Ok(())
        }
        Outcome::Exit(status) => Err(HostError::Trap(Trap::Exit(status))),
        Outcome::Interrupted => Err(HostError::Interrupted),
        Outcome::Trap(text) => Err(HostError::Trap(Trap::Host(text))),
    }
}
