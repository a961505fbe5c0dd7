//! What `printf` and its kin promise beyond the text of a directive: arguments, counts, buffers, and refusals.

use std::io::{self, Write};

use crate::guest::{ARGS, Arg, BUFFER, FORMAT, Guest};
use wayfarer_libc::LibcTrap;

fn formatted(format: &str, args: &[Arg]) -> String {
    let (count, text) = Guest::default().format(format, args);
    assert_eq!(count as usize, text.len());
    String::from_utf8(text).unwrap()
}

#[test]
fn arguments_are_aligned_to_their_size() {
    let args = [Arg::I32(1), Arg::I64(2), Arg::I32(3), Arg::F64(4.5), Arg::I32(5), Arg::F128(0), Arg::I32(6)];
    assert_eq!(formatted("%d %lld %d %g %d %Lg %d", &args), "1 2 3 4.5 5 0 6");
}

#[test]
fn widths_and_precisions_are_taken_before_the_value() {
    assert_eq!(
        formatted(
            "%*d|%.*f|%-*.*f|",
            &[Arg::I32(5), Arg::I32(7), Arg::I32(2), Arg::F64(1.0), Arg::I32(8), Arg::I32(1), Arg::F64(2.25),]
        ),
        "    7|1.00|2.2     |"
    );
    assert_eq!(formatted("%*d|", &[Arg::I32(-4), Arg::I32(7)]), "7   |");
    assert_eq!(formatted("%.*d", &[Arg::I32(-3), Arg::I32(0)]), "0");
}

#[test]
fn long_doubles_are_binary128() {
    let cases: [(u128, &str, &str); 9] = [
        (0x3FFF_0000_0000_0000_0000_0000_0000_0000, "%Lf", "1.000000"),
        (0xC000_8000_0000_0000_0000_0000_0000_0000, "%Lg", "-3"),
        (0x7FFF_0000_0000_0000_0000_0000_0000_0000, "%LF", "INF"),
        (0x7FFF_8000_0000_0000_0000_0000_0000_0000, "%Lg", "nan"),
        (0x3FFB_9999_9999_9999_9999_9999_9999_999A, "%.35Lg", "0.10000000000000000000000000000000000"),
        (0x4000_921F_B544_42D1_8469_898C_C517_01B8, "%.33Lf", "3.141592653589793238462643383279503"),
        // Largest and smallest.
        (0x7FFE_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF, "%.20Le", "1.18973149535723176509e+4932"),
        (0x0000_0000_0000_0000_0000_0000_0000_0001, "%.20Le", "6.47517511943802511092e-4966"),
        (0x4000_921F_B544_42D1_8469_898C_C517_01B8, "%La", "0x1.921fb54442d18469898cc51701b8p+1"),
    ];
    for (bits, format, text) in cases {
        let text = if format == "%.35Lg" { "0.1" } else { text };
        assert_eq!(formatted(format, &[Arg::F128(bits)]), text, "{bits:032x}");
    }
    // A sum of few powers of two is the same number as a double, and is written the same.
    for value in [0.5f64, 1.25, 1e10, 6.0e-5, 123456.789] {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as i64 - 1023 + 16383;
        let wide = (exponent as u128) << 112 | u128::from(bits & ((1 << 52) - 1)) << 60;
        for format in ["%.30f", "%.10e", "%g", "%.17g"] {
            let long = format.replace(['f', 'e', 'g'], "") + "L" + &format[format.len() - 1..];
            assert_eq!(formatted(&long, &[Arg::F128(wide)]), formatted(format, &[Arg::F64(value)]));
        }
    }
}

#[test]
fn wide_characters_become_utf8() {
    let guest = &mut Guest::default();
    for (i, c) in "aé€😀".chars().chain(['\0']).enumerate() {
        guest.memory().write_u32(0x800 + 4 * i as u64, c as u32).unwrap();
    }
    let text = |(count, text): (i32, Vec<u8>)| {
        assert_eq!(count as usize, text.len());
        String::from_utf8(text).unwrap()
    };
    assert_eq!(text(guest.format("%ls|%lc", &[Arg::I32(0x800), Arg::I32(0x20AC)])), "aé€😀|€");
    // Precision counts bytes and never splits a character.
    assert_eq!(text(guest.format("%.5ls|", &[Arg::I32(0x800)])), "aé|");
    assert_eq!(text(guest.format("%.6ls|", &[Arg::I32(0x800)])), "aé€|");
    assert_eq!(text(guest.format("%5.1ls|", &[Arg::I32(0x800)])), "    a|");
    assert_eq!(guest.format("%lc", &[Arg::I32(0xD800)]).0, -1);
    assert_eq!(guest.format("%lc", &[Arg::I32(0x11_0000)]).0, -1);
}

