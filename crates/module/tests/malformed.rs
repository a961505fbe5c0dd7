//! Damaged binaries are refused or accepted, but never make anything panic.

use wayfarer_module::{Module, check_wasi_abi, parse, stable_points};

/// A module with something in every section.
fn sample() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (type $t (func (param i32 i64) (result i32)))
            (import "env" "f" (func $f (param i32)))
            (import "env" "g" (global $g i32))
            (func $main (export "_start") (local i32 v128)
                (call $f (i32.const 1))
                (block $out
                    (loop $again
                        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                        (br_if $again (i32.lt_u (local.get 0) (i32.const 10)))
                        (br_table $out $again $out (local.get 0))))
                (local.set 1 (i8x16.splat (local.get 0)))
                (if (local.get 0) (then (call $main)) (else (drop (memory.grow (i32.const 1)))))
                (data.drop 1)
                (elem.drop 1))
            (func $t (type $t)
                (call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 0))
                (return_call_indirect (type $t) (i64.const 2) (i32.const 0)))
            (table 4 8 funcref)
            (table 1 externref)
            (memory (export "memory") 1 2)
            (global (mut i64) (i64.const 1))
            (global i32 (i32.add (global.get $g) (i32.const 4)))
            (start $main)
            (elem (i32.const 1) func $main $t)
            (elem funcref (ref.func $t) (ref.null func))
            (data (i32.const 4) "data")
            (data "more")
            (@custom "custom" "content"))"#,
    )
    .unwrap()
}

/// Everything a host may ask of a module.
fn exercise(module: &Module) {
    for func in 0..module.funcs.len() as u32 {
        if func >= module.num_imported_funcs {
            stable_points(module, func).unwrap();
        }
        module.func_name(func);
    }
    let _ = check_wasi_abi(module);
    for segment in &module.datas {
        let _ = &module.bytes[segment.data.clone()];
    }
}

#[test]
fn truncated_anywhere() {
    let whole = sample();
    exercise(&parse(whole.clone().into()).unwrap());
    let mut accepted = Vec::new();
    for len in 0..whole.len() {
        match parse(whole[..len].into()) {
            Ok(module) => {
                exercise(&module);
                accepted.push(len);
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
    // Only a cut in front of a section that nothing else demands: at the header's end, and before custom sections.
    assert_eq!(accepted.first(), Some(&8));
    assert!(accepted.len() <= 12, "{accepted:?}");
}

#[test]
fn one_bit_flipped_anywhere() {
    let whole = sample();
    let mut refused = 0;
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match parse(damaged.into()) {
            Ok(module) => exercise(&module),
            Err(error) => {
                assert!(!error.message.is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > whole.len(), "only {refused} refused");
}

#[test]
fn one_byte_replaced_anywhere() {
    let whole = sample();
    for index in 0..whole.len() {
        for value in [0x00, 0x01, 0x0b, 0x40, 0x7f, 0x80, 0xfc, 0xfd, 0xff] {
            let mut damaged = whole.clone();
            damaged[index] = value;
            if let Ok(module) = parse(damaged.into()) {
                exercise(&module);
            }
        }
    }
}
