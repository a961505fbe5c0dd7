//! Linear memories. A memory reserves its whole address space at once, so its base never moves.

use crate::fork;
use crate::life::Life;
use crate::region::{Region, page_size};
use crate::trap::TrapCode;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use wayfarer_wait_queue::WaitQueues;

/// Bytes in a WebAssembly page.
pub const WASM_PAGE: u64 = 65536;

/// Address space a 32-bit memory reserves: every access to `base + u32 + u32` lies inside.
const FULL_RESERVATION: usize = (8 << 30) + (64 << 10);

/// How large a memory is and may become. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryPlan {
    /// Initial size.
    pub len: u64,
    /// Largest size.
    pub max: u64,
    /// What the host is told a page is; 65536 unless the memory was given another size for WAMR's app heap.
    pub page_size: u64,
    /// Shared between threads.
    pub shared: bool,
}

impl MemoryPlan {
    /// The plan a memory type asks for. Without a declared maximum it may grow to 4 GiB.
    pub fn of(ty: &wayfarer_module::MemoryType) -> MemoryPlan {
        MemoryPlan {
            len: ty.limits.min * WASM_PAGE,
            max: ty.limits.max.unwrap_or(65536).min(65536) * WASM_PAGE,
            page_size: WASM_PAGE,
            shared: ty.shared,
        }
    }
}

/// A linear memory.
#[derive(Debug)]
pub struct Memory {
    region: Region,
    /// Where it begins in the region. A memory of a size that is no multiple of a page, as one with an app heap may have,
    /// ends at a page's end instead of beginning at its beginning: what relies on accesses behind it to fault would use the
    /// rest of its last page otherwise. Such a memory never grows.
    skew: usize,
    len: AtomicUsize,
    max: u64,
    page_size: u64,
    shared: bool,
    growing: Mutex<()>,
    /// Who waits for one of its addresses; nobody can in one that is not shared.
    waits: Option<Arc<WaitQueues<()>>>,
    pub(crate) life: Life,
}

impl Memory {
    /// Allocates a zeroed memory.
    ///
    /// # Errors
    /// The operating system's, if address space or memory is short.
    pub fn new(plan: MemoryPlan) -> io::Result<Memory> {
        // Where address space is limited (RLIMIT_AS), take what the memory can ever use.
        let rest = plan.len as usize % page_size();
        let skew = if rest > 0 && plan.len == plan.max { page_size() - rest } else { 0 };
        let region = Region::reserve(FULL_RESERVATION + skew)
            .or_else(|_| Region::reserve(plan.max.max(plan.len) as usize + skew))?;
        if plan.len > 0 {
            region.commit(plan.len as usize + skew)?;
        }
        Ok(Memory {
            region,
            skew,
            len: AtomicUsize::new(plan.len as usize),
            max: plan.max,
            page_size: plan.page_size,
            shared: plan.shared,
            growing: Mutex::new(()),
            waits: plan.shared.then(|| WaitQueues::new(fork::generation)),
            life: Life::default(),
        })
    }

    /// Where [`Memory::len`] is kept; stays the same for the memory's life.
    pub fn len_address(&self) -> *const AtomicUsize {
        &raw const self.len
    }

    /// Bytes of address space from [`Memory::base`] on that nothing else is in.
    pub fn reserved(&self) -> usize {
        self.region.reserved() - self.skew
    }

    /// Whether every access to `base + u32 + u32` that is outside the memory faults.
    pub fn is_guarded(&self) -> bool {
        self.reserved() >= FULL_RESERVATION
    }

