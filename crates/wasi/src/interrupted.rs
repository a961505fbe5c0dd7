//! How far interrupted calls had come, for the same calls made again.
//!
//! A thread has one at most: what it does next is to make that call again, here or in the restored program, or its
//! call from the host ends for another reason. So a thread's next call takes up what it finds, if it is the same
//! call, and drops it otherwise; and the end of a call from the host drops it in any case ([`call_ended`]).

use crate::table::lock;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

/// Calls that are remembered: more than an instance has threads.
pub(crate) const MOST: usize = 4096;

thread_local! {
    /// Calls from the host that have ended on this thread. Others look at it when an image is written.
    static ENDED: Arc<AtomicU64> = Arc::default();
}

/// To be called when a call from the host on this thread has ended, however it did: what was interrupted in it will
/// not be made again.
#[inline]
pub fn call_ended() {
    ENDED.with(|ended| ended.store(ended.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release));
}

/// How far a call has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// When it was first made, guest monotonic nanoseconds, if that matters to it: it does not wait for ever.
    pub(crate) start: Option<u64>,
    /// Bytes that it has transferred.
    pub(crate) bytes: u64,
    /// It has begun to connect a socket.
    pub(crate) connecting: bool,
}

/// A call that is to be made again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct InterruptedCall {
    #[serde(deserialize_with = "crate::resources::text")]
    pub(crate) function: String,
    pub(crate) args: Vec<u64>,
    pub(crate) progress: Progress,
    /// Who made it; anybody, if it comes out of an image.
    #[serde(skip)]
    caller: Option<Caller>,
}

/// A thread within one call from the host.
#[derive(Clone, Debug)]
struct Caller {
    thread: ThreadId,
    ended: u64,
    /// How many have ended on that thread by now.
    count: Arc<AtomicU64>,
}

impl PartialEq for Caller {
    fn eq(&self, other: &Caller) -> bool {
        (self.thread, self.ended) == (other.thread, other.ended)
    }
}

impl Eq for Caller {}

impl Caller {
    fn current() -> Self {
        let count = ENDED.with(Arc::clone);
        Caller { thread: std::thread::current().id(), ended: count.load(Ordering::Relaxed), count }
    }

    fn on_thread_of(&self, other: Option<&Caller>) -> bool {
        other.is_some_and(|other| other.thread == self.thread)
    }

    /// Whether it is still within that call.
    fn is_there(&self) -> bool {
        self.count.load(Ordering::Acquire) == self.ended
    }
}

impl InterruptedCall {
    /// One that comes out of an image.
    pub(crate) fn restored(function: &str, args: Vec<u64>, progress: Progress) -> Self {
        InterruptedCall { function: function.into(), args, progress, caller: None }
    }

    fn is(&self, function: &str, args: &[u64]) -> bool {
        self.function == function && self.args == args
    }
}

/// The interrupted calls of an instance's threads.
#[derive(Default, Debug)]
pub(crate) struct InterruptedCalls {
    calls: Mutex<Vec<InterruptedCall>>,
    /// Whether there are any: looked at by every call.
    any: AtomicBool,
}

impl InterruptedCalls {
    pub(crate) fn put(&self, function: &str, args: &[u64], progress: Progress) {
        let caller = Caller::current();
        let call = InterruptedCall {
            function: function.into(),
            args: args.into(),
            progress,
            caller: Some(caller.clone()),
        };
        self.change(|calls| {
            calls.retain(|call| !caller.on_thread_of(call.caller.as_ref()));
            if calls.len() >= MOST {
                calls.remove(0);
            }
            calls.push(call);
        });
    }

    /// How far this call had come when it was interrupted; nothing, if it is a new one.
    pub(crate) fn take(&self, function: &str, args: &[u64]) -> Progress {
        if !self.any.load(Ordering::Acquire) {
            return Progress::default();
        }
        let caller = Caller::current();
        let found = self.change(|calls| {
            let own = calls.iter().position(|call| caller.on_thread_of(call.caller.as_ref()));
            let own = own.map(|at| calls.remove(at)).filter(|call| call.caller.as_ref() == Some(&caller));
            own.or_else(|| {
                let restored = |call: &InterruptedCall| call.caller.is_none() && call.is(function, args);
                calls.iter().position(restored).map(|at| calls.remove(at))
            })
        });
        found.filter(|call| call.is(function, args)).map(|call| call.progress).unwrap_or_default()
    }

