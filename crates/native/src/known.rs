//! Which addresses are those of compiled code: asked by the handler of faults, so without any lock.

use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The list's first entry. Entries are never freed, and used again.
static FIRST: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

struct Entry {
    taken: AtomicBool,
    start: AtomicUsize,
    /// 0 while it is nobody's, or being filled in: then nothing is inside.
    end: AtomicUsize,
    /// Set before the entry is in the list.
    next: AtomicPtr<Entry>,
}

/// Addresses that are known to be compiled code until this is dropped.
pub(crate) struct KnownCode(&'static Entry);

impl std::fmt::Debug for KnownCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownCode")
    }
}

impl KnownCode {
    pub(crate) fn new(range: Range<usize>) -> KnownCode {
        let entry = entries().find(|entry| !entry.taken.swap(true, Ordering::Acquire)).unwrap_or_else(add);
        entry.start.store(range.start, Ordering::Relaxed);
        entry.end.store(range.end, Ordering::Release);
        KnownCode(entry)
    }
}

impl Drop for KnownCode {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::Relaxed);
        self.0.taken.store(false, Ordering::Release);
    }
}

/// Whether there is compiled code at an address.
pub(crate) fn is_code(address: usize) -> bool {
    entries().any(|entry| {
        address < entry.end.load(Ordering::Acquire) && address >= entry.start.load(Ordering::Relaxed)
    })
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    // SAFETY: entries are never freed, and complete when they are seen.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    // SAFETY: as above.
    std::iter::successors(first, |entry| unsafe { entry.next.load(Ordering::Relaxed).as_ref() })
}

/// A new entry, which is taken.
fn add() -> &'static Entry {
    let (start, end, next) = Default::default();
    let new: &'static Entry = Box::leak(Box::new(Entry { taken: AtomicBool::new(true), start, end, next }));
    let mut first = FIRST.load(Ordering::Relaxed);
    loop {
        new.next.store(first, Ordering::Relaxed);
        let mine = ptr::from_ref(new).cast_mut();
        match FIRST.compare_exchange(first, mine, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return new,
            Err(now) => first = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_while_they_are_code() {
        // No other code is here in tests of this file.
        let base = 1 << 60;
        let of = |n: usize| KnownCode::new(base + 1000 * n..base + 1000 * n + 10);
        let known = [of(0), of(1), of(2)];
        for n in 0..3 {
            let at = base + 1000 * n;
            assert!(!is_code(at - 1) && is_code(at) && is_code(at + 9) && !is_code(at + 10));
        }
        let count = entries().count();
        drop(known);
        assert!(!is_code(base) && !is_code(base + 1000));
        let again = [of(3), of(4)];
        assert!(is_code(base + 3000) && is_code(base + 4000) && !is_code(base));
        assert_eq!(entries().count(), count, "entries are used again");
        drop(again);
    }
}
