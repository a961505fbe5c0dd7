//! The stack that C's code has in linear memory: each thread that runs such code needs one of its own. Threads that the guest starts
//! bring theirs; for those of the host's it is made.

use wayfarer_module::{ConstOp, ExternKind, Module, ValType};

use crate::instance::HostParts;

/// What an exported global is that does not change.
fn constant(module: &Module, name: &str) -> Option<u32> {
    let export = module.export(name).filter(|export| export.kind == ExternKind::Global)?;
    let global = &module.globals[export.index as usize];
    match global.init.as_ref().map(|init| &*init.0) {
        Some(&[ConstOp::I32Const(value)]) if !global.ty.mutable => Some(value as u32),
        _ => None,
    }
}

/// The global with the stack pointer, and the size of the stack in bytes: as wasm-ld lays memory out, if the module shows where its
/// data and its heap begin. The first mutable global that begins below the heap is the stack pointer; the stack is above the data, or below
/// all of it.
fn find(module: &Module) -> Option<(u32, u32)> {
    let (data_end, heap_base) = (constant(module, "__data_end")?, constant(module, "__heap_base")?);
    let defined = module.globals.iter().enumerate().skip(module.num_imported_globals as usize);
    let (index, top) = defined.into_iter().find_map(|(index, global)| {
        let init = global.init.as_ref().map(|init| &*init.0);
        match init {
            Some(&[ConstOp::I32Const(top)]) if global.ty.mutable && global.ty.val == ValType::I32 => {
                Some((index as u32, top as u32))
            }
            _ => None,
        }
    })?;
    let size = if top > data_end { top - data_end } else { top };
    (size > 0 && top <= heap_base).then_some((index, size))
}

impl HostParts {
    /// The global with the stack pointer of C's code, and the size of its stack in bytes, if it has one.
    pub fn stack_in_memory(&self) -> Option<(u32, u32)> {
        find(self.instance().module())
    }

    /// Has this instance's stack begin at an address, from where it grows downwards.
    pub fn set_stack_in_memory(&self, top: u32) {
        if let Some((index, _)) = self.stack_in_memory()
            && let Some(global) = self.instance().global(index)
        {
            global.set([u64::from(top & !15), 0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    fn of(text: &str) -> Option<(u32, u32)> {
        find(&wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap())
    }

    #[test]
    fn it_is_above_the_data_or_below() {
        let module = |top: u32, data_end: u32, heap_base: u32| {
            format!(
                r#"(module (global i32 (i32.const 7)) (global (mut i32) (i32.const {top}))
                (global (export "__data_end") i32 (i32.const {data_end}))
                (global (export "__heap_base") i32 (i32.const {heap_base})))"#
            )
        };
        assert_eq!(of(&module(66560, 1024, 66560)), Some((1, 65536)));
        assert_eq!(of(&module(65536, 70000, 70016)), Some((1, 65536)));
        assert_eq!(of(&module(80000, 1024, 66560)), None, "it is none");
        assert_eq!(of("(module (global (mut i32) (i32.const 66560)))"), None);
    }
}
