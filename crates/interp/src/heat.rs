//! How often frames came by a place where compiled code could take over from the interpreter.

use std::sync::atomic::{AtomicU32, Ordering};

/// Calls that make a function hot: they take the interpreter a millisecond at most, and LLVM some tens of them.
pub(crate) const HOT_ENTRY: u32 = 1 << 10;

/// The same for a loop: rounds.
pub(crate) const HOT_LOOP: u32 = 1 << 12;

/// No generation of code.
const NEVER: u32 = u32::MAX;

/// Of one place. Threads count together, and may lose some of it.
#[derive(Debug)]
pub(crate) struct Heat {
    count: AtomicU32,
    /// The generation of code in which there was none for the place.
    without: AtomicU32,
}

impl Default for Heat {
    fn default() -> Heat {
        Heat { count: AtomicU32::new(0), without: AtomicU32::new(NEVER) }
    }
}

impl Heat {
    /// Counts once: how often by now, if that is `hot` (a power of two) or twice as often as when that was said last.
    #[inline]
    pub(crate) fn count(&self, hot: u32) -> Option<u32> {
        let count = self.count.load(Ordering::Relaxed).saturating_add(1);
        self.count.store(count, Ordering::Relaxed);
        (count >= hot && count.is_power_of_two()).then_some(count)
    }

    /// Whether it is known that there is no code in this generation.
    #[inline]
    pub(crate) fn is_without(&self, generation: u32) -> bool {
        self.without.load(Ordering::Relaxed) == generation
    }

    /// There is no code in this generation.
    pub(crate) fn note_without(&self, generation: u32) {
        self.without.store(generation, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_each_time_it_doubles() {
        let heat = Heat::default();
        let said: Vec<u32> = (0..100).filter_map(|_| heat.count(16)).collect();
        assert_eq!(said, [16, 32, 64]);
        heat.count.store(u32::MAX - 1, Ordering::Relaxed);
        assert_eq!((heat.count(16), heat.count(16)), (None, None));
    }

    #[test]
    fn what_was_not_there_is_looked_for_in_the_next_generation() {
        let heat = Heat::default();
        assert!(!heat.is_without(0));
        heat.note_without(0);
        assert!(heat.is_without(0) && !heat.is_without(1));
    }
}
