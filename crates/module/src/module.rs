//! What a validated module declares, as plain data. Made by [`crate::parse()`].

use crate::names::FuncNames;
use crate::stdio::{Stdio, StdioFunction};
use crate::types::{FuncType, GlobalType, MemoryType, TableType, ValType};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use wasmparser::ValidatorResources;

/// A parsed and validated module. Immutable; shared by all its instances.
#[derive(Debug)]
pub struct Module {
    /// The original binary, whole. Every range below indexes into it.
    pub bytes: Arc<[u8]>,
    /// SHA-256 of `bytes`: the module's identity in images.
    pub sha256: [u8; 32],
    /// The type section.
    pub types: Box<[FuncType]>,
    /// Imports in file order.
    pub imports: Box<[Import]>,
    /// All functions, imported first; an index into this is a function index.
    pub funcs: Box<[Func]>,
    /// All tables, imported first.
    pub tables: Box<[Table]>,
    /// All memories, imported first.
    pub memories: Box<[MemoryType]>,
    /// All globals, imported first.
    pub globals: Box<[Global]>,
    /// How many of `funcs` are imported.
    pub num_imported_funcs: u32,
    /// How many of `tables` are imported.
    pub num_imported_tables: u32,
    /// How many of `memories` are imported.
    pub num_imported_memories: u32,
    /// How many of `globals` are imported.
    pub num_imported_globals: u32,
    /// Exports in file order.
    pub exports: Box<[Export]>,
    /// Function index of the start function.
    pub start: Option<u32>,
    /// Element segments.
    pub elems: Box<[ElemSegment]>,
    /// Data segments.
    pub datas: Box<[DataSegment]>,
    /// Custom sections in file order: name and the range of the content after the name.
    pub customs: Box<[(Box<str>, Range<usize>)]>,
    /// Offset in `bytes` of the code section's payload (its first byte is the function count). Positions in images
    /// are relative to this. 0 if there is no code section.
    pub code_start: usize,
    /// Whether any function contains `memory.grow` or `memory.size`.
    pub uses_memory_grow_or_size: bool,
    /// Whether it runs in deterministic mode: NaNs whose bits the specification leaves open are the canonical one, in every
    /// engine and on every architecture. Nothing in `bytes` says so; who loads the module does.
    pub deterministic: bool,
    /// Where it has the functions of C's streams. Who loads the module may know better than its names.
    pub stdio: Stdio,
    /// What `wasmparser` needs to know of the module to walk a body again; `None` if there are no bodies.
    pub(crate) resources: Option<ValidatorResources>,
    /// Found when they are first asked for.
    pub(crate) named_stdio: OnceLock<Vec<(StdioFunction, u32)>>,
    /// Made when the first name is asked for.
    pub(crate) func_names: OnceLock<FuncNames>,
}

/// A function: type, and for a local one where its body is.
#[derive(Clone, Debug)]
pub struct Func {
    /// Index into [`Module::types`].
    pub ty: u32,
    /// Range in [`Module::bytes`] of the body (local declarations and expression, without the size prefix); `None` if
    /// imported.
    pub body: Option<Range<usize>>,
}

/// A table and the value its elements start with.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its type.
    pub ty: TableType,
    /// Initial element; `None` means null.
    pub init: Option<ConstExpr>,
}

/// A global and its initial value.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    /// Initial value; `None` if imported.
    pub init: Option<ConstExpr>,
}

/// An import.
#[derive(Clone, Debug)]
pub struct Import {
    /// Module name.
    pub module: Box<str>,
    /// Field name.
    pub name: Box<str>,
    /// What is asked for.
    pub ty: ImportType,
}

/// Type of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportType {
    /// Function of this type index.
    Func(u32),
    /// Table.
    Table(TableType),
    /// Memory.
    Memory(MemoryType),
    /// Global.
    Global(GlobalType),
}

impl ImportType {
    /// Which index space it is in.
    pub fn kind(&self) -> ExternKind {
        match self {
            ImportType::Func(_) => ExternKind::Func,
            ImportType::Table(_) => ExternKind::Table,
            ImportType::Memory(_) => ExternKind::Memory,
            ImportType::Global(_) => ExternKind::Global,
        }
    }
}

/// What an import or export refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExternKind {
    /// Function.
    Func,
    /// Table.
    Table,
    /// Memory.
    Memory,
    /// Global.
    Global,
}

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Name.
    pub name: Box<str>,
    /// Which index space `index` is in.
    pub kind: ExternKind,
    /// Index of the exported thing.
    pub index: u32,
}

/// A constant expression: instructions in order, without the `end`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstExpr(pub Box<[ConstOp]>);

/// An instruction of a constant expression (with the extended-const proposal). Floats are bit patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the instruction of the same name
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    F32Const(u32),
    F64Const(u64),
    V128Const(u128),
    RefNull(ValType),
    RefFunc(u32),
    GlobalGet(u32),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElemSegment {
    /// `FuncRef` or `ExternRef`.
    pub ty: ValType,
    /// One constant expression an element.
    pub items: Box<[ConstExpr]>,
    /// When it is used.
    pub mode: SegmentMode,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment {
    /// When it is used; `Declared` does not occur.
    pub mode: SegmentMode,
    /// Range of its bytes in [`Module::bytes`].
    pub data: Range<usize>,
}

/// When a segment is used.
#[derive(Clone, Debug, PartialEq)]
pub enum SegmentMode {
    /// Only by `memory.init` or `table.init`.
    Passive,
    /// Copied at instantiation to this memory or table at this offset.
    Active {
        /// Index of the memory or table.
        index: u32,
        /// Offset expression.
        offset: ConstExpr,
    },
    /// Element segment that only declares `ref.func` targets.
    Declared,
}

impl Module {
    /// Type of function `index`.
    pub fn func_type(&self, index: u32) -> &FuncType {
        &self.types[self.funcs[index as usize].ty as usize]
    }

    /// The places of imports of one kind among all of them, in file order.
    pub fn import_places(&self, kind: ExternKind) -> impl Iterator<Item = usize> + '_ {
        let of_kind = move |(place, import): (usize, &Import)| (import.ty.kind() == kind).then_some(place);
        self.imports.iter().enumerate().filter_map(of_kind)
    }

    /// The imported functions, in order: each one's place among all imports, and its type's index.
    pub fn function_imports(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.imports.iter().enumerate().filter_map(|(place, import)| match import.ty {
            ImportType::Func(ty) => Some((place, ty)),
            _ => None,
        })
    }

    /// The export called `name`.
    pub fn export(&self, name: &str) -> Option<&Export> {
        self.exports.iter().find(|e| &*e.name == name)
    }

    /// Content (after the name) of the first custom section called `name`.
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        self.customs.iter().find(|(n, _)| &**n == name).map(|(_, r)| &self.bytes[r.clone()])
    }
}
