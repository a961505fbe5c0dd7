//! Which pages of a memory were written to since somebody last asked.
//!
//! On Linux from 6.7 on the kernel keeps count: pages are write-protected through a `userfaultfd` in its asynchronous mode,
//! where the first write to a page lifts its protection and nobody is told; a scan of the page map lists the pages without
//! protection and protects them again. Elsewhere a copy is kept, and compared.

use crate::pages::{
    CHECK_PROTECTABLE, PROTECT_MATCHING, Pagemap, TOUCHED, WRITTEN, Wanted, add, touched, unskew,
};
use crate::region::page_size;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Finds pages of a memory that were written to. Nothing else may ask the same of the same memory with a `userfaultfd`;
/// a second tracker compares.
pub struct WriteTracker {
    /// The beginning of a page, and where in it the memory begins.
    base: *const u8,
    skew: usize,
    how: How,
}

enum How {
    Protected(Protected),
    Compared(Copy),
}

// SAFETY: `base` is read from only by `written`, which has the tracker for itself, as `start`'s caller allowed.
unsafe impl Send for WriteTracker {}
// SAFETY: as above.
unsafe impl Sync for WriteTracker {}

impl fmt::Debug for WriteTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteTracker({:p}, {})", self.base, self.kind())
    }
}

impl WriteTracker {
    /// Begins to track the first `len` bytes of an anonymous mapping. This never fails: where the kernel does not help, pages
    /// are compared.
    ///
    /// # Safety
    /// As long as the tracker is there, the pages from that of `base` to the end of as many bytes as it was ever told (here,
    /// or by [`WriteTracker::written`]) are mapped and readable, and nobody writes to them during a call of this or of
    /// `written`.
    pub unsafe fn start(base: *const u8, len: usize) -> WriteTracker {
        // SAFETY: passed on.
        unsafe { Self::start_protecting(base, len).unwrap_or_else(|| Self::start_comparing(base, len)) }
    }

    /// With the kernel's help, if it does.
    ///
    /// # Safety
    /// As for [`WriteTracker::start`].
    unsafe fn start_protecting(base: *const u8, len: usize) -> Option<WriteTracker> {
        let (base, skew) = aligned(base);
        Some(WriteTracker { base, skew, how: How::Protected(Protected::start(base, skew + len).ok()?) })
    }

    /// The same without the kernel's help.
    ///
    /// # Safety
    /// As for [`WriteTracker::start`].
    pub unsafe fn start_comparing(base: *const u8, len: usize) -> WriteTracker {
        let (base, skew) = aligned(base);
        // SAFETY: passed on.
        WriteTracker { base, skew, how: How::Compared(unsafe { Copy::of(base, skew + len) }) }
    }

    /// The pages that were written to since the start, or since this was last asked: stretches of whole pages (of the
    /// system's size), in order, apart from each other. `len_now`: how large the memory is; pages that it has grown by count
    /// if they were touched. All that was written is in them; there may be pages that were written with what they held, or
    /// that lie in one huge page with another that was written. The last may end behind `len_now`.
    pub fn written(&mut self, len_now: usize) -> Vec<Range<usize>> {
        let len = if len_now > 0 { self.skew + len_now } else { 0 };
        let pages = match &mut self.how {
            How::Protected(protected) => match protected.written(self.base, len) {
                Ok(pages) => pages,
                Err(_) => {
                    // Something has changed under us: a child process, for one, has its own memory and none of the
                    // protection. Whatever is there may have been written.
                    // SAFETY: as `start`'s caller promised.
                    *self = unsafe { WriteTracker::start(self.base.wrapping_add(self.skew), len_now) };
                    touched(self.base, len)
                }
            },
            // SAFETY: as `start`'s caller promised.
            How::Compared(copy) => unsafe { copy.written(self.base, len) },
        };
        unskew(pages, self.skew)
    }

    /// How writes are found: `userfaultfd` or `comparison`.
    pub fn kind(&self) -> &'static str {
        match &self.how {
            How::Protected(_) => "userfaultfd",
            How::Compared(_) => "comparison",
        }
    }
}

/// The beginning of a page, and where in it an address is.
fn aligned(base: *const u8) -> (*const u8, usize) {
    let skew = base.addr() % page_size();
    (base.wrapping_sub(skew), skew)
}

/// `UFFDIO_*` and what goes with them (linux/userfaultfd.h).
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFD_API: u64 = 0xaa;
const UFFD_USER_MODE_ONLY: i32 = 1;
const UFFD_FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const UFFD_FEATURE_WP_ASYNC: u64 = 1 << 15;
const UFFDIO_REGISTER_MODE_WP: u64 = 1 << 1;

