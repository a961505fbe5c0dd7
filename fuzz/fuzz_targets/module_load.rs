//! The module reader, given anything; and what is done with a module that it accepts before it runs: its stable points
//! are computed and its functions translated.
//!
//! The first byte of the input chooses what the rest is: a module as it is, or what to make one of. That is a number of
//! changes (a byte), the changes (where, 4 bytes; how, a byte; a byte to put there), and what the generator makes the
//! module of. What is cut off counts as zero.

#![no_main]

#[path = "../../crates/interp/tests/differential/harness/mod.rs"]
#[allow(dead_code, reason = "only the generator is used")]
mod harness;

use arbitrary::Unstructured;
use harness::generate::features;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use wasm_smith::Config;
use wayfarer_interp::Interpreter;
use wayfarer_runtime::Runtime;

fuzz_target!(|input: &[u8]| {
    let Some((&how, rest)) = input.split_first() else { return };
    if how == 0 {
        exercise(rest);
    } else {
        let _ = generated(&mut Unstructured::new(rest));
    }
});

/// A module of the generator's, with a few changes.
fn generated(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let changes: [(u32, u8, u8); 8] = u.arbitrary()?;
    let count = u.int_in_range(0..=changes.len())?;
    let config = Config {
        max_elements: 100,
        max_funcs: 30,
        max_imports: 20,
        generate_custom_sections: true,
        memory_max_size_required: false,
        table_max_size_required: false,
        max_memory32_bytes: 1 << 32,
        max_table_elements: 1_000_000,
        allow_invalid_funcs: u.arbitrary()?,
        ..features()
    };
    let mut bytes = wasm_smith::Module::new(config, u)?.to_bytes();
    for &(at, how, byte) in &changes[..count] {
        let at = at as usize % bytes.len().max(1);
        match how % 4 {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        if bytes.is_empty() {
            break;
        }
    }
    if count == 0 {
        assert!(exercise(&bytes) || changed(&bytes), "a module of supported features is refused");
    } else {
        exercise(&bytes);
    }
    Ok(())
}

/// Whether it is right that a module was refused: the validator alone refuses it too.
fn changed(bytes: &[u8]) -> bool {
    wasmparser::Validator::new_with_features(wayfarer_module::FEATURES).validate_all(bytes).is_err()
}

/// Does with a module all there is to do without running it. Whether it was accepted.
fn exercise(bytes: &[u8]) -> bool {
    let module = match wayfarer_module::parse(bytes.into()) {
        Ok(module) => Arc::new(module),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert!(!changed(bytes), "an invalid module is accepted");
    let loaded = Runtime::new(Arc::new(Interpreter)).load(module.clone());
    assert_eq!(loaded.types.len(), module.types.len());
    for export in &module.exports {
        assert_eq!(module.export(&export.name).map(|e| &*e.name), Some(&*export.name));
    }
    wayfarer_interp::check_translation(&module).unwrap_or_else(|why| panic!("{why}"));
    true
}
