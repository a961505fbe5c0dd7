//! What a module wants to be run first.

use wayfarer_module::ExternKind;
use wayfarer_snapshot::view::Entry;

use crate::instance::{HostParts, imports_wasi};

/// What is still to be run before an instance is ready: its start function, then what toolchains export for the purpose. One
/// that was restored goes on where it was: behind them, or within one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Starting {
    /// Whether the call in progress is one of them: it is gone on with first.
    pub resumes: bool,
    /// Functions to be called then, by index.
    pub functions: Vec<(Entry, u32)>,
}

impl Starting {
    /// What is to be run of a new instance, or of one that is in an image's state.
    pub fn of(parts: &HostParts, in_place: bool) -> Starting {
        let module = parts.instance().module();
        let of_wasi = imports_wasi(module);
        let exported = |name: &str| {
            let export = module.export(name).filter(|e| e.kind == ExternKind::Func)?;
            let ty = module.func_type(export.index);
            (ty.params.is_empty() && ty.results.is_empty()).then_some(export.index)
        };
        let functions = [
            (Entry::Start, module.start),
            (Entry::Initialize, exported("_initialize").filter(|_| of_wasi)),
            (Entry::PostInstantiate, exported("__post_instantiate")),
            (Entry::CallCtors, exported("__wasm_call_ctors").filter(|_| !of_wasi)),
        ];
        let pending = parts.program().next_in_place().map(|(entry, _)| entry);
        let within = functions.iter().position(|(entry, _)| Some(*entry) == pending).filter(|_| in_place);
        let done = match within {
            Some(at) => at + 1,
            None if in_place => functions.len(),
            None => 0,
        };
        let left = functions[done..].iter().filter_map(|&(entry, index)| Some((entry, index?)));
        Starting { resumes: within.is_some(), functions: left.collect() }
    }
}
