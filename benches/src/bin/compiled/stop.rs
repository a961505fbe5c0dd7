//! How soon a program stands still: from a request, made by another thread at a random time, until the checkpointer is
//! called with its frames. Afterwards the program goes on, so requests find it in compiled functions, in continuations of
//! them, and interpreted.

use crate::goal;
use crate::guest::{CpuClock, Event, Served, Stopper, call_run, lock};
use crate::options::Options;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wayfarer_bench::engines::Wayfarer;
use wayfarer_bench::programs::{PROGRAMS, Program};
use wayfarer_bench::random::Random;
use wayfarer_bench::statistics::quantile;
use wayfarer_bench::{Error, artifacts};
use wayfarer_runtime::{AfterCheckpoint, LoadedModule, Store};

/// A request is made this long after the one before was served, on average, twice that at most.
const PAUSE: Duration = Duration::from_millis(2);

/// A request that is not served by then never will be.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let engine = Wayfarer::compiled();
    let build = artifacts::programs()?;
    println!(
        "\nstop: milliseconds from a request until the frames are captured, {} requests each",
        options.requests
    );
    println!("{:16}{:>27}{:>36}", "", "on the clock on the wall", "of the guest's CPU time");
    println!("{:16}{HEADER}{HEADER}", "");
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for program in PROGRAMS.iter().filter(|program| options.selects(program.name)) {
        let wasm = std::fs::read(build.join(program.name).with_extension("wasm"))?;
        let module = engine.load_module(program.name, &wasm)?;
        let served = measure(&engine, &module, program, options.requests)
            .map_err(|error| format!("{}: {error}", program.name))?;
        let row: Vec<f64> = served.iter().map(|served| served.wall.as_secs_f64() * 1e3).collect();
        let cpu_row: Vec<f64> = served.iter().map(|served| served.cpu.as_secs_f64() * 1e3).collect();
        println!("{:16}{}{}", program.name, quantiles(&row), quantiles(&cpu_row));
        wall.extend(row);
        cpu.extend(cpu_row);
    }
    println!("{:16}{}{}", "all", quantiles(&wall), quantiles(&cpu));
    for (clock, all) in [("wall", &wall), ("CPU", &cpu)] {
        let [_, p99, most] = of(all);
        println!("{}", goal::below(&format!("  99 % of requests, {clock}"), p99, 5.0, " ms"));
        println!("{}", goal::below(&format!("  longest, {clock}"), most, 20.0, " ms"));
    }
    Ok(())
}

const HEADER: &str = "      median        99 %     longest";

fn of(values: &[f64]) -> [f64; 3] {
    [0.5, 0.99, 1.0].map(|part| quantile(values.to_vec(), part).unwrap_or(f64::NAN))
}

fn quantiles(values: &[f64]) -> String {
    of(values).iter().map(|value| format!("{value:>12.3}")).collect()
}

/// Requests are made while the program runs, again and again; its results are checked.
fn measure(
    engine: &Wayfarer,
    module: &Arc<LoadedModule>,
    program: &Program,
    requests: usize,
) -> Result<Vec<Served>, Error> {
    let runtime = engine.runtime();
    let expected = call_run(runtime, &Store::new(runtime), module, program.n).map_err(|t| t.to_string())?;
    let (stopper, events) = Stopper::new(AfterCheckpoint::Continue);
    let current: Mutex<Option<(Arc<Store>, CpuClock)>> = Mutex::default();
    let enough = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let guest = scope.spawn(|| -> Result<(), String> {
            let clock = CpuClock::of_this_thread().map_err(|error| error.to_string())?;
            while !enough.load(relaxed) {
                let store = Store::new(runtime);
                store.set_checkpointer(Some(stopper.clone()));
                *lock(&current) = Some((store.clone(), clock));
                let result = call_run(runtime, &store, module, program.n);
                *lock(&current) = None;
                stopper.ended();
                match result {
                    Ok(result) if result == expected => {}
                    other => return Err(format!("returns {other:?} once, then {expected}")),
                }
            }
            Ok(())
        });
        let served = collect(&stopper, &events, &current, requests, || guest.is_finished());
        enough.store(true, relaxed);
        match guest.join() {
            Ok(ended) => ended?,
            Err(_) => return Err("the guest's thread panicked".into()),
        }
        served
    })
}

fn collect(
    stopper: &Stopper,
    events: &Receiver<Event>,
    current: &Mutex<Option<(Arc<Store>, CpuClock)>>,
    requests: usize,
    finished: impl Fn() -> bool,
) -> Result<Vec<Served>, Error> {
    let mut random = Random::new(1);
    let mut served = Vec::with_capacity(requests);
    while served.len() < requests && !finished() {
        std::thread::sleep(PAUSE.mul_f64(2.0 * random.fraction()));
        {
            // While it is locked the guest does not end.
            let current = lock(current);
            let Some((store, clock)) = &*current else { continue };
            stopper.request(store, *clock);
        }
        match events.recv_timeout(PATIENCE).map_err(|_| "a request was not served in 20 seconds")? {
            Event::Served(time, thread) => {
                thread?;
                served.push(time);
            }
            Event::Ended => {}
        }
    }
    Ok(served)
}
