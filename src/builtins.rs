//! Functions that are there for every guest: WASI (`wasi_snapshot_preview1`, `wasi_unstable`), the small C library
//! (`env`), mutexes and their kin (`env`), threads (`wasi`) and the test suite's `spectest`.

use wayfarer_libc::{FUNCTIONS, LibcFunction, SPECTEST_FUNCTIONS};
use wayfarer_module::FuncType;
use wayfarer_native_call::signature;
use wayfarer_program::locks::functions::{FUNCTIONS as LOCKS, LockFunction};
use wayfarer_wasi::WasiFunction;

/// A built-in function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Libc(&'static LibcFunction),
    Wasi(&'static WasiFunction),
    Lock(&'static LockFunction),
    /// `wasi.thread-spawn`.
    ThreadSpawn,
}

/// Module and name of the import that starts threads.
pub(crate) const THREAD_SPAWN: (&str, &str) = ("wasi", "thread-spawn");

fn named(module: &str, name: &str) -> Option<Function> {
    let libc =
        |functions: &'static [LibcFunction]| functions.iter().find(|f| f.name == name).map(Function::Libc);
    match module {
        "env" => libc(FUNCTIONS).or_else(|| LOCKS.iter().find(|f| f.name == name).map(Function::Lock)),
        "spectest" => libc(SPECTEST_FUNCTIONS),
        "wasi_snapshot_preview1" | "wasi_unstable" => WasiFunction::find(name).map(Function::Wasi),
        _ if (module, name) == THREAD_SPAWN => Some(Function::ThreadSpawn),
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
            Function::Lock(f) => f.signature,
            Function::ThreadSpawn => "(i)i",
        };
        signature::parse(signature, ty).is_some()
    })
}