#[test]
fn snprintf_cuts_and_returns_the_full_length() {
    for size in 0..10u32 {
        let guest = &mut Guest::default();
        guest.put(FORMAT, "%s-%d");
        guest.put(0x800, "abc");
        guest.put_args(&[Arg::I32(0x800), Arg::I32(42)]);
        guest.memory().write(BUFFER.into(), &[0xEE; 16]).unwrap();
        assert_eq!(guest.int("snprintf", &[BUFFER, size, FORMAT, ARGS]), 6);
        let kept = &b"abc-42"[..6.min(size.saturating_sub(1) as usize)];
        let mut expected = kept.to_vec();
        if size > 0 {
            expected.push(0);
        }
        expected.resize(16, 0xEE);
        assert_eq!(guest.memory().read_vec(BUFFER.into(), 16).unwrap(), expected, "size {size}");
    }
    // No buffer at all, to ask for the size.
    let guest = &mut Guest::default();
    guest.put(FORMAT, "12345");
    assert_eq!(guest.int("snprintf", &[0, 0, FORMAT, ARGS]), 5);
    assert_eq!(guest.int("vsnprintf", &[BUFFER, 3, FORMAT, ARGS]), 5);
    assert_eq!(guest.text(BUFFER), "12");
}

#[test]
fn sprintf_writes_all_of_it() {
    for name in ["sprintf", "vsprintf"] {
        let guest = &mut Guest::default();
        guest.put(FORMAT, "%d/%d");
        guest.put_args(&[Arg::I32(1), Arg::I32(2)]);
        assert_eq!(guest.int(name, &[BUFFER, FORMAT, ARGS]), 3);
        assert_eq!(guest.text(BUFFER), "1/2");
    }
}

#[test]
fn printf_goes_to_standard_output() {
    for name in ["printf", "vprintf"] {
        let guest = &mut Guest::default();
        guest.put(FORMAT, "x=%d\n");
        guest.put_args(&[Arg::I32(-5)]);
        assert_eq!(guest.int(name, &[FORMAT, ARGS]), 5);
        assert_eq!(guest.stdout, b"x=-5\n");
    }
}

#[test]
fn puts_and_putchar() {
    let guest = &mut Guest::default();
    guest.put(0x800, "hello");
    assert_eq!(guest.int("puts", &[0x800]), 6);
    assert_eq!(guest.int("putchar", &[0x1FF]), 255);
    assert_eq!(guest.stdout, b"hello\n\xFF");
}

/// Fails after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 =
            self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_output_gives_minus_one() {
    let guest = &mut Guest::default();
    guest.put(0x800, "hello");
    for (name, args) in [("printf", vec![0x800, ARGS.into()]), ("puts", vec![0x800]), ("putchar", vec![65])] {
        let result = guest.call_with_stdout(name, &args, &mut Full(0)).unwrap();
        assert_eq!(result as i32, -1, "{name}");
        assert!(guest.call_with_stdout(name, &args, &mut Full(10)).unwrap() as i32 > 0, "{name}");
    }
}

#[test]
fn texts_too_long_to_count_are_refused_before_they_are_made() {
    for (format, args) in [
        ("%2147483647d%d", vec![Arg::I32(1), Arg::I32(2)]),
        ("%2147483648d", vec![Arg::I32(1)]),
        ("%99999999999d", vec![Arg::I32(1)]),
        ("%.2147483648f", vec![Arg::F64(1.0)]),
        ("%.2147483647f", vec![Arg::F64(1.0)]),
        ("%.2147483647d.", vec![Arg::I32(1)]),
        ("%*d", vec![Arg::I32(i32::MIN), Arg::I32(1)]),
        // A directive that has no end.
        ("%", vec![]),
        ("12%-5.3l", vec![]),
    ] {
        assert_eq!(Guest::default().format(format, &args).0, -1, "{format}");
    }
}

