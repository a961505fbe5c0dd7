//! How all threads of a root end together: by a trap or `proc_exit` of one of them, or because its program is over.

use std::sync::atomic::Ordering;

use wayfarer_runtime::{TraceFrame, Trap, TrapCode};

use super::spawn::is_told;
use super::{GuestThreads, State, group_of};
use crate::blocking;
use crate::instance::HostParts;

impl GuestThreads {
    /// Notes why a root's threads are to end. Whether nobody has done so before.
    pub(super) fn note_end(&self, root: u32, why: &Trap) -> bool {
        let mut state = self.state();
        if !state.threads.iter().any(|entry| entry.root == root) || state.end_of(root).is_some() {
            return false;
        }
        state.ends.push((root, why.clone()));
        self.note(&state);
        true
    }

    /// Why a root's threads are ending, if they are.
    fn end_of(&self, root: u32) -> Option<Trap> {
        self.state().end_of(root).cloned()
    }
}

impl HostParts {
    /// Has all threads of this guest end that are in it, but this one.
    fn tell_to_end(&self) {
        let group = group_of(self.root_number());
        let control = self.store().control();
        control.request_end(|thread| thread.group() == group && !thread.is_inside_here());
        self.wake_natives();
    }

    /// Ends what native functions of this guest's threads wait in ([`blocking`]).
    pub fn wake_natives(&self) {
        let threads = self.program().guest_threads();
        let of_root = |state: &State| {
            let own = state.threads.iter().filter(|entry| entry.root == self.root_number());
            own.map(|entry| entry.wake).collect::<Vec<_>>()
        };
        threads.look(of_root).into_iter().for_each(blocking::wake);
        blocking::wake(self.root().embedder() as usize);
    }

    /// A call of the host's failed: so do all threads of the guest. How it is to be seen, if it was told to end by them; and whether the
    /// embedder was told of that when it came.
    pub(crate) fn ends_so(&self, trap: Trap) -> (Trap, bool) {
        let (threads, root) = (self.program().guest_threads(), self.root_number());
        if trap == Trap::Code(TrapCode::Terminated) {
            return threads.end_of(root).map_or((trap, false), |why| (why, !self.is_of_thread()));
        }
        if threads.any() && !is_told(&trap) && threads.note_end(root, &trap) {
            self.tell_to_end();
        }
        (trap, false)
    }

    /// A thread of the guest's failed, and with it the program.
    pub(crate) fn thread_failed(&self, trap: Trap, trace: Vec<TraceFrame>) {
        if is_told(&trap) {
            return;
        }
        let (program, root) = (self.program(), self.root_number());
        let first = program.guest_threads().note_end(root, &trap);
        if first {
            program.embedder().call_failed(self.root(), &trap, trace.clone());
        }
        program.embedder().call_failed(self, &trap, trace);
        if first {
            self.tell_to_end();
        }
    }

    /// Has the threads that the guest has started end, as `why` has it, and waits until they have. Not in the guest, nor in a native
    /// function.
    pub fn end_threads(&self, why: &Trap) {
        let threads = self.program().guest_threads();
        if threads.any() && threads.note_end(self.root_number(), why) {
            self.tell_to_end();
        }
        self.wait_for_threads();
    }

    /// Waits until no thread that the guest has started is there any more. Does nothing in the guest and in native functions: they
    /// would wait for themselves.
    pub fn wait_for_threads(&self) {
        let program = self.program();
        if program.guest_threads().any() && !program.is_running_here() {
            program.guest_threads().wait_for_none(self.root_number());
        }
    }

    /// Whether all threads of this guest are to end.
    pub fn is_ending(&self) -> bool {
        let threads = self.program().guest_threads();
        threads.ending.load(Ordering::SeqCst) && threads.end_of(self.root_number()).is_some()
    }

    /// Whatever has ended the guest's threads: it may have new ones from now on.
    pub fn forget_end(&self) {
        let threads = self.program().guest_threads();
        if threads.ending.load(Ordering::SeqCst) {
            let root = self.root_number();
            let mut state = threads.state();
            state.ends.retain(|(of, _)| *of != root);
            threads.note(&state);
        }
    }
}
