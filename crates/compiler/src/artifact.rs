//! A module to what is stored: its code, together with itself and with what both were made for.

use crate::compile::compile;
use crate::error::Result;
use crate::options::{Bounds, Format, Options};
use crate::target::{Arch, Target};
use crate::{CompileError, features};
use std::sync::Arc;
use wayfarer_aot::{Artifact, Object, ObjectKind};
use wayfarer_module::Module;

/// Who compiles, for people: `wayfarer 0.1.0, LLVM 19.1.7`.
pub fn producer() -> String {
    format!("wayfarer {}, LLVM {}", env!("CARGO_PKG_VERSION"), llvm_version())
}

/// Version of LLVM: `19.1.7`.
pub fn llvm_version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("{major}.{minor}.{patch}")
}

/// Compiles a module to object files and packs them with it. A size level that there is none of for the target is taken
/// as 3. `options.format` must be [`Format::Object`]; `progress` is
/// as for [`compile`].
///
/// # Errors
/// [`CompileError`].
pub fn compile_artifact(
    module: &Module,
    options: &Options,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Artifact> {
    if options.format != Format::Object {
        return Err(CompileError::Target("texts of LLVM's cannot be packed".to_owned()));
    }
    features::check_target(options)?;
    // What was asked for is what the artifact says: that is what somebody looks for who wants the same again.
    let asked = options.size_level.min(3);
    let options = &Options { size_level: features::size_level(options)?, ..options.clone() };
    let output = compile(module, options, progress)?;
    let target = Target::new(options)?;
    let required = features::required(&target);
    let arch = match target.arch {
        Arch::X86_64 => wayfarer_aot::Arch::X86_64,
        Arch::Aarch64 => wayfarer_aot::Arch::Aarch64,
        Arch::Riscv64 => wayfarer_aot::Arch::Riscv64,
        Arch::S390x => wayfarer_aot::Arch::S390x,
    };
    let of_kind =
        |kind, files: Vec<Vec<u8>>| files.into_iter().map(move |file| Object { kind, bytes: file.into() });
    let code = of_kind(ObjectKind::Code, output.code);
    let continuations = of_kind(ObjectKind::Continuations, output.continuations);
    Ok(Artifact {
        abi: wayfarer_abi::VERSION,
        compiler: producer(),
        target: wayfarer_aot::Target {
            arch,
            triple: output.triple,
            cpu: output.cpu,
            features: output.features,
            required,
        },
        options: wayfarer_aot::Options {
            checkpoints: options.checkpoints,
            bounds: match options.bounds {
                Bounds::Guard => wayfarer_aot::Bounds::Guard,
                Bounds::Explicit => wayfarer_aot::Bounds::Explicit,
            },
            precise_stable_points: options.precise,
            opt_level: options.opt_level.min(3),
            size_level: asked,
            deterministic: options.deterministic,
        },
        module: Arc::clone(&module.bytes),
        objects: code.chain(continuations).collect(),
    })
}
