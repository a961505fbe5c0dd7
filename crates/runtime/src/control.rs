//! Requests to a running program: checkpoint, terminate. One word, read by every poll with a relaxed load; everything
//! else happens on the slow path.
//!
//! A request for a checkpoint is an *epoch*, a number that grows. Each of the guest's threads ([`GuestThread`]) notes the last
//! epoch that it has seen, so none takes a request from another. The word stays armed until an epoch is *settled*: all that
//! are in calls of the host's have seen it, or somebody says that it was served. One that comes when all are outside waits for
//! the next who comes in.

use crate::futex;
use crate::limits::Limits;
use crate::registry::Registry;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::threads::GuestThread;
use crate::wake::Wake;
use std::os::fd::RawFd;
use wayfarer_guest::Interrupt;

/// Come to a stable point: an epoch is not settled.
const STOP: u32 = 1;
/// Trap with `terminated by user`, whoever is or comes inside.
const TERMINATE: u32 = 2;
/// Count polls down to a checkpoint.
const COUNT: u32 = 4;
/// Of those that were inside when the program was told to terminate, some have not heard of it.
const END: u32 = 8;

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
#[derive(Debug, Default)]
pub struct Control {
    word: AtomicU32,
    /// The last request.
    epoch: AtomicU64,
    /// The last one that nobody need come for any more.
    settled: AtomicU64,
    /// The last one that somebody has seen, who may be gone.
    seen: AtomicU64,
    countdown: AtomicU64,
    polls: AtomicU64,
    /// The count has come to its end.
    counted: AtomicBool,
    threads: Registry<GuestThread>,
    /// How many threads there were.
    ids: AtomicU64,
    /// Threads get their descriptors when they are registered.
    wakes_at_once: AtomicBool,
    /// For those who wait and are none of the guest's threads.
    wake: Wake,
    /// Changes with each request: a futex, for those who stand still.
    news: AtomicU32,
    limits: Limits,
}

impl Control {
    /// The word that engines poll: not zero means "take the slow path".
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Makes the descriptors that wake blocked host calls now, for those that have none, and for threads to come when they
    /// do: later there may be none to be had.
    ///
    /// # Errors
    /// eventfd(2)'s.
    pub fn enable_wake(&self) -> std::io::Result<()> {
        self.wakes_at_once.store(true, Ordering::SeqCst);
        let mut made = self.wake.open(|| self.pending());
        self.threads.visit(|thread| {
            if made.is_ok() {
                made = thread.enable_wake();
            }
        });
        made
    }

    pub(crate) fn wakes_at_once(&self) -> bool {
        self.wakes_at_once.load(Ordering::SeqCst)
    }

    /// The words that compiled code polls.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The guest's threads.
    pub fn threads(&self) -> &Registry<GuestThread> {
        &self.threads
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether polls take the slow path.
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.word.load(Ordering::SeqCst) != 0
    }

    /// Polls take the slow path from now on.
    fn arm(&self, bit: u32) {
        self.word.fetch_or(bit, Ordering::SeqCst);
        self.limits.sync(|| self.is_armed());
    }

    /// For the sake of this bit they need not. `again`: whether, meanwhile, they have to.
    fn disarm(&self, bit: u32, again: impl Fn() -> bool) {
        let was = self.word.fetch_and(!bit, Ordering::SeqCst);
        // Whoever sets the bit has made `again` true before. So if it was cleared behind his back, that is seen here.
        if again() {
            self.arm(bit);
        } else if was & bit != 0 && was & !bit == 0 {
            self.limits.sync(|| self.is_armed());
        }
    }

    /// Runs `ask`, and has those who wait look what was asked. Async-signal-safe, and leaves errno alone: the handler's
    /// caller may be about to read it.
    fn ask<T>(&self, ask: impl FnOnce() -> T) -> T {
        // SAFETY: the address of this thread's errno, good while the thread lives.
        let errno = unsafe { &mut *libc::__errno_location() };
        let saved = *errno;
        let asked = ask();
        // After the word: who is woken looks there.
        self.wake.raise();
        self.threads.visit(GuestThread::raise);
        self.tell();
        *errno = saved;
        asked
    }

    /// What [`Control::wait_for_news`] is given.
    pub fn news(&self) -> u32 {
        self.news.load(Ordering::SeqCst)
    }

