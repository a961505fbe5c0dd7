//! `string.h` against the C library of the host, and at the edges of memory.

use std::ffi::CString;

use crate::guest::{Guest, Random};
use wayfarer_libc::LibcTrap;

const A: u32 = 0x100;
const B: u32 = 0x900;

/// A string over few letters, so that equal starts, repeats and matches happen often.
fn text(random: &mut Random) -> CString {
    let length = if random.below(8) == 0 { random.below(700) } else { random.below(9) };
    CString::new((0..length).map(|_| *random.pick(b"aAbBc\x80\xFF")).collect::<Vec<u8>>()).unwrap()
}

#[test]
fn string_functions_match_the_host() {
    let guest = &mut Guest::default();
    let mut random = Random(3);
    for _ in 0..20_000 {
        let (x, y) = (text(&mut random), text(&mut random));
        guest.put(A, x.as_bytes());
        guest.put(B, y.as_bytes());
        let (p, q) = (x.as_ptr(), y.as_ptr());
        let limit = random.below(12) as u32;
        let n = limit as usize;
        let c = *random.pick(&[b'a', b'b', b'c', 0, 0x80, 0xFF, b'z']);
        // An int: only its low byte counts.
        let wide_c = u32::from(c) | (random.next() as u32) << 8;
        let offset = |found: *const libc::c_char| {
            if found.is_null() { 0 } else { A as usize + (found as usize - p as usize) }
        };

        // SAFETY: all calls of the host's functions get NUL-terminated strings, and lengths within them.
        unsafe {
            let context = format!("{x:?} {y:?} {limit} {c}");
            assert_eq!(guest.int("strlen", &[A]) as usize, libc::strlen(p), "{context}");
            assert_eq!(guest.int("strcmp", &[A, B]).signum(), libc::strcmp(p, q).signum(), "{context}");
            assert_eq!(
                guest.int("strncmp", &[A, B, limit]).signum(),
                libc::strncmp(p, q, n).signum(),
                "{context}"
            );
            assert_eq!(
                guest.int("strncasecmp", &[A, B, limit]).signum(),
                libc::strncasecmp(p, q, n).signum(),
                "{context}"
            );
            assert_eq!(guest.int("strspn", &[A, B]) as usize, libc::strspn(p, q), "{context}");
            assert_eq!(guest.int("strcspn", &[A, B]) as usize, libc::strcspn(p, q), "{context}");
            assert_eq!(guest.int("strstr", &[A, B]) as usize, offset(libc::strstr(p, q)), "{context}");
            assert_eq!(
                guest.int("strchr", &[A, wide_c]) as usize,
                offset(libc::strchr(p, c.into())),
                "{context}"
            );
            let size = x.as_bytes_with_nul().len();
            assert_eq!(
                guest.int("memchr", &[A, wide_c, size as u32]) as usize,
                offset(libc::memchr(p.cast(), c.into(), size).cast_const().cast()),
                "{context}"
            );
            let common = size.min(y.as_bytes_with_nul().len());
            assert_eq!(
                guest.int("memcmp", &[A, B, common as u32]).signum(),
                libc::memcmp(p.cast(), q.cast(), common).signum(),
                "{context}"
            );
        }
    }
}

#[test]
fn differences_far_from_the_start_are_found() {
    let guest = &mut Guest::default();
    let text = vec![b'x'; 700];
    for at in [0, 1, 255, 256, 257, 511, 512, 699] {
        guest.put(A, &text);
        guest.put(B, &text);
        guest.memory().write_u8(u64::from(B) + at, b'y').unwrap();
        for (name, args) in [
            ("strcmp", vec![A, B]),
            ("strncmp", vec![A, B, 700]),
            ("strncasecmp", vec![A, B, 700]),
            ("memcmp", vec![A, B, 700]),
        ] {
            assert_eq!(guest.int(name, &args), -1, "{name}, difference at {at}");
        }
        let before = at as u32;
        assert_eq!(guest.int("memcmp", &[A, B, before]), 0);
        assert_eq!(guest.int("strncmp", &[A, B, before]), 0);
        assert_eq!(guest.int("strncasecmp", &[A, B, before]), 0);
    }
}

#[test]
fn strstr_finds_what_overlaps_itself() {
    let guest = &mut Guest::default();
    for (hay, needle) in
        [("aabaabaaab", "aabaaab"), ("abcabcabd", "abcabd"), ("aaaaab", "aab"), ("abab", "ababa")]
    {
        guest.put(A, hay);
        guest.put(B, needle);
        let expected = hay.find(needle).map_or(0, |i| A as i32 + i as i32);
        assert_eq!(guest.int("strstr", &[A, B]), expected, "{needle} in {hay}");
    }
}

