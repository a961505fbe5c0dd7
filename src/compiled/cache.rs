//! Compiled modules on disk: a folder of `.aot` files, and of files with parts (`lazy::log`), named by everything that their
//! code depends on.
//!
//! Entries are written whole or not at all, checked when they are read, and made anew if anything is wrong with them.
//! Nothing here is an error: without a cache, code is compiled each time.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wayfarer_abi::compiler::Options;
use wayfarer_aot::{Artifact, Bounds};
use wayfarer_module::Module;

use super::compiler::Place;
use super::processor;
use crate::log::verbose;

/// The folder; `off` for none.
pub(crate) const VARIABLE: &str = "WAYFARER_CACHE";

/// Most bytes that entries take together.
const LIMIT: u64 = 1 << 30;

/// What entries' names end in.
const EXTENSION: &str = "aot";

/// What the names of files begin with that are being written.
const UNFINISHED: &str = ".new-";

/// Files that have been being written for so long were given up.
const GIVEN_UP: Duration = Duration::from_secs(3600);

/// What the names of files end in that get parts of a module's code, one by one.
const PARTS_EXTENSION: &str = "parts";

/// Where the code of a module is, or would be.
pub(super) struct Entry {
    folder: PathBuf,
    path: PathBuf,
    /// What the file is named by.
    key: [u8; 32],
}

impl Entry {
    /// The entry for what a compiler would make of a module on this machine; `None` if there is no cache.
    pub(super) fn of(module: &Module, compiler: &Place, options: &Options) -> Option<Entry> {
        let compiler = compiler.metadata()?;
        let folder = folder()?;
        let mut hash = Sha256::new();
        hash.update(module.sha256);
        let text = format!(
            "{} {} {} {}.{}\n{options:?}\n{}",
            env!("CARGO_PKG_VERSION"),
            wayfarer_abi::VERSION,
            compiler.len(),
            compiler.mtime(),
            compiler.mtime_nsec(),
            processor::description(),
        );
        hash.update(text);
        Some(Entry::at(folder, hash.finalize().into()))
    }

    /// The entry with this key in a folder.
    pub(super) fn at(folder: PathBuf, key: [u8; 32]) -> Entry {
        let name: String = key.iter().map(|b| format!("{b:02x}")).collect();
        let path = folder.join(name).with_extension(EXTENSION);
        Entry { folder, path, key }
    }

    /// The entry for parts of the same.
    pub(super) fn parts(&self) -> Entry {
        let path = self.path.with_extension(PARTS_EXTENSION);
        Entry { folder: self.folder.clone(), path, key: self.key }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The hash of everything that the code depends on.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// What is there, if it is sound and what it should be.
    pub(super) fn read(&self, module: &Module, options: &Options) -> Option<Artifact> {
        let artifact = match self.try_read(module, options) {
            Ok(artifact) => artifact,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => {
                verbose!("cache: {}: {e}; compiling again", self.path.display());
                return None;
            }
        };
        verbose!("cache: {}: used", self.path.display());
        Some(artifact)
    }

    fn try_read(&self, module: &Module, options: &Options) -> io::Result<Artifact> {
        let mut file = open(&self.path, false)?;
        let mut bytes = Vec::with_capacity(file.metadata()?.len() as usize);
        file.read_to_end(&mut bytes)?;
        let artifact = Artifact::parse(&bytes).map_err(io::Error::other)?;
        let found = &artifact.options;
        let same = artifact.module == module.bytes
            && artifact.abi == wayfarer_abi::VERSION
            && found.checkpoints == (options.checkpoints != 0)
            && found.deterministic == (options.deterministic != 0)
            && found.precise_stable_points == (options.precise != 0)
            && (found.bounds == Bounds::Explicit) == (options.explicit_bounds != 0)
            && (found.opt_level, found.size_level) == (options.opt_level, options.size_level);
        if !same {
            return Err(io::Error::other("code of something else"));
        }
        if Some(artifact.target.arch) != wayfarer_aot::Arch::host() {
            return Err(io::Error::other("code for another machine"));
        }
        // The oldest ones go first: this one is new again.
        let _ = file.set_modified(SystemTime::now());
        Ok(artifact)
    }

    /// Puts an artifact there.
    pub(super) fn write(&self, bytes: &[u8]) {
        if let Err(e) = self.try_write(bytes) {
            verbose!("cache: {}: {e}", self.path.display());
            return;
        }
        verbose!("cache: {}: written", self.path.display());
        self.make_room();
    }

    /// Has other entries make room for this one, which has grown.
    pub(super) fn make_room(&self) {
        if let Err(e) = shrink(&self.folder, LIMIT, &self.path) {
            verbose!("cache: {}: {e}", self.folder.display());
        }
    }

    pub(super) fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.make_folder()?;
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.folder.join(format!("{UNFINISHED}{}-{nth}", std::process::id()));
        // Of a process that had this number before.
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        // Not synced: an entry that a crash leaves broken is found out when it is read.
        let written = file.write_all(bytes).and_then(|()| fs::rename(&unfinished, &self.path));
        written.inspect_err(|_| {
            let _ = fs::remove_file(&unfinished);
        })
    }
}

