//! How soon a restored program is as fast as it was. Programs count their units of work in a cell of their memory, which
//! is read every millisecond from outside, together with the CPU time that the guest's thread has had: speed is work per
//! CPU time, so that other work on the machine does not show.

use crate::goal;
use crate::guest::{CpuClock, Event, NATIVE_STACK, Stopper, lock};
use crate::options::Options;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wayfarer_bench::engines::{STACK_SIZE, Wayfarer};
use wayfarer_bench::random::Random;
use wayfarer_bench::statistics::median;
use wayfarer_bench::{Error, artifacts};
use wayfarer_runtime::{
    AfterCheckpoint, ExecEnv, Extern, InstantiateOptions, LoadedModule, ResumeError, Store, Trap,
};
use wayfarer_snapshot::view::Thread;
use wayfarer_snapshot::{Image, Info, Reason, WriteOptions, save_to_vec};

/// Programs that count, and an `n` that takes longer than they are watched. For mandelbrot so much longer that the rows
/// in that time are as much work each.
const PROGRAMS: [(&str, i32); 13] = [
    ("binary_trees", 1_000_000),
    ("bytecode_vm", 100_000_000),
    ("coremark_like", 100_000_000),
    ("fannkuch", 12),
    ("fib", 47),
    ("gemm", 100_000_000),
    ("hash_table", 2_000_000_000),
    ("indirect_calls", 2_000_000_000),
    ("jacobi_2d", 100_000_000),
    ("mandelbrot", 300_000),
    ("nbody", 2_000_000_000),
    ("quick_sort", 1_000_000),
    ("sha256", 100_000_000),
];

/// Speed is the mean over this much CPU time.
const WINDOW: f64 = 0.020;
/// This much CPU time before the stop tells the former speed.
const BEFORE: f64 = 0.200;
/// This much after it is watched.
const AFTER: f64 = 0.400;
/// What counts as the former speed.
const ENOUGH: f64 = 0.95;

/// CPU time in seconds, and the work done by then.
type Sample = (f64, u64);

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let engine = Wayfarer::compiled();
    let directory = artifacts::programs()?.join("progress");
    println!(
        "\nresume: CPU time from resuming until the speed over {} ms is {} % of the former, {} stops each",
        WINDOW * 1e3,
        ENOUGH * 100.0,
        options.stops
    );
    println!("{:16}{:>14}{:>14}{:>24}", "", "median, ms", "longest, ms", "speed in the long run");
    let mut random = Random::new(2);
    let mut all = Vec::new();
    for (name, n) in PROGRAMS.into_iter().filter(|(name, _)| options.selects(name)) {
        let failed = |error: Error| format!("{name}: {error}");
        let wasm = std::fs::read(directory.join(name).with_extension("wasm"))?;
        let module = engine.load_module(&format!("progress/{name}"), &wasm)?;
        let (mut times, mut speeds) = (Vec::new(), Vec::new());
        for _ in 0..options.stops {
            let (time, speed) = once(&engine, &module, n, &mut random).map_err(failed)?;
            times.push(time * 1e3);
            speeds.push(speed);
        }
        let [time, speed] = [times.clone(), speeds].map(|values| median(values).unwrap_or(f64::NAN));
        let longest = times.iter().copied().fold(0.0, f64::max);
        println!("{name:16}{time:>14.1}{longest:>14.1}{speed:>24.3}");
        all.push((longest, name));
    }
    if let Some((longest, name)) = all.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        println!("{}", goal::at_most(&format!("  longest ({name})"), longest, 50.0, " ms"));
    }
    Ok(())
}

