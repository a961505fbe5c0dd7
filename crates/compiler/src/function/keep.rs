//! Values behind LLVM's back: seen to be used although nothing uses them, or not seen to be what they are. Both are empty
//! pieces of assembly, which become no instruction.

use super::Translator;
use crate::error::{Result, internal};
use crate::target::Arch;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::types::{BasicMetadataTypeEnum, BasicTypeEnum};
use inkwell::values::{BasicMetadataValueEnum, BasicValueEnum};

impl<'c> Translator<'_, 'c, '_> {
    /// Has a value computed whatever becomes of it. It is no access to memory that other accesses would have to keep clear
    /// of, but has an effect that LLVM does not know.
    pub(super) fn keep(&mut self, value: BasicValueEnum<'c>) -> Result<()> {
        let types = self.unit.types;
        let mut parts: Vec<BasicMetadataValueEnum<'c>> = Vec::with_capacity(2);
        match value {
            // Integers are sign-extended in registers there, and only whole registers can be named.
            BasicValueEnum::IntValue(int) if self.unit.isa.arch == Arch::Riscv64 => {
                parts.push(self.builder.build_int_s_extend_or_bit_cast(int, types.i64, "")?.into());
            }
            BasicValueEnum::VectorValue(vector) if self.register_class(value.get_type())? == "r" => {
                let halves = self.builder.build_bit_cast(vector, types.v128, "")?.into_vector_value();
                for half in 0..2 {
                    parts.push(self.builder.build_extract_element(halves, self.i32(half), "")?.into());
                }
            }
            _ => parts.push(value.into()),
        }
        let class = self.register_class(value.get_type())?;
        let constraints = vec![class; parts.len()].join(",");
        let params: Vec<BasicMetadataTypeEnum<'c>> =
            parts.iter().map(|part| part_type(*part)).collect::<Result<_>>()?;
        let ty = self.unit.context.void_type().fn_type(&params, false);
        let assembly =
            self.unit.context.create_inline_asm(ty, String::new(), constraints, true, false, None, false);
        let call = self.builder.build_indirect_call(ty, assembly, &parts, "")?;
        let attributes = self.unit.attributes;
        for attribute in [attributes.nounwind, attributes.willreturn, attributes.inaccessible] {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        Ok(())
    }

    /// Something that LLVM neither removes nor knows, and that becomes no instruction.
    pub(super) fn barrier(&mut self) -> Result<()> {
        let ty = self.unit.context.void_type().fn_type(&[], false);
        let assembly =
            self.unit.context.create_inline_asm(ty, String::new(), String::new(), true, false, None, false);
        let call = self.builder.build_indirect_call(ty, assembly, &[], "")?;
        let attributes = self.unit.attributes;
        for attribute in [attributes.nounwind, attributes.willreturn, attributes.inaccessible] {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        Ok(())
    }

    /// Where control comes by sooner or later, however long a loop runs: if memory is shared, what was loaded before is loaded
    /// again, so that a thread that waits for a plain load to give something else sees it some time.
    pub(super) fn others_may_write(&mut self) -> Result<()> {
        if !self.unit.module.memories.first().is_some_and(|memory| memory.shared) {
            return Ok(());
        }
        let ty = self.unit.context.void_type().fn_type(&[], false);
        let all = "~{memory}".to_owned();
        let assembly = self.unit.context.create_inline_asm(ty, String::new(), all, true, false, None, false);
        let call = self.builder.build_indirect_call(ty, assembly, &[], "")?;
        for attribute in [self.unit.attributes.nounwind, self.unit.attributes.willreturn] {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        Ok(())
    }

    /// The same float, or vector of floats, of which LLVM knows nothing. Without effect: it may be moved, or left out.
    pub(super) fn opaque(&mut self, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let class = self.register_class(value.get_type())?;
        if class == "r" {
            // A vector without registers for vectors: lane by lane.
            let mut vector = value.into_vector_value();
            for lane in 0..vector.get_type().get_size() {
                let lane = self.i32(lane);
                let element = self.builder.build_extract_element(vector, lane, "")?;
                let element = self.opaque(element)?;
                vector = self.builder.build_insert_element(vector, element, lane, "")?;
            }
            return Ok(vector.into());
        }
        let ty = match value.get_type() {
            BasicTypeEnum::FloatType(ty) => ty.fn_type(&[ty.into()], false),
            BasicTypeEnum::VectorType(ty) => ty.fn_type(&[ty.into()], false),
            other => return Err(internal(format!("no float: {other}"))),
        };
        let constraints = format!("={class},0");
        let assembly =
            self.unit.context.create_inline_asm(ty, String::new(), constraints, false, false, None, false);
        let call = self.builder.build_indirect_call(ty, assembly, &[value.into()], "")?;
        let memory = Attribute::get_named_enum_kind_id("memory");
        for attribute in [
            self.unit.attributes.nounwind,
            self.unit.attributes.willreturn,
            self.unit.context.create_enum_attribute(memory, 0),
        ] {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        call.try_as_basic_value().basic().ok_or_else(|| internal("assembly without its result"))
    }

    /// The letter for registers that hold such values; "r" for vectors where there are none.
    fn register_class(&self, ty: BasicTypeEnum<'c>) -> Result<&'static str> {
        let isa = self.unit.isa;
        Ok(match (ty, isa.arch) {
            (BasicTypeEnum::IntType(_), _) => "r",
            (BasicTypeEnum::FloatType(_) | BasicTypeEnum::VectorType(_), Arch::X86_64) => "x",
            (BasicTypeEnum::FloatType(_) | BasicTypeEnum::VectorType(_), Arch::Aarch64) => "w",
            (BasicTypeEnum::FloatType(_), Arch::Riscv64 | Arch::S390x) => "f",
            (BasicTypeEnum::VectorType(_), Arch::S390x) if isa.moves_bytes => "v",
            (BasicTypeEnum::VectorType(_), Arch::Riscv64 | Arch::S390x) => "r",
            (other, _) => return Err(internal(format!("no value: {other}"))),
        })
    }
}

fn part_type<'c>(part: BasicMetadataValueEnum<'c>) -> Result<BasicMetadataTypeEnum<'c>> {
    let value = BasicValueEnum::try_from(part).map_err(|()| internal("not a value"))?;
    Ok(value.get_type().into())
}
