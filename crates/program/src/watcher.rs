//! Asks for checkpoints from outside the guest: when a signal arrives, when time has passed.
//!
//! The signal's handler asks by itself, at once: the programs it asks are in a list that it may walk while other threads
//! change it. So no request waits for a thread, and a child of this process, which has none of its threads, serves its own.
//!
//! One thread is there for what has to be asked later: by the clock, or because a signal came so soon after a checkpoint
//! that the guest would get nothing done. It starts when the first program needs it.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use wayfarer_runtime::registry::{Place, Registry};
use wayfarer_runtime::{Control, fork, futex};
use wayfarer_snapshot::Reason;

use super::driver::complain;
use super::pace::{Pace, nanoseconds};
use super::policy::Policy;

/// Programs that are checkpointed as a policy says: stores, one of which serves for all of the process.
static PROGRAMS: Registry<Program> = Registry::new();

/// How fast they may be asked.
static PACE: Pace = Pace::new();

/// The process that a signal came to when there was no program yet; 0 for none.
static EARLY: AtomicI32 = AtomicI32::new(0);

/// Changes whenever the thread has to look again: a futex.
static NEWS: AtomicU32 = AtomicU32::new(0);

/// The process whose thread there is: one more than its generation, 0 for none.
static THREAD: AtomicU64 = AtomicU64::new(0);

/// Bytes of the thread's stack. What the host's thread-local variables need is taken from it.
const STACK: usize = 1 << 20;

/// A program that is asked.
#[derive(Debug)]
struct Program {
    control: Arc<Control>,
    /// Why it was asked for a checkpoint that it has not begun, and the process that was: see [`request`].
    asked: AtomicU64,
}

/// Has a program asked for checkpoints, for as long as this is there.
#[derive(Debug)]
pub(crate) struct Watch {
    program: Box<Program>,
    place: Place<Program>,
}

/// A checkpoint that is being taken, since so many nanoseconds of the clock.
pub(crate) struct Turn(u64);

/// A reason, as an atomic word holds it.
fn request(reason: Reason) -> u64 {
    let code = if reason == Reason::Signal { 2 } else { 1 };
    (process() as u64) << 32 | code
}

/// What is asked of nobody, so that a child's guest comes by and sees what it needs.
const NOTHING: u64 = 0;

/// Number of this process.
fn process() -> i32 {
    // SAFETY: no preconditions; cannot fail.
    unsafe { libc::getpid() }
}

/// Nanoseconds of the monotonic clock. Async-signal-safe.
fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec to be filled.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    nanoseconds(Duration::new(now.tv_sec as u64, now.tv_nsec as u32))
}

impl Program {
    /// Asks for a checkpoint. Async-signal-safe.
    fn ask(&self, reason: Reason) {
        // A signal that came as well is what people look for in the image.
        self.asked.fetch_max(request(reason), Ordering::SeqCst);
        self.control.request_checkpoint();
    }

    /// This process was forked from the program's.
    fn restart(&self, held: bool) {
        if self.asked.load(Ordering::SeqCst) >> 32 != process() as u64 {
            self.asked.store(NOTHING, Ordering::SeqCst);
        }
        if held {
            self.ask(Reason::Signal);
        }
        if PACE.is_timed() {
            // Its thread is started by its guest: not here, where little is allowed, and not for those who only execute
            // another program.
            self.control.request_checkpoint();
        }
    }
}

impl Watch {
    /// Asks this program as its policy says.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn new(control: &Arc<Control>, policy: &Policy) -> io::Result<Watch> {
        static FORKS: AtomicBool = AtomicBool::new(false);
        // SAFETY: it does only what is allowed there, and is this library's.
        unsafe { fork::in_children(&FORKS, in_child) };
        /// The signal that was taken for the first program: if a host sets another handler later, that is what it wants.
        static TAKEN: AtomicI32 = AtomicI32::new(0);
        if TAKEN.swap(policy.signal, Ordering::SeqCst) != policy.signal {
            listen(policy.signal)?;
        }
        if policy.every.is_some() {
            start_thread()?;
        }
        PACE.set_every(policy.every, now());
        let program = Box::new(Program { control: control.clone(), asked: AtomicU64::new(NOTHING) });
        // SAFETY: the box stays until this is dropped, which removes it.
        let place = unsafe { PROGRAMS.add(&raw const *program) };
        if EARLY.swap(0, Ordering::SeqCst) == process() {
            program.ask(Reason::Signal);
        }
        tell_thread();
        Ok(Watch { program, place })
    }

    /// Whether it was asked, and has not begun.
    pub(crate) fn is_asked(&self) -> bool {
        self.program.asked.load(Ordering::SeqCst) != NOTHING
    }

    /// Why a checkpoint is to be taken now, if it is.
    pub(crate) fn take(&self) -> Option<Reason> {
        if PACE.is_timed() && !has_thread() {
            // Of a child: its parent could start one. Without, there are checkpoints by signals only.
            if let Err(e) = start_thread() {
                complain(&format!("no checkpoints by the clock in process {}: {e}", process()));
            }
        }
        match self.program.asked.swap(NOTHING, Ordering::SeqCst) as u32 {
            0 => None,
            1 => Some(Reason::Timer),
            _ => Some(Reason::Signal),
        }
    }
}