#[test]
fn copies_return_the_target() {
    let guest = &mut Guest::default();
    guest.put(A, "0123456789");
    assert_eq!(guest.int("strcpy", &[B, A]), B as i32);
    assert_eq!(guest.text(B), "0123456789");
    for name in ["memcpy", "emscripten_memcpy_big", "memmove"] {
        guest.put(B, "..........");
        assert_eq!(guest.int(name, &[B + 1, A, 3]), B as i32 + 1);
        assert_eq!(guest.text(B), ".012......", "{name}");
    }
    // Overlapping, both ways.
    assert_eq!(guest.int("memmove", &[A + 2, A, 5]), A as i32 + 2);
    assert_eq!(guest.text(A), "0101234789");
    assert_eq!(guest.int("memmove", &[A, A + 2, 5]), A as i32);
    assert_eq!(guest.text(A), "0123434789");
    assert_eq!(guest.int("memset", &[A + 1, 0x12B, 3]), A as i32 + 1);
    assert_eq!(guest.text(A), "0+++434789");
}

#[test]
fn strncpy_pads_and_cuts() {
    let guest = &mut Guest::default();
    guest.put(A, "abc");
    for (size, expected) in [(0, &b"......"[..]), (2, b"ab...."), (3, b"abc..."), (5, b"abc\0\0.")] {
        guest.put(B, "......");
        assert_eq!(guest.int("strncpy", &[B, A, size]), B as i32);
        assert_eq!(guest.memory().read_vec(B.into(), 6).unwrap(), expected);
    }
}

#[test]
fn strdup_survives_memory_that_moves() {
    for name in ["strdup", "_strdup"] {
        let guest = &mut Guest::default();
        guest.put(A, "copy me");
        let copy = guest.int(name, &[A]) as u32;
        assert!(copy >= crate::guest::HEAP);
        assert_eq!(guest.text(copy), "copy me");
        guest.limit = guest.end();
        assert_eq!(guest.int(name, &[A]), 0);
    }
}

#[test]
fn strings_may_end_with_memory_but_not_after_it() {
    let guest = &mut Guest::default();
    let end = guest.end();
    guest.put(A, "xyz");
    // Ends with the last byte: every function can do with it.
    let last = guest.put(end - 4, "xyz");
    assert_eq!(guest.int("strlen", &[last]), 3);
    assert_eq!(guest.int("strcmp", &[A, last]), 0);
    assert_eq!(guest.int("strncmp", &[last, A, u32::MAX]), 0);
    assert_eq!(guest.int("strchr", &[last, 0]), end as i32 - 1);
    assert_eq!(guest.int("strspn", &[last, A]), 3);
    assert_eq!(guest.int("strstr", &[last, A]), last as i32);
    assert_eq!(guest.int("strcpy", &[last, A]), last as i32);
    assert_eq!(guest.int("memchr", &[last, u32::from(b'y'), 100]), end as i32 - 3, "found before the end");
    // Without its NUL none can.
    guest.memory().write_u8(u64::from(end) - 1, b'!').unwrap();
    for (name, args) in [
        ("strlen", vec![last]),
        ("strchr", vec![last, u32::from(b'q')]),
        ("strcmp", vec![last, last]),
        ("strspn", vec![A, last]),
        ("strspn", vec![last, last]),
        ("strcspn", vec![A, last]),
        ("strstr", vec![A, last]),
        ("strcpy", vec![A, last]),
        ("strdup", vec![last]),
        ("strncpy", vec![A, last, 100]),
        ("strncasecmp", vec![last, last, 5]),
        ("memchr", vec![last, u32::from(b'q'), 5]),
        ("memcmp", vec![A, last, 5]),
        ("memcmp", vec![last, A, 5]),
        ("memcpy", vec![A, last, 5]),
        ("memmove", vec![last, A, 5]),
        ("memset", vec![last, 0, 5]),
        ("memset", vec![u32::MAX, 0, 2]),
        ("strcpy", vec![end - 3, A]),
        ("strncpy", vec![last, A, 5]),
        ("strlen", vec![u32::MAX]),
    ] {
        assert_eq!(guest.call(name, &args), Err(LibcTrap::OutOfBounds), "{name} {args:?}");
    }
    // But they stop where their limit says.
    assert_eq!(guest.int("strncmp", &[last, last, 4]), 0);
    assert_eq!(guest.int("strncpy", &[B, last, 4]), B as i32);
    assert_eq!(guest.memory().read_vec(B.into(), 4).unwrap(), b"xyz!");
    // A refused copy changes nothing.
    assert_eq!(guest.memory().read_vec(last.into(), 4).unwrap(), b"xyz!");
}
