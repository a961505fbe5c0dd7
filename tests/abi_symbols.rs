//! The shared library exports what WAMR's does, under WAMR's SONAME, and nothing by accident.

#[path = "abi/facts.rs"]
#[allow(dead_code)]
mod facts;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use facts::{facts, helpers, list, text};

/// Exported by WAMR without being declared anywhere: its own assembly routine for calling native functions, under two
/// names. Nothing outside could call it in a meaningful way.
const NOT_OURS: [&str; 2] = ["invokeNative", "_invokeNative"];

/// Where gdb looks for code that was made at run time, in stripped libraries, too (gdb's manual, "JIT Compilation
/// Interface").
const FOR_GDB: [&str; 2] = ["__jit_debug_descriptor", "__jit_debug_register_code"];

/// Exported beside what public headers declare: symbols that WAMR's builds leak and hosts link to, all declared by helper
/// headers.
fn leaked_by_wamr() -> BTreeSet<String> {
    let facts = helpers();
    let headers = facts["headers"].as_object().unwrap().values();
    let functions =
        headers.flat_map(|header| list(header, "functions").iter().map(|f| text(f, "name").to_owned()));
    let names: BTreeSet<_> = functions.collect();
    assert!(names.len() > 90, "{names:?}");
    names
}

/// Prefix of what we add.
const OUR_PREFIX: &str = "wayfarer_";

/// The shared library that was built with this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    deps.join("libiwasm.so")
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).arg(library()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn exported() -> BTreeSet<String> {
    let symbols = output("nm", &["-D", "--defined-only", "--format=posix"]);
    symbols.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn everything_declared_or_exported_by_wamr_is_exported() {
    let (facts, exported) = (facts(), exported());
    let mut expected = BTreeSet::new();
    let mut declared_by_default = 0;
    for header in facts["headers"].as_object().unwrap().values() {
        for f in list(header, "functions") {
            declared_by_default += u32::from(f["exported_in_default_build"] == true);
            expected.insert(text(f, "name").to_owned());
        }
    }
    assert_eq!(declared_by_default, 381, "as counted in WAMR's library");
    expected
        .extend(list(&facts, "extra_exported_default").iter().map(|name| name.as_str().unwrap().to_owned()));
    expected.retain(|name| !NOT_OURS.contains(&name.as_str()));
    expected.extend(leaked_by_wamr());
    let missing: Vec<_> = expected.difference(&exported).collect();
    assert!(missing.is_empty(), "not exported: {missing:?}");

    expected.extend(FOR_GDB.map(str::to_owned));
    let leaked: Vec<_> =
        exported.difference(&expected).filter(|name| !name.starts_with(OUR_PREFIX)).collect();
    assert!(leaked.is_empty(), "exported, but not meant to be: {leaked:?}");
}

/// Names of functions that a header of ours declares: words with our prefix that a parenthesis follows.
fn declared(header: &str) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("include").join(header);
    let text = std::fs::read_to_string(path).unwrap();
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('*')).collect();
    code.join("\n")
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '('))
        .filter_map(|word| word.split_once('(').map(|(name, _)| name.to_owned()))
        .filter(|name| name.starts_with(OUR_PREFIX))
        .collect()
}

#[test]
fn what_we_add_is_declared_and_exported() {
    let exported: BTreeSet<_> = exported().into_iter().filter(|name| name.starts_with(OUR_PREFIX)).collect();
    assert!(exported.len() >= 18, "{exported:?}");
    assert_eq!(declared("wayfarer.h"), exported);
}

#[test]
fn the_soname_is_wamrs() {
    let dynamic = output("readelf", &["--dynamic", "--wide"]);
    let soname = dynamic.lines().find(|line| line.contains("(SONAME)")).expect("a SONAME");
    assert!(soname.contains(&format!("[{}]", text(&facts(), "soname"))), "{soname}");
}
