//! Requests to a running program: checkpoint, terminate. One word, read by every poll with a relaxed load; everything
//! else happens on the slow path.

use crate::limits::Limits;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use wayfarer_guest::Interrupt;

/// Take a checkpoint at the next stable point.
const CHECKPOINT: u32 = 1;
/// Trap with `terminated by user`.
const TERMINATE: u32 = 2;
/// Count polls down to a checkpoint.
const COUNT: u32 = 4;

/// What a poll that found the word armed has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PollAction {
    /// Nothing, go on.
    Continue,
    /// Capture the program here.
    Checkpoint,
    /// Trap.
    Terminate,
}

/// The requests to one store's threads. Shared with whoever may ask; asking is async-signal-safe.
#[derive(Debug)]
pub struct Control {
    word: AtomicU32,
    countdown: AtomicU64,
    polls: AtomicU64,
    wake: AtomicI32,
    wake_owner: Mutex<Option<OwnedFd>>,
    limits: Limits,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            word: AtomicU32::new(0),
            countdown: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            wake: AtomicI32::new(-1),
            wake_owner: Mutex::new(None),
            limits: Limits::default(),
        }
    }
}

impl Control {
    /// The word that engines poll: not zero means "take the slow path".
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Makes the descriptor that wakes blocked host calls, unless a waiting call already did.
    ///
    /// # Errors
    /// eventfd(2)'s.
    pub fn enable_wake(&self) -> std::io::Result<()> {
        let mut owner = self.wake_owner.lock().unwrap_or_else(|e| e.into_inner());
        if owner.is_none() {
            // SAFETY: eventfd has no preconditions; a result >= 0 is a descriptor that we own.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // SAFETY: `fd` was just made and belongs to nobody else.
            *owner = Some(unsafe { OwnedFd::from_raw_fd(fd) });
            self.wake.store(owner.as_ref().map_or(-1, |fd| fd.as_raw_fd()), Ordering::Release);
            // Whoever asked before there was a descriptor could not write to it.
            if self.pending() {
                self.ask(0);
            }
        }
        Ok(())
    }

    /// The words that compiled code polls.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether polls take the slow path.
    pub(crate) fn is_armed(&self) -> bool {
        self.word.load(Ordering::SeqCst) != 0
    }

    /// Polls take the slow path from now on.
    fn arm(&self, bit: u32) {
        self.word.fetch_or(bit, Ordering::SeqCst);
        self.limits.request();
    }

    /// A request was served.
    fn disarm(&self, bit: u32) {
        if self.word.fetch_and(!bit, Ordering::SeqCst) & !bit == 0 {
            self.limits.relax();
            // Another may have come in between.
            if self.is_armed() {
                self.limits.request();
            }
        }
    }

    fn ask(&self, bit: u32) {
        self.arm(bit);
        let fd = self.wake.load(Ordering::Acquire);
        if fd >= 0 {
            let one = 1u64;
            // SAFETY: writes 8 bytes from a local; write(2) is async-signal-safe.
            unsafe { libc::write(fd, (&raw const one).cast(), 8) };
        }
    }

    /// Asks for a checkpoint at the next stable point. Async-signal-safe.
    pub fn request_checkpoint(&self) {
        self.ask(CHECKPOINT);
    }

    /// Asks for a checkpoint at the `n`th poll from now (1 is the next one). 0 takes the request back.
    pub fn checkpoint_at(&self, n: u64) {
        self.countdown.store(n, Ordering::Release);
        if n == 0 {
            self.disarm(COUNT);
        } else {
            self.arm(COUNT);
        }
    }

    /// Asks all threads to trap with `terminated by user`. Async-signal-safe.
    pub fn request_terminate(&self) {
        self.ask(TERMINATE);
    }

    /// Takes a termination request back, so the program may be called again.
    pub fn clear_terminate(&self) {
        self.disarm(TERMINATE);
        self.drain();
    }

    /// How many polls took the slow path so far: how far `checkpoint_at` has counted.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Decides what a poll does; called by engines when the word is not zero. A checkpoint request is taken: the caller
    /// must serve it.
    pub fn poll(&self) -> PollAction {
        let word = self.word.load(Ordering::Acquire);
        self.polls.fetch_add(1, Ordering::Relaxed);
        if word & TERMINATE != 0 {
            return PollAction::Terminate;
        }
        if word & COUNT != 0 && self.countdown.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.disarm(COUNT);
            return PollAction::Checkpoint;
        }
        if word & CHECKPOINT != 0 {
            self.disarm(CHECKPOINT);
            self.drain();
            return PollAction::Checkpoint;
        }
        PollAction::Continue
    }

    /// Takes a checkpoint request back that is served otherwise: no guest runs that would poll.
    pub fn take_checkpoint_request(&self) {
        self.disarm(CHECKPOINT);
        self.drain();
    }

    fn drain(&self) {
        let fd = self.wake.load(Ordering::Acquire);
        if fd >= 0 {
            let mut count = 0u64;
            // SAFETY: reads at most 8 bytes into a local; the descriptor does not block.
            unsafe { libc::read(fd, (&raw mut count).cast(), 8) };
        }
    }
}

impl Interrupt for Control {
    fn pending(&self) -> bool {
        self.word.load(Ordering::Acquire) & (CHECKPOINT | TERMINATE) != 0
    }

    /// Made when a host call first waits. Without one (descriptors are short) the wait is not interrupted.
    fn wake_fd(&self) -> RawFd {
        if self.wake.load(Ordering::Acquire) < 0 {
            let _ = self.enable_wake();
        }
        self.wake.load(Ordering::Acquire)
    }
}
