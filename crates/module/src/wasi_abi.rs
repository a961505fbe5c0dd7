//! What WAMR demands of a module that is a WASI program or library. Not a matter of WebAssembly, so not part of
//! [`crate::parse()`]: the embedder asks when it provides WASI.

use crate::index::FuncIdx;
use crate::load_error::LoadError;
use crate::module::{ExternKind, Module};

/// Checks the functions through which a WASI command or reactor is started, and that such a module exports its memory.
///
/// A module that exports neither `_start` nor `_initialize` passes, whatever it imports.
///
/// # Errors
/// What WAMR's loader says about the first violation.
pub fn check_wasi_abi(module: &Module) -> Result<(), LoadError> {
    let mut starts = ["_start", "_initialize"]
        .into_iter()
        .filter_map(|name| {
            Some((name, module.export(name).filter(|export| export.kind == ExternKind::Func)?.index))
        })
        .peekable();
    if starts.peek().is_none() {
        return Ok(());
    }
    for (name, func) in starts {
        if module.defined(FuncIdx(func)).is_none() {
            return Err(LoadError::new(format!("the builtin {name} function can not be an import function")));
        }
        let ty = module.func_type(func);
        if !ty.params.is_empty() || !ty.results.is_empty() {
            return Err(LoadError::new(format!("the signature of builtin {name} function is wrong")));
        }
    }
    if !module.export("memory").is_some_and(|export| export.kind == ExternKind::Memory) {
        return Err(LoadError::new("a module with WASI apis must export memory by default"));
    }
    Ok(())
}
