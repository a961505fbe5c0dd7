//! The compiler as a program of the build machine's. What it makes is kept in the folder `WAYFARER_TEST_COMPILED`, if that
//! is set: the tests of all architectures have many modules in common.

use super::Options;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use wayfarer_aot::{Artifact, ObjectKind};
use wayfarer_module::Module;

fn program() -> PathBuf {
    std::env::var_os("WAYFARER_TEST_WAMRC").expect("WAYFARER_TEST_WAMRC names a wamrc to compile with").into()
}

pub(super) fn compiler() -> String {
    let file = fs::metadata(program()).expect("WAYFARER_TEST_WAMRC names a file");
    format!("{} {:?}", file.len(), file.modified())
}

/// The `.aot` file of a module for an architecture.
///
/// # Errors
/// What `wamrc` says.
pub(crate) fn aot_for(arch: &str, module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    let Some(folder) = std::env::var_os("WAYFARER_TEST_COMPILED").map(PathBuf::from) else {
        return compile(arch, module, options);
    };
    let mut hasher = DefaultHasher::new();
    (compiler(), format!("{options:?}")).hash(&mut hasher);
    let name: String = module.sha256[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(format!("{name}-{arch}-{:016x}.aot", hasher.finish()));
    if let Ok(bytes) = fs::read(&path) {
        return Ok(bytes);
    }
    let bytes = compile(arch, module, options)?;
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    // Whole or not at all: other tests may look for it now.
    let mut new = tempfile::NamedTempFile::new_in(&folder).map_err(|e| e.to_string())?;
    new.write_all(&bytes).map_err(|e| e.to_string())?;
    new.persist(&path).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn compile(arch: &str, module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    let io = |e: io::Error| e.to_string();
    let folder = tempfile::tempdir().map_err(io)?;
    let [wasm, aot] = ["in.wasm", "out.aot"].map(|name| folder.path().join(name));
    fs::write(&wasm, &*module.bytes).map_err(io)?;
    let mut command = Command::new(program());
    command.arg(format!("--target={arch}"));
    command.arg(format!("--opt-level={}", options.opt_level));
    command.arg(format!("--size-level={}", options.size_level));
    command.args(options.deterministic.then_some("--deterministic"));
    command.arg(format!("--bounds-checks={}", u8::from(options.compare_bounds)));
    command.args(options.precise.then_some("--precise-stable-points"));
    command.args((!options.continuations).then_some("--no-continuations"));
    command.args(options.threads.map(|n| format!("--threads={n}")));
    command.arg("-o").arg(&aot).arg(&wasm);
    // Those of the emulated program, if any.
    command.env_remove("LD_LIBRARY_PATH").stdin(Stdio::null());
    let ran = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !ran.status.success() {
        let said = [ran.stdout, ran.stderr].concat();
        return Err(format!("{command:?}: {}: {}", ran.status, String::from_utf8_lossy(&said).trim()));
    }
    fs::read(&aot).map_err(io)
}

pub(super) fn aot(module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    aot_for(std::env::consts::ARCH, module, options)
}

pub(super) fn objects(module: &Module, options: &Options) -> Result<Vec<Vec<u8>>, String> {
    let artifact = Artifact::parse(&aot(module, options)?).map_err(|e| e.to_string())?;
    if artifact.abi != wayfarer_abi::VERSION {
        return Err("WAYFARER_TEST_WAMRC names one of another version".to_owned());
    }
    let objects = artifact.objects.into_iter();
    let objects = objects.filter(|o| matches!(o.kind, ObjectKind::Code | ObjectKind::Continuations));
    Ok(objects.map(|o| o.bytes.to_vec()).collect())
}
