//! What is said about modules that are refused. Hosts compare these texts with WAMR's.

use wayfarer_module::{LoadError, parse};

fn error(binary: impl Into<Vec<u8>>) -> LoadError {
    parse(binary.into().into()).expect_err("invalid module")
}

/// A binary of these sections: id and content of each.
fn sections(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut binary = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        assert!(content.len() < 0x80);
        binary.extend([*id, content.len() as u8]);
        binary.extend(*content);
    }
    binary
}

/// A binary with one function of type `() -> ()` and this body.
fn body(body: &[u8]) -> Vec<u8> {
    let code = [&[1, body.len() as u8], body].concat();
    sections(&[(1, b"\x01\x60\0\0"), (3, b"\x01\0"), (10, &code)])
}

#[test]
fn header() {
    for (binary, message, offset) in [
        (&b""[..], "unexpected end", 0),
        (b"\0as", "unexpected end", 3),
        (b"\0asm", "unexpected end", 4),
        (b"\0asm\x01\0", "unexpected end", 6),
        (b"wasm\x01\0\0\0", "magic header not detected", 0),
        (b"\0asm\x02\0\0\0", "unknown binary version", 4),
        // A component.
        (b"\0asm\x0d\0\x01\0", "unknown binary version", 4),
    ] {
        assert_eq!(error(binary), LoadError { message: message.into(), offset: Some(offset) }, "{binary:?}");
    }
}

#[test]
fn section_headers() {
    const JUNK: &str = "unexpected content after last section or junk after last section";
    for (binary, message) in [
        (sections(&[(14, b"")]), "invalid section id"),
        (sections(&[(0x80, b"")]), "invalid section id"),
        (sections(&[(3, b"\0"), (1, b"\0")]), JUNK),
        (sections(&[(1, b"\0"), (1, b"\0")]), JUNK),
        (sections(&[(10, b"\0"), (12, b"\0")]), JUNK),
        (b"\0asm\x01\0\0\0\x01".to_vec(), "unexpected end"),
        (b"\0asm\x01\0\0\0\x01\x80".to_vec(), "unexpected end"),
        (b"\0asm\x01\0\0\0\x01\x02\x00".to_vec(), "unexpected end"),
        (b"\0asm\x01\0\0\0\x01\x80\x80\x80\x80\x80\x00".to_vec(), "integer representation too long"),
        (b"\0asm\x01\0\0\0\x01\x80\x80\x80\x80\x10".to_vec(), "integer too large"),
    ] {
        assert_eq!(error(&binary[..]).message, message, "{binary:x?}");
    }
}

#[test]
fn section_contents() {
    const INCONSISTENT_CODE: &str = "function and code section have inconsistent lengths";
    const INCONSISTENT_OR_END: &str = "function and code section have inconsistent lengths or unexpected end";
    const INCONSISTENT_DATA: &str = "data count and data section have inconsistent lengths";
    let one_type = (1, &b"\x01\x60\0\0"[..]);
    let one_func = (3, &b"\x01\0"[..]);
    for (binary, message) in [
        (sections(&[(1, b"\x02\x60\0\0")]), "unexpected end of section or function"),
        (sections(&[(1, b"\x00\x00")]), "section size mismatch"),
        (sections(&[(8, b"\x00\x00")]), "section size mismatch"),
        (sections(&[(0, b"\x01\xff")]), "invalid UTF-8 encoding"),
        (sections(&[one_type, (3, b"\x01\x01")]), "unknown type 1"),
        (sections(&[one_type, one_func]), INCONSISTENT_OR_END),
        (sections(&[(10, b"\x01\x02\x00\x0b")]), INCONSISTENT_CODE),
        (sections(&[one_type, one_func, (10, b"\x00")]), INCONSISTENT_OR_END),
        (sections(&[one_type, one_func, (10, b"\x01\x02\x00\x0b\x00")]), "code section size mismatch"),
        (sections(&[one_type, one_func, (10, b"\x01\x7f\x00\x0b")]), "invalid function code size"),
        (sections(&[(1, b"\x01\x40\0\0")]), "invalid type flag"),
        (sections(&[(2, b"\x01\x01a\x01b\x05\0")]), "invalid import kind"),
        (sections(&[(7, b"\x01\x01a\x05\0")]), "invalid export kind"),
        (sections(&[(12, b"\x01")]), INCONSISTENT_DATA),
        (sections(&[(5, b"\x01\0\0"), (12, b"\x02"), (11, b"\x01\x01\0")]), INCONSISTENT_DATA),
        (sections(&[(5, b"\x01\x10\0")]), "invalid limits flags"),
        (sections(&[(4, b"\x01\x70\x08\0")]), "invalid limits flags"),
        (sections(&[(6, b"\x01\x7f\x04\x41\0\x0b")]), "invalid mutability"),
        (sections(&[(6, b"\x01\x7f\x02\x41\0\x0b")]), "invalid mutability"),
        (sections(&[(5, b"\x02\0\0\0\0")]), "multiple memories"),
        // Two bytes of a constant that needs at most five, all but the last with the continuation bit.
        (
            sections(&[(6, b"\x01\x7f\x00\x41\x80\x80\x80\x80\x80\x00\x0b")]),
            "integer representation too long",
        ),
        (sections(&[(6, b"\x01\x7f\x00\x41\x80\x80\x80\x80\x70\x0b")]), "integer too large"),
    ] {
        assert_eq!(error(&binary[..]).message, message, "{binary:x?}");
    }
}