#[repr(C)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct UffdioRegister {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

/// Pages without protection: written, or new. Those that nobody touched have none either, and are not to get any: that
/// would take page tables for all of a sparse memory.
const UNPROTECTED: Wanted = Wanted { flags: PROTECT_MATCHING | CHECK_PROTECTABLE, all: WRITTEN, ..TOUCHED };

/// A memory whose pages are protected by the kernel until they are written to.
struct Protected {
    /// Closing it ends the protection.
    userfaultfd: OwnedFd,
    pagemap: Pagemap,
    /// Bytes that are under its control.
    registered: usize,
    /// Both descriptors are about the memory of the process that opened them.
    process: u32,
}

impl Protected {
    fn start(base: *const u8, len: usize) -> io::Result<Protected> {
        // SAFETY: a system call with an integer; faults are not delivered, so those of the kernel's need no right.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | UFFD_USER_MODE_ONLY) };
        let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: just made, and nobody else's.
        let userfaultfd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut api = UffdioApi {
            api: UFFD_API,
            features: UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
            ioctls: 0,
        };
        // SAFETY: the kernel reads and writes a structure of this layout.
        if unsafe { libc::ioctl(fd, UFFDIO_API as _, &raw mut api) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let (pagemap, process) = (Pagemap::open()?, std::process::id());
        let mut protected = Protected { userfaultfd, pagemap, registered: 0, process };
        // What was there before is protected, and not told.
        protected.written(base, len)?;
        Ok(protected)
    }

    fn written(&mut self, base: *const u8, len: usize) -> io::Result<Vec<Range<usize>>> {
        if self.process != std::process::id() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let len = len.next_multiple_of(page_size());
        if len > self.registered {
            let mut register = UffdioRegister {
                start: base.addr() as u64 + self.registered as u64,
                len: (len - self.registered) as u64,
                mode: UFFDIO_REGISTER_MODE_WP,
                ioctls: 0,
            };
            // SAFETY: the kernel reads and writes a structure of this layout. Pages keep their content.
            if unsafe { libc::ioctl(self.userfaultfd.as_raw_fd(), UFFDIO_REGISTER as _, &raw mut register) }
                != 0
            {
                return Err(io::Error::last_os_error());
            }
            self.registered = len;
        }
        self.pagemap.scan(base.addr()..base.addr() + len, UNPROTECTED)
    }
}

/// Granularity of a copy: what is all zero in a stretch of this many bytes is not kept.
const CHUNK: usize = 64 << 10;

/// What a memory held, without what was zero.
struct Copy {
    /// By number.
    chunks: BTreeMap<usize, Box<[u8]>>,
}

impl Copy {
    /// # Safety
    /// As for [`WriteTracker::start`].
    unsafe fn of(base: *const u8, len: usize) -> Copy {
        let mut copy = Copy { chunks: BTreeMap::new() };
        // SAFETY: passed on.
        unsafe { copy.written(base, len) };
        copy
    }

