//! Golden listings: each `tests/golden/interp/NAME.wat` is a module in text format, and `NAME.txt` beside it the code that the
//! interpreter makes of its functions. `WAYFARER_BLESS=1` writes what is made instead of comparing.
//!
//! A module whose first line says `;; deterministic` is for deterministic mode.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmparser::{FunctionBody, Operator};
use wayfarer_interp::{Listings, check_translation};
use wayfarer_module::{Module, parse};

/// Operators that must be somewhere in the golden files.
const OPERATORS: usize = 310;

fn golden_modules() -> Vec<(PathBuf, Arc<Module>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/interp");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    let module = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let binary = wat::parse_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut module = parse(binary.into()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        module.deterministic = text.starts_with(";; deterministic\n");
        (path, Arc::new(module))
    };
    files.into_iter().map(module).collect()
}

/// Listings of all functions, with their names.
fn listings(module: &Arc<Module>) -> String {
    let listings = Listings::new(module);
    let mut text = String::new();
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        let listing = listings.func(func).unwrap();
        writeln!(text, "func {func} {}: {listing}", module.func_name(func).unwrap_or_default()).unwrap();
    }
    text
}

#[test]
fn this_wasm_gives_these_instructions() {
    let bless = std::env::var_os("WAYFARER_BLESS").is_some();
    let mut failures = String::new();
    for (path, module) in golden_modules() {
        let actual = listings(&module);
        let golden = path.with_extension("txt");
        if bless {
            fs::write(&golden, &actual).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        for difference in differences(&expected, &actual) {
            writeln!(failures, "{}: {difference}", golden.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "WAYFARER_BLESS=1 accepts these changes:\n{failures}");
}

/// The first lines that differ, and how many lines there are.
fn differences(expected: &str, actual: &str) -> Vec<String> {
    let (expected, actual): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let pairs = expected.iter().zip(&actual).enumerate().filter(|(_, (e, a))| e != a);
    let mut found: Vec<String> =
        pairs.take(5).map(|(n, (e, a))| format!("line {}:\n  expected {e}\n  actual   {a}", n + 1)).collect();
    if expected.len() != actual.len() {
        found.push(format!("{} lines, not {}", actual.len(), expected.len()));
    }
    found
}

#[test]
fn golden_modules_are_translated_right() {
    for (path, module) in golden_modules() {
        assert_eq!(check_translation(&module), Ok(()), "{}", path.display());
    }
}

#[test]
fn golden_modules_have_most_operators() {
    let mut kinds = BTreeSet::new();
    for (_, module) in golden_modules() {
        for func in module.funcs.iter().filter_map(|func| func.body.clone()) {
            let body = FunctionBody::new(wasmparser::BinaryReader::new(&module.bytes[func], 0));
            for operator in body.get_operators_reader().unwrap() {
                kinds.insert(name(&operator.unwrap()));
            }
        }
    }
    assert!(kinds.len() >= OPERATORS, "only {}", kinds.len());
}

fn name(operator: &Operator<'_>) -> String {
    let debug = format!("{operator:?}");
    debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}
