//! What the tests share.

use object::{Object as _, ObjectSymbol as _};
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
    if triple.starts_with("riscv64") {
        "+m,+a,+f,+d,+c,+unaligned-scalar-mem".to_owned()
    } else {
        String::new()
    }
}

/// Parses a module in text form.
pub(crate) fn module(wat: &str) -> Module {
    wayfarer_module::parse(wat::parse_str(wat).unwrap().into()).unwrap()
}

/// LLVM's text of a module in text form, before or after optimization, or its object file.
pub(crate) fn compiled(wat: &str, options: Options) -> Vec<u8> {
    compile(&module(wat), &options, &|_, _| ()).unwrap().code.remove(0)
}

/// The same as text, of code that is not to be stopped: nothing but what the instructions become.
pub(crate) fn text(wat: &str, triple: &str, cpu: &str, format: Format) -> String {
    let options = Options {
        triple: Some(triple.to_owned()),
        cpu: Some(cpu.to_owned()),
        features: features(triple),
        checkpoints: false,
        format,
        ..Options::default()
    };
    String::from_utf8(compiled(wat, options)).unwrap()
}

/// LLVM's text of each guest function.
pub(crate) fn functions(text: &str) -> Vec<&str> {
    text.split("\ndefine ")
        .skip(1)
        .filter(|function| function.lines().next().is_some_and(|line| line.contains("@f")))
        .collect()
}

/// What an object file refers to and does not define.
pub(crate) fn undefined(object: &[u8]) -> Vec<String> {
    let object = object::File::parse(object).unwrap();
    let undefined = object.symbols().filter(|symbol| symbol.is_undefined());
    undefined.map(|symbol| symbol.name().unwrap().to_owned()).collect()
}
