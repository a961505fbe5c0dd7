//! Every instruction becomes code, for every target; and what the code must not lose.

mod folded;
mod kept;
mod list;
mod loaded;
mod nans;
mod support;

use std::collections::BTreeSet;
use support::{TARGETS, module};
use wayfarer_compiler::{Bounds, Format, Options, compile};
use wayfarer_module::FEATURES;

/// Instructions of control flow, locals and calls, which are translated elsewhere.
const ELSEWHERE: &[&str] = &[
    "Unreachable",
    "Nop",
    "Block",
    "Loop",
    "If",
    "Else",
    "End",
    "Br",
    "BrIf",
    "BrTable",
    "Return",
    "Call",
    "CallIndirect",
    "ReturnCall",
    "ReturnCallIndirect",
    "Drop",
    "Select",
    "TypedSelect",
    "TypedSelectMulti",
    "LocalGet",
    "LocalSet",
    "LocalTee",
];

/// Names of all instructions of WebAssembly 2.0 and of threads, without those of [`ELSEWHERE`].
fn all_instructions() -> BTreeSet<&'static str> {
    macro_rules! names {
        ($(@$proposal:ident $name:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident $ann:tt)*) => {
            [$((stringify!($proposal), stringify!($name))),*]
        };
    }
    let accepted = [
        "mvp",
        "sign_extension",
        "saturating_float_to_int",
        "bulk_memory",
        "reference_types",
        "simd",
        "threads",
    ];
    wasmparser::for_each_operator!(names)
        .into_iter()
        .filter(|(proposal, name)| accepted.contains(proposal) && !ELSEWHERE.contains(name))
        .map(|(_, name)| name)
        .collect()
}

/// Names of the instructions in a binary.
fn instructions_in(bytes: &[u8]) -> BTreeSet<String> {
    let mut parser = wasmparser::Parser::new(0);
    parser.set_features(FEATURES);
    let mut names = BTreeSet::new();
    for payload in parser.parse_all(bytes) {
        if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
            for operator in body.get_operators_reader().unwrap() {
                let text = format!("{:?}", operator.unwrap());
                names.insert(text.split([' ', '{']).next().unwrap().to_owned());
            }
        }
    }
    names
}

#[test]
fn the_list_has_every_instruction() {
    let listed = instructions_in(&wat::parse_str(list::module()).unwrap());
    let missing: Vec<_> = all_instructions().into_iter().filter(|name| !listed.contains(*name)).collect();
    assert!(missing.is_empty(), "not in the list: {missing:?}");
    assert!(all_instructions().len() > 400);
}

/// Symbols that objects refer to: for unwinding, and (nothing else in these modules makes them) the linker's tables.
const KNOWN: &[&str] = &["", "__gcc_personality_v0", "_Unwind_Resume", "_GLOBAL_OFFSET_TABLE_"];

/// Whether it is a function of the module.
fn is_own(name: &str) -> bool {
    name.strip_prefix('f').is_some_and(|number| number.parse::<u32>().is_ok())
}

/// All of them, for each target: LLVM has something for each, and needs no function of C's library for it.
fn compiles(triple: &str, cpu: &str, opt_level: u8, bounds: Bounds) {
    let module = module(&list::module());
    let options = Options {
        triple: Some(triple.to_owned()),
        cpu: Some(cpu.to_owned()),
        features: support::features(triple),
        opt_level,
        bounds,
        format: Format::Object,
        ..Options::default()
    };
    let output = compile(&module, &options, &|_, _| ()).unwrap_or_else(|e| panic!("{triple} {cpu}: {e}"));
    for object in output.code.iter().chain(&output.continuations) {
        let unknown: Vec<String> = support::undefined(object)
            .into_iter()
            .filter(|name| !KNOWN.contains(&name.as_str()) && !is_own(name))
            .collect();
        assert!(unknown.is_empty(), "{triple} {cpu} O{opt_level}: {unknown:?}");
    }
}

#[test]
fn every_instruction_compiles_unoptimized() {
    for (triple, cpu) in TARGETS {
        compiles(triple, cpu, 0, Bounds::Guard);
    }
}

#[test]
fn every_instruction_compiles_optimized() {
    for (triple, cpu) in TARGETS {
        compiles(triple, cpu, 3, Bounds::Guard);
    }
}

#[test]
fn every_instruction_compiles_with_explicit_bounds() {
    for (triple, cpu) in TARGETS {
        compiles(triple, cpu, 3, Bounds::Explicit);
    }
}
