//! Parsing and validation.

use crate::features::FEATURES;
pub use crate::load_error::LoadError;
use crate::load_error::Place;
use crate::module::{
    ConstExpr, ConstOp, DataSegment, ElemSegment, Export, ExternKind, Func, Global, Import, ImportType,
    Module, SegmentMode, Table,
};
use crate::operators::unknown_operator;
use crate::sections::check_sections;
use crate::stdio::Stdio;
use crate::types::{FuncType, GlobalType, Limits, MemoryType, TableType, ValType};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use wasmparser::{
    DataKind, ElementItems, ElementKind, ExternalKind, FuncToValidate, FuncValidatorAllocations,
    FunctionBody, Operator, Parser, Payload, RefType, TableInit, TypeRef, Validator, ValidatorResources,
};

/// Parses and validates a module binary, function bodies included.
///
/// # Errors
/// [`LoadError`] for anything that is not a valid module of the supported feature set.
pub fn parse(bytes: Arc<[u8]>) -> Result<Module, LoadError> {
    check_sections(&bytes)?;
    let mut parts = Parts::new();
    parts.read(&bytes).map_err(|fault| match fault {
        Fault::Wasmparser(error) => LoadError::from_wasmparser(&bytes, parts.place, &error),
        Fault::Own(error) => error,
    })?;
    Ok(parts.finish(bytes))
}

/// A fault on its way out, not yet in its final words.
enum Fault {
    Wasmparser(wasmparser::Error),
    Own(LoadError),
}

impl From<wasmparser::Error> for Fault {
    fn from(error: wasmparser::Error) -> Fault {
        Fault::Wasmparser(error)
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Fault {
        Fault::Own(error)
    }
}

/// The growing parts of a [`Module`], named as its fields are.
struct Parts {
    /// What is being read, for the wording of a fault.
    place: Place,
    types: Vec<FuncType>,
    imports: Vec<Import>,
    funcs: Vec<Func>,
    tables: Vec<Table>,
    memories: Vec<MemoryType>,
    globals: Vec<Global>,
    num_imported_funcs: u32,
    num_imported_tables: u32,
    num_imported_memories: u32,
    num_imported_globals: u32,
    exports: Vec<Export>,
    start: Option<u32>,
    elems: Vec<ElemSegment>,
    datas: Vec<DataSegment>,
    customs: Vec<(Box<str>, Range<usize>)>,
    code_start: usize,
    uses_memory_grow_or_size: bool,
    resources: Option<ValidatorResources>,
}

impl Parts {
    fn new() -> Parts {
        Parts {
            place: Place::Section,
            types: Vec::new(),
            imports: Vec::new(),
            funcs: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            num_imported_funcs: 0,
            num_imported_tables: 0,
            num_imported_memories: 0,
            num_imported_globals: 0,
            exports: Vec::new(),
            start: None,
            elems: Vec::new(),
            datas: Vec::new(),
            customs: Vec::new(),
            code_start: 0,
            uses_memory_grow_or_size: false,
            resources: None,
        }
    }