    /// Pages that are not as they were. They are as they are now from here on.
    ///
    /// # Safety
    /// As for [`WriteTracker::written`].
    unsafe fn written(&mut self, base: *const u8, len: usize) -> Vec<Range<usize>> {
        let page = page_size().min(CHUNK);
        let len = len.next_multiple_of(page_size());
        // Where something may be now, and where something was.
        let now = touched(base, len);
        let now = now.iter().flat_map(|stretch| stretch.start / CHUNK..stretch.end.div_ceil(CHUNK));
        let mut numbers: Vec<usize> = now.chain(self.chunks.keys().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut written = Vec::new();
        for number in numbers {
            let start = number * CHUNK;
            let size = CHUNK.min(len.saturating_sub(start));
            // SAFETY: within the memory, which is readable and stands still.
            let bytes = unsafe { std::slice::from_raw_parts(base.add(start), size) };
            let kept = self.chunks.get(&number);
            let before = written.len();
            for (n, now) in bytes.chunks(page).enumerate() {
                let at = n * page;
                let same = match kept.and_then(|kept| kept.get(at..at + now.len())) {
                    Some(then) => then == now,
                    None => is_zero(now),
                };
                if !same {
                    let start = (start + at) / page_size() * page_size();
                    let end = start + page_size();
                    // Several parts of one page, where those are larger than a chunk.
                    if written.last().is_none_or(|last: &Range<usize>| last.end < end) {
                        add(&mut written, start..end);
                    }
                }
            }
            let changed = written.len() > before || written.last().is_some_and(|last| last.end > start);
            if changed && is_zero(bytes) {
                self.chunks.remove(&number);
            } else if changed {
                self.chunks.insert(number, bytes.into());
            }
        }
        written
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<128>();
    blocks.iter().all(|b| b.iter().fold(0, |acc, &x| acc | x) == 0) && rest.iter().all(|&b| b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use std::time::{Duration, Instant};

    const GIB: usize = 1 << 30;

    /// A memory of which `len` bytes can be used, in which no huge page makes more of what is written.
    fn memory(len: usize) -> Region {
        let region = Region::reserve(2 * GIB).unwrap();
        // SAFETY: advice about a mapping of our own.
        unsafe { libc::madvise(region.base().cast(), 2 * GIB, libc::MADV_NOHUGEPAGE) };
        region.commit(len).unwrap();
        region
    }

    fn write(memory: &Region, at: usize, value: u8) {
        // SAFETY: callers stay within what is committed.
        unsafe { memory.base().add(at).write_volatile(value) };
    }

    /// Both kinds, if there are both here.
    fn trackers(memory: &Region, len: usize) -> impl Iterator<Item = WriteTracker> {
        // SAFETY: the memory outlives it, in each test. One at a time.
        let [protecting, comparing] = unsafe {
            [
                Box::new(move |base| WriteTracker::start(base, len)) as Box<dyn Fn(*const u8) -> _>,
                Box::new(move |base| WriteTracker::start_comparing(base, len)),
            ]
        };
        let base: *const u8 = memory.base();
        [protecting, comparing].into_iter().map(move |start| start(base))
    }

    fn page_of(at: usize) -> Range<usize> {
        let start = at / page_size() * page_size();
        start..start + page_size()
    }

    #[test]
    fn written_pages_are_told_once() {
        let memory = memory(GIB);
        for at in [3, 5_000_000, 5_100_000, GIB - 1] {
            write(&memory, at, 1);
        }
        for (round, mut tracker) in trackers(&memory, GIB).enumerate() {
            let value = round as u8 + 2;
            assert_eq!(tracker.written(GIB), [], "{tracker:?}");
            write(&memory, 4, value);
            write(&memory, 5_100_001, value);
            // One that nobody used before, and two side by side.
            let fresh = 700_000_000 + round * 100_000_000;
            write(&memory, fresh, value);
            write(&memory, fresh + page_size(), value);
            let two = page_of(fresh).start..page_of(fresh).end + page_size();
            assert_eq!(tracker.written(GIB), [page_of(4), page_of(5_100_001), two], "{tracker:?}");
            assert_eq!(tracker.written(GIB), [], "{tracker:?}");
            write(&memory, GIB - 2, value);
            write(&memory, fresh, value + 10);
            assert_eq!(tracker.written(GIB), [page_of(fresh), page_of(GIB - 2)], "{tracker:?}");
            // Back to zero is a change too.
            write(&memory, fresh, 0);
            assert_eq!(tracker.written(GIB), [page_of(fresh)], "{tracker:?}");
        }
    }

    #[test]
    fn reading_is_no_writing() {
        let memory = memory(GIB);
        write(&memory, 100, 1);
        for mut tracker in trackers(&memory, GIB) {
            for at in [100, 200_000, 9_000_000] {
                // SAFETY: committed.
                unsafe { memory.base().add(at).read_volatile() };
            }
            assert_eq!(tracker.written(GIB), [], "{tracker:?}");
            write(&memory, 200_000, tracker.kind().len() as u8);
            assert_eq!(tracker.written(GIB), [page_of(200_000)], "{tracker:?}");
        }
    }

    #[test]
    fn a_memory_may_grow() {
        for nth in 0..2 {
            let page = 65_536;
            let memory = memory(page);
            write(&memory, 1, 1);
            let mut tracker = trackers(&memory, page).nth(nth).unwrap();
            memory.commit(10 * page).unwrap();
            write(&memory, 2, 2);
            write(&memory, 7 * page, 2);
            assert_eq!(tracker.written(10 * page), [page_of(2), page_of(7 * page)], "{tracker:?}");
            write(&memory, 8 * page, 3);
            memory.commit(GIB).unwrap();
            write(&memory, 500 * page, 3);
            assert_eq!(tracker.written(GIB), [page_of(8 * page), page_of(500 * page)], "{tracker:?}");
            assert_eq!(tracker.written(GIB), [], "{tracker:?}");

            // From nothing at all.
            let memory = self::memory(0);
            let mut tracker = trackers(&memory, 0).nth(nth).unwrap();
            assert_eq!(tracker.written(0), []);
            // The last page is a partial one.
            memory.commit(10).unwrap();
            write(&memory, 9, 1);
            assert_eq!(tracker.written(10), [page_of(9)], "{tracker:?}");
        }
    }

    #[test]
    fn what_the_kernel_writes_counts() {
        let memory = memory(GIB);
        write(&memory, 300_000, 9);
        for mut tracker in trackers(&memory, GIB) {
            let byte = [tracker.kind().len() as u8];
            let file = tempfile();
            std::os::unix::fs::FileExt::write_all_at(&file, &byte, 0).unwrap();
            // SAFETY: committed.
            let read = unsafe { libc::pread(file.as_raw_fd(), memory.base().add(300_001).cast(), 1, 0) };
            assert_eq!(read, 1);
            assert_eq!(tracker.written(GIB), [page_of(300_000)], "{tracker:?}");
        }
    }

    fn tempfile() -> std::fs::File {
        // SAFETY: a name without NUL, and a descriptor that is nobody else's.
        unsafe { std::fs::File::from_raw_fd(libc::memfd_create(c"test".as_ptr(), 0)) }
    }

    #[test]
    fn another_process_starts_anew() {
        let memory = memory(GIB);
        write(&memory, 6, 1);
        // SAFETY: the memory outlives it.
        let mut tracker = unsafe { WriteTracker::start(memory.base(), GIB) };
        if let How::Protected(protected) = &mut tracker.how {
            // As a child would find it.
            protected.process ^= 1;
            assert_eq!(tracker.written(GIB), [page_of(6)]);
        }
        write(&memory, 50_000_000, 1);
        assert_eq!(tracker.written(GIB), [page_of(50_000_000)]);
    }

    #[test]
    fn a_second_tracker_of_the_same_memory_compares() {
        let memory = memory(GIB);
        // SAFETY: the memory outlives them.
        let (mut first, mut second) =
            unsafe { (WriteTracker::start(memory.base(), GIB), WriteTracker::start(memory.base(), GIB)) };
        assert_eq!(second.kind(), "comparison");
        for at in [1, 80_000_000] {
            write(&memory, at, 1);
            assert_eq!(first.written(GIB), [page_of(at)]);
            assert_eq!(second.written(GIB), [page_of(at)]);
        }
        // When it is gone, its protection is too.
        drop(first);
        write(&memory, 90_000_000, 1);
        // SAFETY: as above.
        let mut third = unsafe { WriteTracker::start(memory.base(), GIB) };
        write(&memory, 1, 2);
        assert_eq!(third.written(GIB), [page_of(1)]);
        assert_eq!(second.written(GIB), [page_of(1), page_of(90_000_000)]);
    }

    #[test]
    fn a_large_sparse_memory_costs_what_is_in_it() {
        let memory = memory(GIB);
        for n in 0..1000 {
            write(&memory, n * 1_000_000, 1);
        }
        let used = touched(memory.base(), GIB).len();
        for mut tracker in trackers(&memory, GIB) {
            let value = tracker.kind().len() as u8;
            let start = Instant::now();
            for round in 0..20 {
                write(&memory, round * 40_000_000 % GIB / 1_000_000 * 1_000_000, value + round as u8);
                assert_eq!(tracker.written(GIB).len(), 1, "{tracker:?}, round {round}");
            }
            // Reading through 20 GiB takes longer.
            println!("{tracker:?}: {:?}", start.elapsed());
            assert!(start.elapsed() < Duration::from_secs(10), "{tracker:?}: {:?}", start.elapsed());
        }
        if used > 1 {
            assert_eq!(touched(memory.base(), GIB).len(), used, "nothing else is touched by asking");
        }
    }

    #[test]
    fn huge_pages_are_told_as_a_whole_at_most() {
        let memory = Region::reserve(64 << 20).unwrap();
        // SAFETY: advice about a mapping of our own.
        unsafe { libc::madvise(memory.base().cast(), 64 << 20, libc::MADV_HUGEPAGE) };
        memory.commit(64 << 20).unwrap();
        write(&memory, 10 << 20, 1);
        for mut tracker in trackers(&memory, 64 << 20) {
            for round in 0..3u8 {
                let at = (10 << 20) + usize::from(round) * 100_000;
                write(&memory, at, round + tracker.kind().len() as u8);
                write(&memory, (30 << 20) + at, round + tracker.kind().len() as u8);
                let written = tracker.written(64 << 20);
                for at in [at, (30 << 20) + at] {
                    assert!(written.iter().any(|stretch| stretch.contains(&at)), "{tracker:?}: {written:?}");
                }
                assert!(written.iter().map(Range::len).sum::<usize>() <= 8 << 20, "{tracker:?}: {written:?}");
                assert_eq!(tracker.written(64 << 20), [], "{tracker:?}");
            }
        }
    }
}
