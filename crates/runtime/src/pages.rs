//! What the operating system knows of memory's pages: which of them were ever touched, and which were written to.
//!
//! A guest may have 4 GiB and use a few pages of it. What is done to all of its memory should cost what it uses.
//!
//! Linux from 6.7 on answers with one ioctl of `/proc/self/pagemap`, stretches of pages at a time. Before that, the file's
//! entries say it page by page. Where neither is to be trusted (another system, no `/proc`, an emulator whose addresses or
//! order of bytes are not those of the file) every page counts as touched. `mincore` would not do: it does not know of pages
//! in swap.

use crate::region::{Region, page_size};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// `PAGEMAP_SCAN` (linux/fs.h): `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// Flags of a scan: protect the pages that are reported; fail where that is impossible.
pub(crate) const PROTECT_MATCHING: u64 = 1 << 0;
pub(crate) const CHECK_PROTECTABLE: u64 = 1 << 1;

/// What pages are (`PAGE_IS_*`).
pub(crate) const WRITTEN: u64 = 1 << 1;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO_PAGE: u64 = 1 << 5;

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// Stretches that are asked for at a time.
const REGIONS: usize = 1024;

/// Pages to look for: with all of one set of properties, with some of another, with none of a third.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) flags: u64,
    pub(crate) all: u64,
    pub(crate) any: u64,
    pub(crate) none: u64,
}

/// Pages that may hold anything but zeros: they have memory of their own, or space in swap. The system's page of zeros, which
/// reading gives, is none.
pub(crate) const TOUCHED: Wanted = Wanted { flags: 0, all: 0, any: PRESENT | SWAPPED, none: ZERO_PAGE };

/// This process's page map.
#[derive(Debug)]
pub(crate) struct Pagemap(File);

impl Pagemap {
    /// # Errors
    /// open(2)'s.
    pub(crate) fn open() -> io::Result<Pagemap> {
        Ok(Pagemap(File::open("/proc/self/pagemap")?))
    }

    /// The pages between two addresses that are as wanted, as stretches of offsets from the first.
    ///
    /// # Errors
    /// ioctl(2)'s: older kernels don't know it.
    pub(crate) fn scan(&self, addresses: Range<usize>, wanted: Wanted) -> io::Result<Vec<Range<usize>>> {
        let mut found = Vec::new();
        let mut regions = vec![PageRegion::default(); REGIONS];
        let mut at = addresses.start;
        while at < addresses.end {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                flags: wanted.flags,
                start: at as u64,
                end: addresses.end as u64,
                vec: regions.as_mut_ptr() as u64,
                vec_len: regions.len() as u64,
                category_inverted: wanted.none,
                category_mask: wanted.all | wanted.none,
                category_anyof_mask: wanted.any,
                ..ScanArg::default()
            };
            // SAFETY: the kernel writes to `arg`, which is of the size that its first field says, and at most `vec_len`
            // regions to `vec`. What it does to the pages does not change what is in them.
            let count = unsafe { libc::ioctl(self.0.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arg) };
            let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
            for region in regions.iter().take(count) {
                add(
                    &mut found,
                    region.start as usize - addresses.start..region.end as usize - addresses.start,
                );
            }
            let end = arg.walk_end as usize;
            if end <= at {
                return Err(io::ErrorKind::InvalidData.into());
            }
            at = end;
        }
        Ok(found)
    }

    /// The same for pages that were touched, by the file's entries: one of 64 bits for each page.
    fn touched_by_entries(&self, addresses: Range<usize>) -> io::Result<Vec<Range<usize>>> {
        let page = page_size();
        let mut found = Vec::new();
        let mut entries = vec![0; 64 << 10];
        let first = addresses.start / page;
        let count = addresses.len() / page;
        let mut at = 0;
        while at < count {
            let wanted = entries.len().min((count - at) * 8);
            self.0.read_exact_at(&mut entries[..wanted], (first + at) as u64 * 8)?;
            for entry in entries[..wanted].as_chunks::<8>().0 {
                if in_use(*entry)? {
                    add(&mut found, at * page..(at + 1) * page);
                }
                at += 1;
            }
        }
        Ok(found)
    }
}

