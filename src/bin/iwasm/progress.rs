//! A bar while a module is compiled as a whole, which can take minutes.

use std::sync::{Mutex, PoisonError};

use iwasm::compiled::{Progress, observe};
use wayfarer_progress::Bar;

static BAR: Mutex<Option<Bar>> = Mutex::new(None);

/// Shows it from now on.
pub(crate) fn watch() {
    observe(|progress| {
        let mut bar = BAR.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Done { done, total } => {
                bar.get_or_insert_with(|| Bar::new("compiling")).show(done, total);
            }
            Progress::Over => *bar = None,
        }
    });
}