/// Opens an entry, to read it, or to append to what may not be there yet.
pub(super) fn open(path: &Path, append: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(append)
        .create(append)
        .mode(0o600)
        // Whatever is there under this name, opening it must not wait.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    // SAFETY: no arguments, cannot fail.
    let user = unsafe { libc::geteuid() };
    // It is code: who could have written it could as well have started this program.
    if !metadata.is_file() || ![user, 0].contains(&metadata.uid()) || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("not a file that only its user can write"));
    }
    Ok(file)
}

/// The cache's folder.
fn folder() -> Option<PathBuf> {
    if let Some(value) = super::variable(c"WAYFARER_CACHE") {
        return (value != "off").then(|| value.into());
    }
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let base = super::variable(c"XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute).or_else(|| {
        super::variable(c"HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(".cache"))
    })?;
    Some(base.join("wayfarer"))
}

/// Removes the oldest entries until all together have at most `limit` bytes, but never `keep`; and what was not finished.
fn shrink(folder: &Path, limit: u64, keep: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    let mut total = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        // Another process may remove files at the same time.
        let Ok(metadata) = file.metadata() else { continue };
        let (path, modified) = (file.path(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        if [EXTENSION, PARTS_EXTENSION].map(|e| Some(OsStr::new(e))).contains(&path.extension()) {
            total += metadata.len();
            entries.push((modified, metadata.len(), path));
        } else if file.file_name().to_string_lossy().starts_with(UNFINISHED)
            && modified.elapsed().is_ok_and(|age| age > GIVEN_UP)
        {
            let _ = fs::remove_file(path);
        }
    }
    entries.sort();
    for (_, len, path) in entries {
        if total <= limit {
            break;
        }
        if path != keep && fs::remove_file(&path).is_ok() {
            total -= len;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let hours = |n: u64| SystemTime::now() - Duration::from_secs(3600 * n);
        for (name, age) in
            [("a.aot", 1), ("b.parts", 3), ("c.aot", 2), (".new-1-0", 2), (".new-2-0", 0), ("other", 9)]
        {
            let file = fs::File::create(path(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(hours(age)).unwrap();
        }
        let left = |limit, keep: &str| {
            shrink(folder.path(), limit, &path(keep)).unwrap();
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|f| f.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(left(300, "a.aot"), [".new-2-0", "a.aot", "b.parts", "c.aot", "other"]);
        assert_eq!(left(299, "a.aot"), [".new-2-0", "a.aot", "c.aot", "other"]);
        assert_eq!(left(0, "c.aot"), [".new-2-0", "c.aot", "other"]);
    }
}
