//! What imports are linked to: the host's native functions, then what is built in.

use std::ffi::c_void;
use std::sync::Arc;

use wayfarer_module::{FuncType, GlobalType, ImportType, Module, ValType};
use wayfarer_native_call::{LinkError, NativeCall, registry};
use wayfarer_program::Called;
use wayfarer_runtime::{Caller, Extern, HostError, HostFunc, MemoryPlan, Store, Trap};

use super::builtin;
use super::exec_env::env_of;
use super::instance::{References, WASMModuleInstanceCommon};
use super::load::WASMModuleCommon;
use super::log::warning;
use crate::builtins;

/// What a function import is linked to.
#[derive(Clone)]
pub(crate) enum FuncLink {
    /// Nothing: it traps when called.
    Unlinked,
    /// A native function of the host's.
    Native(Arc<LinkedNative>),
    /// A function of this library's.
    Builtin(builtins::Function),
}

/// A native function that an import is linked to.
pub(crate) struct LinkedNative {
    call: NativeCall,
    /// Given to wasm_runtime_get_function_attachment.
    attachment: *mut c_void,
}

// SAFETY: the host registered function and attachment, and so said that guests may use them, on any thread.
unsafe impl Send for LinkedNative {}
// SAFETY: as above.
unsafe impl Sync for LinkedNative {}

/// Import modules whose memories and tables are made up, privately, when nothing else provides them.
fn is_builtin_module(name: &str) -> bool {
    matches!(name, "" | "env" | "wasi_unstable" | "wasi_snapshot_preview1" | "spectest")
}

/// Links each function import of `module` that is not linked yet.
pub(crate) fn resolve(module: &Module, links: &mut [FuncLink]) {
    for (link, (index, ty)) in links.iter_mut().zip(module.function_imports()) {
        let import = &module.imports[index];
        if matches!(link, FuncLink::Unlinked) {
            *link = find(&import.module, &import.name, &module.types[ty as usize]);
        }
    }
}

fn find(module: &str, name: &str, ty: &FuncType) -> FuncLink {
    if let Some(native) = registry::find(module, name) {
        let attachment = native.symbol.attachment;
        return match NativeCall::new(native.target(), ty) {
            Ok(call) => FuncLink::Native(Arc::new(LinkedNative { call, attachment })),
            Err(why) => {
                warn_unlinkable(module, name, &why);
                FuncLink::Unlinked
            }
        };
    }
    builtins::find(module, name, ty).map_or(FuncLink::Unlinked, FuncLink::Builtin)
}

fn warn_unlinkable(module: &str, name: &str, why: &LinkError) {
    match why {
        LinkError::Signature(signature) => warning!(
            "failed to check signature '{signature}' and resolve pointer params for import function ({module}, {name})"
        ),
        LinkError::Vector => {
            warning!(
                "the vectors of import function ({module}, {name}) can't be passed to a native function here"
            );
        }
    }
}

/// Whether an import of this name would be linked, if its type fits.
pub(crate) fn function_known(module: &str, name: &str) -> bool {
    registry::find(module, name).is_some() || builtins::known(module, name)
}

/// A global that is built in: its type and value.
pub(crate) fn builtin_global(module: &str, name: &str) -> Option<(GlobalType, [u64; 2])> {
    use wayfarer_libc::{GLOBALS, GlobalValue, SPECTEST_GLOBALS};
    let global = GLOBALS.iter().chain(SPECTEST_GLOBALS).find(|g| g.module == module && g.name == name)?;
    let (val, bits) = match global.value {
        GlobalValue::I32(v) => (ValType::I32, u64::from(v as u32)),
        GlobalValue::I64(v) => (ValType::I64, v as u64),
        GlobalValue::F32(v) => (ValType::F32, u64::from(v.to_bits())),
        GlobalValue::F64(v) => (ValType::F64, v.to_bits()),
    };
    Some((GlobalType { val, mutable: false }, [bits, 0]))
}

