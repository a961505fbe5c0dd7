//! A heap inside a buffer of the host's: two-level segregated fit (crate `rlsf`), with the sizes that C's `free` and
//! `realloc` don't tell kept in front of each block.

use std::alloc::Layout;
use std::ptr::NonNull;

use rlsf::Tlsf;

use crate::alloc::mem_alloc_info_t;

/// Alignment of ordinary blocks, like malloc's.
const ALIGN: usize = 16;

/// Space in front of a payload that is aligned to `ALIGN`. A power of two, so that it does not spoil the alignment.
const HEADER: usize = 16;

/// What stands right before each payload.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    /// Bytes of payload.
    size: u32,
    /// Bytes from the start of the block to the payload; also the block's alignment.
    offset: u32,
}

/// The heap. Blocks are numbers of bytes that fit `u32`, as the API has it.
pub struct Pool {
    tlsf: Tlsf<'static, u32, u32, 28, 32>,
    total: usize,
    used: usize,
    highmark: usize,
}

impl Pool {
    /// Makes a heap of `size` bytes at `buf`. `None` if that is too small for even one block.
    ///
    /// # Safety
    /// The bytes are valid for reading and writing, and used by nothing else, until the pool is dropped and all its
    /// blocks are forgotten.
    pub(crate) unsafe fn new(buf: NonNull<u8>, size: usize) -> Option<Self> {
        let mut tlsf = Tlsf::new();
        // SAFETY: the caller gives the bytes to the pool.
        let total = unsafe { tlsf.insert_free_block_ptr(NonNull::slice_from_raw_parts(buf, size)) }?;
        Some(Pool { tlsf, total: total.get(), used: 0, highmark: 0 })
    }

    /// Allocates `size` bytes aligned to `align`, a power of two.
    pub(crate) fn allocate(&mut self, size: u32, align: usize) -> Option<NonNull<u8>> {
        let offset = align.max(HEADER);
        let layout = Layout::from_size_align(offset.checked_add(size as usize)?, offset.max(ALIGN)).ok()?;
        let block = self.tlsf.allocate(layout)?;
        self.account(layout.size() as isize);
        // SAFETY: the block has `offset + size` bytes and `offset >= size_of::<Header>()`.
        Some(unsafe { Self::write_header(block, Header { size, offset: offset as u32 }) })
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `ptr` came from this pool and has not been freed.
    pub(crate) unsafe fn free(&mut self, ptr: NonNull<u8>) {
        // SAFETY: the caller's promise: a live payload, so its header stands before it.
        let (block, header) = unsafe { Self::read_header(ptr) };
        self.account(-((header.offset + header.size) as isize));
        // SAFETY: `block` is what `Tlsf::allocate` returned for this alignment.
        unsafe { self.tlsf.deallocate(block, header.offset as usize) };
    }

    /// Resizes a block, moving it if need be. On failure the block stays as it was.
    ///
    /// # Safety
    /// As [`Pool::free`].
    pub(crate) unsafe fn reallocate(&mut self, ptr: NonNull<u8>, size: u32) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise: a live payload.
        let (block, header) = unsafe { Self::read_header(ptr) };
        let offset = header.offset as usize;
        let layout = Layout::from_size_align(offset.checked_add(size as usize)?, offset).ok()?;
        // SAFETY: `block` is live and was allocated with this alignment.
        let block = unsafe { self.tlsf.reallocate(block, layout) }?;
        self.account(size as isize - header.size as isize);
        // SAFETY: the block has `offset + size` bytes.
        Some(unsafe { Self::write_header(block, Header { size, ..header }) })
    }

    /// Totals, in bytes.
    pub(crate) fn info(&self) -> mem_alloc_info_t {
        mem_alloc_info_t {
            total_size: self.total as u32,
            total_free_size: (self.total - self.used) as u32,
            highmark_size: self.highmark as u32,
        }
    }

