//! What is noted of a thread that waits for a lock: in its call of which function it stands, and how far that has come.

use serde::{Deserialize, Serialize};

/// Which function a thread is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    /// `pthread_mutex_lock`.
    Lock,
    /// `pthread_cond_wait`, `pthread_cond_timedwait`.
    Condition,
    /// `sem_wait`.
    Semaphore,
}

/// The note. Objects are the numbers of their slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) call: Call,
    /// What it was called with.
    pub(crate) object: u32,
    /// The mutex that it will have when it goes on; that itself for [`Call::Lock`], and nothing for [`Call::Semaphore`].
    pub(crate) mutex: u32,
    /// Its time was over, and it waits for the mutex now.
    pub(crate) timed_out: bool,
    /// What it waited for is no more.
    pub(crate) lost: bool,
}

/// Bits that a slot's number takes.
const SLOT_BITS: u32 = 20;
const SLOT: u64 = (1 << SLOT_BITS) - 1;
const TIMED_OUT: u64 = 1 << 40;
/// That of [`Note::lost`].
pub(crate) const LOST: u64 = 1 << 41;
const CALL_SHIFT: u32 = 44;

impl Note {
    pub(crate) fn lock(object: u32) -> Note {
        Note { call: Call::Lock, object, mutex: object, timed_out: false, lost: false }
    }

    pub(crate) fn condition(object: u32, mutex: u32) -> Note {
        Note { call: Call::Condition, object, mutex, timed_out: false, lost: false }
    }

    pub(crate) fn semaphore(object: u32) -> Note {
        Note { call: Call::Semaphore, object, mutex: 0, timed_out: false, lost: false }
    }

    /// As queues keep it: never 0.
    pub(crate) fn bits(self) -> u64 {
        let call = match self.call {
            Call::Lock => 1,
            Call::Condition => 2,
            Call::Semaphore => 3,
        };
        u64::from(self.object)
            | u64::from(self.mutex) << SLOT_BITS
            | if self.timed_out { TIMED_OUT } else { 0 }
            | if self.lost { LOST } else { 0 }
            | call << CALL_SHIFT
    }

    /// `None`: whoever has it noted, it was not for a lock.
    pub(crate) fn of(bits: u64) -> Option<Note> {
        let call = match bits >> CALL_SHIFT {
            1 => Call::Lock,
            2 => Call::Condition,
            3 => Call::Semaphore,
            _ => return None,
        };
        Some(Note {
            call,
            object: (bits & SLOT) as u32,
            mutex: (bits >> SLOT_BITS & SLOT) as u32,
            timed_out: bits & TIMED_OUT != 0,
            lost: bits & LOST != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_can_be_read() {
        let most = SLOT as u32;
        let late = Note { timed_out: true, ..Note::condition(most, most) };
        let lost = Note { lost: true, ..Note::semaphore(4) };
        for note in [Note::lock(0), Note::lock(most), Note::condition(3, 5), late, lost] {
            assert_ne!(note.bits(), 0);
            assert_eq!(Note::of(note.bits()), Some(note));
        }
        assert_eq!(Note::of(Note::lock(7).bits() | LOST), Some(Note { lost: true, ..Note::lock(7) }));
        assert_eq!(Note::of(0), None);
    }
}
