//! How guests call the functions that are there for every guest.

use wayfarer_guest::{GuestMemory, NoInterrupt};
use wayfarer_libc::{CStdout, LibcCall, LibcFunction, LibcHost, LibcTrap};
use wayfarer_module::FuncType;
use wayfarer_runtime::{Caller, HostError, HostFunc, Trap};
use wayfarer_wasi::WasiFunction;

use super::exec_env::env_of;
use super::guest_threads;
use super::instance::WASMModuleInstanceCommon;
use crate::builtins::Function;

/// The C library's clock id of the monotonic clock, as WASI numbers it.
const MONOTONIC: u64 = 1;

/// The host function for an import.
pub(crate) fn host_func(name: (Box<str>, Box<str>), ty: &FuncType, function: Function) -> HostFunc {
    let params = ty.params.len();
    match function {
        // The C library's functions do not wait, and have no effect outside the guest but output.
        Function::Libc(f) => HostFunc {
            name,
            restartable: true,
            call: Box::new(move |caller, slots| call_libc(f, caller, slots, params)),
            data: None,
        },
        Function::ThreadSpawn => guest_threads::spawn_func(name),
        Function::Wasi(f) => wayfarer_program::wasi_calls::host_func(name, f, params),
        Function::Lock(f) => wayfarer_program::locks::functions::host_func(name, f, params),
    }
}

fn instance_of<'a>(caller: &Caller<'a>) -> Result<&'a WASMModuleInstanceCommon, HostError> {
    WASMModuleInstanceCommon::of(caller.instance)
        .ok_or_else(|| HostError::Trap(Trap::host("unknown instance")))
}

fn call_libc(
    f: &LibcFunction,
    caller: &mut Caller<'_>,
    slots: &mut [u64],
    params: usize,
) -> Result<(), HostError> {
    let instance = instance_of(caller)?;
    // Its malloc may call the guest's.
    let env = env_of(caller.env);
    let _running =
        env.map(|env| env.enter_native(std::ptr::from_ref(&*caller.env).cast_mut(), std::ptr::null_mut()));
    let mut host = Host { instance };
    let called = (f.call)(&mut LibcCall { host: &mut host, stdout: &mut CStdout }, &slots[..params]);
    match called {
        Ok(result) => {
            if let Some(first) = slots.first_mut() {
                *first = result;
            }
            match instance.pending_trap() {
                Some(trap) => Err(HostError::Trap(trap)),
                None => Ok(()),
            }
        }
        Err(LibcTrap::Exception(text)) => Err(HostError::Trap(Trap::host(text))),
        Err(trap @ LibcTrap::OutOfBounds) => Err(HostError::Trap(Trap::host(trap.to_string()))),
    }
}

/// What the C library needs of an instance.
struct Host<'a> {
    instance: &'a WASMModuleInstanceCommon,
}

impl LibcHost for Host<'_> {
    fn memory(&self) -> GuestMemory<'_> {
        self.instance.engine_instance().guest_memory()
    }

    fn malloc(&mut self, size: u32) -> u32 {
        self.instance.module_malloc(size.into()) as u32
    }

    fn realloc(&mut self, addr: u32, size: u32) -> u32 {
        self.instance.module_realloc(addr.into(), size.into()) as u32
    }

    fn free(&mut self, addr: u32) {
        self.instance.module_free(addr.into());
    }

    fn monotonic_ns(&self) -> u64 {
        // WASI's clock is the one that a restore sets right.
        let mut now = [0; 8];
        if let Some(clock) = WasiFunction::find("clock_time_get") {
            let memory = GuestMemory::from_slice(&mut now);
            (clock.call)(&self.instance.parts.wasi, &memory, &NoInterrupt, &[MONOTONIC, 0, 0]);
        }
        u64::from_le_bytes(now)
    }
}
