//! Queues of waiting threads, as data.
//!
//! Whatever a guest's threads wait for among themselves (an address of a shared memory, a mutex, a condition variable, a
//! semaphore) is a *key* in a [`WaitQueues`]. Each key has a queue: who waits there, first in first out, and until when; and a
//! state of the user's own kind, such as who owns a lock. Both change under one lock, so what is decided (is it free? does the
//! value still match?) and what follows from it (wait, or wake somebody) is one step.
//!
//! A thread that waits and is wanted for something else comes back with [`Waited::Interrupted`] and *keeps its place*. It takes it
//! up again by waiting for the same key once more, or gives it up ([`Waiter::leave`]). Meanwhile it can be woken as if it still
//! stood there. So a thread can be captured, or suspended, "before the wait": its place in the queue, and the time left, are in
//! the queues ([`WaitQueues::places`]), and nothing is lost or doubled by leaving and coming back. They are put into
//! another process's queues by [`WaitQueues::reserve`], all before any of the threads runs.
//!
//! [`Mutex`], [`Condition`] and [`Semaphore`] are built on them: a word each, which is all that is touched while nobody waits.
//!
//! Who has a wait fail is asked by a function of the caller's, and whoever makes that true calls [`Waiter::nudge`], which a signal
//! handler may do.

mod condition;
pub mod futex;
mod lock;
mod mutex;
mod queues;
mod raw_lock;
mod semaphore;
mod sync;
mod waiter;

pub use condition::Condition;
pub use mutex::{At, Kind, Mutex, NotOwner, NotTaken};
pub use queues::{Locked, Place, Reserved, WaitQueues};
pub use raw_lock::RawLock;
pub use semaphore::{Overflow, Semaphore};
pub use waiter::{Waited, Waiter};

#[cfg(test)]
mod object_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
