//! A module made from the input, run by the interpreter as by wasmi, and wherever it is stopped.

#![no_main]

#[path = "../../crates/interp/tests/differential/harness/mod.rs"]
mod harness;

use harness::{Tally, check, generate};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(case) = generate::case(input) else { return Corpus::Reject };
    if let Err(why) = check(&case, &mut Tally::default()) {
        let path = std::env::temp_dir().join("execute.wasm");
        let written = std::fs::write(&path, &case.wasm).map(|()| path);
        panic!("{why}\nmodule: {written:?}");
    }
    Corpus::Keep
});