/// Makes the objects that a module's imports are linked to, in order. `given` may provide one.
///
/// # Errors
/// What could not be linked, in WAMR's words.
pub(crate) fn imports(
    module: &WASMModuleCommon,
    store: &Arc<Store>,
    memory_plan: Option<MemoryPlan>,
    given: &dyn Fn(usize) -> Option<Extern>,
) -> Result<Vec<Extern>, String> {
    module.resolve();
    let links = module.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut funcs, mut memories) = (links.iter(), 0);
    let m = module.module();
    let mut externs = Vec::with_capacity(m.imports.len());
    for (index, import) in m.imports.iter().enumerate() {
        let names = (&*import.module, &*import.name);
        let fail = |what: &str| format!("failed to link import {what} ({}, {})", names.0, names.1);
        let link = if matches!(import.ty, ImportType::Func(_)) { funcs.next() } else { None };
        if let Some(given) = given(index) {
            externs.push(given);
            continue;
        }
        externs.push(match import.ty {
            ImportType::Func(ty) => {
                let ty = &m.types[ty as usize];
                let host = host_func(names, ty, link.unwrap_or(&FuncLink::Unlinked));
                Extern::Func(store.add_host_func(ty, host))
            }
            ImportType::Global(ty) => match builtin_global(names.0, names.1) {
                Some((have, value)) if have == ty => Extern::Global(store.add_global(ty, value)),
                _ => return Err(fail("global")),
            },
            ImportType::Memory(ty) => {
                // Guests of wasi-threads leave it to the host to make what their threads share, by whatever name.
                let for_threads = || {
                    ty.shared && m.imports.iter().any(|i| (&*i.module, &*i.name) == builtins::THREAD_SPAWN)
                };
                if !is_builtin_module(names.0) && !for_threads() {
                    return Err(fail("memory"));
                }
                let plan = memory_plan.filter(|_| memories == 0).unwrap_or_else(|| MemoryPlan::of(&ty));
                memories += 1;
                Extern::Memory(
                    store.add_memory(plan).map_err(|_| "allocate linear memory failed".to_owned())?,
                )
            }
            ImportType::Table(ty) => {
                if !is_builtin_module(names.0) {
                    return Err(fail("table"));
                }
                Extern::Table(store.add_table(&ty, 0).ok_or_else(|| "allocate memory failed".to_owned())?)
            }
        });
    }
    Ok(externs)
}

/// Host functions for a module's function imports, by the import's index; with their types.
pub(crate) fn functions(module: &WASMModuleCommon) -> impl FnMut(usize) -> Option<(FuncType, HostFunc)> + '_ {
    module.resolve();
    let links = module.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    move |index| {
        let m = module.module();
        let nth = m.function_imports().position(|(i, _)| i == index)?;
        let import = m.imports.get(index)?;
        let ImportType::Func(ty) = import.ty else { return None };
        let ty = m.types[ty as usize].clone();
        let host =
            host_func((&import.module, &import.name), &ty, links.get(nth).unwrap_or(&FuncLink::Unlinked));
        Some((ty, host))
    }
}

/// The host function for an import.
pub(crate) fn host_func(name: (&str, &str), ty: &FuncType, link: &FuncLink) -> HostFunc {
    let names = (name.0.into(), name.1.into());
    match link {
        FuncLink::Unlinked => {
            warning!("failed to link import function ({}, {})", name.0, name.1);
            let text = format!("failed to call unlinked import function ({}, {})", name.0, name.1);
            HostFunc {
                name: names,
                restartable: true,
                call: Box::new(move |_, _| Err(HostError::Trap(Trap::host(text.clone())))),
                data: None,
            }
        }
        FuncLink::Native(native) => {
            let (native, called) = (native.clone(), Called::default());
            let full_name = format!("{}.{}", name.0, name.1);
            HostFunc {
                name: names,
                restartable: false,
                call: Box::new(move |caller, slots| {
                    called.note(|| full_name.clone());
                    call_native(caller, &native, slots)
                }),
                data: None,
            }
        }
        FuncLink::Builtin(function) => builtin::host_func(names, ty, *function),
    }
}

/// Calls a native function on behalf of a guest.
fn call_native(caller: &mut Caller<'_>, native: &LinkedNative, slots: &mut [u64]) -> Result<(), HostError> {
    let env = env_of(caller.env).ok_or_else(|| HostError::Trap(Trap::host("invalid exec env")))?;
    let memory = caller.instance.guest_memory();
    let references = References { instance: caller.instance };
    let running = env.enter_native(caller.env, native.attachment);
    env.call_again.set(false);
    // SAFETY: `env` is the exec env that the host made and runs; the function was registered by the host.
    let called =
        unsafe { native.call.call(env.as_ptr().cast(), &memory, &references, slots, &env.call_again) };
    drop(running);
    called.map_err(|text| HostError::Trap(Trap::host(text)))?;
    if env.call_again.replace(false) {
        return Err(HostError::Interrupted);
    }
    // A native function fails by setting an exception on the instance.
    match WASMModuleInstanceCommon::of(caller.instance).and_then(|i| i.pending_trap()) {
        Some(trap) => Err(HostError::Trap(trap)),
        None => Ok(()),
    }
}
