//! Random modules, run by compiled code as by the interpreter; stopped in one of the two wherever they are, and restored
//! in the other. The fuzz target `compiled` does the same with libFuzzer's inputs, for as long as one likes.

#[path = "../compile/mod.rs"]
mod compile;
mod homes;

#[path = "../../../interp/tests/differential/harness/mod.rs"]
mod harness;

use harness::Tally;
use harness::generate::case;
use harness::random::Random;
use std::time::{Duration, Instant};

/// The same cases in every run; on a slow machine fewer of them.
const CASES: u64 = 2500;
/// As many as this in any case.
const MIN_CASES: u64 = 40;

/// How long there may be more.
fn time() -> Duration {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| value != "0");
    Duration::from_secs(match (is_set("WAYFARER_TEST_LONG"), is_set("WAYFARER_TEST_FULL")) {
        (true, _) => 600,
        (_, true) => 30,
        _ => 10,
    })
}

#[test]
fn random_modules() {
    let started = Instant::now();
    let (mut tally, mut cases) = (Tally::default(), 0);
    // Others than the interpreter's own test has.
    for seed in 1_000_000..1_000_000 + CASES {
        if started.elapsed() > time() && cases >= MIN_CASES {
            break;
        }
        let mut random = Random::new(seed);
        let len = 200 + random.below(6000);
        let input: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let Some(case) = case(&input) else { continue };
        cases += 1;
        if let Err(why) = homes::check(&case, &mut tally) {
            let path = std::env::temp_dir().join(format!("compiled-{seed}.wasm"));
            std::fs::write(&path, &case.wasm).expect("the module can be written");
            panic!("case {seed} ({}): {why}", path.display());
        }
    }
    println!("{cases} modules: {tally:?}");
    // That they are worth the time.
    let Tally {
        returned, trapped, host_calls, innermost: [entry, in_loop, before_call], outer_frames, ..
    } = tally;
    let counts = [returned, trapped, host_calls, entry, in_loop, before_call, outer_frames];
    assert!(counts.iter().all(|&count| count >= cases / 50), "{cases} modules: {tally:?}");
}
