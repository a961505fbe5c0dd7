//! The same module in wasmi.

use super::host;
use super::wayfarer::Step;
use wasmi::{
    Config, Engine, Error, Extern, ExternRef, Func, FuncType, Global, Instance, Linker, Memory, MemoryType,
    Module, Mutability, Nullable, Ref, RefType, Store, Table, TableType, TrapCode, V128, Val,
};
use wasmparser::{BinaryReader, FunctionBody, Operator};
use wayfarer_module::{ExternKind, ImportType, ValType};
use wayfarer_snapshot::view::{FuncId, Value};

/// A module as wasmi has it.
pub(crate) struct Peer {
    module: Module,
}

/// Whether wasmi 2.0.0 can be trusted with a module. It is not right about a `select` whose condition is a comparison of
/// an i32 with zero, as the test `what_wasmi_gets_wrong` shows: there Wayfarer is only compared with itself. And on
/// big-endian machines it turns vectors' bytes around when it stores them to memory.
pub(crate) fn is_right_about(module: &wayfarer_module::Module) -> bool {
    if cfg!(target_endian = "big") && has_vectors(module) {
        return false;
    }
    let bodies = module.funcs.iter().filter_map(|func| func.body.clone());
    bodies.into_iter().all(|range| {
        let body = FunctionBody::new(BinaryReader::new(&module.bytes[range.clone()], range.start as u64));
        let mut compared = false;
        let mut wrong = false;
        for op in body.get_operators_reader().into_iter().flatten() {
            let Ok(op) = op else { return false };
            wrong |= compared && matches!(op, Operator::Select | Operator::TypedSelect { .. });
            compared = matches!(op, Operator::I32Eqz | Operator::I32Eq | Operator::I32Ne);
        }
        !wrong
    })
}

/// Whether there are vectors, other than locals that stay zero.
fn has_vectors(module: &wayfarer_module::Module) -> bool {
    let types = module.types.iter().flat_map(|ty| ty.params.iter().chain(&ty.results));
    let mut types = types.copied().chain(module.globals.iter().map(|global| global.ty.val));
    types.any(|ty| ty == ValType::V128)
        || module.funcs.iter().filter_map(|func| func.body.clone()).any(|range| {
            let bytes = BinaryReader::new(&module.bytes[range.clone()], range.start as u64);
            let ops = FunctionBody::new(bytes).get_operators_reader();
            // Operators begin with the name of the type that they work on.
            ops.into_iter().flatten().flatten().any(|op| {
                let op = format!("{op:?}");
                ["V128", "I8x16", "I16x8", "I32x4", "I64x2", "F32x4", "F64x2"]
                    .iter()
                    .any(|name| op.starts_with(name))
            })
        })
}

/// An instance of it.
pub(crate) struct PeerInstance {
    store: Store<Vec<host::Call>>,
    instance: Instance,
}

impl Peer {
    pub(crate) fn new(wasm: &[u8]) -> Result<Peer, String> {
        let mut config = Config::default();
        // As deep as fuel lets a program go, in any case.
        config.set_max_recursion_depth(100_000).set_max_stack_height(64 << 20);
        config.wasm_multi_memory(false).wasm_memory64(false).wasm_custom_page_sizes(false);
        config.wasm_relaxed_simd(false).wasm_wide_arithmetic(false);
        let module = Module::new(&Engine::new(&config), wasm).map_err(|e| e.to_string())?;
        Ok(Peer { module })
    }

    /// Instantiates it and calls its start function. An error is the trap that ended that.
    pub(crate) fn instantiate(&self, module: &wayfarer_module::Module) -> Result<PeerInstance, String> {
        let mut store = Store::new(self.module.engine(), Vec::new());
        let mut linker = Linker::new(self.module.engine());
        link(&mut linker, &mut store, module).map_err(|e| e.to_string())?;
        match linker.instantiate_and_start(&mut store, &self.module) {
            Ok(instance) => Ok(PeerInstance { store, instance }),
            Err(error) => Err(trap(&error)),
        }
    }
}

