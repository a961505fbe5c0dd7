//! Random modules, run by the interpreter as by another engine, and wherever they are stopped. The fuzz target `execute`
//! does the same with libFuzzer's inputs, for as long as one likes.

mod harness;

use harness::generate::case;
use harness::random::Random;
use harness::{Tally, check};
use std::time::{Duration, Instant};

/// The same cases in every run; on a slow machine fewer of them.
const CASES: u64 = 2500;
const TIME: Duration = Duration::from_secs(8);
/// As many as this in any case.
const MIN_CASES: u64 = 200;

#[test]
fn random_modules() {
    let started = Instant::now();
    let (mut tally, mut cases) = (Tally::default(), 0);
    for seed in 0..CASES {
        if started.elapsed() > TIME && cases >= MIN_CASES {
            break;
        }
        let mut random = Random::new(seed);
        let len = 200 + random.below(6000);
        let input: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let Some(case) = case(&input) else { continue };
        cases += 1;
        if let Err(why) = check(&case, &mut tally) {
            let path = std::env::temp_dir().join(format!("differential-{seed}.wasm"));
            std::fs::write(&path, &case.wasm).expect("the module can be written");
            panic!("case {seed} ({}): {why}", path.display());
        }
    }
    println!("{cases} modules: {tally:?}");
    // That they are worth the time.
    let Tally {
        returned,
        trapped,
        host_calls,
        compared,
        innermost: [entry, in_loop, before_call],
        outer_frames,
    } = tally;
    let counts = [returned, trapped, host_calls, compared, entry, in_loop, before_call, outer_frames];
    assert!(counts.iter().all(|&count| count >= cases / 50), "{cases} modules: {tally:?}");
}

/// Once this fails, `peer::is_right_about` is no longer needed.
#[test]
fn what_wasmi_gets_wrong() {
    let text = r#"(module
        (func (export "f") (param i32) (result i32)
            (select (i32.const 100) (i32.const 200) (i32.ne (local.get 0) (i32.const 0)))))"#;
    let wasm = wat::parse_str(text).expect("it is well-formed");
    let engine = wasmi::Engine::default();
    let module = wasmi::Module::new(&engine, &wasm).expect("it is valid");
    let mut store = wasmi::Store::new(&engine, ());
    let instance =
        wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module).expect("no imports");
    let f = instance.get_typed_func::<i32, i32>(&store, "f").expect("it is exported");
    assert_eq!(f.call(&mut store, 5).expect("it does not trap"), 200, "it should have been 100");
    let module = wayfarer_module::parse(wasm.into()).expect("it is valid");
    assert!(!harness::peer::is_right_about(&module));
}