    /// First byte; stays the same for the memory's life. On a page, but for memories that are no whole pages.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.region.base().wrapping_add(self.skew)
    }

    /// Size in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pages that may hold anything but zeros: see [`crate::pages::touched`].
    pub fn touched(&self) -> Vec<Range<usize>> {
        crate::pages::touched(self.base(), self.len())
    }

    /// The sizes now: what a memory like this one would be planned as.
    pub fn plan(&self) -> MemoryPlan {
        MemoryPlan { len: self.len() as u64, max: self.max, page_size: self.page_size, shared: self.shared }
    }

    /// Size in WebAssembly pages, as `memory.size` gives it.
    pub fn pages(&self) -> u32 {
        (self.len() as u64 / WASM_PAGE) as u32
    }

    /// Grows by `pages` of 64 KiB. Returns the old size in pages, or `None` if the maximum or the operating system
    /// forbids it.
    pub fn grow(&self, pages: u64) -> Option<u32> {
        let _one_at_a_time = self.growing.lock().unwrap_or_else(|e| e.into_inner());
        let old = self.len() as u64;
        let old_pages = (old / WASM_PAGE) as u32;
        if pages == 0 {
            return Some(old_pages);
        }
        let new = pages.checked_mul(WASM_PAGE)?.checked_add(old)?;
        if new > self.max || self.region.commit(usize::try_from(new).ok()?.checked_add(self.skew)?).is_err() {
            return None;
        }
        self.len.store(new as usize, Ordering::Release);
        Some(old_pages)
    }

    /// Grows to `len` bytes, as a memory like this one once did. Does nothing if it is that large.
    ///
    /// # Errors
    /// The operating system's; `InvalidInput` beyond the maximum.
    pub fn grow_to(&self, len: u64) -> io::Result<()> {
        let _one_at_a_time = self.growing.lock().unwrap_or_else(|e| e.into_inner());
        if len <= self.len() as u64 {
            return Ok(());
        }
        if len > self.max {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let new = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.region.commit(new + self.skew)?;
        self.len.store(new, Ordering::Release);
        Ok(())
    }

    /// Pointer to `size` bytes at `addr`.
    ///
    /// # Errors
    /// `MemoryOutOfBounds` unless the whole range is inside.
    pub fn range(&self, addr: u64, size: u64) -> Result<*mut u8, TrapCode> {
        match addr.checked_add(size) {
            // SAFETY: `addr <= len`, which is inside the reservation.
            Some(end) if end <= self.len() as u64 => Ok(unsafe { self.base().add(addr as usize) }),
            _ => Err(TrapCode::MemoryOutOfBounds),
        }
    }

    /// Whether it is shared between threads.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Who waits for one of its addresses, if it is shared.
    pub fn waits(&self) -> Option<&Arc<WaitQueues<()>>> {
        self.waits.as_ref()
    }

    /// Pointer to what an atomic access of `size` bytes at `addr` accesses. `size` is a power of two.
    ///
    /// # Errors
    /// `MemoryOutOfBounds` unless the whole range is inside; `UnalignedAtomic` unless `addr` is a multiple of `size`.
    #[inline]
    pub fn atomic_range(&self, addr: u64, size: u64) -> Result<*mut u8, TrapCode> {
        let at = self.range(addr, size)?;
        if addr & (size - 1) == 0 { Ok(at) } else { Err(TrapCode::UnalignedAtomic) }
    }

    /// Copies `bytes` to `addr`.
    ///
    /// # Errors
    /// `MemoryOutOfBounds`; nothing is written then.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), TrapCode> {
        let to = self.range(addr, bytes.len() as u64)?;
        // SAFETY: `range` checked the destination; `bytes` is a Rust slice outside linear memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// `memory.copy` between two memories, or within one.
    ///
    /// # Errors
    /// `MemoryOutOfBounds`; nothing is written then.
    pub fn copy(dst: &Memory, to: u64, src: &Memory, from: u64, size: u64) -> Result<(), TrapCode> {
        let from = src.range(from, size)?;
        let to = dst.range(to, size)?;
        // SAFETY: both ranges were checked; `copy` allows overlap.
        unsafe { std::ptr::copy(from, to, size as usize) };
        Ok(())
    }

    /// `memory.fill`.
    ///
    /// # Errors
    /// `MemoryOutOfBounds`; nothing is written then.
    pub fn fill(&self, addr: u64, byte: u8, size: u64) -> Result<(), TrapCode> {
        let to = self.range(addr, size)?;
        // SAFETY: the range was checked.
        unsafe { std::ptr::write_bytes(to, byte, size as usize) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_ends_where_its_pages_do() {
        for len in [WASM_PAGE, WASM_PAGE + 8, 3 * WASM_PAGE + 4104, 104] {
            let plan = MemoryPlan { len, max: len, page_size: len, shared: false };
            let memory = Memory::new(plan).unwrap();
            assert!(memory.is_guarded());
            let end = memory.base() as usize + len as usize;
            assert_eq!((end % page_size(), memory.base() as usize % 8), (0, 0), "{len}");
            // All of it is there.
            memory.fill(0, 1, len).unwrap();
            assert_eq!(memory.fill(0, 1, len + 1), Err(TrapCode::MemoryOutOfBounds));
            assert_eq!((memory.grow(0), memory.grow(1)), (Some((len / WASM_PAGE) as u32), None));
        }
    }

    #[test]
    fn pages_of_a_memory_that_begins_within_one() {
        let len = 20 * WASM_PAGE + 104;
        let plan = MemoryPlan { len, max: len, page_size: len, shared: false };
        let memory = Memory::new(plan).unwrap();
        assert_eq!(memory.touched(), []);
        // SAFETY: the memory outlives it.
        let mut tracker = unsafe { crate::WriteTracker::start(memory.base(), memory.len()) };
        for at in [0, 40_000, 70_000, len - 1] {
            memory.write(at, &[1]).unwrap();
            for pages in [memory.touched(), tracker.written(memory.len())] {
                assert!(pages.iter().any(|pages| pages.contains(&(at as usize))), "{at}: {pages:?}");
                assert!(pages.iter().all(|p| p.start % page_size() == 0 && p.end % page_size() == 0));
                assert!(pages.windows(2).all(|two| two[0].end < two[1].start), "{pages:?}");
            }
        }
        assert_eq!(tracker.written(memory.len()), []);
    }
}