fn link(
    linker: &mut Linker<Vec<host::Call>>,
    store: &mut Store<Vec<host::Call>>,
    module: &wayfarer_module::Module,
) -> Result<(), Error> {
    let (memory, table, objects) = (host::MEMORY, host::TABLE, host::OBJECTS);
    let memory = Memory::new(&mut *store, MemoryType::new(memory.0, Some(memory.1)))?;
    let table = TableType::new(RefType::Func, table.0, Some(table.1));
    let table = Table::new(&mut *store, table, Ref::Func(Nullable::Null))?;
    let objects = TableType::new(RefType::Extern, objects.0, Some(objects.1));
    let objects = Table::new(&mut *store, objects, Ref::Extern(Nullable::Null))?;
    let counter = Global::new(&mut *store, Val::I64(host::COUNTER as i64), Mutability::Var);
    let seed = Global::new(&mut *store, Val::I32(host::SEED as i32), Mutability::Const);
    linker.define(host::NAME, "memory", memory)?;
    linker.define(host::NAME, "table", table)?;
    linker.define(host::NAME, "objects", objects)?;
    linker.define(host::NAME, "counter", counter)?;
    linker.define(host::NAME, "seed", seed)?;
    linker.allow_shadowing(true);
    for import in &module.imports {
        let ImportType::Func(ty) = import.ty else { continue };
        let ty = &module.types[ty as usize];
        let (name, result_types) = (import.name.clone(), ty.results.clone());
        let ty = FuncType::new(
            ty.params.iter().copied().map(peer_type),
            ty.results.iter().copied().map(peer_type),
        );
        linker.func_new(host::NAME, &import.name, ty, move |mut caller, params, results| {
            let args: Vec<Value> = params.iter().map(|val| from_val(val, &caller)).collect();
            let made = host::call(caller.data_mut(), &name, &args, &result_types);
            for (result, value) in results.iter_mut().zip(made) {
                *result = to_val(value, &mut caller);
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl PeerInstance {
    /// Calls an exported function.
    pub(crate) fn call(&mut self, step: &Step, results: &[ValType]) -> Result<Vec<Value>, String> {
        let name = step.export.as_deref().unwrap_or_default();
        let func: Func = self.instance.get_func(&self.store, name).ok_or("no such export")?;
        let args: Vec<Val> = step.args.iter().map(|&value| to_val(value, &mut self.store)).collect();
        let mut made: Vec<Val> = results.iter().map(|_| Val::I32(0)).collect();
        func.call(&mut self.store, &args, &mut made).map_err(|e| trap(&e))?;
        Ok(made.iter().map(|val| from_val(val, &self.store)).collect())
    }

    /// The calls that the host received.
    pub(crate) fn log(&self) -> &[host::Call] {
        self.store.data()
    }

    /// The value of an exported global.
    pub(crate) fn global(&self, name: &str) -> Option<Value> {
        let global = self.instance.get_global(&self.store, name)?;
        Some(from_val(&global.get(&self.store), &self.store))
    }

    /// The elements of an exported table.
    pub(crate) fn table(&self, name: &str) -> Option<Vec<Value>> {
        let table = self.instance.get_table(&self.store, name)?;
        let elems = (0..table.size(&self.store)).map(|index| match table.get(&self.store, index)? {
            Ref::Func(func) => Some(from_val(&Val::FuncRef(func), &self.store)),
            Ref::Extern(object) => Some(from_val(&Val::ExternRef(object), &self.store)),
        });
        elems.collect()
    }

    /// The bytes of an exported memory.
    pub(crate) fn memory(&self, name: &str) -> Option<&[u8]> {
        Some(self.instance.get_memory(&self.store, name)?.data(&self.store))
    }

    /// Whether it exports as many things as the module says.
    pub(crate) fn exports(&self, module: &wayfarer_module::Module) -> bool {
        let kinds = self.instance.exports(&self.store).map(|export| match export.into_extern() {
            Extern::Func(_) => ExternKind::Func,
            Extern::Global(_) => ExternKind::Global,
            Extern::Memory(_) => ExternKind::Memory,
            Extern::Table(_) => ExternKind::Table,
        });
        kinds.count() == module.exports.len()
    }
}

fn peer_type(ty: ValType) -> wasmi::ValType {
    match ty {
        ValType::I32 => wasmi::ValType::I32,
        ValType::I64 => wasmi::ValType::I64,
        ValType::F32 => wasmi::ValType::F32,
        ValType::F64 => wasmi::ValType::F64,
        ValType::V128 => wasmi::ValType::V128,
        ValType::FuncRef => wasmi::ValType::FuncRef,
        ValType::ExternRef => wasmi::ValType::ExternRef,
    }
}

fn from_val(val: &Val, store: impl wasmi::AsContext) -> Value {
    match val {
        Val::I32(n) => Value::I32(*n as u32),
        Val::I64(n) => Value::I64(*n as u64),
        Val::F32(x) => Value::F32(x.to_bits()),
        Val::F64(x) => Value::F64(x.to_bits()),
        // Its bytes as they are in memory.
        Val::V128(v) => Value::V128(u128::from_le_bytes(v.as_u128().to_ne_bytes())),
        Val::FuncRef(Nullable::Null) => Value::FuncRef(None),
        Val::FuncRef(Nullable::Val(_)) => Value::FuncRef(Some(FuncId { instance: 0, func: 0 })),
        Val::ExternRef(Nullable::Null) => Value::ExternRef(None),
        Val::ExternRef(Nullable::Val(object)) => {
            Value::ExternRef(object.data(store.as_context()).downcast_ref::<u32>().copied())
        }
    }
}

fn to_val(value: Value, store: impl wasmi::AsContextMut) -> Val {
    match value {
        Value::I32(bits) => Val::I32(bits as i32),
        Value::I64(bits) => Val::I64(bits as i64),
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(V128::from(bits)),
        // The host only makes null ones.
        Value::FuncRef(_) => Val::FuncRef(Nullable::Null),
        Value::ExternRef(None) => Val::ExternRef(Nullable::Null),
        Value::ExternRef(Some(object)) => Val::ExternRef(Nullable::Val(ExternRef::new(store, object))),
    }
}

/// A trap by Wayfarer's text for it.
fn trap(error: &Error) -> String {
    let text = match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => "unreachable",
        Some(TrapCode::MemoryOutOfBounds) => "out of bounds memory access",
        Some(TrapCode::TableOutOfBounds) => "out of bounds table access",
        Some(TrapCode::IndirectCallToNull) => "uninitialized element",
        Some(TrapCode::IntegerDivisionByZero) => "integer divide by zero",
        Some(TrapCode::IntegerOverflow) => "integer overflow",
        Some(TrapCode::BadConversionToInteger) => "invalid conversion to integer",
        Some(TrapCode::BadSignature) => "indirect call type mismatch",
        _ => return format!("wasmi: {error}"),
    };
    text.to_owned()
}
