//! Anonymous address space: reserved once, made accessible piece by piece, so what is in it never moves.

use std::io;
use std::ptr;

/// Reserved address space of which a prefix is readable and writable. Unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    base: *mut u8,
    reserved: usize,
}

// SAFETY: a region is plain memory; whoever shares pointers into it answers for races.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves `size` bytes (rounded up to the page size) without access. `size` 0 reserves one page.
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn reserve(size: usize) -> io::Result<Region> {
        Self::map(size, libc::PROT_NONE)
    }

    /// Reserves `size` bytes, all readable and writable and zero; pages are only used once touched.
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn zeroed(size: usize) -> io::Result<Region> {
        Self::map(size, libc::PROT_READ | libc::PROT_WRITE)
    }

    fn map(size: usize, prot: i32) -> io::Result<Region> {
        let reserved = size.max(1).checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address the kernel chooses touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), reserved, prot, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Region { base: base.cast(), reserved })
    }

    /// Makes the first `len` bytes readable and writable. New pages are zero.
    ///
    /// # Errors
    /// mprotect(2)'s; `InvalidInput` if `len` is more than was reserved.
    pub fn commit(&self, len: usize) -> io::Result<()> {
        if len > self.reserved {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let len = len.next_multiple_of(page_size());
        // SAFETY: the range is inside this mapping, which nothing else manages.
        let rc = unsafe { libc::mprotect(self.base.cast(), len, libc::PROT_READ | libc::PROT_WRITE) };
        if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// First byte.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Reserved size in bytes.
    pub fn reserved(&self) -> usize {
        self.reserved
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: maps exactly what `map` got; whoever kept pointers into it broke the region's contract.
        unsafe { libc::munmap(self.base.cast(), self.reserved) };
    }
}

/// The system's page size in bytes.
pub fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
