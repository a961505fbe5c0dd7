//! The guest's threads stand still until they are told to go on; and who asks for that, or for their stacks, from outside.
//!
//! Whoever asks closes the gate himself, and has all come who are inside. So it does not matter whether any of them would ever
//! come by itself. What they may have come for as well, they come for once more.

use std::os::fd::RawFd;

use wayfarer_runtime::{AfterCheckpoint, Store};

use super::driver::{Driver, Gathered};
use super::gate::Closed;
use super::meeting::{self, Parked};
use super::order::Request;
use super::stacks;
use super::watcher::Watch;

const RUNNING_HERE: &str = "the guest is running on this thread";

/// Why a call is refused.
pub(crate) const SUSPENDED_HERE: &str = "this thread has suspended the program";

impl Driver {
    /// Closes the gate, and has all come who are inside; on a thread that is not.
    fn gather_from_outside(&self) -> Result<(Closed<'_>, Gathered<'_>), String> {
        self.check_possible()?;
        self.enable_wake()?;
        if self.thread_here().is_some() {
            return Err(RUNNING_HERE.to_owned());
        }
        let closed = self.gate.close_on_all().ok_or("this thread takes a checkpoint of the program")?;
        let mut gathered = self.gather(&closed);
        gathered.attendance.again();
        Ok((closed, gathered))
    }

    /// What was asked for meanwhile, and may have been seen without being served, is asked for again.
    fn ask_again(&self) {
        if self.is_ordered() || self.watch.as_ref().is_some_and(Watch::is_asked) {
            self.control.request_checkpoint();
        }
    }

    /// Who stands still until the program is resumed, if it is suspended in this process.
    fn suspended<T>(&self, look: impl FnOnce(&mut Parked) -> T) -> Option<T> {
        if !self.gate.is_suspended() || self.suspended.is_held_here() {
            return None;
        }
        self.suspended.lock().as_mut().filter(|parked| parked.is_here()).map(look)
    }

    /// Has all threads of the guest stand still at stable points, or in host calls that will be made again, and calls of the
    /// host's wait.
    ///
    /// # Errors
    /// Text: who does not come, or that it cannot be.
    pub(crate) fn suspend(&self) -> Result<(), String> {
        if self.suspended(|_| ()).is_some() {
            return Err("the program is suspended already".to_owned());
        }
        let (closed, Gathered { attendance, missing }) = self.gather_from_outside()?;
        if let Some(why) = missing {
            drop(attendance);
            drop(closed);
            self.ask_again();
            return Err(why);
        }
        *self.suspended.lock() = Some(attendance.park());
        closed.suspend();
        Ok(())
    }

    /// Has them go on. Whether the program was suspended.
    pub(crate) fn resume(&self) -> bool {
        if self.suspended.is_held_here() {
            // A checkpoint of the suspended program is being taken, and this is a native module that saves its state.
            return false;
        }
        let parked = self.suspended.lock().take().filter(Parked::is_here);
        let was = parked.is_some();
        if let Some(parked) = parked {
            // Before the gate opens: nobody tries to close it who has been told.
            drop(self.meeting.attendance(parked));
            self.gate.resume();
            self.control.tell();
            self.ask_again();
        }
        was
    }

    /// Takes a checkpoint of a suspended program.
    ///
    /// # Errors
    /// The order, if it is not suspended.
    pub(crate) fn take_suspended(&self, store: &Store, request: Request) -> Result<(), Request> {
        let Request { image, then, done } = request;
        let taken = self.suspended(|parked| {
            let threads = meeting::together(parked.stacks().map(|(_, stack)| stack.clone()));
            let threads = self.unless_left_behind(threads);
            let taken = self.take_ordered(store, &threads, &image);
            if taken.is_ok() && then == AfterCheckpoint::Stop {
                parked.stop();
            }
            taken
        });
        match taken {
            Some(taken) => {
                done(taken);
                Ok(())
            }
            None => Err(Request { image, then, done }),
        }
    }

    /// Writes to a descriptor what calls what in all threads of the guest, now.
    ///
    /// # Errors
    /// Text: it cannot be, or was not written.
    pub(crate) fn dump_stacks(&self, store: &Store, fd: RawFd) -> Result<(), String> {
        let text = match self.suspended(|parked| stacks::text(store, parked, None)) {
            Some(text) => text,
            None => {
                let (closed, all) = self.gather_from_outside()?;
                let text = stacks::text(store, all.attendance.parked(), all.missing.as_deref());
                drop(all);
                drop(closed);
                self.ask_again();
                text
            }
        };
        stacks::write(fd, &text).map_err(|e| format!("the stacks cannot be written: {e}"))
    }

    /// Has that written when all have come to a stable point. False: too many have asked already. Async-signal-safe.
    pub(crate) fn request_stacks(&self, fd: RawFd) -> bool {
        let asked = self.can_be_stopped() && self.dumps.ask(fd);
        if asked {
            self.place_order();
        }
        asked
    }
}
