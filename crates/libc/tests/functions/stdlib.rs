//! `stdlib.h`, `ctype.h` and `time.h`: against the host's C library where it has an answer.

use std::ffi::CString;

use crate::guest::{Guest, HEAP, Random};
use wayfarer_libc::LibcTrap;

const TEXT: u32 = 0x100;
const END: u32 = 0x800;

#[test]
fn numbers_in_text_match_the_host() {
    let guest = &mut Guest::default();
    let mut random = Random(4);
    let fixed = [
        "",
        " ",
        "-",
        "+",
        "0",
        "0x",
        "0X",
        "0xg",
        "-0x1F",
        "+077",
        "08",
        "0x7fffffff",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "4294967295",
        "4294967296",
        "-4294967295",
        "-1",
        "- 1",
        "+-1",
        "\t\n\u{b}\u{c}\r 42x",
        "99999999999999999999999",
        "-99999999999999999999999",
        "zz",
        "ZZ",
        "1z",
        "0x0x1",
        "000",
        "0b11",
    ];
    for round in 0..20_000 {
        let text: String = match fixed.get(round) {
            Some(text) => (*text).to_string(),
            None => (0..random.below(12)).map(|_| char::from(*random.pick(b" -+00xX1279afzG"))).collect(),
        };
        let bases = [0u32, 1, 2, 8, 10, 16, 36, 37, 7, u32::MAX];
        for base in bases {
            guest.put(TEXT, &text);
            let host = CString::new(text.as_str()).unwrap();
            let mut end = host.as_ptr().cast_mut();
            // SAFETY: a NUL-terminated string, and a place for its end.
            let value = unsafe { libc::strtoll(host.as_ptr(), &raw mut end, base as i32) };
            let used = end as usize - host.as_ptr() as usize;

            guest.memory().write_u32(END.into(), TEXT).unwrap();
            let signed = guest.int("strtol", &[TEXT, END, base]);
            let context = format!("{text:?} in base {base}");
            // Where the host's long has 64 bits the guest's, of 32, is at the end of its range.
            assert_eq!(i64::from(signed), value.clamp(i32::MIN.into(), i32::MAX.into()), "{context}");
            assert_eq!(guest.memory().read_u32(END.into()).unwrap() - TEXT, used as u32, "{context}");

            guest.memory().write_u32(END.into(), TEXT).unwrap();
            let unsigned = guest.int("strtoul", &[TEXT, END, base]) as u32;
            let expected = if value.unsigned_abs() > u32::MAX.into() { u32::MAX } else { value as u32 };
            assert_eq!(unsigned, expected, "{context}");
            assert_eq!(guest.memory().read_u32(END.into()).unwrap() - TEXT, used as u32, "{context}");

            assert_eq!(guest.int("strtol", &[TEXT, 0, base]), signed, "{context}, without end pointer");
            if base == 10 {
                assert_eq!(guest.int("atoi", &[TEXT]), signed, "{context}");
            }
        }
    }
}

#[test]
fn numbers_outside_memory_trap() {
    let guest = &mut Guest::default();
    let end = guest.end();
    guest.memory().write(u64::from(end) - 2, b"12").unwrap();
    assert_eq!(guest.call("atoi", &[end - 2]), Err(LibcTrap::OutOfBounds));
    assert_eq!(guest.call("strtol", &[end, 0, 10]), Err(LibcTrap::OutOfBounds));
    guest.put(TEXT, "1");
    assert_eq!(guest.call("strtoul", &[TEXT, end - 3, 10]), Err(LibcTrap::OutOfBounds));
    // A lone 0 may be the last thing in memory.
    guest.put(end - 2, "0");
    assert_eq!(guest.int("strtol", &[end - 2, 0, 0]), 0);
}

#[test]
fn heap_functions_go_to_the_hosts_heap() {
    let guest = &mut Guest::default();
    let block = guest.int("malloc", &[100]) as u32;
    assert_eq!(block, HEAP);
    guest.put(block, "kept");
    let larger = guest.int("realloc", &[block, 1000]) as u32;
    assert!(larger > block);
    assert_eq!(guest.text(larger), "kept");
    assert_eq!(guest.freed, [block]);
    assert_eq!(guest.call("free", &[larger]), Ok(0));
    assert_eq!(guest.call("free", &[0]), Ok(0));
    assert_eq!(guest.freed, [block, larger]);
    assert!(guest.int("realloc", &[0, 8]) != 0);
    let exception = guest.int("__cxa_allocate_exception", &[8]) as u32;
    assert_eq!(guest.call("free", &[exception]), Ok(0));

    let zeroed = guest.int("calloc", &[7, 9]) as u32;
    assert_eq!(guest.memory().read_vec(zeroed.into(), 63).unwrap(), [0; 63]);
    assert_eq!(guest.int("calloc", &[0x1_0000, 0x1_0000]), 0, "4 GiB must not wrap around to nothing");
    for (name, args) in [("malloc", &[u32::MAX][..]), ("realloc", &[0, u32::MAX]), ("calloc", &[1, u32::MAX])]
    {
        assert_eq!(guest.int(name, args), 0, "{name}");
    }
}

