//! Images that earlier builds wrote, restored by this one: `images/` holds a set of them for every version that was
//! released, with their modules and with what the restored programs do. README.md says how a set is made.

mod bless;
mod case;
#[allow(dead_code, reason = "shared with the tests of the command lines")]
#[path = "../cli/support.rs"]
mod support;

use case::{Case, Set};
use std::path::{Path, PathBuf};
use support::{Folder, iwasm_command, wayfarer};
#[cfg(target_arch = "x86_64")]
use support::{built, command, run};

/// Where the sets are.
fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images")
}

fn sets() -> Vec<Set> {
    let entries = std::fs::read_dir(images()).expect("the sets");
    let mut sets: Vec<Set> = entries.map(|e| Set::read(&e.expect("a set").path())).collect();
    sets.sort_by(|a, b| a.folder.cmp(&b.folder));
    assert!(!sets.is_empty());
    sets
}

fn each_case(mut check: impl FnMut(&Set, &Case) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for set in sets() {
        for case in &set.cases {
            if let Err(why) = check(&set, case) {
                wrong.push(format!("{}/{}: {why}", set.name(), case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A test may make a set, with `WAYFARER_BLESS_IMAGES`; otherwise it looks whether all is there that a set consists of.
#[test]
fn sets_are_complete() {
    if let Some(name) = std::env::var_os("WAYFARER_BLESS_IMAGES") {
        bless::set(&images().join(name));
    }
    for set in sets() {
        for case in &set.cases {
            for file in [set.image(case), set.module(case)] {
                assert!(file.is_file(), "{}", file.display());
            }
        }
        let listed = set.cases.iter().map(|case| set.image(case)).collect::<Vec<_>>();
        for entry in std::fs::read_dir(&set.folder).expect("a set") {
            let path = entry.expect("a file").path();
            let is_image = path.extension().is_some_and(|extension| extension == "image");
            assert!(!is_image || listed.contains(&path), "{} is restored by no test", path.display());
        }
    }
}

#[test]
fn images_of_earlier_builds_are_restored_by_the_interpreter() {
    each_case(|set, case| case.restore(set, &Folder::new(), &set.module(case), iwasm_command));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn images_of_earlier_builds_are_restored_in_compiled_code() {
    let folder = Folder::new();
    each_case(|set, case| {
        let compiled = folder.at(&format!("{}-{}.aot", set.name(), case.module));
        if !compiled.exists() {
            let wamrc = built().join("wamrc");
            let args = [case.wamrc.as_slice(), &["-o".into(), text(&compiled), text(&set.module(case))]];
            let ran = run(command(&[&text(&wamrc)], args.concat()));
            assert_eq!(ran.status, Some(0), "{ran:?}");
        }
        case.restore(set, &Folder::new(), &compiled, iwasm_command)
    });
}

/// What people look at images with knows them, too.
#[test]
fn images_of_earlier_builds_are_inspected_and_verified() {
    each_case(|set, case| {
        let image = text(&set.image(case));
        let verified = wayfarer(["verify", &image]);
        if verified.status != Some(0) {
            return Err(verified.stderr);
        }
        let inspected = wayfarer(["inspect", "--json", &image]);
        let json: serde_json::Value =
            serde_json::from_str(&inspected.stdout).map_err(|e| format!("{e}: {}", inspected.stderr))?;
        // Each of our own sections is understood.
        let sections = json["host"].as_array().ok_or("it has no host sections")?;
        let ours = ["wasi", "instance", "host", "streams", "waits"];
        let unread =
            |s: &&serde_json::Value| s["content"].is_null() && ours.iter().any(|name| s["name"] == *name);
        match sections.iter().find(unread) {
            Some(section) => Err(format!("{} is not described", section["name"])),
            None => Ok(()),
        }
    });
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
