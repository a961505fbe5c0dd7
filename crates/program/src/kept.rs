//! Calls that were in progress when an image was taken, until the host continues them: it may have come back to none of them, or
//! be on its way with one. In either case they are where they were, and in the next image.

use std::ops::Deref;
use std::sync::Arc;

use wayfarer_snapshot::view::Thread;

use crate::program::Program;

/// All of a store.
#[derive(Default)]
pub(crate) struct Kept {
    /// Those that the host chooses from by number; `None`: it has taken that one.
    pub(crate) calls: Vec<Option<Thread>>,
    /// Those that were taken, here or from the history, and with which nobody has come in yet.
    coming: Vec<Arc<Thread>>,
}

impl Kept {
    /// Stacks of all.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Thread> {
        self.calls.iter().flatten().chain(self.coming.iter().map(|thread| &**thread))
    }

    /// Somebody is about to come in with this one.
    pub(crate) fn coming(&mut self, thread: Thread) -> Taken {
        let thread = Arc::new(thread);
        self.coming.push(thread.clone());
        Taken(thread)
    }
}

/// A call that somebody is about to continue, by [`HostParts::go_on`](crate::HostParts::go_on).
pub struct Taken(Arc<Thread>);

impl Deref for Taken {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.0
    }
}

impl Program {
    /// Whoever has taken this call is in it from now on, and has its stack.
    pub(crate) fn has_come_in(&self, taken: &Taken) {
        self.kept().coming.retain(|thread| !Arc::ptr_eq(thread, &taken.0));
    }
}
