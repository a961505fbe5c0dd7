//! What to tell somebody whose file was refused: the loader says where it stopped, this says what the file is.

use wasmparser::{Validator, WasmFeatures};

use crate::FEATURES;

/// Proposals that are not implemented, as their authors call them.
const PROPOSALS: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::EXCEPTIONS, "exception handling"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exception handling, as it was before it was standardized"),
    (WasmFeatures::MEMORY64, "64-bit memories (memory64)"),
    (WasmFeatures::MULTI_MEMORY, "multiple memories"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::GC, "garbage collection (GC)"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
];

/// What a refused file is, and what to do about it; `None` if there is nothing to add to why it was refused.
pub fn diagnose(bytes: &[u8]) -> Option<String> {
    let say = |text: &str| Some(text.to_owned());
    match bytes {
        [] => say("the file is empty"),
        [b'\0', b'a', b's', b'm', version, _, 1, 0, ..] => Some(format!(
            "it is a component (version {version}), and only modules can be run: compile it for wasm32-wasip1, or take the \
             module out of it with `wasm-tools component unbundle`"
        )),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => missing(bytes),
        [b'\0', b'a', b's', b'm', version @ ..] => match version.first_chunk() {
            Some(&version) => Some(format!(
                "it has version {} of the binary format, and there is only version 1",
                u32::from_le_bytes(version)
            )),
            None => say("the file is cut off"),
        },
        [b'\0', b'a', b'o', b't', ..] => None,
        [0x7f, b'E', b'L', b'F', ..] => say("it is machine code (ELF), not WebAssembly"),
        [b'B', b'C', 0xC0, 0xDE, ..] => say("it is LLVM bitcode, not WebAssembly: compile and link it"),
        [0x1f, 0x8b, ..] => say("it is compressed: gunzip it first"),
        _ if is_text(bytes) => {
            say("it is WebAssembly's text format: make a module of it with `wat2wasm`, and run that")
        }
        _ => say("it is no WebAssembly module: those begin with a NUL byte and `asm`"),
    }
}

/// The proposals that a module needs and that there are not here.
fn missing(bytes: &[u8]) -> Option<String> {
    let valid = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    let all = PROPOSALS.iter().fold(FEATURES, |all, (feature, _)| all.union(*feature));
    if !valid(all) {
        return None;
    }
    // Some include others: what is left out of those is used itself.
    let without = |feature: WasmFeatures| {
        let others = PROPOSALS.iter().map(|(f, _)| *f).filter(|f| !f.contains(feature));
        others.fold(FEATURES, WasmFeatures::union)
    };
    let used = PROPOSALS.iter().filter(|(feature, _)| !valid(without(*feature))).map(|(_, name)| *name);
    let used: Vec<&str> = used.collect();
    (!used.is_empty()).then(|| {
        format!(
            "it needs {}, which is not implemented here, and cannot be switched on: compile it without",
            used.join(" and ")
        )
    })
}

/// Whether it looks like the text format: a parenthesis or a comment comes first.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    bytes.starts_with(b"(") || bytes.starts_with(b";;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(bytes: &[u8], part: &str) {
        let said = diagnose(bytes).expect("something is said");
        assert!(said.contains(part), "{said}");
    }

    #[test]
    fn what_files_are() {
        expect(b"", "empty");
        expect(b"\0asm\x0d\0\x01\0", "a component (version 13)");
        expect(b"\0asm\x02\0\0\0", "version 2 of the binary format");
        expect(b"\0asm\x01", "cut off");
        expect(b"\x7fELF\x02", "machine code");
        expect(b"BC\xC0\xDE", "LLVM bitcode");
        expect(b"\x1f\x8b\x08", "gunzip");
        for text in
            ["(module)", "\n  (module)", ";; a comment\n(module)", "(; so ;) (module)", "\u{feff}(func)"]
        {
            expect(text.as_bytes(), "wat2wasm");
        }
        expect(b"#!/bin/sh\n", "no WebAssembly module");
        assert_eq!(diagnose(b"\0aot\x06\0\0\0"), None, "its own loader says enough");
    }

    #[test]
    fn proposals_that_are_missing_are_named() {
        for (text, name) in [
            ("(module (tag))", "needs exception handling, which"),
            ("(module (func (try_table)))", "needs exception handling, which"),
            ("(module (memory i64 1))", "needs 64-bit memories (memory64), which"),
            ("(module (memory 1) (memory 1))", "needs multiple memories, which"),
            ("(module (memory 1) (memory i64 1))", "64-bit memories (memory64) and multiple memories"),
            ("(module (type (struct)))", "garbage collection (GC)"),
            ("(module (func (param (ref func))))", "typed function references"),
            (
                "(module (func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
                "needs relaxed SIMD, which",
            ),
        ] {
            expect(&wat::parse_str(text).unwrap(), name);
        }
        // Nothing is missing; something else is wrong.
        assert_eq!(diagnose(b"\0asm\x01\0\0\0\x01"), None);
        assert_eq!(diagnose(&wat::parse_str("(module)").unwrap()), None);
    }
}
