//! The `printf` family against the C library of the host: same text, same count, for many directives and values.

use std::ffi::{CString, c_int};

use crate::guest::{Arg, Guest, Random};

/// What the host's `snprintf` makes of a directive that takes width, precision and one value.
macro_rules! host {
    ($format:expr, $($value:expr),*) => {{
        let format = CString::new($format.as_str()).unwrap();
        let mut buffer = vec![0u8; 0xC000];
        // SAFETY: the buffer has the size given, and the arguments are those the format asks for.
        let count = unsafe {
            libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), $($value),*)
        };
        buffer.truncate(usize::try_from(count).expect("the host refused the format"));
        (count, buffer)
    }};
}

const FLAGS: &[u8] = b"-+ #0";

/// Flags of `from` chosen by the bits of `choice`.
fn flags(choice: u64, from: &[u8]) -> String {
    (0..from.len()).filter(|i| choice >> i & 1 == 1).map(|i| char::from(from[i])).collect()
}

#[track_caller]
fn check(guest: &mut Guest, format: &str, args: &[Arg], host: (c_int, Vec<u8>)) {
    let got = guest.format(format, args);
    assert_eq!(
        (got.0, String::from_utf8_lossy(&got.1)),
        (host.0, String::from_utf8_lossy(&host.1)),
        "{format:?} with {args:?}"
    );
}

const WIDTHS: [i32; 6] = [0, 1, 5, 12, 40, -20];
const PRECISIONS: [i32; 7] = [-1, 0, 1, 2, 7, 20, 45];

#[test]
fn integers_match_the_host() {
    let guest = &mut Guest::default();
    let values =
        [0, 1, -1, 7, 8, 255, 256, -128, 32767, 65536, i32::MAX.into(), i32::MIN.into(), i64::MAX, i64::MIN];
    // Guest's length modifier, and the one by which the host takes the same number of bits.
    let lengths =
        [("", "", 32), ("h", "h", 32), ("hh", "hh", 32), ("l", "", 32), ("z", "", 32), ("t", "", 32)];
    let long = [("ll", "ll", 64), ("j", "ll", 64), ("q", "ll", 64), ("L", "ll", 64)];
    let mut random = Random(1);
    for &(ours, theirs, bits) in lengths.iter().chain(&long) {
        for conversion in "diuoxX".chars() {
            for choice in 0..32 {
                for precision in PRECISIONS {
                    let width = *random.pick(&WIDTHS);
                    let value =
                        if random.below(4) == 0 { random.next() as i64 } else { *random.pick(&values) };
                    // Not all flags mean something everywhere; the host compiler is not there to warn.
                    let start = format!("%{}*.*", flags(choice, FLAGS));
                    let format = format!("{start}{ours}{conversion}|");
                    let host_format = format!("{start}{theirs}{conversion}|");
                    let (arg, host) = if bits == 32 {
                        (Arg::I32(value as i32), host!(host_format, width, precision, value as c_int))
                    } else {
                        (Arg::I64(value), host!(host_format, width, precision, value))
                    };
                    check(guest, &format, &[Arg::I32(width), Arg::I32(precision), arg], host);
                }
            }
        }
    }
}

#[test]
fn doubles_match_the_host() {
    let guest = &mut Guest::default();
    let mut random = Random(2);
    let special = [
        0.0,
        -0.0,
        0.5,
        1.5,
        2.5,
        0.125,
        9.5,
        99.5,
        0.05,
        0.95,
        9.9999995,
        999_999.5,
        1e-4,
        9.9999e-5,
        0.00001,
        100_000.0,
        1e6,
        123_456_789.0,
        1e15,
        1e16,
        1e17,
        1e22,
        1e23,
        5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::EPSILON,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1.0 / 3.0,
        std::f64::consts::PI,
    ];
    for round in 0..60_000 {
        let value = match round % 5 {
            0 => *random.pick(&special),
            // Any bits: mostly very large and very small numbers.
            1 => f64::from_bits(random.next()),
            // Numbers people print.
            2 => random.below(1_000_000) as f64 / 1000.0,
            // Ties.
            3 => random.below(4096) as f64 / 64.0,
            _ => f64::from_bits((random.next() >> 12) | (1023 + 40 - random.below(80)) << 52),
        };
        // Whether the sign of a NaN is shown differs between machines that make them.
        let value = if value.is_nan() { f64::NAN } else { value };
        let flags = flags(random.next(), FLAGS);
        let conversion = random.pick(&["f", "F", "e", "E", "g", "G", "a", "A", "lf", "lg"]);
        let format = format!("%{flags}*.*{conversion}|");
        let width = *random.pick(&WIDTHS);
        let precision = *random.pick(&[-1, -1, 0, 1, 2, 3, 5, 6, 10, 13, 15, 16, 17, 18, 30, 60, 400]);
        // glibc loses a zero of "%#g" when rounding makes a number one digit longer; see the test after this one.
        let general = conversion.ends_with(['g', 'G']) && flags.contains('#');
        if general && value.is_finite() && rounding_adds_a_digit(value, precision) {
            continue;
        }
        let host = host!(format, width, precision, value);
        check(guest, &format, &[Arg::I32(width), Arg::I32(precision), Arg::F64(value)], host);
    }
}

