//! `memory.atomic.wait32`, `wait64` and `notify`: addresses of shared memories as keys of wait queues.
//!
//! A thread that waits stands at a stable point, before the instruction. When it is wanted (for a checkpoint, to end, to stand
//! still) it comes back, and its engine polls as at any stable point. Meanwhile it keeps its place: when the instruction is executed
//! again it waits on, for what is left of the time, and does not look at the value once more. Whoever ends the thread gives the
//! place up ([`crate::requests`]).

use crate::engine::ResumeError;
use crate::exec::ExecEnv;
use crate::fork;
use crate::memory::Memory;
use crate::store::Store;
use crate::trap::TrapCode;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use wayfarer_guest::Interrupt;
use wayfarer_module::PointKind;
use wayfarer_snapshot::view::{Thread, Wait, WaitPlace};
pub use wayfarer_wait_queue::{
    At, Condition, Kind, Mutex, NotTaken, Place, Reserved, Semaphore, WaitQueues, Waited, Waiter,
};

/// What the bytes at an address have to be for a thread to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// `memory.atomic.wait32`
    Four(u32),
    /// `memory.atomic.wait64`
    Eight(u64),
}

impl Expected {
    /// How many bytes there are.
    pub fn size(self) -> u64 {
        match self {
            Expected::Four(_) => 4,
            Expected::Eight(_) => 8,
        }
    }

    /// # Safety
    /// As many bytes at `at` must be readable, and aligned.
    unsafe fn is_at(self, at: *mut u8) -> bool {
        // SAFETY: passed on; guest memory is little-endian whatever the host is.
        unsafe {
            match self {
                Expected::Four(value) => {
                    AtomicU32::from_ptr(at.cast()).load(Ordering::SeqCst) == value.to_le()
                }
                Expected::Eight(value) => {
                    AtomicU64::from_ptr(at.cast()).load(Ordering::SeqCst) == value.to_le()
                }
            }
        }
    }
}

/// How the instruction ended: its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum WaitResult {
    /// Another thread has woken it.
    Ok = 0,
    /// There was another value.
    NotEqual = 1,
    /// The time is over.
    TimedOut = 2,
    /// It did not: the thread is wanted. It is to poll, and to execute the instruction again.
    Interrupted = 3,
}

/// `memory.atomic.wait32` and `wait64` at `addr` of a memory, by `env`'s thread, for `timeout` nanoseconds; for ever, if that is
/// negative.
///
/// # Errors
/// `MemoryOutOfBounds`, `UnalignedAtomic`; `ExpectedSharedMemory` if nobody else could ever wake it.
pub fn wait(
    env: &ExecEnv,
    memory: &Memory,
    addr: u64,
    expected: Expected,
    timeout: i64,
) -> Result<WaitResult, TrapCode> {
    let thread = env.thread();
    wait_unless(env, memory, addr, expected, timeout, || thread.pending())
}

/// The same by code that cannot be stopped: only an order to end ends the wait. Its result is not [`WaitResult::Interrupted`].
///
/// # Errors
/// The same; and `Terminated`.
pub fn wait_to_the_end(
    env: &ExecEnv,
    memory: &Memory,
    addr: u64,
    expected: Expected,
    timeout: i64,
) -> Result<WaitResult, TrapCode> {
    let thread = env.thread();
    let ends = || thread.control().is_ended(thread);
    match wait_unless(env, memory, addr, expected, timeout, ends)? {
        WaitResult::Interrupted => {
            thread.waiter().leave();
            Err(TrapCode::Terminated)
        }
        result => Ok(result),
    }
}

fn wait_unless(
    env: &ExecEnv,
    memory: &Memory,
    addr: u64,
    expected: Expected,
    timeout: i64,
    interrupted: impl Fn() -> bool,
) -> Result<WaitResult, TrapCode> {
    let at = memory.atomic_range(addr, expected.size())?;
    let queues = memory.waits().ok_or(TrapCode::ExpectedSharedMemory)?;
    let timeout = u64::try_from(timeout).ok().map(Duration::from_nanos);
    // SAFETY: the range is inside, and aligned.
    let is_to_wait = || unsafe { expected.is_at(at) };
    Ok(match queues.wait(env.thread().waiter(), addr, timeout, is_to_wait, interrupted) {
        None => WaitResult::NotEqual,
        Some(Waited::Woken) => WaitResult::Ok,
        Some(Waited::TimedOut) => WaitResult::TimedOut,
        Some(Waited::Interrupted) => WaitResult::Interrupted,
    })
}

