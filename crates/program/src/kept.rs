//! Calls that were in progress when an image was taken, until the host continues them: it may have come back to none of them, or
//! be on its way with one. In either case they are where they were, and in the next image.

use std::ops::Deref;
use std::sync::Arc;

use wayfarer_snapshot::view::Thread;

use crate::program::Program;

/// Those that the host chooses from, of a store.
#[derive(Default)]
pub(crate) struct Kept {
    /// By number; `None`: it has taken that one.
    pub(crate) calls: Vec<Option<Thread>>,
    /// Those that it has taken.
    pub(crate) coming: Coming,
}

/// Those that were taken, and with which nobody has come in yet.
#[derive(Default)]
pub(crate) struct Coming(Vec<Taken>);

/// A call that somebody is about to continue, by [`HostParts::go_on`](crate::HostParts::go_on).
#[derive(Clone)]
pub struct Taken(Arc<Thread>);

impl Kept {
    /// Stacks of all.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Thread> {
        self.calls.iter().flatten().chain(self.coming.stacks())
    }
}

impl Coming {
    /// Stacks of all.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Thread> {
        self.0.iter().map(Deref::deref)
    }

    /// Somebody is about to come in with this one.
    pub(crate) fn add(&mut self, thread: Thread) -> Taken {
        let taken = Taken(Arc::new(thread));
        self.0.push(taken.clone());
        taken
    }

    /// Whoever has taken this one is in it from now on, and has its stack; or it has ended.
    pub(crate) fn remove(&mut self, taken: &Taken) {
        self.0.retain(|other| !Arc::ptr_eq(&other.0, &taken.0));
    }
}

impl Deref for Taken {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.0
    }
}

impl Program {
    /// Whoever has taken this call is in it from now on.
    pub(crate) fn has_come_in(&self, taken: &Taken) {
        self.history().has_come_in(taken);
        self.kept().coming.remove(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_snapshot::view::Entry;

    #[test]
    fn a_call_is_there_until_somebody_is_in_it() {
        let thread = |tid| Thread {
            entry: Entry::Call,
            frames: Vec::new(),
            tid,
            watched: Vec::new(),
            number: 0,
            waits: None,
        };
        let mut kept = Kept { calls: vec![Some(thread(1)), Some(thread(2))], coming: Coming::default() };
        let tids = |kept: &Kept| kept.stacks().map(|thread| thread.tid).collect::<Vec<_>>();
        let first = kept.calls[0].take().unwrap();
        let taken = kept.coming.add(first);
        assert_eq!((taken.tid, tids(&kept)), (1, vec![2, 1]));
        // Another that looks the same is another.
        let alike = Coming::default().add(thread(1));
        kept.coming.remove(&alike);
        assert_eq!(tids(&kept), [2, 1]);
        kept.coming.remove(&taken);
        assert_eq!(tids(&kept), [2]);
    }
}
