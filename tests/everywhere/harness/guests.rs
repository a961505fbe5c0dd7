//! The guest programs of `tests/guests`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use wayfarer_module::Module;

/// A guest, ready to be run any number of times.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) module: Arc<Module>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    /// What the directory that it sees as `/data` holds at first.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) exit: u32,
    /// The host calls it back while it runs.
    pub(crate) callback: bool,
    /// For it, the clocks stand still and random bytes are always the same, so that its memory is, too.
    pub(crate) still: bool,
    /// What it prints.
    pub(crate) expected: Vec<u8>,
}

#[derive(Deserialize)]
struct Entry {
    source: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    dir: Option<String>,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    exit: u32,
    #[serde(default)]
    callback: bool,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

fn manifest() -> BTreeMap<String, Entry> {
    let text = std::fs::read_to_string(folder().join("manifest.toml")).expect("manifest");
    toml::from_str(&text).expect("manifest")
}

/// Names of all guests.
pub(crate) fn names() -> Vec<String> {
    manifest().into_keys().collect()
}

/// The guest of this name in the manifest.
pub(crate) fn guest(name: &str) -> Arc<Guest> {
    let entry = manifest().remove(name).unwrap_or_else(|| panic!("no guest {name}"));
    let folder = folder();
    let bytes = match entry.source.strip_suffix(".c") {
        None => wat::parse_file(folder.join(&entry.source)).expect("the guest's text is right"),
        Some(stem) => {
            let built = built().join(format!("{stem}.wasm"));
            std::fs::read(&built).unwrap_or_else(|e| panic!("{}: {e}", built.display()))
        }
    };
    Arc::new(Guest {
        name: name.to_owned(),
        module: parse(bytes),
        args: entry.args,
        env: entry.env,
        dir: entry.dir.map(|dir| if dir.is_empty() { empty_dir() } else { folder.join(dir) }),
        stdin: entry.stdin.into_bytes(),
        exit: entry.exit,
        callback: entry.callback,
        still: false,
        expected: std::fs::read(folder.join(format!("expected/{name}.txt"))).expect("expected output"),
    })
}

/// A guest made for one test, from text: neither arguments nor files.
pub(crate) fn from_text(name: &str, text: &str, expected: &str) -> Arc<Guest> {
    Arc::new(Guest {
        name: name.to_owned(),
        module: parse(wat::parse_str(text).expect("the guest's text is right")),
        args: Vec::new(),
        env: Vec::new(),
        dir: None,
        stdin: Vec::new(),
        exit: 0,
        callback: false,
        still: false,
        expected: expected.as_bytes().to_vec(),
    })
}

pub(crate) fn parse(bytes: Vec<u8>) -> Arc<Module> {
    Arc::new(wayfarer_module::parse(bytes.into()).expect("a guest of the tests is valid"))
}

/// Where compiled guests and CPython are; builds them if they are not.
pub(crate) fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // CARGO_TARGET_TMPDIR is `tmp` in the target folder.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guests");
        let status = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/build-guests.sh"))
            .arg(&folder)
            .stdin(Stdio::null())
            .status()
            .expect("scripts/build-guests.sh can be run");
        assert!(status.success(), "scripts/build-guests.sh: {status}");
        folder
    })
}

fn empty_dir() -> PathBuf {
    static EMPTY: OnceLock<tempfile::TempDir> = OnceLock::new();
    EMPTY.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path().to_owned()
}
