//! Functions that are there for every guest: WASI (`wasi_snapshot_preview1`, `wasi_unstable`), the small C library
//! (`env`) and the test suite's `spectest`.

use wayfarer_guest::{GuestMemory, NoInterrupt};
use wayfarer_libc::{CStdout, FUNCTIONS, LibcCall, LibcFunction, LibcHost, LibcTrap, SPECTEST_FUNCTIONS};
use wayfarer_module::FuncType;
use wayfarer_native_call::signature;
use wayfarer_runtime::{Caller, HostError, HostFunc, Trap};
use wayfarer_wasi::WasiFunction;

use super::exec_env::env_of;
use super::instance::WASMModuleInstanceCommon;

/// A built-in function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Libc(&'static LibcFunction),
    Wasi(&'static WasiFunction),
}

/// The C library's clock id of the monotonic clock, as WASI numbers it.
const MONOTONIC: u64 = 1;

fn named(module: &str, name: &str) -> Option<Function> {
    let libc =
        |functions: &'static [LibcFunction]| functions.iter().find(|f| f.name == name).map(Function::Libc);
    match module {
        "env" => libc(FUNCTIONS),
        "spectest" => libc(SPECTEST_FUNCTIONS),
        "wasi_snapshot_preview1" | "wasi_unstable" => WasiFunction::find(name).map(Function::Wasi),
        _ => None,
    }
}

/// A name that is nowhere is looked for again without its leading underscore, as with native functions.
fn lookup(module: &str, name: &str) -> Option<Function> {
    named(module, name).or_else(|| named(module, name.strip_prefix('_')?))
}

/// Whether there is a function of this name.
pub(crate) fn known(module: &str, name: &str) -> bool {
    lookup(module, name).is_some()
}

/// The function of this name, if it has this type.
pub(crate) fn find(module: &str, name: &str, ty: &FuncType) -> Option<Function> {
    lookup(module, name).filter(|f| {
        let signature = match f {
            Function::Libc(f) => f.signature,
            Function::Wasi(f) => f.signature,
        };
        signature::parse(signature, ty).is_some()
    })
}

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
        Function::Wasi(f) => wayfarer_program::wasi_calls::host_func(name, f, params),
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
