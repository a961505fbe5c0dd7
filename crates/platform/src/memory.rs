//! `platform_api_vmcore.h`: memory of the system.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr::null_mut;

use crate::log::print;

/// As malloc.
#[unsafe(no_mangle)]
pub extern "C" fn os_malloc(size: c_uint) -> *mut c_void {
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size as usize) }
}

/// As realloc.
///
/// # Safety
/// `ptr` is NULL or a live block of os_malloc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_realloc(ptr: *mut c_void, size: c_uint) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { libc::realloc(ptr, size as usize) }
}

/// As free.
///
/// # Safety
/// `ptr` is NULL or a live block of os_malloc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_free(ptr: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { libc::free(ptr) };
}

/// Bits of a `prot` argument.
const READ: c_int = 1;
const WRITE: c_int = 2;
const EXEC: c_int = 4;

/// Bits of a `flags` argument.
const BELOW_2_GB: c_int = 1;
const FIXED: c_int = 2;

fn protection(prot: c_int) -> c_int {
    let bits = [(READ, libc::PROT_READ), (WRITE, libc::PROT_WRITE), (EXEC, libc::PROT_EXEC)];
    bits.into_iter().filter(|(bit, _)| prot & bit != 0).fold(libc::PROT_NONE, |all, (_, theirs)| all | theirs)
}

fn placement(flags: c_int) -> c_int {
    let mut all = 0;
    if flags & FIXED != 0 {
        all |= libc::MAP_FIXED;
    }
    #[cfg(target_arch = "x86_64")]
    if flags & BELOW_2_GB != 0 {
        all |= libc::MAP_32BIT;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = BELOW_2_GB;
    all
}

/// Whole pages. `None` if there are not as many.
fn pages(size: usize) -> Option<usize> {
    // SAFETY: no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    size.checked_next_multiple_of(page)
}

/// Maps zeroed pages, with MMAP_PROT_ and MMAP_MAP_ flags. Prints why and returns NULL if that fails. A file is not
/// mapped: pass os_get_invalid_handle().
///
/// # Safety
/// With MMAP_MAP_FIXED, what is at `hint` now is no longer used by anybody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mmap(
    hint: *mut c_void,
    size: usize,
    prot: c_int,
    flags: c_int,
    file: c_int,
) -> *mut c_void {
    let Some(size) = pages(size) else {
        print("mmap failed: request size overflow due to paging\n");
        return null_mut();
    };
    let (prot, flags) = (protection(prot), placement(flags) | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: as the caller promises: nothing in use is replaced.
    let address = unsafe { libc::mmap(hint, size, prot, flags, file, 0) };
    if address == libc::MAP_FAILED {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        print(&format!(
            "mmap failed with errno: {errno}, hint: {hint:p}, size: {size}, prot: {prot}, flags: {flags}\n"
        ));
        return null_mut();
    }
    address
}

/// Unmaps pages. NULL does nothing.
///
/// # Safety
/// `addr` is NULL or the address of such pages, and nobody uses them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_munmap(addr: *mut c_void, size: usize) {
    if addr.is_null() {
        return;
    }
    // SAFETY: as the caller promises.
    let done = pages(size).is_some_and(|size| unsafe { libc::munmap(addr, size) } == 0);
    if !done {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        print(&format!("os_munmap error addr:{addr:p}, size:0x{size:x}, errno:{errno}\n"));
    }
}

/// Sets what may be done with pages, by MMAP_PROT_ flags: 0 if it did, and for NULL.
///
/// # Safety
/// `addr` is NULL or the address of such pages, and nobody uses them in another way from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mprotect(addr: *mut c_void, size: usize, prot: c_int) -> c_int {
    if addr.is_null() {
        return 0;
    }
    // SAFETY: as the caller promises.
    pages(size).map_or(-1, |size| unsafe { libc::mprotect(addr, size, protection(prot)) })
}

/// Makes a mapping larger or smaller; it may move, and is to be protected again. NULL if that fails: the old one is
/// still there then.
///
/// # Safety
/// `old_addr` and `old_size` are a mapping's, to which nobody holds pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_mremap(old_addr: *mut c_void, old_size: usize, new_size: usize) -> *mut c_void {
    let (Some(old_size), Some(new_size)) = (pages(old_size), pages(new_size)) else { return null_mut() };
    // SAFETY: as the caller promises.
    let address = unsafe { libc::mremap(old_addr, old_size, new_size, libc::MREMAP_MAYMOVE) };
    if address == libc::MAP_FAILED { null_mut() } else { address }
}

/// Nothing is to be done for data caches where this library runs.
#[unsafe(no_mangle)]
pub extern "C" fn os_dcache_flush() {}

/// Makes code that was written to memory visible to what fetches instructions.
///
/// # Safety
/// The bytes may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_icache_flush(start: *mut c_void, len: usize) {
    #[cfg(target_arch = "aarch64")]
    {
        unsafe extern "C" {
            fn __clear_cache(start: *mut c_void, end: *mut c_void);
        }
        // SAFETY: as the caller promises.
        unsafe { __clear_cache(start, start.cast::<u8>().add(len).cast()) };
    }
    #[cfg(not(target_arch = "aarch64"))]
    let _ = (start, len);
}

/// Writes the process's resident memory, lines of the kernel's status file, as a string. 0 if they fit.
///
/// # Safety
/// `out` is NULL or may be written for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn os_dumps_proc_mem_info(out: *mut std::ffi::c_char, size: c_uint) -> c_int {
    if out.is_null() || size == 0 {
        return -1;
    }
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return -1 };
    let wanted = |line: &&str| line.starts_with("VmRSS") || line.starts_with("RssAnon");
    let text: String = status.lines().filter(wanted).flat_map(|line| [line, "\n"]).collect();
    // SAFETY: as the caller promises.
    unsafe { crate::ffi::put_error(out, size, &text) };
    if text.len() < size as usize { 0 } else { -1 }
}