#[test]
fn function_bodies() {
    for (binary, message) in [
        (body(b"\0"), "section size mismatch: function body END opcode expected"),
        (body(b"\0\x02\x40\x01"), "section size mismatch: function body END opcode expected"),
        (body(b"\0\x02\x40\x0b"), "unexpected end opcodes from unbalanced control flow structures"),
        (body(b"\0\x0b\x0b"), "section size mismatch"),
        (body(b"\0\x41"), "section size mismatch: function body END opcode expected"),
        (body(b"\x01\x01\x0a"), "section size mismatch: function body END opcode expected"),
        (body(b"\0\x28\x02\x0b"), "unknown memory"),
        (body(b"\0\x05\x0b"), "opcode else found without matched opcode if"),
        (body(b"\0\xff\x0b"), "unsupported opcode ff"),
        (body(b"\0\x06\x40\x0b\x0b"), "unsupported opcode 06"),
        (body(b"\0\xfc\x7f\x0b"), "unsupported opcode fc 7f"),
        (body(b"\0\xfd\x9a\x01\x0b"), "invalid opcode 0xfd 9a."),
        // A relaxed SIMD instruction: known, but not accepted.
        (body(b"\0\xfd\x80\x02\x0b"), "invalid opcode 0xfd 100."),
        (body(b"\0\xfd\x0c0123456789abcdef\xfd\x15\x10\x1a\x0b"), "invalid lane index"),
        (body(b"\0\x41\0\x41\0\x41\0\x1c\0\x0b"), "invalid result arity"),
        (body(b"\0\xfe\x03\x01\x0b"), "zero byte expected"),
        (body(b"\0\x41\0\xfe\x10\x02\0\x1a\x0b"), "unknown memory"),
        (body(b"\x01\x80\x80\x80\x80\x0f\x7f\x0b"), "too many locals"),
        (body(b"\x02\xff\xff\x01\x7f\xff\xff\x01\x7f\x0b"), "too many locals"),
        (body(b"\0\x41\x80\x80\x80\x80\x80\x00\x1a\x0b"), "integer representation too long"),
        (body(b"\0\x41\xff\xff\xff\xff\x4f\x1a\x0b"), "integer too large"),
    ] {
        assert_eq!(error(&binary[..]).message, message, "{binary:x?}");
    }
}

