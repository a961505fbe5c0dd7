//! What the target's instructions can do, where it decides what is built: LLVM's C interface does not tell, so it is asked
//! to compile something that is quite different with and without.

use crate::error::{CompileError, Result, internal};
use crate::target::Arch;
use inkwell::context::Context;
use inkwell::intrinsics::Intrinsic;
use inkwell::targets::{FileType, TargetMachine};
use inkwell::types::VectorType;

/// What the target's instructions can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Isa {
    pub(crate) arch: Arch,
    /// Floats are rounded to integers by an instruction; otherwise LLVM would call C's `floor` and the like.
    pub(crate) rounds: bool,
    /// There are vector registers, and an instruction that moves a vector's bytes by number.
    pub(crate) moves_bytes: bool,
}

impl Isa {
    /// What this machine has.
    pub(crate) fn of(arch: Arch, machine: &TargetMachine) -> Result<Isa> {
        let assembly = probe(machine)?;
        let moves = match arch {
            Arch::X86_64 => Some("pshufb"),
            Arch::Aarch64 => Some("tbl"),
            Arch::S390x => Some("vperm"),
            Arch::Riscv64 => None,
        };
        Ok(Isa {
            arch,
            rounds: !assembly.contains("floor"),
            moves_bytes: moves.is_some_and(|name| assembly.contains(name)),
        })
    }
}

/// Assembly of a function that rounds a float, and of one that moves bytes about without any system.
fn probe(machine: &TargetMachine) -> Result<String> {
    const BYTES: [u64; 16] = [11, 2, 13, 0, 7, 14, 5, 8, 1, 10, 3, 12, 15, 4, 9, 6];
    let context = Context::create();
    let module = context.create_module("probe");
    module.set_triple(&machine.get_triple());
    module.set_data_layout(&machine.get_target_data().get_data_layout());
    let builder = context.create_builder();

    let double = context.f64_type();
    let func = module.add_function("rounds", double.fn_type(&[double.into()], false), None);
    builder.position_at_end(context.append_basic_block(func, ""));
    let round = Intrinsic::find("llvm.floor")
        .and_then(|intrinsic| intrinsic.get_declaration(&module, &[double.into()]))
        .ok_or_else(|| internal("LLVM has no llvm.floor"))?;
    let call = builder.build_call(round, &[func.get_first_param().ok_or_else(no_param)?.into()], "")?;
    let rounded = call.try_as_basic_value().basic().ok_or_else(|| internal("llvm.floor has no result"))?;
    builder.build_return(Some(&rounded))?;

    let bytes = context.i8_type().vec_type(16);
    let func = module.add_function("moves", bytes.fn_type(&[bytes.into()], false), None);
    builder.position_at_end(context.append_basic_block(func, ""));
    let value = func.get_first_param().ok_or_else(no_param)?.into_vector_value();
    let numbers = BYTES.map(|byte| context.i32_type().const_int(byte, false));
    let moved = builder.build_shuffle_vector(value, value, VectorType::const_vector(&numbers), "")?;
    builder.build_return(Some(&moved))?;

    let assembly = machine
        .write_to_memory_buffer(&module, FileType::Assembly)
        .map_err(|e| CompileError::Llvm(e.to_string()))?;
    Ok(String::from_utf8_lossy(assembly.as_slice()).into_owned())
}

fn no_param() -> CompileError {
    internal("a function without its parameter")
}