#[test]
fn programs_end_with_their_exception() {
    let guest = &mut Guest::default();
    for (name, args, text) in [
        ("exit", &[3u32][..], "env.exit(3)"),
        ("exit", &[-1i32 as u32], "env.exit(-1)"),
        ("abort", &[6], "env.abort(6)"),
        ("abortStackOverflow", &[16], "env.abortStackOverflow(16)"),
        ("nullFunc_X", &[2], "env.nullFunc_X(2)"),
        ("__cxa_throw", &[1, 2, 3], "exception thrown by stdc++"),
    ] {
        let trap = guest.call(name, args).unwrap_err();
        assert_eq!(trap.to_string(), text);
        assert_eq!(trap, LibcTrap::Exception(text.to_owned()));
    }
    assert_eq!(guest.call("__cxa_begin_catch", &[8]), Ok(0));
    assert_eq!(LibcTrap::OutOfBounds.to_string(), "out of bounds memory access");
}

#[test]
fn character_classes_match_the_host() {
    type Host = unsafe extern "C" fn(libc::c_int) -> libc::c_int;
    let guest = &mut Guest::default();
    let classes: [(&str, Host); 8] = [
        ("isupper", libc::isupper),
        ("isalpha", libc::isalpha),
        ("isspace", libc::isspace),
        ("isgraph", libc::isgraph),
        ("isprint", libc::isprint),
        ("isdigit", libc::isdigit),
        ("isxdigit", libc::isxdigit),
        ("isalnum", libc::isalnum),
    ];
    for c in -1..=255 {
        for (name, host) in classes {
            // SAFETY: characters and EOF are what these functions are for.
            let expected = unsafe { host(c) } != 0;
            assert_eq!(guest.int(name, &[c as u32]) != 0, expected, "{name}({c})");
        }
        // SAFETY: as above.
        let (lower, upper) = unsafe { (libc::tolower(c), libc::toupper(c)) };
        assert_eq!((guest.int("tolower", &[c as u32]), guest.int("toupper", &[c as u32])), (lower, upper));
    }
    // Not characters at all: the host may read outside its tables.
    for c in [-2, 256, 0x141, i32::MAX, i32::MIN] {
        assert_eq!(guest.int("isalpha", &[c as u32]), 0);
        assert_eq!(guest.int("tolower", &[c as u32]), c);
    }
}

#[test]
fn clocks_count_from_the_hosts() {
    let guest = &mut Guest::default();
    guest.now_ns = 12_345_678_901_234;
    guest.memory().write(0x800, &[0xEE; 20]).unwrap();
    assert_eq!(guest.int("clock_gettime", &[1, 0x800]), 0);
    assert_eq!(guest.memory().read_u64(0x800).unwrap(), 12_345);
    assert_eq!(guest.memory().read_u32(0x808).unwrap(), 678_901_234);
    assert_eq!(guest.memory().read_u32(0x80C).unwrap(), 0xEEEE_EEEE, "padding is left alone");
    assert_eq!(guest.call("clock", &[]), Ok(12_345_678_901_234));
    let end = guest.end();
    assert_eq!(guest.call("clock_gettime", &[1, end - 15]), Err(LibcTrap::OutOfBounds));
}

#[test]
fn aligned_memory_is_memory() {
    let guest = &mut Guest::default();
    assert_eq!(guest.call("posix_memalign", &[TEXT, 16, 40]), Ok(0));
    let addr = guest.memory().read_u32(TEXT.into()).unwrap();
    assert_eq!((addr, guest.end()), (HEAP, HEAP + 40));
    // No room: the guest is told by both.
    assert_eq!(guest.call("posix_memalign", &[TEXT, 16, HEAP * 8]), Ok(u64::from(u32::MAX)));
    assert_eq!(guest.memory().read_u32(TEXT.into()), Ok(0));
    let end = guest.end();
    assert_eq!(guest.call("posix_memalign", &[end - 3, 16, 40]), Err(LibcTrap::OutOfBounds));
    assert_eq!(guest.end(), end, "nothing is allocated for nobody");
}
