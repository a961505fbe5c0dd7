//! The committed headers are what the source generates. With `UPDATE_HEADERS=1` they are written.

#[path = "abi/generate.rs"]
mod generate;

use std::path::Path;

#[test]
fn headers_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let update = std::env::var_os("UPDATE_HEADERS").is_some();
    for (name, expected) in generate::headers(root).unwrap() {
        let path = root.join("include").join(&name);
        if update {
            std::fs::write(&path, &expected).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == expected,
            "include/{name} is not what the source generates: run UPDATE_HEADERS=1 cargo test --test abi_headers"
        );
    }
}

/// What only means something in Rust's documentation: headings, and links to items.
#[test]
fn comments_are_for_readers_of_c() {
    for (name, text) in generate::headers(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap() {
        for line in text.lines().map(str::trim_start) {
            assert!(!line.starts_with("* # ") && !line.contains("[`"), "{name}: {line}");
        }
    }
}