/// A checkpoint that was asked for is being taken until the result is dropped.
pub(crate) fn begin() -> Turn {
    PACE.begin();
    Turn(now())
}

/// A signal that came too soon need not be served any more.
pub(crate) fn forget() {
    PACE.release();
}

impl Drop for Turn {
    fn drop(&mut self) {
        static SAID: AtomicBool = AtomicBool::new(false);
        let now = now();
        if PACE.end(self.0, now) && !SAID.swap(true, Ordering::Relaxed) {
            complain(&format!(
                "a checkpoint took {:.1?}, longer than the time between two: the program goes on for as long as the \
                 last one took before the next",
                Duration::from_nanos(now - self.0)
            ));
        }
        // From here on signals may come too soon. If there is no thread to be had, they are served at once.
        let _ = start_thread();
        tell_thread();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: `new` has added it there.
        unsafe { PROGRAMS.remove(&self.place) };
    }
}

/// Handles the signal from now on: a request that comes before there is a program is served by the first one.
///
/// # Errors
/// The operating system's.
pub(crate) fn listen(signal: i32) -> io::Result<()> {
    // SAFETY: a zeroed sigaction is valid; the handler only does what is async-signal-safe.
    let rc = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(i32) as usize;
        // System calls of the host go on, and it may be a host of small stacks (Go's are) with another one for signals.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        // Nothing comes in between, so that whoever visits a program here leaves it.
        libc::sigfillset(&raw mut action.sa_mask);
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT] {
            libc::sigdelset(&raw mut action.sa_mask, fault);
        }
        libc::sigaction(signal, &raw const action, null_mut())
    };
    // A host that closes this library must not take the handler's code from it.
    wayfarer_runtime::library::pin();
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn on_signal(_signal: i32) {
    // SAFETY: the address of this thread's errno, good while the thread lives.
    let errno = unsafe { &mut *libc::__errno_location() };
    let saved = *errno;
    // Before the list is walked: a program that comes to it meanwhile looks here.
    EARLY.store(process(), Ordering::SeqCst);
    let later = now() < PACE.free() && has_thread();
    let mut any = false;
    PROGRAMS.visit(|program| {
        any = true;
        if !later {
            program.ask(Reason::Signal);
        }
    });
    if any {
        EARLY.store(0, Ordering::SeqCst);
    }
    if any && later {
        PACE.hold(process());
        tell_thread();
    }
    *errno = saved;
}

/// In a process that was just forked. Only what is async-signal-safe.
unsafe extern "C" fn in_child() {
    let held = PACE.restart(process(), now());
    PROGRAMS.visit(|program| program.restart(held));
}

/// Whether this very process has the thread.
fn has_thread() -> bool {
    THREAD.load(Ordering::SeqCst) == u64::from(fork::generation()) + 1
}

/// Starts a thread, by `start`. The host's signals are its own business: that thread takes none.
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are written before they are read; masking signals of this thread for a moment harms nobody.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = start();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    started
}

/// Starts the thread if this process has none.
fn start_thread() -> io::Result<()> {
    let me = u64::from(fork::generation()) + 1;
    if THREAD.swap(me, Ordering::SeqCst) == me {
        return Ok(());
    }
    let thread = std::thread::Builder::new().name("wayfarer-watch".into()).stack_size(STACK);
    let spawned = without_signals(|| thread.spawn(run));
    if let Err(e) = spawned {
        THREAD.store(0, Ordering::SeqCst);
        return Err(e);
    }
    Ok(())
}

/// Has the thread look again. Async-signal-safe, but for errno.
fn tell_thread() {
    NEWS.fetch_add(1, Ordering::SeqCst);
    futex::wake_all(&NEWS);
}

/// Asks all, those that were asked and have not begun once more.
fn ask_all(reason: Reason) {
    let mut any = false;
    PROGRAMS.visit(|program| {
        any = true;
        program.ask(reason);
    });
    if !any && reason == Reason::Signal {
        // All have gone: it is for the next one.
        EARLY.store(process(), Ordering::SeqCst);
    }
}

fn run() {
    loop {
        let (seen, now) = (NEWS.load(Ordering::SeqCst), now());
        let left = match PACE.due() {
            Some(due) if due <= now => {
                ask_all(if PACE.release() { Reason::Signal } else { Reason::Timer });
                // There is news when that was served, or when there is another program.
                None
            }
            due => due.map(|due| due - now),
        };
        futex::wait(&NEWS, seen, left);
    }
}