/// Stops a program at a random time and restores it. Gives the seconds until it had its speed again (infinite if that was
/// not seen), and its speed at the end of the time it was watched, relative to the former.
fn once(
    engine: &Wayfarer,
    module: &Arc<LoadedModule>,
    n: i32,
    random: &mut Random,
) -> Result<(f64, f64), Error> {
    let stop_at = BEFORE + 0.1 + 0.2 * random.fraction();
    let Stopped { samples: before, cell, image } = first_run(engine, module, n, stop_at)?;
    let after = second_run(engine, module, cell, &image)?;
    let end = before.last().map_or(0.0, |sample| sample.0);
    let former = rate(&before, end - BEFORE, end).ok_or("no work was seen before the stop")?;
    Ok((reached(&after, ENOUGH * former), rate(&after, AFTER / 2.0, AFTER).unwrap_or(0.0) / former))
}

/// Work per second between two times, from the samples next to them.
fn rate(samples: &[Sample], from: f64, to: f64) -> Option<f64> {
    let first = samples.iter().find(|sample| sample.0 >= from)?;
    let last = samples.iter().rev().find(|sample| sample.0 <= to)?;
    (last.0 > first.0).then(|| (last.1 - first.1) as f64 / (last.0 - first.0))
}

/// Start of the first window in which the rate is at least `rate`.
fn reached(samples: &[Sample], enough: f64) -> f64 {
    let starts = samples.iter().map(|sample| sample.0);
    let fast = |&from: &f64| {
        from + WINDOW <= samples.last().map_or(0.0, |last| last.0)
            && rate(samples, from, from + WINDOW).is_some_and(|rate| rate >= enough)
    };
    starts.into_iter().find(fast).unwrap_or(f64::INFINITY)
}

/// What a guest's thread tells the one that watches it.
#[derive(Clone)]
struct Running {
    store: Arc<Store>,
    /// Offset in its memory of where its work is counted.
    cell: usize,
    clock: CpuClock,
    /// What the clock shows when it starts.
    start: f64,
}

impl Running {
    fn new(store: &Arc<Store>, cell: usize) -> Result<Running, String> {
        let clock = CpuClock::of_this_thread().map_err(|error| error.to_string())?;
        Ok(Running { store: store.clone(), cell, clock, start: clock.now().as_secs_f64() })
    }

    /// CPU time and work, read as good as at once; `None` if that did not work out.
    fn sample(&self) -> Option<Sample> {
        let place = self.store.memory(0)?.base().wrapping_add(self.cell).cast::<u64>();
        for _ in 0..10 {
            let before = self.clock.now();
            // SAFETY: the cell is in the memory, which is mapped as long as the store is; aligned, so it is read whole.
            let work = unsafe { place.read_volatile() };
            let after = self.clock.now();
            if after.saturating_sub(before) < Duration::from_micros(50) {
                return Some((before.as_secs_f64() - self.start, work));
            }
        }
        None
    }
}

type Watched = Mutex<Option<Running>>;

/// A program that was stopped.
struct Stopped {
    samples: Vec<Sample>,
    cell: usize,
    image: Vec<u8>,
}

/// Runs until `stop_at`, and stops.
fn first_run(engine: &Wayfarer, module: &Arc<LoadedModule>, n: i32, stop_at: f64) -> Result<Stopped, Error> {
    let runtime = engine.runtime();
    let store = Store::new(runtime);
    let (stopper, events) = Stopper::new(AfterCheckpoint::Stop);
    store.set_checkpointer(Some(stopper.clone()));
    // SAFETY: programs have no imports.
    let instance = unsafe { store.instantiate(module, &[], &InstantiateOptions::default())? };
    let (Some(Extern::Func(run)), Some(Extern::Func(progress))) =
        (instance.export("run"), instance.export("progress"))
    else {
        return Err("no `run`, or no `progress`".into());
    };
    let (run, progress) = (run as usize, progress as usize);
    let guest = |watched: &Watched| -> Result<(), String> {
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE).map_err(|error| error.to_string())?;
        // SAFETY: a function of the store that takes nothing.
        let cell = unsafe { runtime.engine.call(&mut env, progress as *const _, &[]) };
        let cell = cell.map_err(|trap| trap.to_string())?[0] as usize;
        *lock(watched) = Some(Running::new(&store, cell)?);
        // SAFETY: a function of the store that takes one i32.
        match unsafe { runtime.engine.call(&mut env, run as *const _, &[u64::from(n as u32)]) } {
            Err(Trap::Stopped) => Ok(()),
            other => Err(format!("ended by itself, with {other:?}")),
        }
    };
    let (samples, cell, thread) = watch(guest, stop_at, &stopper, &events)?;
    let program = store.program(vec![thread], Vec::new())?;
    let options = WriteOptions::default();
    let info = Info::now(Reason::Api, 1);
    let image = store.with_memories(&program, |memories| save_to_vec(&program, &info, memories, &options))?;
    Ok(Stopped { samples, cell, image })
}

