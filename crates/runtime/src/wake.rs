//! Wakes a host call that waits.

use crate::registry::{Place, Registry};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

/// All that have a descriptor, so that a child of this process gets its own.
static OPEN: Registry<Event> = Registry::new();

/// A descriptor that waits are raced against, readable from a request until a wait finds that it was served.
///
/// Only who is about to wait ever makes it unreadable, and looks whether a request is pending afterwards. So a request
/// that was made before is seen then, and one that is made later makes it readable.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    event: Arc<Event>,
    listed: OnceLock<Listed>,
}

#[derive(Debug)]
struct Event {
    /// An eventfd; -1 until somebody needs it.
    fd: AtomicI32,
    /// It was made readable, and nobody has looked since.
    raised: AtomicBool,
}

impl Default for Event {
    fn default() -> Self {
        Event { fd: AtomicI32::new(-1), raised: AtomicBool::new(false) }
    }
}

/// An event's place among those with a descriptor.
#[derive(Debug)]
struct Listed {
    place: Place<Event>,
    event: Arc<Event>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        // SAFETY: `open` has added it.
        unsafe { OPEN.remove(&self.place) };
        let fd = self.event.fd.swap(-1, Ordering::SeqCst);
        // SAFETY: made by `open`, and nobody's any more.
        unsafe { libc::close(fd) };
    }
}

fn new_eventfd() -> RawFd {
    // SAFETY: no preconditions.
    unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }
}

/// Gives every event of a process that was just forked a descriptor of its own, under the same number.
pub(crate) fn renew_all() {
    OPEN.visit(|event| {
        let fd = event.fd.load(Ordering::SeqCst);
        // SAFETY: the descriptor is the event's own; another can't have the number before, as this is the only thread.
        unsafe {
            libc::close(fd);
            let new = new_eventfd();
            if new >= 0 && new != fd {
                libc::dup3(new, fd, libc::O_CLOEXEC);
                libc::close(new);
            }
        }
        if event.raised.load(Ordering::SeqCst) {
            event.raise();
        }
    });
}

impl Event {
    /// Async-signal-safe, but for errno.
    fn raise(&self) {
        let fd = self.fd.load(Ordering::SeqCst);
        if fd >= 0 {
            let one = 1u64;
            // SAFETY: writes 8 bytes from a local.
            unsafe { libc::write(fd, (&raw const one).cast(), 8) };
            // In this order: what was written and not announced yet is announced soon.
            self.raised.store(true, Ordering::SeqCst);
        }
    }

    fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: reads at most 8 bytes into a local; the descriptor does not block.
        unsafe { libc::read(self.fd.load(Ordering::SeqCst), (&raw mut count).cast(), 8) };
    }
}

impl Wake {
    /// Makes the descriptor if there is none. `pending`: whether there is a request.
    ///
    /// # Errors
    /// eventfd(2)'s.
    pub(crate) fn open(&self, pending: impl Fn() -> bool) -> std::io::Result<()> {
        if self.event.fd.load(Ordering::SeqCst) >= 0 {
            return Ok(());
        }
        let fd = new_eventfd();
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        if self.event.fd.compare_exchange(-1, fd, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // Another thread was faster.
            // SAFETY: just made, and nobody else's.
            unsafe { libc::close(fd) };
            return Ok(());
        }
        let event = self.event.clone();
        // SAFETY: `Listed` keeps the event where it is, and removes it.
        let place = unsafe { OPEN.add(&raw const *event) };
        // Only this thread has made one.
        let _ = self.listed.set(Listed { place, event });
        // Whoever asked before there was a descriptor could not write to it.
        if pending() {
            self.raise();
        }
        Ok(())
    }

    /// There is a request. Async-signal-safe, but for errno.
    pub(crate) fn raise(&self) {
        self.event.raise();
    }

    /// The descriptor, for somebody who is about to wait: readable if there is a request (`pending`) or as soon as there
    /// is one, not because there was one. -1 if there is none.
    pub(crate) fn ready(&self, pending: impl Fn() -> bool) -> RawFd {
        if self.event.raised.load(Ordering::SeqCst) && !pending() {
            self.event.raised.store(false, Ordering::SeqCst);
            self.event.drain();
            if pending() {
                self.raise();
            }
        }
        self.event.fd.load(Ordering::SeqCst)
    }
}
