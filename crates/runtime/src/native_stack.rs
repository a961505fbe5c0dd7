//! How deep guests may go on the native stack: by recursion of compiled code, and by calls back and forth between the guest
//! and host functions.

use std::cell::Cell;

/// Left over for host functions, and for functions that are not checked because they call nothing (bytes).
const RESERVE: usize = 256 << 10;

/// No stack is taken to be larger than this (bytes), whatever the system says.
const LARGEST: usize = 1 << 30;

thread_local! {
    /// 0: not known yet.
    static LIMIT: Cell<usize> = const { Cell::new(0) };
    /// In the middle between the limit and where this thread's stack begins.
    static HALF: Cell<usize> = const { Cell::new(0) };
}

/// The lowest address that guest code may reach on this thread's stack.
#[inline]
pub fn limit() -> usize {
    LIMIT.with(|known| {
        if known.get() == 0 {
            known.set(find());
        }
        known.get()
    })
}

/// Whether the stack is used up to there: then no guest code is to be entered.
#[inline]
pub fn is_used_up() -> bool {
    let here = 0u8;
    (&raw const here as usize) < limit()
}

/// Whether so much of the stack is used that interpreted frames, which need none of it, are better than compiled ones.
#[inline]
pub fn is_half_used() -> bool {
    let here = 0u8;
    limit();
    (&raw const here as usize) < HALF.get()
}

fn find() -> usize {
    let mark = 0u8;
    let here = (&raw const mark) as usize;
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0usize, 0usize);
    // SAFETY: attributes are initialized by the first call, read, then destroyed (pthread_getattr_np(3)).
    let found = unsafe {
        let mut attr = std::mem::zeroed::<libc::pthread_attr_t>();
        libc::pthread_getattr_np(libc::pthread_self(), &raw mut attr) == 0 && {
            let found = libc::pthread_attr_getstack(&raw const attr, &raw mut low, &raw mut size) == 0;
            let _ = libc::pthread_attr_getguardsize(&raw const attr, &raw mut guard);
            libc::pthread_attr_destroy(&raw mut attr);
            found
        }
    };
    if !found {
        // A stack of the size that is usual everywhere.
        (low, size) = (here.saturating_sub(1 << 20) as *mut _, 1 << 20);
    }
    let end = (low as usize + size).max(here);
    let low = (low as usize + guard).max(here.saturating_sub(LARGEST));
    // On a small stack a part of it has to do.
    let limit = low + RESERVE.min(size / 4);
    HALF.set(limit + (end - limit) / 2);
    limit
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_below_and_not_far() {
        let mark = 0u8;
        let here = (&raw const mark) as usize;
        let limit = super::limit();
        assert!(limit < here && here - limit < super::LARGEST, "{limit:#x} {here:#x}");
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(|| {
                let mark = 0u8;
                let here = (&raw const mark) as usize;
                let limit = super::limit();
                assert!(limit < here && here - limit < 256 << 10, "{limit:#x} {here:#x}");
            })
            .expect("a thread")
            .join()
            .expect("it is so");
    }
}