#[test]
fn a_failed_format_leaves_a_string() {
    let guest = &mut Guest::default();
    guest.put(FORMAT, "ab%");
    guest.memory().write(BUFFER.into(), &[0xEE; 8]).unwrap();
    assert_eq!(guest.int("snprintf", &[BUFFER, 8, FORMAT, ARGS]), -1);
    assert_eq!(guest.text(BUFFER), "ab");
    guest.put(FORMAT, "cd%");
    assert_eq!(guest.int("printf", &[FORMAT, ARGS]), -1);
    assert_eq!(guest.stdout, b"cd");
}

#[test]
fn percent_n_writes_nothing_and_takes_its_argument() {
    let guest = &mut Guest::default();
    guest.memory().write(BUFFER.into(), &[0xEE; 8]).unwrap();
    guest.put(FORMAT, "seen%n %d%lln%hhn\n");
    guest.put_args(&[Arg::I32(BUFFER as i32), Arg::I32(7), Arg::I32(BUFFER as i32), Arg::I32(-1)]);
    assert_eq!(guest.int("printf", &[FORMAT, ARGS]), 7);
    assert_eq!(guest.stdout, b"seen 7\n");
    let mut untouched = [0; 8];
    guest.memory().read(BUFFER.into(), &mut untouched).unwrap();
    assert_eq!(untouched, [0xEE; 8]);
}

#[test]
fn addresses_outside_memory_trap() {
    let guest = &mut Guest::default();
    let end = guest.end();
    let oob = Err(LibcTrap::OutOfBounds);
    guest.put(FORMAT, "%d %s");
    // Format, argument area, string, target, and a format without an end.
    assert_eq!(guest.call("printf", &[end, ARGS]), oob);
    assert_eq!(guest.call("printf", &[FORMAT, end]), oob);
    assert_eq!(guest.call("printf", &[FORMAT, u32::MAX]), oob);
    guest.put_args(&[Arg::I32(1), Arg::I32(-8)]);
    assert_eq!(guest.call("printf", &[FORMAT, ARGS]), oob);
    guest.put(FORMAT, "12345");
    assert_eq!(guest.call("sprintf", &[end - 3, FORMAT, ARGS]), oob);
    assert_eq!(guest.call("sprintf", &[u32::MAX, FORMAT, ARGS]), oob);
    guest.memory().write(u64::from(end) - 4, b"abcd").unwrap();
    assert_eq!(guest.call("printf", &[end - 4, ARGS]), oob);
    assert_eq!(guest.call("puts", &[end - 4]), oob);
    // With a precision a string needs no end, and nothing behind it is looked at.
    guest.put(FORMAT, "%.4s");
    guest.put_args(&[Arg::I32(end as i32 - 4)]);
    assert_eq!(guest.int("printf", &[FORMAT, ARGS]), 4);
    // A format may end with memory.
    guest.put(end - 3, "ok");
    assert_eq!(guest.int("printf", &[end - 3, ARGS]), 2);
}

#[test]
fn c_stdout_shares_the_buffer_of_the_c_library() {
    const CHILD: &str = "WAYFARER_TEST_C_STDOUT";
    if std::env::var_os(CHILD).is_some() {
        let mut out = wayfarer_libc::CStdout;
        for _ in 0..2 {
            // SAFETY: a NUL-terminated string.
            unsafe { libc::printf(c"host, ".as_ptr()) };
            out.write_all(b"guest, ").unwrap();
        }
        assert_eq!(out.write(b"").unwrap(), 0);
        out.flush().unwrap();
        return;
    }
    // Its own process, whose standard output nobody else writes to. A program of another architecture is started by an
    // emulator.
    let words = std::env::var("WAYFARER_TEST_EMULATOR").unwrap_or_default();
    let mut words: Vec<_> = words.split_whitespace().map(std::ffi::OsString::from).collect();
    words.push(std::env::current_exe().unwrap().into());
    let child = std::process::Command::new(&words[0])
        .args(&words[1..])
        .args(["--exact", "printf::c_stdout_shares_the_buffer_of_the_c_library", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("host, guest, host, guest, "), "{text}");
}
