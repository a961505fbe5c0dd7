//! The Wasm view: a stopped program described by what the WebAssembly specification names, and nothing else. No
//! register, no native address, no endianness, no engine.

use serde::{Deserialize, Serialize};
use std::fmt;
pub use wayfarer_module::PointKind;
use wayfarer_module::ValType;

/// A value of a local, an operand stack entry, a global or a table element. Floats are bit patterns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// i32.
    I32(u32),
    /// i64.
    I64(u64),
    /// f32 bits.
    F32(u32),
    /// f64 bits.
    F64(u64),
    /// v128, lane 0 in the low bits.
    V128(u128),
    /// funcref.
    FuncRef(Option<FuncId>),
    /// externref: index in the image's table of host references.
    ExternRef(Option<u32>),
}

impl Value {
    /// Its type.
    pub const fn ty(self) -> ValType {
        match self {
            Value::I32(_) => ValType::I32,
            Value::I64(_) => ValType::I64,
            Value::F32(_) => ValType::F32,
            Value::F64(_) => ValType::F64,
            Value::V128(_) => ValType::V128,
            Value::FuncRef(_) => ValType::FuncRef,
            Value::ExternRef(_) => ValType::ExternRef,
        }
    }

    /// What a dead local of this type is saved as: zero or null.
    pub const fn zero(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Value::I32(0),
            ValType::I64 => Value::I64(0),
            ValType::F32 => Value::F32(0),
            ValType::F64 => Value::F64(0),
            ValType::V128 => Value::V128(0),
            ValType::FuncRef => Value::FuncRef(None),
            ValType::ExternRef => Value::ExternRef(None),
        }
    }
}

/// `i32:7`, `f64:1.5`, `v128:0x...`, `funcref:0.12` (instance and function), `externref:null`. A NaN is shown as its
/// bits.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::I32(n) => write!(f, "i32:{n}"),
            Value::I64(n) => write!(f, "i64:{n}"),
            Value::F32(bits) if f32::from_bits(bits).is_nan() => write!(f, "f32:{bits:#010x}"),
            Value::F32(bits) => write!(f, "f32:{:?}", f32::from_bits(bits)),
            Value::F64(bits) if f64::from_bits(bits).is_nan() => write!(f, "f64:{bits:#018x}"),
            Value::F64(bits) => write!(f, "f64:{:?}", f64::from_bits(bits)),
            Value::V128(bits) => write!(f, "v128:{bits:#034x}"),
            Value::FuncRef(Some(func)) => write!(f, "funcref:{func}"),
            Value::FuncRef(None) => f.write_str("funcref:null"),
            Value::ExternRef(Some(n)) => write!(f, "externref:{n}"),
            Value::ExternRef(None) => f.write_str("externref:null"),
        }
    }
}

/// A function, named by an instance that can name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct FuncId {
    /// Index into [`StoreView::instances`].
    pub instance: u32,
    /// Function index in that instance's module (may be an import).
    pub func: u32,
}

/// `0.12`: instance and function.
impl fmt::Display for FuncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.instance, self.func)
    }
}

/// Where a frame stands. `offset` is a byte offset in the module's code section (see `wayfarer_module::StablePoint`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Kind of stable point.
    pub kind: PointKind,
    /// Byte offset relative to the start of the code section's payload.
    pub offset: u32,
}

/// One activation of a function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// The function.
    pub func: FuncId,
    /// Where it stands.
    pub position: Position,
    /// All locals, parameters first; dead ones are zero of their type.
    pub locals: Vec<Value>,
    /// Operand stack entries the stable point saves, bottom first.
    pub stack: Vec<Value>,
}

/// Why the outermost frame of a thread was called: decides what happens once it returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// The module's start function, during instantiation.
    Start,
    /// `_initialize`, during instantiation.
    Initialize,
    /// `__post_instantiate`, during instantiation.
    PostInstantiate,
    /// `__wasm_call_ctors`, during instantiation.
    CallCtors,
    /// The program's main entry (`_start`, `main`).
    Main,
    /// Any other call from the host.
    Call,
}

/// One thread: its stack, and how it was entered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Thread {
    /// Why the outermost frame was called.
    pub entry: Entry,
    /// Frames, outermost first.
    pub frames: Vec<Frame>,
    /// WASI thread id (0 for the main thread).
    pub tid: u32,
    /// Which of a process's threads it is: not in images. See [`Thread::number_of_restored`].
    #[serde(skip)]
    pub number: u64,
    /// Calls of watched functions that have not returned, outermost first. Not in the section of threads: who cares for them
    /// has a section of his own.
    #[serde(skip)]
    pub watched: Vec<WatchedCall>,
    /// Its place in a wait queue, if its innermost frame is about to wait. Likewise in a section of its own.
    #[serde(skip)]
    pub waits: Option<Wait>,
}

impl Thread {
    /// The number of a thread of an image that nobody has gone on with: none of the process's own threads has it.
    pub const fn number_of_restored(tid: u32) -> u64 {
        1 << 60 | tid as u64
    }
}

/// A thread's place in a wait queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Which of a process's waiters has the place: not in images.
    pub waiter: u64,
    /// The place.
    pub place: WaitPlace,
}

