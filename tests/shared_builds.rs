//! Dependencies have the same features whether tests are built with them or not, so none is built twice
//! (`docs/rationale.md`, "Builds and tests share what they build").

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The sets of features that each package is built with, by name and version.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--no-dedupe",
            "--prefix=none",
            "--format={p}|{f}",
            "--edges",
            edges,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut packages = BTreeMap::<_, BTreeSet<_>>::new();
    for line in String::from_utf8_lossy(&tree.stdout).lines().filter(|line| !line.is_empty()) {
        let (package, features) = line.split_once('|').expect("the format has it");
        packages.entry(package.to_owned()).or_default().insert(features.trim_end_matches(" (*)").to_owned());
    }
    packages
}

#[test]
fn what_programs_are_built_of_serves_their_tests() {
    let tests = features("normal,build,dev");
    let programs = features("normal,build");
    assert!(programs.len() > 50, "cargo lists what the library is built of");
    for (package, features) in programs {
        // Others may want it otherwise, beside that.
        assert!(
            features.is_subset(&tests[&package]),
            "{package} has {features:?} in programs, {:?} where tests are built: see crates/workspace-hack",
            tests[&package]
        );
    }
}
