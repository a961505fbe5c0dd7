//! What is to work on every system uses nothing that only Linux has. Other systems' standard libraries are not always there to
//! compile it for; so this reads it.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

const ONLY_LINUX: [&str; 7] =
    ["os::linux", "rustix", "libc", "/proc", "/dev/", "cap_primitives", "target_os = \"linux\""];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Lines of a file that are code, up to its tests.
fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    before_tests.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned).collect()
}

#[test]
fn portable_code_uses_nothing_that_only_linux_has() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = sources(&src.join("portable"));
    files.extend(sources(&src.join("memory")).into_iter().filter(|path| !path.ends_with("tests.rs")));
    files.extend(["interface.rs", "buffers.rs"].map(|name| src.join(name)));
    assert!(files.len() > 10, "{files:?}");
    for path in files {
        for line in code(&path) {
            let found = ONLY_LINUX.iter().find(|word| line.contains(*word));
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
}

/// Every use of what only Unix has stands behind `cfg(unix)`, and what stands in for it elsewhere is there.
#[test]
fn what_only_unix_has_is_marked() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut marked = 0;
    for path in sources(&src.join("portable")).into_iter().chain(sources(&src.join("memory"))) {
        if path.ends_with("tests.rs") {
            continue;
        }
        let lines = code(&path);
        for (nth, line) in lines.iter().enumerate() {
            if !["os::unix", "os::fd", "metadata.ctime"].iter().any(|word| line.contains(word)) {
                continue;
            }
            let before = &lines[nth.saturating_sub(3)..nth];
            assert!(before.iter().any(|line| line == "#[cfg(unix)]"), "{}: {line}", path.display());
            marked += 1;
        }
    }
    assert!(marked > 5, "{marked}");
}
