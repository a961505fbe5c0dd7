//! The checks on WASI commands and reactors.

use wayfarer_module::{check_wasi_abi, parse};

#[test]
fn wasi_abi() {
    const COMMAND: &str = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    const NO_MEMORY: Option<&str> = Some("a module with WASI apis must export memory by default");
    for (fields, expected) in [
        ("", None),
        (COMMAND, None),
        (r#"(memory (export "memory") 1) (func (export "_initialize"))"#, None),
        (r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#, None),
        (r#"(func (export "_start"))"#, NO_MEMORY),
        (r#"(memory 1) (func (export "_initialize"))"#, NO_MEMORY),
        (r#"(global (export "memory") i32 (i32.const 0)) (func (export "_start"))"#, NO_MEMORY),
        (r#"(global (export "_start") i32 (i32.const 0))"#, None),
        (
            r#"(func (export "_start") (param i32))"#,
            Some("the signature of builtin _start function is wrong"),
        ),
        (
            r#"(func (export "_initialize") (result i32) (i32.const 0))"#,
            Some("the signature of builtin _initialize function is wrong"),
        ),
        (
            r#"(func (export "_start") (import "a" "b"))"#,
            Some("the builtin _start function can not be an import function"),
        ),
        (
            r#"(func (export "_initialize") (import "a" "b"))"#,
            Some("the builtin _initialize function can not be an import function"),
        ),
    ] {
        let module = parse(wat::parse_str(format!("(module {fields})")).unwrap().into()).unwrap();
        let message = check_wasi_abi(&module).err().map(|error| error.message);
        assert_eq!(message.as_deref(), expected, "{fields}");
    }
}
