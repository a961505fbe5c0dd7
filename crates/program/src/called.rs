//! Which native functions guests have called: what those keep in the host's own memory is in no image.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::driver::complain;
use crate::embedder::Embedder;

static CALLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// At most so many are named.
const NAMED: usize = 8;

/// Whether a native function was called.
#[derive(Debug, Default)]
pub struct Called(AtomicBool);

impl Called {
    /// It is called.
    #[inline]
    pub fn note(&self, name: impl FnOnce() -> String) {
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

/// Names of native functions that were called, for a message; empty if there are none.
fn names() -> String {
    let called = CALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let named: Vec<&str> = called.iter().take(NAMED).map(String::as_str).collect();
    let more =
        if called.len() > NAMED { format!(" and {} more", called.len() - NAMED) } else { String::new() };
    named.join(", ") + &more
}

/// Says, once, which native functions the guest has called whose own state is in no image.
pub(crate) fn warn(embedder: &dyn Embedder) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !embedder.native_modules().is_empty() {
        // The host knows what it does.
        return;
    }
    let names = names();
    if !names.is_empty() && !SAID.swap(true, Ordering::Relaxed) {
        complain(&format!(
            "what these native functions keep in the host's memory is not part of the image: {names} \
             (see wayfarer_register_state)"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_named_and_the_rest_counted() {
        let called = Called::default();
        called.note(|| "host.a".to_owned());
        called.note(|| "never looked at".to_owned());
        assert_eq!(names(), "host.a");
        for n in 0..9 {
            Called::default().note(|| format!("host.b{n}"));
        }
        assert_eq!(
            names(),
            "host.a, host.b0, host.b1, host.b2, host.b3, host.b4, host.b5, host.b6 and 2 more"
        );
    }
}
