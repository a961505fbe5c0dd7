//! Values as text, the way `iwasm -f` reads and prints them.

use std::ffi::{CStr, CString, c_char, c_double, c_float, c_int};
use std::ptr::null_mut;

use wayfarer_module::ValType;
use wayfarer_native_call::References;

/// The pointer that stands for null.
pub const NULL_OBJECT: usize = usize::MAX;

unsafe extern "C" {
    fn strtof(s: *const c_char, end: *mut *mut c_char) -> c_float;
    fn strtod(s: *const c_char, end: *mut *mut c_char) -> c_double;
    fn strtoull(s: *const c_char, end: *mut *mut c_char, base: c_int) -> u64;
}

/// Reads a number with one of C's functions, and says what text is left.
fn read<T>(s: &CStr, convert: impl FnOnce(*const c_char, *mut *mut c_char) -> T) -> (T, &CStr) {
    let mut end = null_mut();
    let value = convert(s.as_ptr(), &raw mut end);
    // SAFETY: C's conversion functions set `end` into the string.
    (value, unsafe { CStr::from_ptr(end) })
}

fn read_integer(s: &CStr) -> (u64, &CStr) {
    // SAFETY: a C string, and a place for the end.
    read(s, |s, end| unsafe { strtoull(s, end, 0) })
}

/// Whether what is left after a number makes it no number. A `_` is tolerated, with whatever follows it.
fn is_garbage(rest: &CStr) -> bool {
    !matches!(rest.to_bytes().first(), None | Some(b'_'))
}

