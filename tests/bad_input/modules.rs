//! Malformed modules, at `iwasm`.

use crate::harness::guests;
use crate::harness::random::Random;
use crate::support::{Folder, Ran, iwasm};

/// What `iwasm` ends with when a module cannot be loaded or its function cannot be called.
const FAILED: i32 = 255;

/// It failed and says why: on standard output, where upstream's program says it.
#[track_caller]
fn expect_failure(ran: &Ran, why: &str) {
    assert_eq!(ran.status, Some(FAILED), "{ran:?}");
    assert!(ran.stdout.contains(why) || ran.stderr.contains(why), "{ran:?}");
}

#[test]
fn not_a_module() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("short", b"\0as"),
        ("text", b"(module)"),
        ("script", b"#!/bin/sh\necho hello\n"),
        ("version", b"\0asm\x07\0\0\0"),
        ("section", b"\0asm\x01\0\0\0\x63\x01\0"),
        ("length", b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f"),
    ] {
        expect_failure(&iwasm([folder.write(name, bytes)]), "WASM module load failed: ");
    }
    expect_failure(&iwasm([folder.text("missing")]), "failed");
}

#[test]
fn cut_short() {
    let folder = Folder::new();
    let module = guests::guest("funcref_table").module.bytes.to_vec();
    let mut random = Random::named("cut short");
    for _ in 0..60 {
        let at = random.below(module.len() as u64) as usize;
        let cut = iwasm([folder.write("cut.wasm", &module[..at])]);
        // A module may end after some sections: what is left is valid then, and does nothing.
        if cut.status != Some(0) || !cut.stdout.is_empty() {
            expect_failure(&cut, "failed");
        }
    }
}

/// Flipped bytes: most make an invalid module. Others make another program, which may do anything that guests
/// may do.
#[test]
fn flipped() {
    let mut random = Random::named("flipped module");
    let mut loaded = 0;
    for name in ["call_indirect_nested", "table_operations", "v128_locals", "start_function", "multi_value"] {
        let module = guests::guest(name).module.bytes.to_vec();
        for _ in 0..2000 {
            let mut bytes = module.clone();
            for _ in 0..=random.below(2) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
            match wayfarer_module::parse(bytes.into()) {
                Ok(_) => loaded += 1,
                Err(error) => assert!(error.to_string().len() > 10, "{error}"),
            }
        }
    }
    assert!(loaded > 100 && loaded < 9000, "{loaded}");
}
