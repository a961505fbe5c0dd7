//! Lists that signal handlers may walk while other threads change them.

use crate::fork;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How many visit an entry just now, and the process they are of: of a parent's threads, a child has only one.
#[derive(Debug, Default)]
struct Visitors(AtomicU64);

const COUNT: u64 = u32::MAX as u64;

impl Visitors {
    /// Counts one more; what to give back when it leaves.
    fn enter(&self) -> u64 {
        let process = u64::from(fork::generation()) << 32;
        let add = |now: u64| Some(if now & !COUNT == process { now + 1 } else { process | 1 });
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        process
    }

    fn leave(&self, process: u64) {
        let take = |now: u64| (now & !COUNT == process && now & COUNT > 0).then(|| now - 1);
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
    }

    fn any(&self) -> bool {
        let now = self.0.load(Ordering::SeqCst);
        now >> 32 == u64::from(fork::generation()) && now & COUNT > 0
    }
}

#[derive(Debug)]
struct Cell<T> {
    /// Null if the cell is not in use.
    item: AtomicPtr<T>,
    visitors: Visitors,
    next: *const Cell<T>,
}

/// Items that live elsewhere. The list only grows; its cells are used again.
#[derive(Debug)]
pub struct Registry<T> {
    first: AtomicPtr<Cell<T>>,
}

/// Where an item stands in a registry.
#[derive(Debug)]
pub struct Place<T>(*const Cell<T>);

// SAFETY: a cell is atomics, and `next` never changes once a cell is in the list. Items are only shared.
unsafe impl<T: Sync> Send for Registry<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Registry<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Place<T> {}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Registry::new()
    }
}

impl<T> Registry<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Registry { first: AtomicPtr::new(ptr::null_mut()) }
    }

    fn cells(&self) -> impl Iterator<Item = &Cell<T>> {
        let mut at: *const Cell<T> = self.first.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: cells are only freed with the list.
            let cell = unsafe { at.as_ref() }?;
            at = cell.next;
            Some(cell)
        })
    }

    /// Shows each item to `see`. Async-signal-safe if `see` is. `see` must not remove any.
    pub fn visit(&self, mut see: impl FnMut(&T)) {
        for cell in self.cells() {
            let visit = cell.visitors.enter();
            // SAFETY: whoever takes the item away first clears `item`, then waits until nobody visits the cell.
            if let Some(item) = unsafe { cell.item.load(Ordering::SeqCst).as_ref() } {
                see(item);
            }
            cell.visitors.leave(visit);
        }
    }

    /// Adds an item.
    ///
    /// # Safety
    /// It must stay where it is until it was removed.
    pub unsafe fn add(&self, item: *const T) -> Place<T> {
        fork::notice();
        for cell in self.cells() {
            let free = ptr::null_mut();
            if cell.item.compare_exchange(free, item.cast_mut(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                return Place(cell);
            }
        }
        let cell = Box::into_raw(Box::new(Cell {
            item: AtomicPtr::new(item.cast_mut()),
            visitors: Visitors::default(),
            next: ptr::null(),
        }));
        let mut next = self.first.load(Ordering::Acquire);
        loop {
            // SAFETY: the cell is not in the list yet.
            unsafe { (*cell).next = next };
            match self.first.compare_exchange(next, cell, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return Place(cell),
                Err(now) => next = now,
            }
        }
    }

    /// Removes an item. It is nobody's any more when this returns.
    ///
    /// # Safety
    /// It must have been added here, and not been removed.
    pub unsafe fn remove(&self, place: &Place<T>) {
        // SAFETY: as the caller promises, a cell of this list.
        let cell = unsafe { &*place.0 };
        cell.item.store(ptr::null_mut(), Ordering::SeqCst);
        while cell.visitors.any() {
            std::thread::yield_now();
        }
    }
}

impl<T> Drop for Registry<T> {
    fn drop(&mut self) {
        let mut at = *self.first.get_mut();
        while !at.is_null() {
            // SAFETY: made by `Box::into_raw`, and nobody has the list any more.
            let cell = unsafe { Box::from_raw(at) };
            at = cell.next.cast_mut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(registry: &Registry<u32>) -> u32 {
        let mut sum = 0;
        registry.visit(|n| sum += n);
        sum
    }

    #[test]
    fn what_was_added_and_not_removed_is_seen() {
        let (registry, items) = (Registry::new(), [1, 10, 100]);
        // SAFETY: the items stay, and are removed once.
        unsafe {
            let places = items.each_ref().map(|n| registry.add(n));
            assert_eq!(sum(&registry), 111);
            registry.remove(&places[1]);
            assert_eq!(sum(&registry), 101);
            let again = registry.add(&items[1]);
            assert_eq!((sum(&registry), registry.cells().count()), (111, 3));
            for place in [&places[0], &again, &places[2]] {
                registry.remove(place);
            }
        }
        assert_eq!(sum(&registry), 0);
    }

    #[test]
    fn nobody_visits_what_was_removed() {
        let registry = Registry::<AtomicU64>::new();
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    registry.visit(|item| assert_eq!(item.fetch_add(1, Ordering::Relaxed) & 1 << 63, 0));
                }
            });
            for _ in 0..10_000 {
                let item = Box::new(AtomicU64::new(0));
                // SAFETY: the item stays until it is removed.
                unsafe {
                    let place = registry.add(&*item);
                    registry.remove(&place);
                }
                item.store(1 << 63, Ordering::Relaxed);
            }
            done.store(1, Ordering::Relaxed);
        });
    }

    #[test]
    fn visitors_of_another_process_do_not_count() {
        let visitors = Visitors(AtomicU64::new(u64::from(fork::generation().wrapping_sub(1)) << 32 | 5));
        assert!(!visitors.any());
        let visit = visitors.enter();
        assert!(visitors.any());
        visitors.leave(visit);
        assert!(!visitors.any());
        // Counted in the parent, which was forked meanwhile.
        visitors.leave(visit.wrapping_sub(1 << 32));
        assert_eq!(visitors.0.load(Ordering::Relaxed) & COUNT, 0);
    }
}
