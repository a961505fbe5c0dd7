//! Memory that code is written to and then runs in.

use crate::LoadError;
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};

/// Pages of this process, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it owns its pages, and gives out access to them only through references to itself.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// What may be done with pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Execute,
}

impl Mapping {
    /// Maps `len` zero bytes that can be read and written.
    pub(crate) fn new(len: usize) -> Result<Mapping, LoadError> {
        // Nothing can be mapped with no bytes, but there may be objects without any.
        let len = len.max(1);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(LoadError::Memory { doing: "mmap", source: io::Error::last_os_error() });
        }
        let start = NonNull::new(start.cast()).expect("the kernel maps nothing at 0 unasked");
        Ok(Mapping { start, len })
    }

    pub(crate) fn start(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// The bytes, before [`Mapping::protect`] made any of them constant: that is for the caller to see to.
    ///
    /// # Safety
    ///
    /// All pages must be writable still, and nothing must run or read them meanwhile.
    pub(crate) unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes are mapped here, initialized (with zeros), and nobody else uses them.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Some of the bytes, counted from the start.
    ///
    /// # Safety
    ///
    /// They must be constant by now.
    pub(crate) unsafe fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.len, "bytes of this mapping");
        // SAFETY: they are mapped and initialized, and nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(range.start), range.len()) }
    }

    /// Makes whole pages constant: `range` is in bytes from the start.
    pub(crate) fn protect(&mut self, range: Range<usize>, access: Access) -> Result<(), LoadError> {
        assert!(range.start <= range.end && range.end <= self.len, "pages of this mapping");
        if range.is_empty() {
            return Ok(());
        }
        let access = match access {
            Access::Read => libc::PROT_READ,
            Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
        };
        // SAFETY: these pages are this mapping's.
        let result =
            unsafe { libc::mprotect(self.start.as_ptr().add(range.start).cast(), range.len(), access) };
        if result != 0 {
            return Err(LoadError::Memory { doing: "mprotect", source: io::Error::last_os_error() });
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the pages are this mapping's, and its owner is done with them.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The size of a page in bytes.
pub(crate) fn page_size() -> u64 {
    // SAFETY: asks for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|s| s.is_power_of_two()).unwrap_or(65536)
}

/// Makes what was written to `code` visible to instruction fetches, on processors that do not see to it themselves.
pub(crate) fn flush_instruction_cache(code: Range<usize>) -> Result<(), LoadError> {
    #[cfg(target_arch = "aarch64")]
    aarch64_flush(code);
    #[cfg(target_arch = "riscv64")]
    {
        const SYS_RISCV_FLUSH_ICACHE: libc::c_long = 259;
        // SAFETY: on all of the process's harts; reads nothing of the range.
        if unsafe { libc::syscall(SYS_RISCV_FLUSH_ICACHE, code.start, code.end, 0) } != 0 {
            let source = io::Error::last_os_error();
            return Err(LoadError::Memory { doing: "riscv_flush_icache", source });
        }
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    let _ = code;
    Ok(())
}

/// Cleans the data cache to where instructions are fetched from and drops what the instruction cache has, line by line,
/// after the Arm Architecture Reference Manual, B2.4.4. Other threads have not fetched from these addresses: they were not
/// executable; they synchronize when they learn of the code through the kernel's changing the pages' protection.
#[cfg(target_arch = "aarch64")]
fn aarch64_flush(code: Range<usize>) {
    use std::arch::asm;
    let ctr: usize;
    // SAFETY: reads the cache type register, which Linux allows.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    // Log2 of the smallest line, in words.
    let line = |shift: u32| 4usize << (ctr >> shift & 0xf);
    let (data, instructions) = (line(16), line(0));
    for address in (code.start & !(data - 1)..code.end).step_by(data) {
        // SAFETY: the address is mapped.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in (code.start & !(instructions - 1)..code.end).step_by(instructions) {
        // SAFETY: the address is mapped.
        unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}
