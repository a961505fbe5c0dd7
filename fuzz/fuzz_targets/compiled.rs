//! A module made from the input, run by compiled code as by the interpreter, and stopped in one and restored in the other.

#![no_main]

#[path = "../../crates/native/tests/compile/mod.rs"]
mod compile;
#[path = "../../crates/interp/tests/differential/harness/mod.rs"]
mod harness;
#[path = "../../crates/native/tests/differential/homes.rs"]
mod homes;

use harness::{Tally, generate};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(case) = generate::case(input) else { return Corpus::Reject };
    if let Err(why) = homes::check(&case, &mut Tally::default()) {
        let path = std::env::temp_dir().join("compiled.wasm");
        let written = std::fs::write(&path, &case.wasm).map(|()| path);
        panic!("{why}\nmodule: {written:?}");
    }
    Corpus::Keep
});