/// `memory.atomic.notify` at `addr`: how many it has woken, `count` at most.
///
/// # Errors
/// `MemoryOutOfBounds`, `UnalignedAtomic`.
pub fn notify(memory: &Memory, addr: u64, count: u32) -> Result<u32, TrapCode> {
    memory.atomic_range(addr, 4)?;
    Ok(memory.waits().map_or(0, |queues| queues.wake(addr, count.into()) as u32))
}

impl ExecEnv {
    /// The place of this environment's thread in a queue, if it has one: who it is, and nothing else, which may still change until
    /// all threads stand still (see [`Store::complete_waits`]).
    pub fn wait(&self) -> Option<Wait> {
        let waiter = self.thread().waiter();
        waiter.stands().then(|| Wait { waiter: waiter.id(), place: WaitPlace::Woken })
    }

    /// Takes up what a captured thread has beside its frames, which the engine checks: watched calls, and its place in a queue.
    ///
    /// # Errors
    /// [`ResumeError::Invalid`].
    pub fn take_up(&mut self, store: &Store, thread: &Thread) -> Result<(), ResumeError> {
        self.take_up_watched(store, thread)?;
        if let Some(wait) = &thread.waits {
            let reserved = store.reserved().remove(&wait.waiter);
            match reserved {
                Some(reserved) => reserved.take_over(self.thread().waiter()),
                None => {
                    let reason = "its place in a queue is not there".to_owned();
                    return Err(ResumeError::Invalid {
                        frame: thread.frames.len().saturating_sub(1),
                        reason,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Store {
    /// Completes what is known of the places of threads in queues. All threads must stand still.
    pub fn complete_waits(&self, threads: &mut [Thread]) {
        let mut waits: Vec<&mut Wait> =
            threads.iter_mut().filter_map(|thread| thread.waits.as_mut()).collect();
        if waits.is_empty() {
            return;
        }
        // Who is in no queue was woken.
        waits.iter_mut().for_each(|wait| wait.place = WaitPlace::Woken);
        for (memory, queues) in (0..).zip(self.memories().map(Memory::waits)) {
            for (addr, places) in queues.map(|queues| queues.places()).unwrap_or_default() {
                for (before, Place { waiter, left, .. }) in (0..).zip(places) {
                    let left = left.map(|left| left.as_nanos().try_into().unwrap_or(u64::MAX));
                    let place = WaitPlace::Address { memory, addr, before, left };
                    if let Some(wait) = waits.iter_mut().find(|wait| wait.waiter == waiter) {
                        wait.place = place;
                    }
                }
            }
        }
    }

    /// Gives threads of an image their places in the queues back, for all that wait, in their order, before any of them goes on. The
    /// image's memories must have been made.
    ///
    /// # Errors
    /// Which thread's place cannot be.
    pub fn reserve_places(&self, threads: &[Thread]) -> Result<(), String> {
        let mut places = Vec::new();
        for thread in threads {
            let Some(wait) = &thread.waits else { continue };
            let invalid = |why: &str| Err(format!("thread {} {why}", thread.tid));
            if thread.frames.last().is_none_or(|frame| frame.position.kind != PointKind::BeforeCall) {
                return invalid("has a place in a queue, and does not wait");
            }
            match wait.place {
                WaitPlace::Woken => {
                    let reserved = Reserved::woken(wait.waiter, fork::generation, 0);
                    self.reserved().insert(wait.waiter, reserved);
                }
                WaitPlace::Address { memory, addr, before, left } => {
                    let queues = self
                        .memory(memory as usize)
                        .filter(|memory| memory.atomic_range(addr, 4).is_ok())
                        .and_then(Memory::waits);
                    let Some(queues) = queues else {
                        return invalid("waits for an address that is in no shared memory");
                    };
                    places.push(((memory, addr, before), wait.waiter, left, queues));
                }
            }
        }
        places.sort_by_key(|&(place, ..)| place);
        for (place, waiter, left, queues) in places {
            let reserved =
                queues.reserve(place.1, &Place { waiter, left: left.map(Duration::from_nanos), note: 0 });
            self.reserved().insert(waiter, reserved);
        }
        Ok(())
    }
}