    /// Reads the whole module. Each section is validated before anything is taken from it.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut validator = Validator::new_with_features(FEATURES);
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        let mut allocations = FuncValidatorAllocations::default();

        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            if let Payload::CodeSectionEntry(body) = &payload {
                let range = usize_range(&body.range());
                let memory = self.num_imported_memories > 0 || !self.memories.is_empty();
                self.place = Place::Body { end: range.end, memory };
                let to_validate = validator.code_section_entry(body)?;
                self.resources.get_or_insert_with(|| to_validate.resources.clone());
                self.funcs[to_validate.index as usize].body = Some(range);
                allocations = self.body(bytes, to_validate, body, allocations)?;
                self.place = Place::Code;
                continue;
            }
            self.place = match payload {
                Payload::CodeSectionStart { .. } => Place::Code,
                Payload::ImportSection(_) => Place::Imports,
                Payload::ExportSection(_) | Payload::StartSection { .. } => Place::Names,
                _ => Place::Section,
            };
            validator.payload(&payload)?;
            self.section(bytes, payload)?;
        }
        Ok(())
    }

    /// Validates a function body.
    fn body(
        &mut self,
        bytes: &[u8],
        to_validate: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        allocations: FuncValidatorAllocations,
    ) -> Result<FuncValidatorAllocations, Fault> {
        let mut validator = to_validate.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        reader.set_features(FEATURES);
        validator.read_locals(&mut reader)?;
        while !reader.eof() {
            let offset = reader.original_position();
            self.uses_memory_grow_or_size |=
                matches!(bytes[offset as usize], OPCODE_MEMORY_SIZE | OPCODE_MEMORY_GROW);
            reader.visit_operator(&mut validator.visitor(offset))??;
        }
        reader.finish_expression(&validator.visitor(reader.original_position()))?;
        Ok(validator.into_allocations())
    }

    /// Takes what a validated section declares.
    fn section(&mut self, bytes: &[u8], payload: Payload<'_>) -> Result<(), Fault> {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty?;
                    self.types.push(FuncType {
                        params: val_types(ty.params())?,
                        results: val_types(ty.results())?,
                    });
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.import(offset, &import)?;
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.funcs.push(Func { ty: ty?, body: None });
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    let init = match table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(expr) => Some(const_expr(&expr)?),
                    };
                    self.tables.push(Table { ty: table_type(&table.ty)?, init });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory_type(&memory?));
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    let init = Some(const_expr(&global.init_expr)?);
                    self.globals.push(Global { ty: global_type(&global.ty)?, init });
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let kind = match export.kind {
                        ExternalKind::Func => ExternKind::Func,
                        ExternalKind::Table => ExternKind::Table,
                        ExternalKind::Memory => ExternKind::Memory,
                        ExternalKind::Global => ExternKind::Global,
                        kind @ (ExternalKind::Tag | ExternalKind::FuncExact) => {
                            return Err(unsupported(format_args!("export kind {kind:?}")));
                        }
                    };
                    self.exports.push(Export { name: export.name.into(), kind, index: export.index });
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => {
                for segment in section {
                    let segment = segment?;
                    self.elems.push(elem_segment(segment)?);
                }
            }
            Payload::CodeSectionStart { unchecked_range, .. } => {
                self.code_start = unchecked_range.start as usize
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment?;
                    let mode = match segment.kind {
                        DataKind::Passive => SegmentMode::Passive,
                        DataKind::Active { memory_index, offset_expr } => {
                            SegmentMode::Active { index: memory_index, offset: const_expr(&offset_expr)? }
                        }
                    };
                    let end = segment.range.end as usize;
                    self.datas.push(DataSegment { mode, data: end - segment.data.len()..end });
                }
            }
            Payload::CustomSection(section) => {
                let range = usize_range(&section.data_range());
                debug_assert_eq!(&bytes[range.clone()], section.data());
                self.customs.push((section.name().into(), range));
            }
            Payload::Version { .. } | Payload::DataCountSection { .. } | Payload::End(_) => {}
            // Not what it holds: to print that takes as much code as all else here.
            other => {
                let id = other.as_section().map(|(id, _)| id);
                return Err(unsupported(format_args!("section {id:?}")));
            }
        }
        Ok(())
    }

    fn import(&mut self, offset: u64, import: &wasmparser::Import<'_>) -> Result<(), Fault> {
        let ty = match import.ty {
            TypeRef::Func(ty) => {
                self.num_imported_funcs += 1;
                self.funcs.push(Func { ty, body: None });
                ImportType::Func(ty)
            }
            TypeRef::Table(ty) => {
                let ty = table_type(&ty)?;
                self.num_imported_tables += 1;
                self.tables.push(Table { ty, init: None });
                ImportType::Table(ty)
            }
            TypeRef::Memory(ty) => {
                let ty = memory_type(&ty);
                self.num_imported_memories += 1;
                self.memories.push(ty);
                ImportType::Memory(ty)
            }
            TypeRef::Global(ty) => {
                let ty = global_type(&ty)?;
                self.num_imported_globals += 1;
                self.globals.push(Global { ty, init: None });
                ImportType::Global(ty)
            }
            TypeRef::Tag(_) | TypeRef::FuncExact(_) => {
                return Err(LoadError::at(
                    offset as usize,
                    format!("unsupported import type {:?}", import.ty),
                )
                .into());
            }
        };
        self.imports.push(Import { module: import.module.into(), name: import.name.into(), ty });
        Ok(())
    }

    fn finish(self, bytes: Arc<[u8]>) -> Module {
        Module {
            deterministic: false,
            stdio: Stdio::default(),
            sha256: Sha256::digest(&bytes).into(),
            bytes,
            types: self.types.into(),
            imports: self.imports.into(),
            funcs: self.funcs.into(),
            tables: self.tables.into(),
            memories: self.memories.into(),
            globals: self.globals.into(),
            num_imported_funcs: self.num_imported_funcs,
            num_imported_tables: self.num_imported_tables,
            num_imported_memories: self.num_imported_memories,
            num_imported_globals: self.num_imported_globals,
            exports: self.exports.into(),
            start: self.start,
            elems: self.elems.into(),
            datas: self.datas.into(),
            customs: self.customs.into(),
            code_start: self.code_start,
            uses_memory_grow_or_size: self.uses_memory_grow_or_size,
            resources: self.resources,
            named_stdio: OnceLock::new(),
            func_names: OnceLock::new(),
        }
    }
}