    fn account(&mut self, bytes: isize) {
        self.used = self.used.saturating_add_signed(bytes);
        self.highmark = self.highmark.max(self.used);
    }

    /// # Safety
    /// `block` has room for `header.offset` bytes, aligned to it.
    unsafe fn write_header(block: NonNull<u8>, header: Header) -> NonNull<u8> {
        // SAFETY: `offset >= HEADER >= size_of::<Header>()`, and both are multiples of 8.
        unsafe {
            let payload = block.add(header.offset as usize);
            payload.cast::<Header>().sub(1).write(header);
            payload
        }
    }

    /// # Safety
    /// `ptr` is a live payload.
    unsafe fn read_header(ptr: NonNull<u8>) -> (NonNull<u8>, Header) {
        // SAFETY: `write_header` put it there.
        unsafe {
            let header = ptr.cast::<Header>().sub(1).read();
            (ptr.sub(header.offset as usize), header)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(buf: &mut Vec<u64>) -> Pool {
        let bytes = buf.len() * 8;
        // SAFETY: the buffer outlives the pool in every test below.
        unsafe { Pool::new(NonNull::new(buf.as_mut_ptr().cast()).unwrap(), bytes) }.unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let mut buf = vec![0u64; 64 * 1024 / 8];
        let mut pool = pool(&mut buf);
        let mut blocks = Vec::new();
        for i in 0..200u32 {
            let align = [8, 16, 64, 256][i as usize % 4];
            let p = pool.allocate(i + 1, align).unwrap();
            assert_eq!(p.as_ptr() as usize % align.max(ALIGN), 0);
            // SAFETY: `i + 1` bytes were allocated.
            unsafe { p.write_bytes(i as u8, i as usize + 1) };
            blocks.push(p);
        }
        for (i, p) in blocks.iter().enumerate() {
            // SAFETY: the block is live.
            let bytes = unsafe { std::slice::from_raw_parts(p.as_ptr(), i + 1) };
            assert!(bytes.iter().all(|&b| b == i as u8), "block {i} was overwritten");
        }
        for p in blocks {
            // SAFETY: each is live.
            unsafe { pool.free(p) };
        }
        let info = pool.info();
        assert_eq!(info.total_free_size, info.total_size);
        assert!(info.highmark_size > 200 * 100 && info.highmark_size <= info.total_size);
    }

    #[test]
    fn realloc_keeps_the_content() {
        let mut buf = vec![0u64; 16 * 1024 / 8];
        let mut pool = pool(&mut buf);
        let mut p = pool.allocate(10, 8).unwrap();
        // SAFETY: 10 bytes.
        unsafe { p.copy_from(NonNull::from(b"0123456789").cast(), 10) };
        let between = pool.allocate(100, 8).unwrap();
        for size in [1000, 5000, 20, 10] {
            // SAFETY: live.
            p = unsafe { pool.reallocate(p, size) }.unwrap();
            // SAFETY: at least 10 bytes.
            assert_eq!(unsafe { std::slice::from_raw_parts(p.as_ptr(), 10) }, b"0123456789");
        }
        // SAFETY: live.
        assert!(unsafe { pool.reallocate(p, 1 << 30) }.is_none(), "more than there is");
        // SAFETY: both live.
        unsafe {
            pool.free(between);
            pool.free(p);
        }
        assert_eq!(pool.info().total_free_size, pool.info().total_size);
    }

    #[test]
    fn exhaustion_is_not_fatal() {
        let mut buf = vec![0u64; 4096 / 8];
        let mut pool = pool(&mut buf);
        assert!(pool.allocate(u32::MAX, 8).is_none());
        let mut n = 0;
        while pool.allocate(100, 8).is_some() {
            n += 1;
        }
        assert!((20..40).contains(&n), "{n}");
        // SAFETY: a buffer that is too small is looked at, no more.
        assert!(unsafe { Pool::new(NonNull::new(buf.as_mut_ptr().cast()).unwrap(), 8) }.is_none());
    }
}