    /// Waits for a request, or until those who stand still are told to look. `seen`: [`Control::news`], before who waits has
    /// looked. May return sooner.
    pub fn wait_for_news(&self, seen: u32) {
        futex::wait(&self.news, seen, None);
    }

    /// Has those look who stand still. Async-signal-safe, but for errno.
    pub fn tell(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.news);
    }

    /// Whether the thread that this one of the host's is in a call of is to end that call.
    pub fn is_to_end_here(&self) -> bool {
        let (word, mut ends) = (self.word.load(Ordering::SeqCst), false);
        self.threads.visit(|thread| ends |= thread.is_inside_here() && self.is_to_end(thread, word));
        ends
    }

    /// Asks for a checkpoint at the next stable point. What it is for has to be said before, where who serves it looks.
    /// Async-signal-safe.
    pub fn request_checkpoint(&self) {
        self.stop(false);
    }

    /// Has all come to a stable point but the thread that this one of the host's is in a call of. The number of this request,
    /// to be settled.
    pub fn stop_others(&self) -> u64 {
        self.stop(true)
    }

    fn stop(&self, but_here: bool) -> u64 {
        self.ask(|| {
            let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
            if but_here {
                self.threads.visit(|thread| {
                    if thread.is_inside_here() {
                        thread.seen.fetch_max(epoch, Ordering::SeqCst);
                    }
                });
            }
            self.arm_stop();
            epoch
        })
    }

    /// Has polls look at the epoch, unless all have seen it already: the word was armed for the sake of another.
    fn arm_stop(&self) {
        self.arm(STOP);
        if !self.is_open() {
            self.disarm(STOP, || self.is_open());
        }
    }

    /// Nobody need come any more for what was asked so far.
    pub fn settle_all(&self) {
        self.settle(self.epoch.load(Ordering::SeqCst));
    }

    /// Nobody need come for the sake of this request or one before it.
    pub fn settle(&self, epoch: u64) {
        self.settled.fetch_max(epoch, Ordering::SeqCst);
        if !self.is_open() {
            self.disarm(STOP, || self.is_open());
        }
    }

    /// The last one that nobody need come for.
    #[cfg(test)]
    fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    /// Whether there is a request that is not settled.
    fn is_open(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) > self.settled.load(Ordering::SeqCst)
    }

    /// The request that a thread has to come for, if there is one.
    fn is_asked(&self, thread: &GuestThread) -> Option<u64> {
        let known = self.settled.load(Ordering::SeqCst).max(thread.seen.load(Ordering::SeqCst));
        let epoch = self.epoch.load(Ordering::SeqCst);
        (epoch > known).then_some(epoch)
    }

    /// A request that somebody has seen is settled if nobody is inside who has not.
    fn settle_seen(&self, epoch: u64) {
        let mut all = true;
        self.threads
            .visit(|thread| all &= !thread.is_inside() || thread.seen.load(Ordering::SeqCst) >= epoch);
        if all {
            self.settle(epoch);
        }
    }

    /// A thread has left its call, or is gone: nobody waits for it any more.
    #[cold]
    pub(crate) fn left(&self) {
        // What nobody has seen is for the next who comes in.
        let seen = self.seen.load(Ordering::SeqCst);
        if seen > self.settled.load(Ordering::SeqCst) {
            self.settle_seen(seen);
        }
        self.settle_ends();
        self.settle_counts();
    }

    /// Asks for a checkpoint at the `n`th poll from now (1 is the next one), whoever polls. 0 takes the request back.
    pub fn checkpoint_at(&self, n: u64) {
        self.countdown.store(n, Ordering::SeqCst);
        self.count();
    }

    /// Counts polls, if there is something to be counted.
    pub(crate) fn count(&self) {
        if self.counts() {
            self.arm(COUNT);
        }
        // Also if it has come to its end meanwhile.
        self.settle_counts();
    }

    /// Whether anything is counted.
    fn counts(&self) -> bool {
        let mut any = self.countdown.load(Ordering::SeqCst) != 0;
        self.threads.visit(|thread| any |= thread.countdown.load(Ordering::SeqCst) != 0);
        any
    }

    fn settle_counts(&self) {
        if self.word.load(Ordering::SeqCst) & COUNT != 0 && !self.counts() {
            self.disarm(COUNT, || self.counts());
        }
    }

    /// Counts a poll; whether it is the one.
    fn is_counted(&self, thread: &GuestThread) -> bool {
        let down = |count: &AtomicU64| {
            let one_less = |n: u64| n.checked_sub(1);
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1)
        };
        // Both count, whatever the other says.
        down(&self.countdown) | down(&thread.countdown)
    }

    /// Whether a count has come to its end since this was asked last.
    pub fn take_counted(&self) -> bool {
        self.counted.swap(false, Ordering::AcqRel)
    }

    /// Asks all threads to trap with `terminated by user`: those that are inside, and until it is taken back those that
    /// come in. Async-signal-safe.
    pub fn request_terminate(&self) {
        self.ask(|| {
            let mut any = false;
            self.threads.visit(|thread| any |= thread.end());
            self.arm(if any { TERMINATE | END } else { TERMINATE });
            // They may have left meanwhile.
            self.settle_ends();
        });
    }

    /// Has those threads end the calls that they are in. Async-signal-safe, if `whom` is.
    pub fn request_end(&self, whom: impl Fn(&GuestThread) -> bool) {
        self.ask(|| {
            let mut any = false;
            self.threads.visit(|thread| any |= whom(thread) && thread.end());
            if any {
                self.arm(END);
                // They may have left meanwhile.
                self.settle_ends();
            }
        });
    }

    /// Takes a termination request back, so the program may be called again. Another thread that was inside when it came
    /// ends its call all the same; not this one, which may be in a function of the host's that goes on.
    pub fn clear_terminate(&self) {
        self.disarm(TERMINATE, || false);
        self.threads.visit(|thread| {
            if thread.is_here() {
                thread.terminated.store(0, Ordering::SeqCst);
            }
        });
        self.settle_ends();
    }

    /// Whether somebody has still to end.
    fn ends(&self) -> bool {
        let mut any = false;
        self.threads.visit(|thread| any |= thread.is_to_end());
        any
    }

    fn settle_ends(&self) {
        if self.word.load(Ordering::SeqCst) & END != 0 && !self.ends() {
            self.disarm(END, || self.ends());
        }
    }

    /// Whether a thread is to end its call.
    fn is_to_end(&self, thread: &GuestThread, word: u32) -> bool {
        word & TERMINATE != 0 || word & END != 0 && thread.is_to_end()
    }

    /// How many polls took the slow path so far: how far `checkpoint_at` has counted.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Decides what a thread's poll does; called by engines when the word is not zero. A checkpoint request is seen then: the
    /// caller must serve it.
    pub fn poll(&self, thread: &GuestThread) -> PollAction {
        let word = self.word.load(Ordering::Acquire);
        self.polls.fetch_add(1, Ordering::Relaxed);
        if self.is_to_end(thread, word) {
            return PollAction::Terminate;
        }
        if word & COUNT != 0 && self.is_counted(thread) {
            self.settle_counts();
            self.counted.store(true, Ordering::Release);
            return PollAction::Checkpoint;
        }
        if word & STOP != 0
            && let Some(epoch) = self.is_asked(thread)
        {
            thread.seen.fetch_max(epoch, Ordering::SeqCst);
            self.seen.fetch_max(epoch, Ordering::SeqCst);
            self.settle_seen(epoch);
            return PollAction::Checkpoint;
        }
        PollAction::Continue
    }

    /// Whether a thread that waits is to end.
    pub fn is_ended(&self, thread: &GuestThread) -> bool {
        self.is_to_end(thread, self.word.load(Ordering::SeqCst))
    }

    /// Whether a thread that waits is wanted.
    pub(crate) fn is_wanted(&self, thread: &GuestThread) -> bool {
        let word = self.word.load(Ordering::SeqCst);
        self.is_to_end(thread, word) || word & STOP != 0 && self.is_asked(thread).is_some()
    }

    /// [`GuestThread::interrupted`], for somebody who is none.
    pub fn interrupted(&self) -> bool {
        self.pending() || {
            self.wake.ready(|| self.pending());
            self.pending()
        }
    }
}

/// For those who are none of the guest's threads.
impl Interrupt for Control {
    fn pending(&self) -> bool {
        self.word.load(Ordering::SeqCst) & (STOP | TERMINATE) != 0
    }

    /// Made when somebody first waits. Without one (descriptors are short) the wait is not interrupted.
    fn wake_fd(&self) -> RawFd {
        let _ = self.wake.open(|| self.pending());
        self.wake.ready(|| self.pending())
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
