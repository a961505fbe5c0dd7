//! How long it takes to capture deep stacks, and to be back at work afterwards: from a request until the checkpointer has
//! the frames, and from there until the program, restored, stands at its next stable point.

use crate::guest::{CpuClock, Event, NATIVE_STACK, Stopper};
use crate::options::Options;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use wayfarer_bench::Error;
use wayfarer_bench::engines::{STACK_SIZE, Wayfarer};
use wayfarer_bench::statistics::median;
use wayfarer_module::FuncType;
use wayfarer_runtime::{
    AfterCheckpoint, Caller, ExecEnv, Extern, HostFunc, InstantiateOptions, LoadedModule, ResumeError, Store,
    Trap,
};
use wayfarer_snapshot::view::Thread;

/// `descend(n)` is `n` calls deep when it says that it is ready, and stays there; each frame holds an operand that the
/// frame below it has yet to be added to.
const TEXT: &str = r#"(module
  (import "bench" "ready" (func $ready))
  (func $descend (export "descend") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (local.get $n) (call $descend (i32.sub (local.get $n) (i32.const 1)))))
      (else (call $ready) (loop $stay (result i32) (br $stay))))))"#;

const DEPTHS: [u32; 3] = [20, 1000, 100_000];

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    println!("\nrecursion: medians of {} rounds, milliseconds", options.rounds);
    println!(
        "{:12}{:>10}{:>16}{:>16}{:>16}{:>16}",
        "", "frames", "capture, wall", "capture, CPU", "per frame, ns", "resume, wall"
    );
    let wasm = wat::parse_str(TEXT)?;
    for engine in [Wayfarer::compiled(), Wayfarer::interpreter()] {
        let module = engine.load_module("recursion", &wasm)?;
        for depth in DEPTHS {
            // The stack of the main thread is too small for the deepest.
            let times = std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(NATIVE_STACK);
                let guest = thread.spawn_scoped(scope, || {
                    let rounds = (0..options.rounds).map(|_| once(&engine, &module, depth));
                    rounds.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
                })?;
                guest
                    .join()
                    .unwrap_or_else(|_| Err("the guest's thread panicked".to_owned()))
                    .map_err(Error::from)
            })?;
            let [wall, cpu, resume] = [0, 1, 2]
                .map(|which| median(times.iter().map(|t| t[which] * 1e3).collect()).unwrap_or(f64::NAN));
            let each = cpu * 1e6 / f64::from(depth);
            let name = wayfarer_bench::engines::Engine::name(&engine);
            println!("{name:12}{depth:>10}{wall:>16.3}{cpu:>16.3}{each:>16.0}{resume:>16.3}");
        }
    }
    Ok(())
}

/// Seconds of capture, on the wall and of CPU time, and of resuming.
fn once(engine: &Wayfarer, module: &Arc<LoadedModule>, depth: u32) -> Result<[f64; 3], Error> {
    let runtime = engine.runtime();
    let clock = CpuClock::of_this_thread()?;
    let store = Store::new(runtime);
    let (stopper, events) = Stopper::new(AfterCheckpoint::Stop);
    store.set_checkpointer(Some(stopper.clone()));
    let this = Arc::new(OnceLock::new());
    let ready = {
        let (stopper, this) = (stopper.clone(), this.clone());
        move |_: &mut Caller<'_>, _: &mut [u64]| {
            let store: Option<Arc<Store>> = this.get().and_then(std::sync::Weak::upgrade);
            if let Some(store) = store {
                stopper.request(&store, clock);
            }
            Ok(())
        }
    };
    let _ = this.set(Arc::downgrade(&store));
    let host = HostFunc {
        name: ("bench".into(), "ready".into()),
        restartable: true,
        call: Box::new(ready),
        data: None,
    };
    let ready = store.add_host_func(&FuncType { params: [].into(), results: [].into() }, host);
    // SAFETY: a function of this store, with the type of the module's only import.
    let instance =
        unsafe { store.instantiate(module, &[Extern::Func(ready)], &InstantiateOptions::default())? };
    let Some(Extern::Func(descend)) = instance.export("descend") else {
        return Err("no function `descend`".into());
    };
    let mut env = ExecEnv::new(store.clone(), 32 * STACK_SIZE)?;
    // SAFETY: a function of the store with one parameter.
    match unsafe { runtime.engine.call(&mut env, descend, &[(depth - 1).into()]) } {
        Err(Trap::Stopped) => {}
        other => return Err(format!("the guest ended with {other:?}").into()),
    }
    let Ok(Event::Served(served, thread)) = events.try_recv() else {
        return Err("the guest was not captured".into());
    };
    let thread: Thread = thread?;
    if thread.frames.len() != depth as usize {
        return Err(format!("{} frames were captured, not {depth}", thread.frames.len()).into());
    }
    let start = Instant::now();
    stopper.request(&store, clock);
    let resumed = runtime.engine.resume(&mut env, &thread);
    let resume = start.elapsed();
    match (resumed, events.try_recv()) {
        (Err(ResumeError::Trap(Trap::Stopped)), Ok(Event::Served(again, _))) => {
            let capture = again.wall;
            // What was requested before it resumed was served once it stood still again: that includes the capture.
            debug_assert!(capture <= resume);
            Ok([served.wall, served.cpu, resume].map(|time| time.as_secs_f64()))
        }
        (other, _) => Err(format!("the resumed guest ended with {other:?}").into()),
    }
}
