//! Golden listings: each `tests/golden/compiler/NAME.wat` is a module in text format, and `NAME.txt` beside it what LLVM's
//! optimized code of its functions looks like for x86-64: where it polls, what it does then, and how it goes on.
//! `WAYFARER_BLESS=1` writes what is made instead of comparing.
//!
//! The module's first line may say how it is compiled: `;; precise`, `;; without checkpoints`, `;; continuations` (of which
//! the listing is then).

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use wayfarer_compiler::{Bounds, Format, Options, compile};

/// Shapes of polls, landing pads and continuations.
const SHAPES: usize = 20;

/// Vectors, but nothing that processors differ in.
const CPU: &str = "x86-64-v2";

fn listing(text: &str) -> String {
    let wasm = wat::parse_str(text).unwrap();
    let module = wayfarer_module::parse(wasm.into()).unwrap();
    let says = |word: &str| text.lines().next().is_some_and(|line| line == format!(";; {word}"));
    let options = Options {
        triple: Some("x86_64-unknown-linux-gnu".to_owned()),
        cpu: Some(CPU.to_owned()),
        format: Format::IrOptimized,
        threads: 1,
        // Comparisons would only be in the way.
        bounds: Bounds::Guard,
        checkpoints: !says("without checkpoints"),
        precise: says("precise"),
        continuations: says("continuations"),
        ..Options::default()
    };
    let output = compile(&module, &options, &|_, _| {}).unwrap();
    let parts = if says("continuations") { &output.continuations } else { &output.code };
    parts.iter().map(|part| functions(std::str::from_utf8(part).unwrap())).collect()
}

/// The functions in a text of LLVM's, without what is not in them: attributes, metadata, comments.
fn functions(text: &str) -> String {
    let mut listing = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.starts_with("define ");
        if inside {
            writeln!(listing, "{}", without_references(line)).unwrap();
        }
        if line == "}" {
            inside = false;
            listing.push('\n');
        }
    }
    listing
}

/// A line without references to the rest of the module, which has numbers that every change of it changes.
fn without_references(line: &str) -> String {
    let line = line.split_once("; preds = ").map_or(line, |(code, _)| code);
    let line = line.split_once(", !").map_or(line, |(code, _)| code);
    let words = line.split(' ').filter(|word| {
        let number = word.strip_prefix('#').or_else(|| word.strip_prefix('!'));
        !number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    });
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn this_wasm_gives_these_polls() {
    let bless = std::env::var_os("WAYFARER_BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/compiler");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    assert!(files.len() >= SHAPES, "only {} shapes", files.len());
    let mut failures = String::new();
    for path in files {
        let actual = listing(&fs::read_to_string(&path).unwrap());
        assert!(actual.contains("define "), "{}: there is nothing to compare", path.display());
        let golden = path.with_extension("txt");
        if bless {
            fs::write(&golden, &actual).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != actual {
            writeln!(failures, "--- {}\n{actual}", golden.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "WAYFARER_BLESS=1 accepts these changes:\n{failures}");
}
