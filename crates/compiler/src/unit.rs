//! One LLVM module: its types, attributes, metadata, and the functions declared in it.

use crate::error::Result;
use crate::frames;
use crate::function::{Source, Survey};
use crate::isa::Isa;
use crate::options::Options;
use crate::target::Target;
use crate::trial::Found;
use inkwell::AddressSpace;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::context::Context;
use inkwell::module::{Linkage, Module as LlvmModule};
use inkwell::types::{
    BasicMetadataTypeEnum, BasicType, BasicTypeEnum, FloatType, FunctionType, IntType, PointerType,
    StructType, VectorType,
};
use inkwell::values::{CallSiteValue, FunctionValue, InstructionValue, MetadataValue};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wayfarer_abi::{MAX_RETURNED, symbol};
use wayfarer_module::{FuncType, Module, ValType};

/// LLVM's number of the calling convention with guaranteed tail calls.
const TAIL_CC: u32 = 18;
/// LLVM's number of C's calling convention.
const C_CC: u32 = 0;

/// LLVM types.
#[derive(Clone, Copy)]
pub(crate) struct Types<'c> {
    pub(crate) i1: IntType<'c>,
    pub(crate) i8: IntType<'c>,
    pub(crate) i16: IntType<'c>,
    pub(crate) i32: IntType<'c>,
    pub(crate) i64: IntType<'c>,
    pub(crate) i128: IntType<'c>,
    pub(crate) f32: FloatType<'c>,
    pub(crate) f64: FloatType<'c>,
    pub(crate) ptr: PointerType<'c>,
    /// How a v128 is held between instructions.
    pub(crate) v128: VectorType<'c>,
    /// What a landing pad is given.
    pub(crate) exception: StructType<'c>,
}

/// Attributes by number.
#[derive(Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) swiftself: Attribute,
    pub(crate) nounwind: Attribute,
    pub(crate) noreturn: Attribute,
    pub(crate) cold: Attribute,
    pub(crate) noinline: Attribute,
    pub(crate) willreturn: Attribute,
    /// Reads any memory, writes none that the code can see.
    pub(crate) only_reads: Attribute,
    /// Touches only memory that the code cannot see.
    pub(crate) inaccessible: Attribute,
    uwtable: Attribute,
}

/// Metadata and the numbers of its kinds.
#[derive(Clone, Copy)]
pub(crate) struct Metadata<'c> {
    empty: MetadataValue<'c>,
    linear_memory: MetadataValue<'c>,
    context: MetadataValue<'c>,
    unlikely: MetadataValue<'c>,
    likely: MetadataValue<'c>,
    tbaa_kind: u32,
    invariant_kind: u32,
    prof_kind: u32,
}

