//! Which native functions guests have called: what those keep in the host's own memory is in no image.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static CALLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// At most so many are named.
const NAMED: usize = 8;

/// Whether a function was called.
#[derive(Debug, Default)]
pub(crate) struct Called(AtomicBool);

impl Called {
    /// It is called.
    #[inline]
    pub(crate) fn note(&self, name: impl FnOnce() -> String) {
        if !self.0.load(Ordering::Relaxed) {
            self.first(name());
        }
    }

    #[cold]
    fn first(&self, name: String) {
        self.0.store(true, Ordering::Relaxed);
        CALLED.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }
}

/// Names of native functions that were called, for a message; empty if there are none, or native modules save state
/// themselves, so that the host knows what it does.
pub(crate) fn without_state() -> String {
    let called = CALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if super::native_state::any() {
        return String::new();
    }
    let named: Vec<&str> = called.iter().take(NAMED).map(String::as_str).collect();
    let more =
        if called.len() > NAMED { format!(" and {} more", called.len() - NAMED) } else { String::new() };
    named.join(", ") + &more
}
