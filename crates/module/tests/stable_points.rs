//! Golden tests of stable points. Each file in `tests/stable_points` is a module in text format and, in the comment at
//! its end, the points expected in its functions. `WAYFARER_BLESS=1` writes what is computed instead of comparing.
//!
//! An expectation reads `KIND @OFFSET [OPERAND TYPES, BOTTOM FIRST] live LOCALS`, the offset being that in the code
//! section.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use wayfarer_module::{FuncPoints, Module, PointKind, ValType, parse, stable_points, stable_points_where};

#[test]
fn golden_files() {
    let bless = std::env::var_os("WAYFARER_BLESS").is_some();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stable_points");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    assert!(!files.is_empty(), "no golden files in {}", dir.display());

    let mut failures = String::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let (input, expected) = split(&text);
        let actual = render(input, &path);
        if actual == expected {
            continue;
        }
        if bless {
            fs::write(&path, format!("{}\n\n{actual}", input.trim_end())).unwrap();
        } else {
            write!(failures, "{}\n--- expected\n{expected}--- actual\n{actual}\n", path.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "WAYFARER_BLESS=1 accepts these changes:\n{failures}");
}

/// Parts of a golden file: the module and the comment lines at the end.
fn split(text: &str) -> (&str, &str) {
    let trailing: usize =
        text.split_inclusive('\n').rev().take_while(|line| line.starts_with(";;")).map(str::len).sum();
    text.split_at(text.len() - trailing)
}

fn render(input: &str, path: &Path) -> String {
    let binary = wat::parse_str(input).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let module = parse(binary.into()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut out = String::new();
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        render_func(&module, func, &mut out);
    }
    out
}

fn render_func(module: &Module, func: u32, out: &mut String) {
    let FuncPoints { locals, points } = stable_points(module, func).unwrap();
    writeln!(out, ";; func {func}, locals [{}]", types(&locals)).unwrap();
    for point in &points {
        let kind = match point.kind {
            PointKind::Entry => "entry",
            PointKind::Loop => "loop",
            PointKind::Call => "call",
            PointKind::BeforeCall => "before-call",
        };
        assert_eq!(point.live.len(), locals.len());
        let live: String = (0..locals.len()).filter(|&i| point.live[i]).map(|i| format!(" {i}")).collect();
        writeln!(out, ";;   {kind} @{} [{}] live{live}", point.offset, types(&point.stack)).unwrap();
    }
}

fn types(types: &[ValType]) -> String {
    types.iter().map(|ty| format!("{ty:?}").to_lowercase()).collect::<Vec<_>>().join(" ")
}

#[test]
fn find_by_kind_and_offset() {
    let binary = wat::parse_str("(module (func (param i32) (loop (br 0)) (call 0 (local.get 0))))").unwrap();
    let module = parse(binary.into()).unwrap();
    let points = stable_points(&module, 0).unwrap();
    for point in &points.points {
        assert_eq!(points.find(point.kind, point.offset), Some(point));
    }
    let entry = module.funcs[0].body.clone().unwrap().start - module.code_start;
    assert_eq!(points.find(PointKind::Entry, entry as u32).unwrap().live[..], [false]);
    assert!(points.find(PointKind::Loop, entry as u32 + 1).is_some());
    assert!(points.find(PointKind::Call, entry as u32 + 1).is_none());
}

#[test]
fn only_wanted_points() {
    let text = "(module (func (param i32) (loop (call 0 (local.get 0)) (br_if 0 (local.get 0))) (call 0 (i32.const 1))))";
    let module = parse(wat::parse_str(text).unwrap().into()).unwrap();
    let all = stable_points(&module, 0).unwrap();
    assert_eq!(all.points.len(), 6);
    for point in &all.points {
        let one =
            stable_points_where(&module, 0, |kind, offset| (kind, offset) == (point.kind, point.offset))
                .unwrap();
        assert_eq!(&*one.points, std::slice::from_ref(point));
        assert_eq!(one.locals, all.locals);
    }
    assert!(stable_points_where(&module, 0, |_, _| false).unwrap().points.is_empty());
}

/// A module whose third instruction was replaced, after validation, by one that `FEATURES` does not admit: as if it did.
fn with_unknown_instruction() -> wayfarer_module::Module {
    let text = "(module (func (param i32) (local.get 0) (drop) (nop)))";
    let mut module = parse(wat::parse_str(text).unwrap().into()).unwrap();
    let mut bytes = module.bytes.to_vec();
    let at = module.funcs[0].body.clone().unwrap().start + 4;
    assert_eq!(bytes[at], 0x01, "nop");
    // ref.as_non_null
    bytes[at] = 0xd4;
    module.bytes = bytes.into();
    module
}

#[test]
fn unknown_instructions_are_errors() {
    let module = with_unknown_instruction();
    let at = module.funcs[0].body.clone().unwrap().start + 4;
    let error = stable_points(&module, 0).unwrap_err();
    assert_eq!(error.to_string(), format!("unknown instruction RefAsNonNull at {at:#x}"));
}