/// Restores an image and lets it run for a while.
fn second_run(
    engine: &Wayfarer,
    module: &Arc<LoadedModule>,
    cell: usize,
    image: &[u8],
) -> Result<Vec<Sample>, Error> {
    let runtime = engine.runtime();
    let store = Store::new(runtime);
    let (stopper, events) = Stopper::new(AfterCheckpoint::Stop);
    store.set_checkpointer(Some(stopper.clone()));
    let mut image = Image::from_bytes(image)?;
    store.restore_image(&image, &[module.clone()], |_, _| None)?;
    let thread = image.take_program().threads.pop().ok_or("the image has no thread")?;
    let guest = |watched: &Watched| -> Result<(), String> {
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE).map_err(|error| error.to_string())?;
        *lock(watched) = Some(Running::new(&store, cell)?);
        match runtime.engine.resume(&mut env, &thread) {
            Err(ResumeError::Trap(Trap::Stopped)) => Ok(()),
            other => Err(format!("the restored program ended by itself, with {other:?}")),
        }
    };
    let (samples, ..) = watch(guest, AFTER + WINDOW, &stopper, &events)?;
    Ok(samples)
}

/// Runs a guest on a thread, and watches it until it has had `until` seconds of CPU time; then stops it. Gives the samples,
/// where its work is counted, and what was captured.
fn watch(
    guest: impl FnOnce(&Watched) -> Result<(), String> + Send,
    until: f64,
    stopper: &Stopper,
    events: &Receiver<Event>,
) -> Result<(Vec<Sample>, usize, Thread), Error> {
    let watched = Watched::default();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(NATIVE_STACK);
        let guest = thread.spawn_scoped(scope, || guest(&watched))?;
        let mut samples = Vec::new();
        let mut stopped = None;
        while !guest.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
            let Some(running) = lock(&watched).clone() else { continue };
            let Some(sample) = running.sample() else { continue };
            samples.push(sample);
            if sample.0 >= until {
                stopper.request(&running.store, running.clock);
                match events.recv_timeout(Duration::from_secs(20)) {
                    Ok(Event::Served(_, thread)) => stopped = Some((running.cell, thread?)),
                    _ => return Err("the guest does not stop".into()),
                }
                break;
            }
        }
        match guest.join() {
            Ok(ended) => ended?,
            Err(_) => return Err("the guest's thread panicked".into()),
        }
        let (cell, thread) = stopped.ok_or("the guest was not stopped")?;
        Ok((samples, cell, thread))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_comes_back_when_it_does() {
        // Half speed for 30 ms, full speed from then on.
        let work = |ms: u64| if ms < 30 { ms * 50 } else { 1500 + (ms - 30) * 100 };
        let samples: Vec<Sample> = (0..200).map(|ms| (ms as f64 / 1e3, work(ms))).collect();
        let time = reached(&samples, 0.95 * 100_000.0);
        assert!((0.027..0.031).contains(&time), "{time}");
        assert_eq!(reached(&samples, 101_000.0), f64::INFINITY);
        assert!((rate(&samples, 0.1, 0.15).unwrap() - 100_000.0).abs() < 1.0);
    }
}