/// One LLVM module in the making.
pub(crate) struct Unit<'c, 'm> {
    pub(crate) context: &'c Context,
    pub(crate) llvm: LlvmModule<'c>,
    pub(crate) module: &'m Module,
    pub(crate) options: &'m Options,
    pub(crate) target: &'m Target,
    pub(crate) types: Types<'c>,
    pub(crate) attributes: Attributes,
    pub(crate) metadata: Metadata<'c>,
    /// The instruction that copies the stack pointer to a register.
    pub(crate) read_stack_pointer: &'static str,
    /// What its instructions can do.
    pub(crate) isa: Isa,
    /// Whether the target stores numbers high byte first.
    pub(crate) big_endian: bool,
    /// Whether calls in tail position can be made in constant stack space whatever their types.
    pub(crate) tail_calls: bool,
    cpu: (String, String),
    /// What LLVM does to loops unless there are polls in them.
    pub(crate) trial: &'m Found,
    /// What is known of the module's functions.
    pub(crate) survey: &'m Survey,
    funcs: RefCell<HashMap<u32, FunctionValue<'c>>>,
    stopped: RefCell<HashMap<u32, FunctionValue<'c>>>,
    /// The function that was read last, by its index.
    source: RefCell<Option<(u32, Rc<Source<'m>>)>>,
    personality: FunctionValue<'c>,
}

impl<'c, 'm> Unit<'c, 'm> {
    pub(crate) fn new(
        context: &'c Context,
        module: &'m Module,
        options: &'m Options,
        target: &'m Target,
        survey: &'m Survey,
        trial: &'m Found,
    ) -> Unit<'c, 'm> {
        let llvm = context.create_module("wasm");
        llvm.set_triple(&target.machine.get_triple());
        llvm.set_data_layout(&target.machine.get_target_data().get_data_layout());
        let types = types(context);
        let personality =
            llvm.add_function("__gcc_personality_v0", types.i32.fn_type(&[], true), Some(Linkage::External));
        Unit {
            context,
            llvm,
            module,
            options,
            target,
            types,
            attributes: attributes(context),
            metadata: metadata(context),
            read_stack_pointer: target.arch.read_stack_pointer(),
            isa: target.isa,
            big_endian: target.arch.big_endian(),
            tail_calls: target.arch.tail_calls(),
            cpu: (target.cpu.clone(), target.features.clone()),
            survey,
            trial,
            funcs: RefCell::default(),
            stopped: RefCell::default(),
            source: RefCell::default(),
            personality,
        }
    }

    /// What landing pads name as their function's personality: the one for cleanups that libgcc has.
    pub(crate) fn personality(&self) -> FunctionValue<'c> {
        self.personality
    }

