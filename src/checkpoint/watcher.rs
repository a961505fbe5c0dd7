//! Asks for checkpoints from outside the guest: when a signal arrives, when time has passed.
//!
//! One thread for the process, started when the first instance that may be checkpointed is made. The signal handler only
//! wakes it, so everything else happens where locks are allowed.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::policy::Policy;
use wayfarer_snapshot::Reason;

/// The eventfd that the signal handler writes to; -1 until there is one.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Drivers of live instances.
static WATCHED: Mutex<Watched> = Mutex::new(Watched { drivers: Vec::new(), running: false });

struct Watched {
    drivers: Vec<Weak<Driver>>,
    running: bool,
}

/// Watches for this instance as its policy says.
///
/// # Errors
/// The operating system's.
pub(crate) fn watch(driver: &Arc<Driver>, policy: &Policy) -> io::Result<()> {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.drivers.retain(|d| d.strong_count() > 0);
    watched.drivers.push(Arc::downgrade(driver));
    if !watched.running {
        start(policy)?;
        watched.running = true;
    }
    Ok(())
}

fn start(policy: &Policy) -> io::Result<()> {
    // SAFETY: no preconditions; the descriptor is kept for the life of the process, as handlers may write to it.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    WAKE.store(fd, Ordering::Release);
    let every = policy.every;
    // The guest's signals are the host's business: this thread takes none.
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are written before they are read; masking signals of this thread for a moment harms nobody.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let spawned = std::thread::Builder::new().name("wayfarer-watch".into()).spawn(move || run(fd, every));
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    spawned?;
    install(policy.signal)
}

/// Lets the signal wake the watcher. It must not end system calls of the host: SA_RESTART.
fn install(signal: i32) -> io::Result<()> {
    // SAFETY: a zeroed sigaction is valid; the handler only does what is async-signal-safe.
    let rc = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(i32) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, null_mut())
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn on_signal(_signal: i32) {
    let fd = WAKE.load(Ordering::Acquire);
    let one = 1u64;
    // SAFETY: writes eight bytes of a local; write(2) is async-signal-safe, and leaves errno to be put back.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        libc::write(fd, (&raw const one).cast(), 8);
        *errno = saved;
    }
}

fn run(fd: i32, every: Option<Duration>) {
    let mut next = every.map(|every| Instant::now() + every);
    loop {
        // Rounded up, or the last millisecond before the time would be spent spinning.
        let timeout = next.map_or(-1, |next| {
            let left = next.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
            i32::try_from(left).unwrap_or(i32::MAX)
        });
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which stays open.
        let ready = unsafe { libc::poll(&raw mut poll, 1, timeout) };
        if ready > 0 {
            let mut count = 0u64;
            // SAFETY: reads eight bytes into a local.
            unsafe { libc::read(fd, (&raw mut count).cast(), 8) };
            ask(Reason::Signal);
        }
        if let (Some(at), Some(every)) = (next, every)
            && Instant::now() >= at
        {
            ask(Reason::Timer);
            next = Some(Instant::now() + every);
        }
    }
}

fn ask(reason: Reason) {
    let drivers: Vec<Arc<Driver>> = {
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.drivers.iter().filter_map(Weak::upgrade).collect()
    };
    for driver in drivers {
        driver.ask_by_policy(reason);
    }
}
