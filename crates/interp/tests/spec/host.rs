//! The `spectest` module that the test suite imports from.

use std::sync::Arc;
use wayfarer_module::{FuncType, GlobalType, ImportType, Limits, TableType, ValType};
use wayfarer_runtime::memory::MemoryPlan;
use wayfarer_runtime::{Extern, Func, HostFunc, Store};

/// What a store offers under the name `spectest`. Pointers are the store's.
pub(crate) struct Spectest {
    table: *const wayfarer_runtime::Table,
    memory: *const wayfarer_runtime::Memory,
    globals: [*const wayfarer_runtime::Global; 4],
}

const GLOBALS: [(&str, ValType, u64); 4] = [
    ("global_i32", ValType::I32, 666),
    ("global_i64", ValType::I64, 666),
    ("global_f32", ValType::F32, 0x4426_a666),
    ("global_f64", ValType::F64, 0x4084_d4cc_cccc_cccd),
];

impl Spectest {
    /// Adds it to an empty store: its objects come first.
    pub(crate) fn new(store: &Arc<Store>) -> Spectest {
        let ty = TableType { elem: ValType::FuncRef, limits: Limits { min: 10, max: Some(20) } };
        let plan = MemoryPlan { len: 65536, max: 2 * 65536, page_size: 65536, shared: false };
        Spectest {
            table: store.add_table(&ty, 0).expect("table"),
            memory: store.add_memory(plan).expect("memory"),
            globals: GLOBALS
                .map(|(_, val, bits)| store.add_global(GlobalType { val, mutable: false }, [bits, 0])),
        }
    }

    /// Finds it in a restored store: its objects still come first.
    pub(crate) fn restored(store: &Store) -> Option<Spectest> {
        Some(Spectest {
            table: store.table(0)?,
            memory: store.memory(0)?,
            globals: [store.global(0)?, store.global(1)?, store.global(2)?, store.global(3)?],
        })
    }

    /// The import of this name, if there is one.
    pub(crate) fn get(
        &self,
        store: &Arc<Store>,
        name: &str,
        wanted: &ImportType,
        types: &[FuncType],
    ) -> Option<Extern> {
        Some(match (name, wanted) {
            ("table", _) => Extern::Table(self.table),
            ("memory", _) => Extern::Memory(self.memory),
            (_, ImportType::Func(ty)) if name.starts_with("print") => {
                let params: &[ValType] = match name {
                    "print" => &[],
                    "print_i32" => &[ValType::I32],
                    "print_i64" => &[ValType::I64],
                    "print_f32" => &[ValType::F32],
                    "print_f64" => &[ValType::F64],
                    "print_i32_f32" => &[ValType::I32, ValType::F32],
                    "print_f64_f64" => &[ValType::F64, ValType::F64],
                    _ => return None,
                };
                let _ = &types[*ty as usize];
                Extern::Func(print(store, name, params))
            }
            _ => {
                let index = GLOBALS.iter().position(|(n, ..)| *n == name)?;
                Extern::Global(self.globals[index])
            }
        })
    }
}

/// A host function that does nothing, of this type.
pub(crate) fn print(store: &Arc<Store>, name: &str, params: &[ValType]) -> *const Func {
    let ty = FuncType { params: params.into(), results: Box::default() };
    let host = HostFunc {
        name: ("spectest".into(), name.into()),
        restartable: true,
        call: Box::new(|_, _| Ok(())),
        data: None,
    };
    store.add_host_func(&ty, host)
}