    /// The body of guest function `index`.
    pub(crate) fn source(&self, index: u32) -> Result<Rc<Source<'m>>> {
        let mut last = self.source.borrow_mut();
        if let Some((_, source)) = last.as_ref().filter(|(read, _)| *read == index) {
            return Ok(source.clone());
        }
        let source = Rc::new(Source::read(self.module, index, self.survey)?);
        *last = Some((index, source.clone()));
        Ok(source)
    }

    /// LLVM's type for a value.
    pub(crate) fn value_type(&self, ty: ValType) -> BasicTypeEnum<'c> {
        let types = &self.types;
        match ty {
            ValType::I32 => types.i32.into(),
            ValType::I64 | ValType::FuncRef | ValType::ExternRef => types.i64.into(),
            ValType::F32 => types.f32.into(),
            ValType::F64 => types.f64.into(),
            ValType::V128 => types.v128.into(),
        }
    }

    /// Whether a function with these results returns them in the thread's result area.
    pub(crate) fn results_in_memory(results: &[ValType]) -> bool {
        results.len() > MAX_RETURNED || results.len() > 1 && results.contains(&ValType::V128)
    }

    /// LLVM's type of a guest function: the context, then the parameters.
    pub(crate) fn func_type(&self, ty: &FuncType) -> FunctionType<'c> {
        let mut params: Vec<BasicMetadataTypeEnum<'c>> = vec![self.types.ptr.into()];
        params.extend(ty.params.iter().map(|&p| BasicMetadataTypeEnum::from(self.value_type(p))));
        match &*ty.results {
            [] => self.context.void_type().fn_type(&params, false),
            [one] => self.value_type(*one).fn_type(&params, false),
            many if Self::results_in_memory(many) => self.context.void_type().fn_type(&params, false),
            many => {
                let fields: Vec<_> = many.iter().map(|&r| self.value_type(r)).collect();
                self.context.struct_type(&fields, false).fn_type(&params, false)
            }
        }
    }

    /// The calling convention of guest functions.
    pub(crate) fn convention(&self) -> u32 {
        // The one with tail calls is a little slower.
        if self.tail_calls && self.survey.any_tail_calls() { TAIL_CC } else { C_CC }
    }

    /// Guest function `index` of the module (not an imported one): declared, whether or not it is defined here.
    pub(crate) fn func(&self, index: u32) -> FunctionValue<'c> {
        *self.funcs.borrow_mut().entry(index).or_insert_with(|| {
            let func = self.guest_func(&symbol::func(index), index);
            func.as_global_value().set_visibility(inkwell::GlobalVisibility::Hidden);
            func
        })
    }

    /// What guest function `index` calls, with its own arguments, when it finds a request at its entry.
    pub(crate) fn stopped(&self, index: u32) -> FunctionValue<'c> {
        *self.stopped.borrow_mut().entry(index).or_insert_with(|| {
            let func = self.guest_func(&format!("stopped.{index}"), index);
            func.set_linkage(Linkage::Internal);
            func.add_attribute(AttributeLoc::Function, self.attributes.cold);
            func.add_attribute(AttributeLoc::Function, self.attributes.noinline);
            func
        })
    }

    /// Guest functions that are used here but defined elsewhere.
    pub(crate) fn undefined(&self) -> Vec<u32> {
        let funcs = self.funcs.borrow();
        let mut undefined: Vec<u32> = funcs
            .iter()
            .filter(|(_, func)| func.count_basic_blocks() == 0)
            .map(|(&index, _)| index)
            .collect();
        undefined.sort_unstable();
        undefined
    }

    /// What calls of guest function `index`, which is defined elsewhere, lead to in this object.
    pub(crate) fn stub(&self, index: u32) -> FunctionValue<'c> {
        let stub = self.func(index);
        let global = stub.as_global_value();
        global.set_name(&format!("s{index}"));
        global.set_visibility(inkwell::GlobalVisibility::Default);
        stub.set_linkage(Linkage::Internal);
        stub.add_attribute(AttributeLoc::Function, self.attributes.noinline);
        stub
    }

    /// Declares what has the runtime interpret guest function `index`, with its own arguments.
    pub(crate) fn interpret(&self, index: u32) -> FunctionValue<'c> {
        let func = self.guest_func(&format!("interpret.{index}"), index);
        func.set_linkage(Linkage::Internal);
        func.add_attribute(AttributeLoc::Function, self.attributes.cold);
        func.add_attribute(AttributeLoc::Function, self.attributes.noinline);
        func
    }

    /// Declares a function with the type of guest function `index`.
    fn guest_func(&self, name: &str, index: u32) -> FunctionValue<'c> {
        let ty = self.func_type(self.module.func_type(index));
        let func = self.llvm.add_function(name, ty, Some(Linkage::External));
        func.set_call_conventions(self.convention());
        func.add_attribute(AttributeLoc::Param(0), self.attributes.swiftself);
        self.set_up(func);
        func
    }

    /// A function that the runtime calls: C's convention, the context and two pointers.
    pub(crate) fn runtime_entry(&self, name: &str) -> FunctionValue<'c> {
        let ptr = self.types.ptr.into();
        let ty = self.context.void_type().fn_type(&[ptr, ptr, ptr], false);
        let func = self.llvm.add_function(name, ty, Some(Linkage::External));
        func.as_global_value().set_visibility(inkwell::GlobalVisibility::Hidden);
        self.set_up(func);
        func
    }

    /// What all functions have in common.
    fn set_up(&self, func: FunctionValue<'c>) {
        func.add_attribute(AttributeLoc::Function, self.attributes.uwtable);
        let text = |key, value: &str| self.context.create_string_attribute(key, value);
        func.add_attribute(AttributeLoc::Function, text("target-cpu", &self.cpu.0));
        func.add_attribute(AttributeLoc::Function, text("target-features", &self.cpu.1));
        func.add_attribute(AttributeLoc::Function, text(frames::ATTRIBUTE, &frames::LARGEST.to_string()));
        if !self.options.checkpoints {
            func.add_attribute(AttributeLoc::Function, self.attributes.nounwind);
        }
    }

    /// Marks a call of a guest function: its convention, and the context where the callee expects it.
    pub(crate) fn mark_guest_call(&self, call: CallSiteValue<'c>) {
        call.set_call_convention(self.convention());
        call.add_attribute(AttributeLoc::Param(0), self.attributes.swiftself);
    }

    /// Marks an access to linear memory: no other access aliases it.
    pub(crate) fn mark_linear(&self, access: InstructionValue<'c>) {
        let _ = access.set_metadata(self.metadata.linear_memory, self.metadata.tbaa_kind);
    }

    /// Marks an access to the runtime's structures: no access to linear memory aliases it.
    pub(crate) fn mark_context(&self, access: InstructionValue<'c>) {
        let _ = access.set_metadata(self.metadata.context, self.metadata.tbaa_kind);
    }

    /// Marks a load of something that never changes.
    pub(crate) fn mark_invariant(&self, load: InstructionValue<'c>) {
        let _ = load.set_metadata(self.metadata.empty, self.metadata.invariant_kind);
    }

    /// Marks a conditional branch whose first target is hardly ever taken.
    pub(crate) fn mark_unlikely(&self, branch: InstructionValue<'c>) {
        let _ = branch.set_metadata(self.metadata.unlikely, self.metadata.prof_kind);
    }

    /// Marks a conditional branch whose first target is nearly always taken.
    pub(crate) fn mark_likely(&self, branch: InstructionValue<'c>) {
        let _ = branch.set_metadata(self.metadata.likely, self.metadata.prof_kind);
    }

    /// Checks what was built.
    pub(crate) fn verify(&self) -> Result<()> {
        self.llvm.verify().map_err(|e| crate::error::internal(e.to_string()))
    }
}

