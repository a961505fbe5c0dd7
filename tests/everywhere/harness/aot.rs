//! `.aot` files of guests, made by the compiler as `wamrc` and the modes that compile have it do, and loaded as the product
//! does. They are kept in cargo's target folder, because CPython takes minutes.

use super::compiled;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wayfarer_aot::{Artifact, Bounds, ObjectKind};
use wayfarer_module::Module;
use wayfarer_native::CompiledModule;

/// Where a module's file is, or would be: as long as the compiler stays as it is.
pub(crate) fn file(module: &Module) -> PathBuf {
    compiled::kept_file(module)
}

/// The same; compiles the module if it is not there.
pub(crate) fn make(module: &Module) -> PathBuf {
    // One at a time: it is mostly the same module that several tests ask for.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = file(module);
    if read(&path).is_none() {
        let artifact = wayfarer_compiler::compile_artifact(module, &Default::default(), &|_, _| {})
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let folder = path.parent().expect("it is in a folder");
        fs::create_dir_all(folder).expect("the target folder can be written to");
        // Whole or not at all: other test programs may look for it now.
        let mut new = tempfile::NamedTempFile::new_in(folder).expect("a temporary file");
        new.write_all(&artifact.to_bytes()).expect("it can be written to");
        new.persist(&path).expect("it can be renamed");
        remove_others(folder, &path);
    }
    path
}

/// Removes what other compilers made of the same module: these files are large.
fn remove_others(folder: &Path, keep: &Path) {
    // The module's name, then the compiler's.
    let module =
        |path: &Path| Some(path.file_name()?.to_str()?.strip_suffix(".aot")?.split('-').next()?.to_owned());
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("an entry").path();
        if path != keep && module(&path).is_some() && module(&path) == module(keep) {
            let _ = fs::remove_file(path);
        }
    }
}

fn read(path: &Path) -> Option<Artifact> {
    let artifact = Artifact::parse(&fs::read(path).ok()?).ok()?;
    (artifact.abi == wayfarer_abi::VERSION).then_some(artifact)
}

/// The code in a module's file, which is made if it is not there.
pub(crate) fn load(module: &Module) -> Arc<CompiledModule> {
    let path = make(module);
    let artifact = read(&path).expect("it was just made");
    assert_eq!(artifact.module, module.bytes, "{}", path.display());
    assert_eq!(artifact.target.check_host(), Ok(()), "{}", path.display());
    let objects = artifact.objects.iter();
    let objects = objects.filter(|o| matches!(o.kind, ObjectKind::Code | ObjectKind::Continuations));
    let objects: Vec<&[u8]> = objects.map(|o| &*o.bytes).collect();
    let guard = artifact.options.bounds == Bounds::Guard;
    CompiledModule::load(module, artifact.abi, &objects, guard)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