/// Whether the significant digits that `%g` keeps round up to the next power of ten.
fn rounding_adds_a_digit(value: f64, precision: i32) -> bool {
    let keep = if precision < 0 { 6 } else { precision.max(1) as usize };
    let exponent = |text: String| text.split_once('e').map(|(_, exponent)| exponent.to_owned());
    exponent(format!("{value:e}")) != exponent(format!("{value:.*e}", keep - 1))
}

#[test]
fn all_significant_digits_are_shown_when_rounding_adds_one() {
    let guest = &mut Guest::default();
    for (format, value, text) in [
        ("%#.2g", 99.5, "1.0e+02"),
        ("%#.3g", 99.95, "100."),
        ("%#.3g", 999.9, "1.00e+03"),
        ("%#g", 0.000_099_999_999, "0.000100000"),
    ] {
        assert_eq!(guest.format(format, &[Arg::F64(value)]).1, text.as_bytes(), "{format} of {value}");
    }
}

#[test]
fn every_digit_of_a_double_can_be_had() {
    let guest = &mut Guest::default();
    for value in [5e-324, f64::MAX, f64::MIN_POSITIVE, 0.1, 1e-300, 1e300] {
        for format in ["%.1100f", "%.1074f", "%.1073f", "%.800e", "%.766g", "%#.1200g", "%.20a"] {
            let format = format.to_string();
            let host = host!(format, value);
            check(guest, &format, &[Arg::F64(value)], host);
        }
    }
}

#[test]
fn strings_characters_and_pointers_match_the_host() {
    let guest = &mut Guest::default();
    guest.put(0x800, "Wayfarer");
    for choice in 0..32 {
        for width in WIDTHS {
            let flags = flags(choice, FLAGS);
            for precision in PRECISIONS {
                let format = format!("<%{flags}*.*s>");
                let host = host!(format, width, precision, c"Wayfarer".as_ptr());
                check(guest, &format, &[Arg::I32(width), Arg::I32(precision), Arg::I32(0x800)], host);

                let host = host!(format, width, precision, std::ptr::null::<u8>());
                check(guest, &format, &[Arg::I32(width), Arg::I32(precision), Arg::I32(0)], host);
            }
            for c in [0, 1, 65, 127] {
                let format = format!("<%{flags}*c>");
                let host = host!(format, width, c);
                check(guest, &format, &[Arg::I32(width), Arg::I32(c)], host);
            }
            for addr in [0, 1, 0x1234, -1] {
                let format = format!("<%{flags}*p>");
                let host = host!(format, width, addr as u32 as usize);
                check(guest, &format, &[Arg::I32(width), Arg::I32(addr)], host);
            }
        }
    }
}

#[test]
fn literal_widths_and_odd_directives_match_the_host() {
    let guest = &mut Guest::default();
    for format in [
        "", "plain", "%%", "a%%b%%", "%5%|", "%d", "%5d|", "%-5d|", "%05d|", "%.3d|", "%8.3d|", "%-08.3d|",
        "%+.0d|", "%.d|", "% 5d|", "%'d|", "%0-5d|", "%i%%", "%x %%", "%#010x|", "%00005d|", "%y", "%!",
        "%k|",
    ] {
        let format = format.to_string();
        let host = host!(format, 42);
        check(guest, &format, &[Arg::I32(42)], host);
    }
}
