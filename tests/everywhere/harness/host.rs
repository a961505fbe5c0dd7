//! The host functions of the tests' guests: WASI as the product links it, and `test.callback`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wayfarer_guest::GuestMemory;
use wayfarer_module::ImportType;
use wayfarer_runtime::{Caller, Extern, Func, HostError, HostFunc, LoadedModule, Store, Trap};
use wayfarer_wasi::{Outcome, WasiCtx, WasiFunction};

/// How many calls from the host back into the guest are active.
pub(crate) type Depth = Arc<AtomicU32>;

/// The host function for import `index` of a module. `still`: time stands still, as [`Guest::still`] has it.
///
/// [`Guest::still`]: super::guests::Guest::still
pub(crate) fn func(
    store: &Arc<Store>,
    wasi: &Arc<WasiCtx>,
    (depth, still): (&Depth, bool),
    loaded: &LoadedModule,
    index: usize,
) -> Option<*const Func> {
    let import = loaded.module.imports.get(index)?;
    let ImportType::Func(ty) = import.ty else { return None };
    let ty = loaded.module.types.get(ty as usize)?;
    let name = (Box::from(&*import.module), Box::from(&*import.name));
    let host = match (&*import.module, &*import.name) {
        ("test", "callback") => callback(name, depth.clone()),
        ("wasi_snapshot_preview1" | "wasi_unstable", function) => {
            wasi_func(name, WasiFunction::find(function)?, wasi.clone(), ty.params.len(), still)
        }
        _ => return None,
    };
    Some(store.add_host_func(ty, host))
}

fn wasi_func(
    name: (Box<str>, Box<str>),
    function: &'static WasiFunction,
    wasi: Arc<WasiCtx>,
    params: usize,
    still: bool,
) -> HostFunc {
    let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let control = caller.env.store().control().clone();
        let args = slots[..params].to_vec();
        match (function.call)(&wasi, &caller.memory(), &*control, &args) {
            Outcome::Errno(errno) => {
                if errno == 0 {
                    blank(function.name, &caller.memory(), &args);
                    if still {
                        hold(function.name, &caller.memory(), &args);
                    }
                }
                slots[0] = u64::from(errno);
                Ok(())
            }
            Outcome::Exit(status) => Err(HostError::Trap(Trap::Exit(status))),
            Outcome::Interrupted => Err(HostError::Interrupted),
            Outcome::Trap(text) => Err(HostError::Trap(Trap::Host(text))),
        }
    };
    HostFunc { name, restartable: true, call: Box::new(call), data: None }
}

/// Two runs with two copies of a directory differ in devices, inode numbers and times. Blanks them (WASI
/// preview 1, `filestat`), so that the guest's memory can be compared.
fn blank(name: &str, memory: &GuestMemory<'_>, args: &[u64]) {
    let filestat = match name {
        "fd_filestat_get" => args[1],
        "path_filestat_get" => args[4],
        _ => return,
    };
    for (offset, value) in [(0, 1u64), (8, 1), (40, 0), (48, 0), (56, 0)] {
        memory.write(filestat + offset, &value.to_le_bytes()).expect("WASI has just written there");
    }
}

/// What the guest is told of time and chance instead: the same in every run.
fn hold(name: &str, memory: &GuestMemory<'_>, args: &[u64]) {
    let (at, bytes) = match name {
        "clock_time_get" => (args[2], 1_700_000_000_000_000_000u64.to_le_bytes().to_vec()),
        "random_get" => (args[0], vec![0x5a; args[1] as usize]),
        _ => return,
    };
    memory.write(at, &bytes).expect("WASI has just written there");
}

/// Calls the guest's `called_back` with its argument, and returns what that returns.
fn callback(name: (Box<str>, Box<str>), depth: Depth) -> HostFunc {
    let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let Some(Extern::Func(func)) = caller.instance.export("called_back") else {
            return Err(Trap::host("the guest has no function called_back").into());
        };
        let engine = caller.env.store().runtime().engine.clone();
        depth.fetch_add(1, Ordering::Relaxed);
        // SAFETY: an export of an instance of the environment's store, of type i32 to i32 by the guests'
        // README.
        let called = unsafe { engine.call(caller.env, func, &slots[..1]) };
        depth.fetch_sub(1, Ordering::Relaxed);
        slots[0] = called?[0];
        Ok(())
    };
    HostFunc { name, restartable: false, call: Box::new(call), data: None }
}