/// Where a thread stands that waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WaitPlace {
    /// Nowhere any more: it was woken, and has not noticed yet.
    Woken,
    /// In the queue of an address of a shared memory.
    Address {
        /// The memory, as an index into [`StoreView::memories`].
        memory: u32,
        /// The address.
        addr: u64,
        /// How many stand before it.
        before: u32,
        /// How long it waits still, in nanoseconds; `None` for ever.
        left: Option<u64>,
    },
}

/// A call of a watched function that has not returned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WatchedCall {
    /// The frame that returns from it: its own, or that of a function which it has called in tail position.
    pub frame: u32,
    /// The function.
    pub func: FuncId,
    /// What it was called with.
    pub args: Vec<Value>,
}

/// Which module an instance runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModuleId {
    /// SHA-256 of the module's binary.
    pub sha256: [u8; 32],
    /// Size of the binary in bytes.
    pub size: u64,
    /// Name given by the host, for messages.
    #[serde(deserialize_with = "crate::codec::string")]
    pub name: String,
}

/// A global.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GlobalView {
    /// Value; its variant is the type.
    pub value: Value,
    /// Whether it may change.
    pub mutable: bool,
}

/// A table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableView {
    /// True for funcref, false for externref.
    pub funcref: bool,
    /// Elements, all of them.
    pub elems: Vec<Value>,
    /// Maximum size in elements.
    pub max: Option<u64>,
}

/// A linear memory, without its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemoryView {
    /// Size in bytes.
    pub len: u64,
    /// Maximum size in bytes.
    pub max: u64,
    /// Bytes a Wasm page stands for (65536, or the whole memory where upstream merges pages).
    pub page_size: u64,
    /// Shared between threads.
    pub shared: bool,
}

/// One instance; indices are into the store's lists, in the order of the module's index spaces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceView {
    /// Index into [`StoreView::modules`].
    pub module: u32,
    /// Memories, imported first.
    pub memories: Vec<u32>,
    /// Tables, imported first.
    pub tables: Vec<u32>,
    /// Globals, imported first.
    pub globals: Vec<u32>,
    /// One per data segment: dropped?
    pub dropped_datas: Vec<bool>,
    /// One per element segment: dropped?
    pub dropped_elems: Vec<bool>,
    /// One per imported function: the function of another instance that it is linked to, or `None` for a host function.
    pub imported_funcs: Vec<Option<FuncId>>,
}

/// Everything the specification calls the store.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StoreView {
    /// Modules in use.
    pub modules: Vec<ModuleId>,
    /// Memories; their bytes travel apart.
    pub memories: Vec<MemoryView>,
    /// Tables.
    pub tables: Vec<TableView>,
    /// Globals.
    pub globals: Vec<GlobalView>,
    /// Instances.
    pub instances: Vec<InstanceView>,
}

/// State a part of the host contributes under a name of its own (`wasi`, a native module's save hook, ...).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostSection {
    /// Who wrote it.
    #[serde(deserialize_with = "crate::codec::string")]
    pub name: String,
    /// The writer's own format version.
    pub version: u32,
    /// The writer's bytes.
    pub bytes: Vec<u8>,
    /// Whether a reader that knows no section of this name or version can do without it. Said by the section table.
    #[serde(skip)]
    pub ancillary: bool,
}

impl HostSection {
    /// A section that nobody can do without.
    pub fn new(name: impl Into<String>, version: u32, bytes: Vec<u8>) -> Self {
        HostSection { name: name.into(), version, bytes, ancillary: false }
    }
}

/// A whole stopped program except the bytes of its memories.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProgramView {
    /// The store.
    pub store: StoreView,
    /// The threads, main first. Empty if the program is between two calls from the host.
    pub threads: Vec<Thread>,
    /// The host's contributions.
    pub host: Vec<HostSection>,
}

impl ProgramView {
    /// The first place where the program holds a reference to an object of the host's, which no image has.
    pub fn host_reference(&self) -> Option<String> {
        let is_host = |v: &Value| matches!(v, Value::ExternRef(Some(_)));
        if let Some(index) = self.store.tables.iter().position(|table| table.elems.iter().any(is_host)) {
            return Some(format!("table {index}"));
        }
        if let Some(index) = self.store.globals.iter().position(|global| is_host(&global.value)) {
            return Some(format!("global {index}"));
        }
        let mut frames = self.threads.iter().flat_map(|t| &t.frames);
        let frame = frames.find(|frame| frame.locals.iter().chain(&frame.stack).any(is_host))?;
        Some(format!("a frame of function {}", frame.func.func))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_the_type_asked_for() {
        use ValType::*;
        for ty in [I32, I64, F32, F64, V128, FuncRef, ExternRef] {
            assert_eq!(Value::zero(ty).ty(), ty);
        }
    }

    #[test]
    fn values_are_shown_with_their_types() {
        let shown = [
            (Value::I32(u32::MAX), "i32:4294967295"),
            (Value::F32(1.5f32.to_bits()), "f32:1.5"),
            (Value::F32(0x7fc0_0001), "f32:0x7fc00001"),
            (Value::F64((-0.0f64).to_bits()), "f64:-0.0"),
            (Value::V128(10), "v128:0x0000000000000000000000000000000a"),
            (Value::FuncRef(Some(FuncId { instance: 1, func: 2 })), "funcref:1.2"),
            (Value::ExternRef(None), "externref:null"),
        ];
        for (value, expected) in shown {
            assert_eq!(value.to_string(), expected);
        }
    }
}
