//! The mapping that an address is in, where that can be a stack.

use std::fs::File;
use std::io::{BufRead, BufReader};

/// What is larger (bytes) is taken to be something that stacks are a part of.
const LARGEST: usize = 64 << 20;

/// The mapping around an address, from its lowest one to behind its highest, if it looks like a stack: memory of its own, which
/// can be read and written, that does not go on below.
pub(super) fn around(address: usize) -> Option<(usize, usize)> {
    in_list(BufReader::new(File::open("/proc/self/maps").ok()?), address)
}

/// As [`around`], in a list like that of proc(5).
fn in_list(mut list: impl BufRead, address: usize) -> Option<(usize, usize)> {
    let (mut line, mut below) = (String::new(), 0);
    loop {
        line.clear();
        if list.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let (low, high) = words.next()?.split_once('-')?;
        let (low, high) = (usize::from_str_radix(low, 16).ok()?, usize::from_str_radix(high, 16).ok()?);
        let access = words.next()?;
        if high <= address {
            // What cannot be accessed is a guard.
            below = if access.starts_with("---") { 0 } else { high };
            continue;
        }
        // Behind offset, device and inode: a file, or a name in brackets.
        let named =
            words.nth(3).is_some_and(|name| !name.starts_with("[stack") && !name.starts_with("[anon"));
        let is_stack = low <= address
            && access.starts_with("rw")
            && access.ends_with('p')
            && !named
            // A variable of a program or library: what comes before it, and a part of the heap, belongs to others.
            && below != low
            && high - low <= LARGEST;
        return is_stack.then_some((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
55d0c0a00000-55d0c0a20000 r--p 00000000 fe:00 1234                       /usr/bin/host
55d0c0a20000-55d0c0a30000 rw-p 00020000 fe:00 1234                       /usr/bin/host
55d0c0a30000-55d0c0a40000 rw-p 00000000 00:00 0
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 ---p 00000000 00:00 0
7f0000001000-7f0000041000 rw-p 00000000 00:00 0
7f0000100000-7f0000200000 rw-p 00000000 00:00 0
7f0000300000-7f0000400000 rw-s 00000000 00:01 99                         /dev/zero (deleted)
7f0000500000-7f0000600000 rw-p 00000000 00:00 0                          [anon:fibers]
7f0000700000-7f0010000000 rw-p 00000000 00:00 0
7f0020000000-7f0020010000 r--p 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
";

    fn found(address: usize) -> Option<(usize, usize)> {
        in_list(LIST.as_bytes(), address)
    }

    #[test]
    fn stacks_are_found() {
        let guarded = Some((0x7f00_0000_1000, 0x7f00_0004_1000));
        assert_eq!(found(0x7f00_0000_1000), guarded);
        assert_eq!(found(0x7f00_0004_0fff), guarded);
        assert_eq!(found(0x7f00_0010_0800), Some((0x7f00_0010_0000, 0x7f00_0020_0000)));
        assert_eq!(found(0x7f00_0050_0000), Some((0x7f00_0050_0000, 0x7f00_0060_0000)));
        assert_eq!(found(0x7ffd_0000_1000), Some((0x7ffd_0000_0000, 0x7ffd_0002_1000)));
    }

    #[test]
    fn what_is_no_stack_is_not_taken_for_one() {
        for (address, what) in [
            (0x55d0_c0a2_1000, "data of a program"),
            (0x55d0_c0a3_1000, "the rest of that"),
            (0x55d0_c100_1000, "the heap"),
            (0x7f00_0000_0800, "a guard"),
            (0x7f00_0004_1000, "nothing"),
            (0x7f00_0030_1000, "a shared mapping"),
            (0x7f00_0080_0000, "too large"),
            (0x7f00_2000_1000, "not writable"),
            (0x7fff_0000_0000, "behind all"),
        ] {
            assert_eq!(found(address), None, "{what}");
        }
    }

    #[test]
    fn this_process_has_one() {
        let size = 1 << 20;
        // SAFETY: a new mapping, which is not touched.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED);
        // SAFETY: its first page.
        assert_eq!(unsafe { libc::mprotect(memory, 4096, libc::PROT_NONE) }, 0);
        let (low, high) = around(memory as usize + size / 2).expect("it is a stack");
        assert!(low == memory as usize + 4096 && high >= memory as usize + size);
        assert_eq!(around(memory as usize), None);
        // SAFETY: nothing refers to it.
        unsafe { libc::munmap(memory, size) };
    }
}
