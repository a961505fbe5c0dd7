//! LLVM's machine for what is compiled for.

use crate::error::{CompileError, Result};
use crate::isa::Isa;
use crate::options::Options;
use inkwell::OptimizationLevel;
use inkwell::targets::{
    CodeModel, InitializationConfig, RelocMode, Target as LlvmTarget, TargetMachine, TargetTriple,
};
use std::sync::Once;

/// Architectures that there is a runtime for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arch {
    X86_64,
    Aarch64,
    Riscv64,
    S390x,
}

impl Arch {
    fn of(triple: &str) -> Option<Arch> {
        Some(match triple.split('-').next()? {
            "x86_64" | "amd64" => Arch::X86_64,
            "aarch64" | "arm64" => Arch::Aarch64,
            "riscv64" => Arch::Riscv64,
            "s390x" => Arch::S390x,
            _ => return None,
        })
    }

    /// The instruction that copies the stack pointer to a register.
    pub(crate) fn read_stack_pointer(self) -> &'static str {
        match self {
            Arch::X86_64 => "movq %rsp, $0",
            Arch::Aarch64 => "mov $0, sp",
            Arch::Riscv64 => "mv $0, sp",
            Arch::S390x => "lgr $0, %r15",
        }
    }

    pub(crate) fn big_endian(self) -> bool {
        self == Arch::S390x
    }

    /// Whether LLVM has a calling convention with guaranteed tail calls.
    pub(crate) fn tail_calls(self) -> bool {
        matches!(self, Arch::X86_64 | Arch::Aarch64)
    }
}

/// A target, resolved.
pub(crate) struct Target {
    pub(crate) machine: TargetMachine,
    pub(crate) arch: Arch,
    pub(crate) isa: Isa,
    pub(crate) triple: String,
    pub(crate) cpu: String,
    pub(crate) features: String,
}

impl Target {
    /// The machine that the options ask for.
    pub(crate) fn new(options: &Options) -> Result<Target> {
        static INITIALIZED: Once = Once::new();
        INITIALIZED.call_once(|| {
            let config = InitializationConfig { asm_parser: true, ..InitializationConfig::default() };
            LlvmTarget::initialize_x86(&config);
            LlvmTarget::initialize_aarch64(&config);
            LlvmTarget::initialize_riscv(&config);
            LlvmTarget::initialize_system_z(&config);
            // The checks of overlap that LLVM makes for a whole nest of loops at once nearly always fail here.
            let _ = crate::features::llvm_options(&["-hoist-runtime-checks=false".to_owned()]);
        });
        let host = TargetMachine::get_default_triple();
        let triple = match &options.triple {
            Some(triple) => TargetMachine::normalize_triple(&TargetTriple::create(triple)),
            None => host,
        };
        let name = triple.as_str().to_string_lossy().into_owned();
        let arch = Arch::of(&name)
            .ok_or_else(|| CompileError::Target(format!("no code can be made to run on {name}")))?;
        let native = options.triple.is_none();
        let text = |s: inkwell::support::LLVMString| s.to_string();
        let cpu = match &options.cpu {
            Some(cpu) => cpu.clone(),
            None if native => text(TargetMachine::get_host_cpu_name()),
            None => default_cpu(arch).to_owned(),
        };
        let mut features = match native && options.cpu.is_none() {
            true => text(TargetMachine::get_host_cpu_features()),
            false => default_features(arch).to_owned(),
        };
        if !options.features.is_empty() {
            if !features.is_empty() {
                features.push(',');
            }
            features.push_str(&options.features);
        }
        let target = LlvmTarget::from_triple(&triple).map_err(|e| CompileError::Target(e.to_string()))?;
        let level = match options.opt_level {
            0 => OptimizationLevel::None,
            1 => OptimizationLevel::Less,
            2 => OptimizationLevel::Default,
            _ => OptimizationLevel::Aggressive,
        };
        let model = match options.size_level {
            0 => CodeModel::Large,
            1 => CodeModel::Medium,
            2 => CodeModel::Kernel,
            _ => CodeModel::Small,
        };
        let machine =
            target.create_target_machine(&triple, &cpu, &features, level, RelocMode::PIC, model).ok_or_else(
                || CompileError::Target(format!("LLVM has no machine for {name}, {cpu}, {features}")),
            )?;
        let isa = Isa::of(arch, &machine)?;
        Ok(Target { machine, arch, isa, triple: name, cpu, features })
    }
}

fn default_cpu(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x86-64",
        Arch::Aarch64 => "generic",
        Arch::Riscv64 => "generic-rv64",
        Arch::S390x => "z13",
    }
}

fn default_features(arch: Arch) -> &'static str {
    match arch {
        Arch::Riscv64 => "+m,+a,+f,+d,+c,+unaligned-scalar-mem",
        _ => "",
    }
}
