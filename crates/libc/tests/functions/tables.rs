//! The tables themselves: what they list, and that every entry keeps to its signature.

use std::collections::HashSet;

use crate::guest::Guest;
use wayfarer_libc::{FUNCTIONS, GLOBALS, GlobalValue, LibcTrap, SPECTEST_FUNCTIONS, SPECTEST_GLOBALS};

#[test]
fn env_lists_every_function_once() {
    let names: HashSet<&str> = FUNCTIONS.iter().map(|f| f.name).collect();
    assert_eq!(names.len(), FUNCTIONS.len());
    let expected = "printf sprintf snprintf vprintf vsprintf vsnprintf puts putchar memcmp memcpy memmove memset strchr \
        strcmp strcpy strlen strncmp strncpy malloc realloc calloc strdup _strdup free atoi exit strtol strtoul memchr \
        strncasecmp strspn strcspn strstr isupper isalpha isspace isgraph isprint isdigit isxdigit tolower toupper \
        isalnum emscripten_memcpy_big abort abortStackOverflow nullFunc_X __cxa_allocate_exception __cxa_begin_catch \
        __cxa_throw clock_gettime clock posix_memalign";
    assert_eq!(names, expected.split_whitespace().collect());
}

/// Parameters and result of a signature.
fn split(signature: &str) -> (&str, &str) {
    signature.strip_prefix('(').and_then(|s| s.split_once(')')).expect("a signature has parentheses")
}

#[test]
fn functions_take_what_their_signature_says() {
    for function in FUNCTIONS.iter().chain(SPECTEST_FUNCTIONS) {
        let (params, result) = split(function.signature);
        assert!(params.chars().all(|c| "iIfF*~$".contains(c)), "{function:?}");
        assert!(["", "i", "I"].contains(&result), "{function:?}");
        for count in 0..6 {
            let wrong = count != params.len();
            let outcome = Guest::default().call_function(function, &vec![0; count]);
            let refused =
                matches!(&outcome, Err(LibcTrap::Exception(text)) if text.contains("arguments, not"));
            assert_eq!(refused, wrong, "{function:?} with {count} arguments: {outcome:?}");
            if let (Ok(value), "") = (outcome, result) {
                assert_eq!(value, 0, "{function:?} has no result");
            }
        }
    }
}

#[test]
fn high_halves_of_arguments_are_ignored() {
    let guest = &mut Guest::default();
    guest.put(0x100, "abc");
    let strlen = crate::guest::function("strlen");
    assert_eq!(guest.call_function(strlen, &[0xDEAD_BEEF_0000_0100]), Ok(3));
}

#[test]
fn globals() {
    let find = |table: &'static [wayfarer_libc::LibcGlobal], module, name| {
        table.iter().find(|g| (g.module, g.name) == (module, name)).expect("listed").value
    };
    let GlobalValue::F64(nan) = find(GLOBALS, "global", "NaN") else { panic!("an f64") };
    assert_eq!(nan.to_bits(), 0x7FF8_0000_0000_0000);
    assert_eq!(find(GLOBALS, "global", "Infinity"), GlobalValue::F64(f64::INFINITY));
    assert_eq!(find(SPECTEST_GLOBALS, "spectest", "global_i32"), GlobalValue::I32(666));
    assert_eq!(find(SPECTEST_GLOBALS, "spectest", "global_i64"), GlobalValue::I64(666));
    assert_eq!(find(SPECTEST_GLOBALS, "spectest", "global_f32"), GlobalValue::F32(666.6));
    assert_eq!(find(SPECTEST_GLOBALS, "spectest", "global_f64"), GlobalValue::F64(666.6));
}

#[test]
fn spectest_functions_print_their_arguments() {
    let guest = &mut Guest::default();
    let float = u64::from(1.5f32.to_bits());
    for (name, args) in [
        ("print", vec![]),
        ("print_i32", vec![u64::from(-7i32 as u32)]),
        ("print_i64", vec![-8i64 as u64]),
        ("print_i32_f32", vec![9, float]),
        ("print_f64_f64", vec![2.5f64.to_bits(), (-0.0f64).to_bits()]),
        ("print_f32", vec![float]),
        ("print_f64", vec![0.1f64.to_bits()]),
    ] {
        let function = SPECTEST_FUNCTIONS.iter().find(|f| f.name == name).expect("listed");
        assert_eq!(guest.call_function(function, &args), Ok(0));
    }
    assert_eq!(
        String::from_utf8_lossy(&guest.stdout),
        "spectest.print()\nspectest.print_i32(-7)\nspectest.print_i64(-8)\nspectest.print_i32_f32(9, 1.5)\n\
         spectest.print_f64_f64(2.5, -0)\nspectest.print_f32(1.5)\nspectest.print_f64(0.1)\n"
    );
}