/// `nan:0x...` as significand bits; other texts are numbers.
fn nan_payload(s: &CStr) -> Option<u64> {
    let bytes = s.to_bytes();
    let unsigned = bytes.strip_prefix(b"-").or(bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let payload = std::str::from_utf8(unsigned.strip_prefix(b"nan:")?).ok()?;
    let hex = payload.strip_prefix("0x").or(payload.strip_prefix("0X"));
    hex.map_or_else(|| payload.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

/// An argument as slots. `None` if the text is not a value of this type.
pub fn parse_argument(ty: ValType, s: &CStr, references: &dyn References) -> Option<[u64; 2]> {
    let negative = s.to_bytes().first() == Some(&b'-');
    let (value, rest) = match ty {
        ValType::I32 => {
            let (v, rest) = read_integer(s);
            (u64::from(v as u32), rest)
        }
        ValType::I64 => read_integer(s),
        ValType::F32 => match nan_payload(s) {
            Some(payload) => {
                let sign = u32::from(negative) << 31;
                (u64::from(sign | 0x7F80_0000 | payload as u32 & 0x007F_FFFF), c"")
            }
            None => {
                // SAFETY: a C string, and a place for the end.
                let (v, rest) = read(s, |s, end| unsafe { strtof(s, end) });
                (u64::from(v.to_bits()), rest)
            }
        },
        ValType::F64 => match nan_payload(s) {
            Some(payload) => {
                let sign = u64::from(negative) << 63;
                (sign | 0x7FF0_0000_0000_0000 | payload & 0x000F_FFFF_FFFF_FFFF, c"")
            }
            None => {
                // SAFETY: a C string, and a place for the end.
                let (v, rest) = read(s, |s, end| unsafe { strtod(s, end) });
                (v.to_bits(), rest)
            }
        },
        ValType::V128 => {
            // Two halves, separated by any one character.
            let (low, rest) = read_integer(s);
            let high = CStr::from_bytes_with_nul(rest.to_bytes_with_nul().get(1..)?).ok()?;
            let (high, rest) = read_integer(high);
            return (!is_garbage(rest)).then_some([low, high]);
        }
        ValType::FuncRef | ValType::ExternRef if s.to_bytes().eq_ignore_ascii_case(b"null") => (0, c""),
        ValType::FuncRef => {
            let (index, rest) = read_integer(s);
            (references.func_slot(index as u32), rest)
        }
        ValType::ExternRef => {
            let (object, rest) = read_integer(s);
            (if object as usize == NULL_OBJECT { 0 } else { references.object_slot(object as usize) }, rest)
        }
    };
    (!is_garbage(rest)).then_some([value, 0])
}

/// A result as text. `func` and `object` are what a reference stands for.
pub fn format_result(ty: ValType, slots: &[u64], func: u32, object: usize) -> String {
    let value = slots.first().copied().unwrap_or_default();
    match ty {
        ValType::I32 => format!("0x{:x}:i32", value as u32),
        ValType::I64 => format!("0x{value:x}:i64"),
        ValType::F32 => format!("{}:f32", seven_digits(f32::from_bits(value as u32).into())),
        ValType::F64 => format!("{}:f64", seven_digits(f64::from_bits(value))),
        ValType::V128 => {
            format!("<0x{value:016x} 0x{:016x}>:v128", slots.get(1).copied().unwrap_or_default())
        }
        ValType::FuncRef if value == 0 => "func:ref.null".to_owned(),
        ValType::FuncRef => format!("{func}:ref.func"),
        ValType::ExternRef if value == 0 => "extern:ref.null".to_owned(),
        ValType::ExternRef => format!("0x{object:x}:ref.extern"),
    }
}

/// C's `%.7g`.
fn seven_digits(value: f64) -> String {
    let mut buffer = [0u8; 32];
    // SAFETY: writes at most 32 bytes; the format takes one double.
    unsafe { libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), c"%.7g".as_ptr(), value) };
    CStr::from_bytes_until_nul(&buffer)
        .map(CStr::to_owned)
        .unwrap_or_else(|_| CString::default())
        .to_string_lossy()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers;

    impl References for Numbers {
        fn object(&self, slot: u64) -> usize {
            slot as usize - 1000
        }
        fn object_slot(&self, object: usize) -> u64 {
            object as u64 + 1000
        }
        fn func_index(&self, slot: u64) -> u32 {
            slot as u32 - 2000
        }
        fn func_slot(&self, index: u32) -> u64 {
            u64::from(index) + 2000
        }
    }

    fn parse(ty: ValType, s: &CStr) -> Option<u64> {
        parse_argument(ty, s, &Numbers).map(|v| v[0])
    }

    #[test]
    fn integers() {
        assert_eq!(parse(ValType::I32, c"10"), Some(10));
        assert_eq!(parse(ValType::I32, c"-1"), Some(0xFFFF_FFFF));
        assert_eq!(parse(ValType::I32, c"0x1F"), Some(0x1F));
        assert_eq!(parse(ValType::I32, c"010"), Some(8));
        assert_eq!(parse(ValType::I64, c"-2"), Some(u64::MAX - 1));
        assert_eq!(parse(ValType::I32, c"5_x"), Some(5), "tolerated");
        assert_eq!(parse(ValType::I32, c"5x"), None);
    }

    #[test]
    fn floats() {
        assert_eq!(parse(ValType::F32, c"1.5"), Some(u64::from(1.5f32.to_bits())));
        assert_eq!(parse(ValType::F64, c"0x1p-3"), Some(0.125f64.to_bits()));
        assert_eq!(parse(ValType::F64, c"-inf"), Some(f64::NEG_INFINITY.to_bits()));
        assert_eq!(parse(ValType::F32, c"nan:0x200000"), Some(0x7FA0_0000));
        assert_eq!(parse(ValType::F64, c"-nan:0x1"), Some(0xFFF0_0000_0000_0001));
        assert!(f32::from_bits(parse(ValType::F32, c"nan").unwrap() as u32).is_nan());
        assert_eq!(parse(ValType::F32, c"1.5f"), None);
    }

    #[test]
    fn vectors_and_references() {
        assert_eq!(parse_argument(ValType::V128, c"1\\0x2", &Numbers), Some([1, 2]));
        assert_eq!(parse_argument(ValType::V128, c"1", &Numbers), None);
        assert_eq!(parse(ValType::FuncRef, c"null"), Some(0));
        assert_eq!(parse(ValType::FuncRef, c"3"), Some(2003));
        assert_eq!(parse(ValType::ExternRef, c"7"), Some(1007));
    }

    #[test]
    fn results() {
        let show = |ty, v: u64| format_result(ty, &[v, 9], 3, 0xAB);
        assert_eq!(show(ValType::I32, 0xFFFF_FFFF), "0xffffffff:i32");
        assert_eq!(show(ValType::I64, 16), "0x10:i64");
        assert_eq!(show(ValType::F32, u64::from(0.1f32.to_bits())), "0.1:f32");
        assert_eq!(show(ValType::F64, 1e10f64.to_bits()), "1e+10:f64");
        assert_eq!(show(ValType::F64, f64::NAN.to_bits()), "nan:f64");
        assert_eq!(show(ValType::V128, 1), "<0x0000000000000001 0x0000000000000009>:v128");
        assert_eq!(show(ValType::FuncRef, 5), "3:ref.func");
        assert_eq!(show(ValType::FuncRef, 0), "func:ref.null");
        assert_eq!(show(ValType::ExternRef, 5), "0xab:ref.extern");
        assert_eq!(show(ValType::ExternRef, 0), "extern:ref.null");
    }
}
