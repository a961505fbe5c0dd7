//! The portable file system is written with what every system has.

use std::path::Path;

/// What only some systems have. What is said of one is allowed in an item that is for it alone; the others are not at all.
const FORBIDDEN: [&str; 13] = [
    "rustix",
    "libc",
    "std::os::linux",
    "std::os::fd",
    "linux::",
    "target_os",
    "/proc",
    "/dev/",
    "openat2",
    "O_TMPFILE",
    "memfd",
    "sys::",
    "extern \"C\"",
];

/// Lines of code that use what they must not, with their numbers.
fn violations(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Braces that are open in the item that is for one system alone; `None` outside of such an item.
    let mut own: Option<i32> = None;
    for (nth, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if ["#[cfg(unix)]", "#[cfg(windows)]", "#[cfg(not(unix))]"].contains(&code.trim()) {
            own = Some(0);
            continue;
        }
        let mut bad = FORBIDDEN.iter().any(|word| code.contains(word));
        if let Some(open) = own {
            // There, and only there, a descriptor may be lent that the host has for the file.
            bad &= code
                .replace("std::os::fd", "")
                .split_whitespace()
                .any(|word| FORBIDDEN.iter().any(|forbidden| word.contains(forbidden)));
            let open = open + code.matches('{').count() as i32 - code.matches('}').count() as i32;
            let ends = open <= 0 && (code.trim_end().ends_with(['}', ';', ',']));
            own = (!ends).then_some(open);
        } else {
            bad |= code.contains("std::os::");
        }
        if bad {
            found.push((nth + 1, line.to_owned()));
        }
    }
    found
}

#[test]
fn nothing_in_it_is_one_systems() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portable");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let found = violations(&source);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        files += 1;
    }
    assert!(files >= 3);
}

#[test]
fn what_is_one_systems_is_found() {
    for bad in [
        "use rustix::fs::openat;",
        "use std::os::unix::fs::FileExt;",
        "fn f() { std::os::unix::fs::FileExt::read_at(file, into, at) }",
        "let path = format!(\"/proc/self/fd/{fd}\");",
        "#[cfg(target_os = \"linux\")]",
        "use crate::linux::HostFile;",
        "#[cfg(unix)]\nfn f() {\n    libc::getpid();\n}",
        "#[cfg(unix)]\nfn f() {\n    if a {\n    }\n}\nuse std::os::unix::x;",
        "#[cfg(unix)]\nuse std::os::unix::x;\nuse std::os::unix::x;",
    ] {
        assert_eq!(violations(bad).len(), 1, "{bad}");
    }
    for good in [
        "// No `/proc`.\nuse std::fs::File;",
        "#[cfg(unix)]\nfn f() {\n    std::os::unix::fs::FileExt::read_at(file, into, at)\n}\nfn g() {}",
        "#[cfg(unix)]\nfn host(&self) -> Option<std::os::fd::BorrowedFd<'_>> {\n    None\n}",
    ] {
        assert_eq!(violations(good), [], "{good}");
    }
}