#[test]
fn validation() {
    for (fields, message) in [
        ("(func (result i32))", "type mismatch: stack size does not match block type"),
        ("(func (result i32) (i64.const 0))", "type mismatch: stack size does not match block type"),
        ("(func (result i32) (f32.const 0))", "type mismatch: expect i32 but got other"),
        ("(func (drop (i32.eqz)))", "type mismatch: expect data but stack was empty"),
        ("(func (drop))", "type mismatch, opcode drop was found but stack was empty"),
        (
            "(func (drop (select (i32.const 0))))",
            "type mismatch or invalid result arity, opcode select was found but stack was empty",
        ),
        ("(func (drop (i64.eqz (f64.const 0))))", "type mismatch: expect i64 but got other"),
        ("(func (drop (select)))", "type mismatch: expect data but stack was empty"),
        ("(func (drop (i32.eqz (f32.const 0))))", "type mismatch: expect i32 but got other"),
        ("(func (i32.const 0))", "type mismatch: stack size does not match block type"),
        ("(func (drop (f32.add (f32.const 0) (f64.const 0))))", "type mismatch: expect f32 but got other"),
        (
            "(table 1 funcref) (func (table.set (i32.const 0) (ref.null extern)))",
            "type mismatch: expect funcref but got other",
        ),
        ("(func (local v128) (local.set 0 (i32.const 0)))", "type mismatch: expect v128 but got other"),
        ("(global i32 (i64.const 0))", "type mismatch"),
        ("(global i32)", "type mismatch: const expr stack underflow"),
        ("(global i32 (i32.const 0) (i32.const 0))", "type mismatch: illegal constant opcode sequence"),
        ("(func (call 7))", "unknown function 7"),
        ("(start 3)", "unknown function"),
        (r#"(export "e" (func 9))"#, "unknown function"),
        ("(func (drop (ref.func 5)))", "unknown function 5"),
        ("(elem func 4)", "unknown function 4"),
        ("(func (drop (table.size 0)))", "unknown table 0"),
        (r#"(export "e" (table 1))"#, "unknown table"),
        ("(elem (i32.const 0) func)", "unknown table 0"),
        ("(func (drop (i32.load (i32.const 0))))", "unknown memory"),
        ("(func (drop (memory.size)))", "unknown memory"),
        (r#"(export "e" (memory 0))"#, "unknown memory"),
        (r#"(data (i32.const 0) "")"#, "unknown memory 0"),
        ("(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))", "unknown memory 0"),
        ("(func (drop (global.get 0)))", "unknown global"),
        ("(global i32 (global.get 5))", "unknown global 5"),
        ("(func (drop (local.get 0)))", "unknown local"),
        ("(func (br 1))", "unknown label, unexpected end of section or function"),
        ("(func (block (type 7)))", "unknown type"),
        ("(table 0 funcref) (func (call_indirect (type 7) (i32.const 0)))", "unknown type 7"),
        (
            "(type (func)) (table 0 externref) (func (call_indirect (type 0) (i32.const 0)))",
            "type mismatch: instruction requires table of functions but table 0 has externref",
        ),
        ("(memory 1) (func (data.drop 0))", "unknown data segment"),
        ("(func (elem.drop 2))", "unknown elem segment 2"),
        (r#"(func (export "a")) (memory (export "a") 1)"#, "duplicate export name"),
        ("(memory 1) (memory 1)", "multiple memories"),
        (r#"(import "a" "b" (memory 1)) (memory 1)"#, "multiple memories"),
        ("(memory 65537)", "memory size must be at most 65536 pages (4GiB)"),
        ("(memory 0 65537)", "memory size must be at most 65536 pages (4GiB)"),
        ("(memory 2 1)", "size minimum must not be greater than maximum"),
        ("(table 2 1 funcref)", "size minimum must not be greater than maximum"),
        ("(global i32 (i32.const 0)) (func (global.set 0 (i32.const 0)))", "global is immutable"),
        ("(func (param i32)) (start 0)", "invalid start function"),
        ("(func (drop (ref.func 0)))", "undeclared function reference"),
        (
            "(global i32 (i32.clz (i32.const 0)))",
            "illegal opcode or constant expression required or type mismatch",
        ),
        (r#"(import "" "" (global (mut i32))) (global i32 (global.get 0))"#, "constant expression required"),
        (
            "(memory 1) (func (drop (i32.load align=8 (i32.const 0))))",
            "invalid memop flags: alignment must not be larger than natural",
        ),
    ] {
        let error = error(wat::parse_str(format!("(module {fields})")).unwrap());
        assert_eq!(error.message, message, "{fields}");
        assert!(error.offset.is_some(), "{fields}");
    }
}

/// WAMR's binary reader wants to know the number of data segments before it reads code that names one.
#[test]
fn data_count_section_required() {
    let mut text = wat::parse_str(r#"(module (memory 1) (data "x") (func (data.drop 0)))"#).unwrap();
    let data_count = text.windows(3).position(|window| window == [12, 1, 1]).unwrap();
    text.drain(data_count..data_count + 3);
    assert_eq!(error(text).message, "data count section required");
}

#[test]
fn zero_byte_expected() {
    let mut binary = wat::parse_str("(module (memory 1) (func (drop (memory.size))))").unwrap();
    let immediate = binary.len() - 3;
    assert_eq!(binary[immediate - 1..], [0x3f, 0, 0x1a, 0x0b]);
    binary[immediate] = 1;
    assert_eq!(error(binary).message, "zero byte expected");
}

/// Where WAMR has no words, there are `wasmparser`'s with the place, and the error displays as its message.
#[test]
fn other_messages_name_the_place() {
    let error = error(sections(&[(9, b"\x01\x09")]));
    assert_eq!(error.message, "invalid flags byte in element segment (at offset 0xb)");
    assert_eq!(error.offset, Some(0xb));
    assert_eq!(error.to_string(), error.message);
}