const OPCODE_MEMORY_SIZE: u8 = 0x3f;
const OPCODE_MEMORY_GROW: u8 = 0x40;

fn usize_range(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// For what [`FEATURES`] should have kept out.
#[cold]
fn unsupported(what: std::fmt::Arguments<'_>) -> Fault {
    LoadError::new(format!("unsupported {what}")).into()
}

fn val_type(ty: wasmparser::ValType) -> Result<ValType, Fault> {
    ValType::from_wasmparser(ty).ok_or_else(|| unsupported(format_args!("value type {ty}")))
}

fn val_types(types: &[wasmparser::ValType]) -> Result<Box<[ValType]>, Fault> {
    types.iter().map(|&ty| val_type(ty)).collect()
}

fn ref_type(ty: RefType) -> Result<ValType, Fault> {
    val_type(wasmparser::ValType::Ref(ty))
}

fn table_type(ty: &wasmparser::TableType) -> Result<TableType, Fault> {
    Ok(TableType { elem: ref_type(ty.element_type)?, limits: Limits { min: ty.initial, max: ty.maximum } })
}

fn memory_type(ty: &wasmparser::MemoryType) -> MemoryType {
    MemoryType { limits: Limits { min: ty.initial, max: ty.maximum }, shared: ty.shared }
}

fn global_type(ty: &wasmparser::GlobalType) -> Result<GlobalType, Fault> {
    Ok(GlobalType { val: val_type(ty.content_type)?, mutable: ty.mutable })
}

fn elem_segment(segment: wasmparser::Element<'_>) -> Result<ElemSegment, Fault> {
    let mode = match segment.kind {
        ElementKind::Passive => SegmentMode::Passive,
        ElementKind::Declared => SegmentMode::Declared,
        ElementKind::Active { table_index, offset_expr } => {
            SegmentMode::Active { index: table_index.unwrap_or(0), offset: const_expr(&offset_expr)? }
        }
    };
    let (ty, items) = match segment.items {
        ElementItems::Functions(funcs) => {
            let ref_func = |func: wasmparser::Result<u32>| Ok(ConstExpr(Box::new([ConstOp::RefFunc(func?)])));
            (ValType::FuncRef, funcs.into_iter().map(ref_func).collect::<Result<_, Fault>>()?)
        }
        ElementItems::Expressions(ty, exprs) => {
            (ref_type(ty)?, exprs.into_iter().map(|expr| const_expr(&expr?)).collect::<Result<_, Fault>>()?)
        }
    };
    Ok(ElemSegment { ty, items, mode })
}

/// Takes a validated constant expression.
fn const_expr(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Fault> {
    let mut ops = Vec::with_capacity(1);
    for op in expr.get_operators_reader() {
        ops.push(match op? {
            Operator::I32Const { value } => ConstOp::I32Const(value),
            Operator::I64Const { value } => ConstOp::I64Const(value),
            Operator::F32Const { value } => ConstOp::F32Const(value.bits()),
            Operator::F64Const { value } => ConstOp::F64Const(value.bits()),
            Operator::V128Const { value } => ConstOp::V128Const(u128::from_le_bytes(*value.bytes())),
            Operator::RefNull { hty } => match RefType::new(true, hty) {
                Some(ty) => ConstOp::RefNull(ref_type(ty)?),
                None => return Err(unsupported(format_args!("heap type {hty:?}"))),
            },
            Operator::RefFunc { function_index } => ConstOp::RefFunc(function_index),
            Operator::GlobalGet { global_index } => ConstOp::GlobalGet(global_index),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::End => break,
            other => {
                let name = unknown_operator(&other, 0).name;
                return Err(unsupported(format_args!("constant instruction {name}")));
            }
        });
    }
    Ok(ConstExpr(ops.into()))
}
