//! Function names: where they come from, and that a broken name section takes nothing else with it.

use wayfarer_module::{Module, parse};

const TEXT: &str = r#"(module
    (import "env" "host" (func))
    (import "env" "named_host" (func $h))
    (import "env" "memory" (memory 1))
    (func $named (export "exported"))
    (func (export "first") (export "second"))
    (func)
    (func $"ünïcode ⌘"))"#;

fn module(text: &str) -> Module {
    parse(wat::parse_str(text).unwrap().into()).unwrap()
}

#[test]
fn name_section_then_export_then_import() {
    let module = module(TEXT);
    assert_eq!(module.func_name(0), Some("host"));
    assert_eq!(module.func_name(1), Some("h"));
    assert_eq!(module.func_name(2), Some("named"));
    assert_eq!(module.func_name(3), Some("first"));
    assert_eq!(module.func_name(4), None);
    assert_eq!(module.func_name(5), Some("ünïcode ⌘"));
    assert_eq!(module.func_name(6), None);
    assert_eq!(module.func_name(u32::MAX), None);
}

/// A module of two functions, the first exported as `e`, with `content` as its name section.
fn with_name_section(content: &[u8]) -> Module {
    let mut binary = wat::parse_str(r#"(module (func (export "e")) (func))"#).unwrap();
    binary.extend([0, content.len() as u8 + 5, 4]);
    binary.extend(b"name");
    binary.extend(content);
    parse(binary.into()).unwrap()
}

#[test]
fn malformed_name_sections_count_as_far_as_they_go() {
    // A function name map of two entries.
    let whole = b"\x01\x07\x02\x00\x01a\x01\x01b";
    let good = with_name_section(whole);
    assert_eq!((good.func_name(0), good.func_name(1)), (Some("a"), Some("b")));

    for (what, content) in [
        ("empty", &b""[..]),
        ("subsection longer than the section", b"\x01\x7f\x02\x00\x01a"),
        ("count without entries", b"\x01\x01\x02"),
        ("invalid UTF-8", b"\x01\x04\x01\x00\x01\xff"),
        ("unterminated length", b"\x01\x03\x01\x00\x80"),
        ("index out of range", b"\x01\x04\x01\x09\x01z"),
        ("empty name", b"\x01\x03\x01\x00\x00"),
    ] {
        let module = with_name_section(content);
        assert_eq!((module.func_name(0), module.func_name(1)), (Some("e"), None), "{what}");
    }

    let broken_second = with_name_section(b"\x01\x07\x02\x00\x01a\x01\x09b");
    assert_eq!((broken_second.func_name(0), broken_second.func_name(1)), (Some("a"), None));

    for len in 0..whole.len() {
        let cut = with_name_section(&whole[..len]);
        assert!(matches!(cut.func_name(0), Some("e" | "a")));
        assert_eq!(cut.func_name(1), None);
    }
}
