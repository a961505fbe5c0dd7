//! The types of WebAssembly, as plain data (WebAssembly 2.0, section "Types").

use wasmparser::HeapType;

/// Type of a value on the operand stack, in a local or in a global.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit IEEE 754 float.
    F32,
    /// 64-bit IEEE 754 float.
    F64,
    /// 128-bit vector.
    V128,
    /// Nullable reference to a function.
    FuncRef,
    /// Nullable reference to a host object.
    ExternRef,
}

impl ValType {
    /// How many 64-bit slots a value of this type takes in a frame.
    pub const fn slots(self) -> u32 {
        match self {
            ValType::V128 => 2,
            _ => 1,
        }
    }

    /// The type `wasmparser` calls `ty`, if it is one of ours. Its validator gives operands more precise types than
    /// WebAssembly 2.0 has (`ref.func` pushes a non-null reference to a function of one type): these become `FuncRef`.
    pub fn from_wasmparser(ty: wasmparser::ValType) -> Option<ValType> {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => match ty.heap_type() {
                HeapType::FUNC | HeapType::Concrete(_) => ValType::FuncRef, // the only defined types are functions
                HeapType::EXTERN => ValType::ExternRef,
                _ => return None,
            },
        })
    }

    /// Whether this is a reference type.
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::FuncRef | ValType::ExternRef)
    }
}

/// Parameters and results of a function or block.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FuncType {
    /// Parameter types, first to last.
    pub params: Box<[ValType]>,
    /// Result types, first to last.
    pub results: Box<[ValType]>,
}

impl FuncType {
    /// 64-bit slots taken by the parameters.
    pub fn param_slots(&self) -> u32 {
        self.params.iter().map(|t| t.slots()).sum()
    }

    /// 64-bit slots taken by the results.
    pub fn result_slots(&self) -> u32 {
        self.results.iter().map(|t| t.slots()).sum()
    }
}

/// Size bounds of a table (in elements) or memory (in pages of 64 KiB).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Initial size.
    pub min: u64,
    /// Declared maximum, if any.
    pub max: Option<u64>,
}

/// Type of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TableType {
    /// `FuncRef` or `ExternRef`.
    pub elem: ValType,
    /// Size bounds in elements.
    pub limits: Limits,
}

/// Type of a linear memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryType {
    /// Size bounds in pages of 64 KiB.
    pub limits: Limits,
    /// Shared between threads (threads proposal).
    pub shared: bool,
}

/// Type of a global.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GlobalType {
    /// Type of the value held.
    pub val: ValType,
    /// Whether `global.set` is allowed.
    pub mutable: bool,
}
