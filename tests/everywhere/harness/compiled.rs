//! Compiled guests: each is compiled once, and kept in cargo's target folder.

use super::compile::{self, Options};
use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use wayfarer_module::Module;
use wayfarer_native::CompiledModule;

/// How a guest is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Code {
    /// As the product does.
    Default,
    /// With a poll at every stable point.
    Precise,
    Unoptimized,
    /// What was captured stays interpreted until it calls something.
    WithoutContinuations,
    /// Accesses to memory are compared with its size.
    BoundsCompared,
    /// As the product does, into an `.aot` file, and out of it.
    #[cfg(target_arch = "x86_64")]
    File,
    /// While it runs, and no further than half of it: see `parts`.
    #[cfg(target_arch = "x86_64")]
    Parts,
}

impl Code {
    fn options(self) -> Options {
        let options = Options::default();
        match self {
            Code::Default => options,
            #[cfg(target_arch = "x86_64")]
            Code::File | Code::Parts => options,
            Code::Precise => Options { precise: true, ..options },
            Code::Unoptimized => Options { opt_level: 0, ..options },
            Code::WithoutContinuations => Options { continuations: false, ..options },
            Code::BoundsCompared => Options { compare_bounds: true, ..options },
        }
    }
}

/// By hash of the module.
type Loaded = HashMap<([u8; 32], Code), Arc<OnceLock<Arc<CompiledModule>>>>;

/// A module's code: compiled, or taken from what is kept.
pub(crate) fn of(module: &Module, code: Code) -> Arc<CompiledModule> {
    static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = loaded.entry((module.sha256, code)).or_default().clone();
    drop(loaded);
    slot.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        if code == Code::File {
            return super::aot::load(module);
        }
        let options = code.options();
        let file = kept(module, &options);
        let objects = match fs::read(&file).ok().and_then(|bytes| unpack(&bytes)) {
            Some(objects) => objects,
            None => {
                let objects = compile::objects(module, &options);
                let objects = objects.unwrap_or_else(|e| panic!("{code:?}: {e}"));
                keep(&file, &objects);
                objects
            }
        };
        let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
        CompiledModule::load(module, wayfarer_abi::VERSION, &objects, !options.compare_bounds)
            .unwrap_or_else(|e| panic!("{code:?}: {e}"))
    })
    .clone()
}

/// Where a module's `.aot` file is kept.
#[cfg(target_arch = "x86_64")]
pub(super) fn kept_file(module: &Module) -> PathBuf {
    kept(module, &Code::File.options()).with_extension("aot")
}

/// Where a module's objects are kept: for these options, and as long as the compiler stays as it is.
pub(super) fn kept(module: &Module, options: &Options) -> PathBuf {
    static COMPILER: LazyLock<u64> = LazyLock::new(|| {
        let mut hasher = DefaultHasher::new();
        // LLVM's name of the CPU is not known here, but each machine has its own target folder.
        compile::compiler().hash(&mut hasher);
        for crates in ["abi", "compiler", "module"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(crates).join("src");
            hash_files(&folder, &mut hasher);
        }
        hasher.finish()
    });
    let mut hasher = DefaultHasher::new();
    (*COMPILER, format!("{options:?}")).hash(&mut hasher);
    let name: String = module.sha256[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    folder.join(format!("{name}-{:016x}", hasher.finish()))
}

fn hash_files(folder: &Path, hasher: &mut DefaultHasher) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the sources are there")
        .map(|entry| entry.expect("entry").path())
        .collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => hash_files(&path, hasher),
            false => fs::read(&path).expect("a source file").hash(hasher),
        }
    }
}

/// Objects as one file: the length of each (64 bits), then itself.
pub(super) fn keep(file: &Path, objects: &[Vec<u8>]) {
    let folder = file.parent().expect("it is in a folder");
    fs::create_dir_all(folder).expect("the target folder can be written to");
    // Whole or not at all: other test programs may look for it now.
    let mut new = tempfile::NamedTempFile::new_in(folder).expect("a temporary file");
    for object in objects {
        let len = (object.len() as u64).to_le_bytes();
        new.write_all(&len).and_then(|()| new.write_all(object)).expect("it can be written to");
    }
    new.persist(file).expect("it can be renamed");
}

pub(super) fn unpack(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut objects = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (object, rest) = rest.split_at_checked(u64::from_le_bytes(*len) as usize)?;
        objects.push(object.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(objects)
}