/// Whether an entry of a page map says that the page is in memory, or in swap.
///
/// # Errors
/// It has a bit that no entry has. Emulators hand over what the kernel wrote, in an order of bytes that may not be ours: parts
/// of a page's number stand then where its state is looked for, and may look like one.
fn in_use(entry: [u8; 8]) -> io::Result<bool> {
    const IN_USE: u64 = 1 << 63 | 1 << 62;
    /// admin-guide/mm/pagemap.rst: "zero".
    const NONE: u64 = 1 << 60 | 1 << 59;
    let entry = u64::from_ne_bytes(entry);
    if entry & NONE == 0 { Ok(entry & IN_USE != 0) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Adds a stretch behind others.
pub(crate) fn add(stretches: &mut Vec<Range<usize>>, new: Range<usize>) {
    match stretches.last_mut() {
        Some(last) if last.end == new.start => last.end = new.end,
        _ => stretches.push(new),
    }
}

/// How to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// `PAGEMAP_SCAN`.
    Scan,
    /// Entries of `/proc/self/pagemap`.
    Entries,
    /// There is none.
    None,
}

impl Way {
    /// The best that works here.
    pub(crate) fn best() -> Way {
        static BEST: OnceLock<Way> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Way::Scan, Way::Entries].into_iter().find(|way| way.works()).unwrap_or(Way::None)
        })
    }

    /// Whether its answer about pages that we know of is right. An answer about other addresses than those that were asked
    /// for would lose a guest's memory.
    fn works(self) -> bool {
        const PAGES: usize = 128;
        let page = page_size();
        let Ok(region) = Region::zeroed(PAGES * page) else { return false };
        // SAFETY: advice about a mapping of our own. Without it one huge page could be all of it.
        unsafe { libc::madvise(region.base().cast(), PAGES * page, libc::MADV_NOHUGEPAGE) };
        let mut expected = Vec::new();
        for n in (0..PAGES).filter(|n| n * n % 7 < 3) {
            // SAFETY: within the region, which is ours.
            unsafe { region.base().add(n * page).write_volatile(1) };
            add(&mut expected, n * page..(n + 1) * page);
        }
        self.ask(region.base(), PAGES * page).is_ok_and(|touched| touched == expected)
    }

    fn ask(self, base: *const u8, len: usize) -> io::Result<Vec<Range<usize>>> {
        let addresses = base.addr()..base.addr() + len.next_multiple_of(page_size());
        match self {
            Way::Scan => Pagemap::open()?.scan(addresses, TOUCHED),
            Way::Entries => Pagemap::open()?.touched_by_entries(addresses),
            Way::None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Pages of anonymous memory that may hold anything but zeros, as offsets from its beginning: whole pages of the system's,
/// in order, apart from each other; the last may end behind `len`. Nothing is read or written, so that pages nobody touched
/// stay so. Where `base` is not the beginning of a page, they are rounded to what is whole pages from there.
pub fn touched(base: *const u8, len: usize) -> Vec<Range<usize>> {
    touched_by(Way::best(), base, len)
}

fn touched_by(way: Way, base: *const u8, len: usize) -> Vec<Range<usize>> {
    if len == 0 {
        return Vec::new();
    }
    let skew = base.addr() % page_size();
    let all = 0..(len + skew).next_multiple_of(page_size());
    unskew(way.ask(base.wrapping_sub(skew), len + skew).unwrap_or_else(|_| vec![all]), skew)
}

/// Turns stretches of pages into ones of as many bytes from `skew` within the first page on, which hold all of them.
pub(crate) fn unskew(stretches: Vec<Range<usize>>, skew: usize) -> Vec<Range<usize>> {
    if skew == 0 {
        return stretches;
    }
    let page = page_size();
    let mut found: Vec<Range<usize>> = Vec::new();
    for stretch in stretches {
        let start = stretch.start.saturating_sub(skew) / page * page;
        let end = (stretch.end - skew).next_multiple_of(page);
        match found.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => found.push(start..end),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Address space of this many bytes, in which no huge page makes more of what is touched.
    fn region(len: usize) -> Region {
        let region = Region::reserve(len).unwrap();
        // SAFETY: advice about a mapping of our own.
        unsafe { libc::madvise(region.base().cast(), len, libc::MADV_NOHUGEPAGE) };
        region
    }

    fn write(region: &Region, at: usize) {
        // SAFETY: callers stay within what is committed.
        unsafe { region.base().add(at).write_volatile(1) };
    }

    #[test]
    fn only_what_was_touched_is_said_to_be() {
        let (page, len) = (page_size(), 1 << 30);
        for way in [Way::Scan, Way::Entries] {
            if !way.works() {
                println!("{way:?} is not known here");
                continue;
            }
            let region = region(2 * len);
            region.commit(len).unwrap();
            assert_eq!(touched_by(way, region.base(), len), []);
            write(&region, 5);
            write(&region, page);
            write(&region, 700_000_000);
            write(&region, len - 1);
            let there = 700_000_000 / page * page;
            let expected = [0..2 * page, there..there + page, len - page..len];
            let start = Instant::now();
            for _ in 0..10 {
                assert_eq!(touched_by(way, region.base(), len), expected);
                // Within a page, and within what was never there.
                assert_eq!(touched_by(way, region.base(), len - 1), expected);
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{way:?} reads through: {:?}",
                start.elapsed()
            );
        }
        let region = region(len);
        region.commit(len).unwrap();
        #[expect(clippy::single_range_in_vec_init, reason = "one stretch")]
        let all = [0..page];
        assert_eq!(touched_by(Way::None, region.base(), page - 1), all);
        assert_eq!(touched(region.base(), 0), []);
    }

    #[test]
    fn more_stretches_than_are_asked_for_at_a_time() {
        let page = page_size();
        let pages = 5 * REGIONS;
        let region = region(pages * page);
        region.commit(pages * page).unwrap();
        (0..pages).step_by(2).for_each(|n| write(&region, n * page));
        let expected: Vec<_> = (0..pages).step_by(2).map(|n| n * page..(n + 1) * page).collect();
        for way in [Way::Scan, Way::Entries].into_iter().filter(|way| way.works()) {
            assert_eq!(touched_by(way, region.base(), pages * page), expected, "{way:?}");
        }
    }

    #[test]
    fn entries_in_another_order_of_bytes_are_none() {
        const PRESENT: u64 = 1 << 63;
        const EXCLUSIVE: u64 = 1 << 56;
        assert!(in_use((PRESENT | EXCLUSIVE | 0x1_2340).to_ne_bytes()).unwrap());
        assert!(!in_use([0; 8]).unwrap());
        // As many as are asked about when it is tried out, one behind the other, from anywhere.
        for first in 0x1_2300..0x1_2400 {
            let swapped = |number: u64| (PRESENT | EXCLUSIVE | number).swap_bytes().to_ne_bytes();
            assert!((first..first + 92).map(swapped).any(|entry| in_use(entry).is_err()), "{first:#x}");
        }
    }

    #[test]
    fn reading_touches_nothing_that_could_be_told_from_zeros() {
        let page = page_size();
        let region = region(64 * page);
        region.commit(64 * page).unwrap();
        // SAFETY: committed.
        assert_eq!(unsafe { region.base().add(9 * page).read_volatile() }, 0);
        if Way::Scan.works() {
            assert_eq!(touched_by(Way::Scan, region.base(), 64 * page), []);
        }
    }

    #[test]
    fn on_a_current_system_pages_are_known() {
        // An emulator may have no page map; a Linux of its own always has.
        if cfg!(target_os = "linux") && std::env::var_os("WAYFARER_TEST_EMULATOR").is_none() {
            assert_ne!(Way::best(), Way::None);
        }
    }
}
