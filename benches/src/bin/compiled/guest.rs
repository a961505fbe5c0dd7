//! A guest on a thread of its own, that can be stopped, and whose CPU time others can read.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wayfarer_bench::Error;
use wayfarer_bench::engines::STACK_SIZE;
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, Checkpointer, ExecEnv, Extern, InstantiateOptions, LoadedModule, Runtime,
    Store, Trap,
};
use wayfarer_snapshot::view::Thread;

/// Native stack of guests' threads: enough for the deepest recursion here (bytes).
pub(crate) const NATIVE_STACK: usize = 256 << 20;

/// The CPU clock of a thread. Others may read it as long as the thread lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuClock(libc::clockid_t);

impl CpuClock {
    /// The calling thread's.
    pub(crate) fn of_this_thread() -> Result<CpuClock, Error> {
        let mut clock = 0;
        // SAFETY: asks for the clock of the calling thread, which exists.
        match unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } {
            0 => Ok(CpuClock(clock)),
            error => Err(std::io::Error::from_raw_os_error(error).into()),
        }
    }

    /// What it shows; zero if the thread is gone.
    pub(crate) fn now(self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes to a local.
        match unsafe { libc::clock_gettime(self.0, &raw mut time) } {
            0 => Duration::new(time.tv_sec as u64, time.tv_nsec as u32),
            _ => Duration::ZERO,
        }
    }
}

/// How long a request took to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// On the clock on the wall.
    pub(crate) wall: Duration,
    /// On the guest's own CPU clock: what else the machine does is not in it.
    pub(crate) cpu: Duration,
}

/// Notes when requests are made and served, and what was captured. One request at a time.
pub(crate) struct Stopper {
    after: AfterCheckpoint,
    made: Mutex<Option<(Instant, Duration, CpuClock)>>,
    served: Mutex<Sender<Event>>,
}

/// What a [`Stopper`] tells.
pub(crate) enum Event {
    /// The guest stood still.
    Served(Served, Result<Thread, CaptureError>),
    /// The guest ended before it came to that.
    Ended,
}

impl Stopper {
    /// What it does with those that it stopped, and where it tells.
    pub(crate) fn new(after: AfterCheckpoint) -> (Arc<Stopper>, Receiver<Event>) {
        let (served, events) = mpsc::channel();
        (Arc::new(Stopper { after, made: Mutex::default(), served: Mutex::new(served) }), events)
    }

    /// Requests that the guest of `store`, whose clock is `clock`, stops.
    pub(crate) fn request(&self, store: &Store, clock: CpuClock) {
        let mut made = lock(&self.made);
        *made = Some((Instant::now(), clock.now(), clock));
        store.control().request_checkpoint();
    }

    /// The guest came to its end: what was requested is not going to be served.
    pub(crate) fn ended(&self) {
        if lock(&self.made).take().is_some() {
            self.tell(Event::Ended);
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more once there are enough samples.
        let _ = lock(&self.served).send(event);
    }
}

impl Checkpointer for Stopper {
    fn checkpoint(&self, _: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        let Some((instant, cpu, clock)) = lock(&self.made).take() else { return self.after };
        let served = Served { wall: instant.elapsed(), cpu: clock.now().saturating_sub(cpu) };
        self.tell(Event::Served(served, thread));
        self.after
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}

/// Calls `run(n)` of a new instance in `store`.
pub(crate) fn call_run(
    runtime: &Runtime,
    store: &Arc<Store>,
    module: &Arc<LoadedModule>,
    n: i32,
) -> Result<i32, Trap> {
    let host = |error: &dyn std::fmt::Display| Trap::Host(error.to_string().into());
    // SAFETY: programs have no imports.
    let instance = unsafe { store.instantiate(module, &[], &InstantiateOptions::default()) };
    let instance = instance.map_err(|error| host(&error))?;
    let Some(Extern::Func(run)) = instance.export("run") else {
        return Err(host(&"no function `run`"));
    };
    let mut env = ExecEnv::new(store.clone(), STACK_SIZE).map_err(|error| host(&error))?;
    // SAFETY: a function of the store, from one i32 to one i32 in all programs.
    let results = unsafe { runtime.engine.call(&mut env, run, &[u64::from(n as u32)])? };
    Ok(results[0] as i32)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