fn types(context: &Context) -> Types<'_> {
    let ptr = context.ptr_type(AddressSpace::default());
    let i32 = context.i32_type();
    Types {
        i1: context.bool_type(),
        i8: context.i8_type(),
        i16: context.i16_type(),
        i32,
        i64: context.i64_type(),
        i128: context.i128_type(),
        f32: context.f32_type(),
        f64: context.f64_type(),
        ptr,
        v128: context.i64_type().vec_type(2),
        exception: context.struct_type(&[ptr.into(), i32.into()], false),
    }
}

fn attributes(context: &Context) -> Attributes {
    let kind = |name, value| context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value);
    // `memory(...)` as a number: two bits (1 read, 2 write) for each of argument memory, inaccessible memory, the rest.
    let (argument, inaccessible, rest) = (1 << 0, 1 << 2, 1 << 4);
    Attributes {
        swiftself: kind("swiftself", 0),
        nounwind: kind("nounwind", 0),
        noreturn: kind("noreturn", 0),
        cold: kind("cold", 0),
        noinline: kind("noinline", 0),
        willreturn: kind("willreturn", 0),
        only_reads: kind("memory", argument | (3 * inaccessible) | rest),
        inaccessible: kind("memory", 3 * inaccessible),
        // Complete tables, also for instructions between calls.
        uwtable: kind("uwtable", 2),
    }
}

fn metadata(context: &Context) -> Metadata<'_> {
    let zero = context.i64_type().const_zero();
    let root = context.metadata_node(&[context.metadata_string("wayfarer").into()]);
    let tag = |name| {
        let ty = context.metadata_node(&[context.metadata_string(name).into(), root.into(), zero.into()]);
        context.metadata_node(&[ty.into(), ty.into(), zero.into()])
    };
    let weight = |n| context.i32_type().const_int(n, false);
    Metadata {
        empty: context.metadata_node(&[]),
        linear_memory: tag("linear memory"),
        context: tag("context"),
        unlikely: context.metadata_node(&[
            context.metadata_string("branch_weights").into(),
            weight(1).into(),
            weight(1_000_000).into(),
        ]),
        likely: context.metadata_node(&[
            context.metadata_string("branch_weights").into(),
            weight(1_000_000).into(),
            weight(1).into(),
        ]),
        tbaa_kind: context.get_kind_id("tbaa"),
        invariant_kind: context.get_kind_id("invariant.load"),
        prof_kind: context.get_kind_id("prof"),
    }
}
