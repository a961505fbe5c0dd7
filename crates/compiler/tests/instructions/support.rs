//! What the tests share.

use wayfarer_compiler::{Format, Options, compile};
use wayfarer_module::Module;

/// Triples and CPUs: of each architecture the least and, where that matters, one that has more.
pub(crate) const TARGETS: [(&str, &str); 7] = [
    ("x86_64-unknown-linux-gnu", "x86-64"),
    ("x86_64-unknown-linux-gnu", "x86-64-v3"),
    ("x86_64-unknown-linux-gnu", "x86-64-v4"),
    ("aarch64-unknown-linux-gnu", "generic"),
    ("riscv64-unknown-linux-gnu", "generic-rv64"),
    ("s390x-unknown-linux-gnu", "z13"),
    ("s390x-unknown-linux-gnu", "z15"),
];

/// Features that the CPU's name does not imply.
pub(crate) fn features(triple: &str) -> String {
    if triple.starts_with("riscv64") { "+m,+a,+f,+d,+c".to_owned() } else { String::new() }
}

/// Parses a module in text form.
pub(crate) fn module(wat: &str) -> Module {
    wayfarer_module::parse(wat::parse_str(wat).unwrap().into()).unwrap()
}

/// LLVM's text of a module in text form, before or after optimization, or its object file.
pub(crate) fn compiled(wat: &str, options: Options) -> Vec<u8> {
    compile(&module(wat), &options, &|_, _| ()).unwrap().code.remove(0)
}

/// The same as text.
pub(crate) fn text(wat: &str, triple: &str, cpu: &str, format: Format) -> String {
    let options = Options {
        triple: Some(triple.to_owned()),
        cpu: Some(cpu.to_owned()),
        features: features(triple),
        format,
        ..Options::default()
    };
    String::from_utf8(compiled(wat, options)).unwrap()
}

/// Functions of C's library that an object file calls: names in its string table, of those that LLVM may call.
pub(crate) fn library_functions(object: &[u8]) -> Vec<&'static str> {
    const NAMES: [&str; 24] = [
        "floor",
        "floorf",
        "ceil",
        "ceilf",
        "trunc",
        "truncf",
        "rint",
        "rintf",
        "nearbyint",
        "nearbyintf",
        "roundeven",
        "roundevenf",
        "fmin",
        "fminf",
        "fmax",
        "fmaxf",
        "fminimum",
        "fminimumf",
        "fmaximum",
        "fmaximumf",
        "sqrt",
        "sqrtf",
        "__popcountdi2",
        "__muldi3",
    ];
    let has = |name: &str| {
        let text = [b"\0", name.as_bytes(), b"\0"].concat();
        object.windows(text.len()).any(|window| window == text)
    };
    NAMES.into_iter().filter(|name| has(name)).collect()
}