    /// What threads are to make again, and what no thread has made again yet. All threads of the guest must stand still.
    pub(crate) fn save(&self) -> Vec<InterruptedCall> {
        let mut calls = lock(&self.calls).clone();
        calls.retain(|call| call.caller.as_ref().is_none_or(Caller::is_there));
        calls
    }

    /// Two calls that threads are to make again, and that nobody could tell apart, though they had not come equally far.
    pub(crate) fn alike(&self) -> Option<String> {
        let calls = self.save();
        calls.iter().enumerate().find_map(|(nth, call)| {
            let other = |other: &&InterruptedCall| {
                other.is(&call.function, &call.args) && other.progress != call.progress
            };
            calls[..nth].iter().find(other).map(|other| other.function.clone())
        })
    }

    pub(crate) fn restore(&self, restored: Vec<InterruptedCall>) {
        self.change(|calls| *calls = restored);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<InterruptedCall>) -> T) -> T {
        let mut calls = lock(&self.calls);
        let result = change(&mut calls);
        self.any.store(!calls.is_empty(), Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Progress = Progress { start: None, bytes: 50, connecting: false };
    const NEW: Progress = Progress { start: None, bytes: 0, connecting: false };

    #[test]
    fn an_interrupted_call_is_taken_up_once_by_the_same_call_only() {
        let calls = InterruptedCalls::default();
        calls.put("fd_write", &[1, 2], HALF);
        assert_eq!(calls.take("fd_write", &[1, 2]), HALF);
        assert_eq!(calls.take("fd_write", &[1, 2]), NEW);
        for (function, args) in [("fd_write", [1, 3]), ("fd_read", [1, 2])] {
            calls.put("fd_write", &[1, 2], HALF);
            assert_eq!(calls.take(function, &args), NEW);
            assert_eq!(calls.take("fd_write", &[1, 2]), NEW, "it was given up");
        }
        calls.put("fd_write", &[1, 2], HALF);
        call_ended();
        assert_eq!(calls.save(), []);
        assert_eq!(calls.take("fd_write", &[1, 2]), NEW);
    }

    #[test]
    fn threads_do_not_take_up_each_others_calls() {
        let calls = InterruptedCalls::default();
        calls.put("fd_write", &[1], HALF);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(calls.take("fd_write", &[1]), NEW);
                call_ended();
            });
        });
        assert_eq!(calls.take("fd_write", &[1]), HALF);
    }

    #[test]
    fn calls_of_all_threads_that_are_in_one_are_saved_unless_they_are_alike() {
        let calls = InterruptedCalls::default();
        let further = Progress { bytes: 60, ..HALF };
        calls.put("fd_write", &[1], HALF);
        let (put, saved) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let (calls, put, saved) = (&calls, &put, &saved);
            scope.spawn(move || {
                calls.put("fd_write", &[2], further);
                put.wait();
                saved.wait();
                calls.put("fd_write", &[1], further);
                put.wait();
                saved.wait();
                call_ended();
                put.wait();
            });
            put.wait();
            let progress: Vec<_> = calls.save().into_iter().map(|call| call.progress).collect();
            assert_eq!((progress, calls.alike()), (vec![HALF, further], None));
            saved.wait();
            put.wait();
            assert_eq!(calls.alike().as_deref(), Some("fd_write"));
            saved.wait();
            put.wait();
            assert_eq!((calls.save().len(), calls.alike()), (1, None), "its call has ended");
        });
    }

    #[test]
    fn a_restored_call_waits_for_the_thread_that_makes_it() {
        let calls = InterruptedCalls::default();
        calls.put("fd_write", &[1], HALF);
        let saved = calls.save().into_iter().map(|call| InterruptedCall { caller: None, ..call }).collect();
        let restored = InterruptedCalls::default();
        restored.restore(saved);
        assert_eq!(restored.take("fd_read", &[1]), NEW);
        call_ended();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(restored.take("fd_write", &[1]), HALF));
        });
        assert_eq!(restored.take("fd_write", &[1]), NEW);
    }
}
