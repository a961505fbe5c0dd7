//! Native functions get what the guest passed, and the guest what they return, whichever way they are called.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

use wayfarer_guest::GuestMemory;
use wayfarer_module::ValType::{ExternRef, F32, F64, FuncRef, I32, I64, V128};
use wayfarer_module::{FuncType, ValType};
use wayfarer_native_call::{LinkError, NativeCall, References, Target};

/// What `exec_env` is in these tests.
const ENV: usize = 0x1234;

/// Host object `n` is in slot `n + 100`, function `n` in slot `n + 200`.
struct Shifted;

impl References for Shifted {
    fn object(&self, slot: u64) -> usize {
        slot as usize - 100
    }

    fn object_slot(&self, object: usize) -> u64 {
        object as u64 + 100
    }

    fn func_index(&self, slot: u64) -> u32 {
        slot as u32 - 200
    }

    fn func_slot(&self, index: u32) -> u64 {
        u64::from(index) + 200
    }
}

fn ty(params: &[ValType], results: &[ValType]) -> FuncType {
    FuncType { params: params.into(), results: results.into() }
}

fn prepared(
    func: *const (),
    signature: Option<&CStr>,
    raw: bool,
    ty: &FuncType,
) -> Result<NativeCall, LinkError> {
    NativeCall::new(Target { func: func.cast_mut().cast(), signature, raw }, ty)
}

/// Calls with these argument slots, and room for the results; returns the slots.
///
/// # Safety
/// `func` is a native function of this type.
unsafe fn call_with(call: &NativeCall, bytes: &mut [u8], args: &[u64]) -> Result<Vec<u64>, &'static str> {
    let mut slots = args.to_vec();
    slots.resize(args.len().max(8), 0);
    let memory = GuestMemory::from_slice(bytes);
    // SAFETY: as the caller promises; nothing looks into ENV.
    unsafe { call.call(ENV as *mut c_void, &memory, &Shifted, &mut slots, &Cell::new(false)) }?;
    Ok(slots)
}

/// As [`call_with`], without signature or memory.
///
/// # Safety
/// As for [`call_with`].
unsafe fn call(func: *const (), ty: &FuncType, args: &[u64]) -> Vec<u64> {
    let call = prepared(func, None, false, ty).unwrap();
    // SAFETY: as the caller promises.
    unsafe { call_with(&call, &mut [], args) }.unwrap()
}

#[test]
fn integers_go_through_registers() {
    extern "C" fn f(env: usize, a: i32, b: i64, c: u32, d: u64, e: i32) -> i64 {
        assert_eq!(env, ENV);
        i64::from(a) + b * 10 + i64::from(c) * 100 + d as i64 * 1000 + i64::from(e) * 10_000
    }
    extern "C" fn negative(_: usize, a: i32) -> i32 {
        a - 1
    }
    // What stands above an i32 in its slot means nothing.
    let args = [0xFFFF_FFFF_0000_0001, 2, 3, 4, 5];
    // SAFETY: the types are those of the functions.
    unsafe {
        assert_eq!(call(f as *const (), &ty(&[I32, I64, I32, I64, I32], &[I64]), &args)[0], 54_321);
        assert_eq!(call(negative as *const (), &ty(&[I32], &[I32]), &[0])[0], 0xFFFF_FFFF, "an i32's slot");
    }
}

#[test]
fn without_results_slots_stay() {
    extern "C" fn f(_: usize, _: i32, _: f64) {}
    // SAFETY: its type.
    let slots = unsafe { call(f as *const (), &ty(&[I32, F64], &[]), &[7, 8]) };
    assert_eq!(slots[..2], [7, 8]);
}

#[test]
fn floats_keep_their_bits() {
    extern "C" fn f(_: usize, a: f32, b: i32, c: f64) -> f64 {
        f64::from(a) + f64::from(b) + c
    }
    extern "C" fn same(_: usize, a: f32) -> f32 {
        a
    }
    let args = [u64::from(1.5f32.to_bits()), 2, 0.25f64.to_bits()];
    // A NaN with a payload, quiet: a load may change others.
    let nan = u64::from(0x7FC0_1234u32);
    // SAFETY: the types are those of the functions.
    unsafe {
        assert_eq!(call(f as *const (), &ty(&[F32, I32, F64], &[F64]), &args)[0], 3.75f64.to_bits());
        assert_eq!(call(same as *const (), &ty(&[F32], &[F32]), &[nan])[0], nan);
    }
}

#[test]
fn more_than_registers_hold() {
    #[allow(clippy::too_many_arguments)]
    extern "C" fn f(
        env: usize,
        a: i32,
        b: i32,
        c: i32,
        d: i32,
        e: i32,
        f: i32,
        g: i64,
        h: f32,
        i: i32,
    ) -> f32 {
        assert_eq!(env, ENV);
        let ints = [a, b, c, d, e, f, i].iter().fold(0, |sum, &n| sum * 10 + i64::from(n));
        ints as f32 + g as f32 + h
    }
    let ty = ty(&[I32, I32, I32, I32, I32, I32, I64, F32, I32], &[F32]);
    let args = [1, 2, 3, 4, 5, 6, 10_000_000, u64::from(0.5f32.to_bits()), 7];
    // SAFETY: its type.
    let slots = unsafe { call(f as *const (), &ty, &args) };
    assert_eq!(slots[0], u64::from((1_234_567.0f32 + 10_000_000.0 + 0.5).to_bits()));
}

#[test]
fn results_after_the_first_go_through_pointers() {
    extern "C" fn f(_: usize, a: i32, second: &mut f64, third: &mut i64) -> i32 {
        (*second, *third) = (1.5, -1);
        a * 2
    }
    // SAFETY: its type.
    let slots = unsafe { call(f as *const (), &ty(&[I32], &[I32, F64, I64]), &[21]) };
    assert_eq!(slots[..3], [42, 1.5f64.to_bits(), u64::MAX]);
}

#[test]
fn references_are_translated() {
    extern "C" fn object(_: usize, o: usize, index: u32) -> usize {
        assert_eq!((o, index), (3, 4));
        o + 1
    }
    extern "C" fn func(_: usize, index: u32) -> u32 {
        index + 1
    }
    // SAFETY: the types are those of the functions.
    unsafe {
        assert_eq!(call(object as *const (), &ty(&[ExternRef, FuncRef], &[ExternRef]), &[103, 204])[0], 104);
        assert_eq!(call(func as *const (), &ty(&[FuncRef], &[FuncRef]), &[204])[0], 205);
    }
}

#[test]
fn raw_functions_get_an_array() {
    unsafe extern "C" fn f(env: usize, args: *mut u64) {
        assert_eq!(env, ENV);
        // SAFETY: three parameters.
        let args = unsafe { std::slice::from_raw_parts_mut(args, 3) };
        assert_eq!(args[1], 2);
        // SAFETY: a narrower value stands at its cell's first bytes.
        let first = unsafe { args.as_ptr().cast::<u32>().read() };
        args[0] = u64::from(first) + args[2];
    }
    let call = prepared(f as *const (), None, true, &ty(&[I32, I64, ExternRef], &[I64])).unwrap();
    // SAFETY: a raw function of three parameters.
    assert_eq!(unsafe { call_with(&call, &mut [], &[40, 2, 102]) }.unwrap()[0], 42);
}

#[test]
fn addresses_become_pointers_and_are_checked() {
    unsafe extern "C" fn f(_: usize, bytes: *mut u8, len: u32, text: *const c_char) -> u32 {
        // SAFETY: the signature says that both were checked.
        unsafe {
            std::slice::from_raw_parts_mut(bytes, len as usize).fill(7);
            CStr::from_ptr(text).count_bytes() as u32
        }
    }
    let mut bytes = [0xFF; 64];
    bytes[8..11].copy_from_slice(b"ab\0");
    let call = prepared(f as *const (), Some(c"(*~$)i"), false, &ty(&[I32, I32, I32], &[I32])).unwrap();
    // SAFETY: its type and signature.
    let mut run = |args: [u64; 3]| unsafe { call_with(&call, &mut bytes, &args) };
    assert_eq!(run([16, 4, 8]).unwrap()[0], 2);
    let outside = "out of bounds memory access";
    assert_eq!(run([60, 5, 8]), Err(outside), "a buffer that ends outside");
    assert_eq!(run([16, 0xFFFF_FFFF, 8]), Err(outside));
    assert_eq!(run([16, 4, 64]), Err(outside), "a string that begins outside");
    assert_eq!(run([16, 4, 40]), Err(outside), "a string without an end");
    assert_eq!(bytes[15..21], [0xFF, 7, 7, 7, 7, 0xFF], "nothing was called then");
}

#[test]
fn an_empty_buffer_at_the_end_has_no_address() {
    extern "C" fn f(_: usize, bytes: usize, len: u32) -> u32 {
        u32::from(bytes == 0 && len == 0)
    }
    let call = prepared(f as *const (), Some(c"(*~)i"), false, &ty(&[I32, I32], &[I32])).unwrap();
    // SAFETY: its type.
    assert_eq!(unsafe { call_with(&call, &mut [0; 16], &[16, 0]) }.unwrap()[0], 1);
}

#[test]
fn what_is_to_be_called_again_keeps_its_arguments() {
    thread_local!(static AGAIN: Cell<bool> = const { Cell::new(false) });
    extern "C" fn ints(_: usize, _: i32) -> i32 {
        AGAIN.set(true);
        99
    }
    extern "C" fn floats(_: usize, _: f64) -> f64 {
        99.0
    }
    extern "C" fn two(_: usize, _: i32, second: &mut i32) -> i32 {
        *second = 99;
        99
    }
    for (func, ty) in [
        (ints as *const (), ty(&[I32], &[I32])),
        (floats as *const (), ty(&[F64], &[F64])),
        (two as *const (), ty(&[I32], &[I32, I32])),
    ] {
        let call = prepared(func, None, false, &ty).unwrap();
        let mut slots = [1, 2];
        let memory = GuestMemory::from_slice(&mut []);
        // SAFETY: its type.
        let called = unsafe { call.call(null_mut(), &memory, &Shifted, &mut slots, &Cell::new(true)) };
        assert_eq!((called, slots), (Ok(()), [1, 2]), "{ty:?}");
    }
    assert!(AGAIN.get(), "it was called all the same");
}

#[test]
fn what_does_not_fit_is_said() {
    extern "C" fn f() {}
    let link = |signature: &CStr, ty: &FuncType| prepared(f as *const (), Some(signature), false, ty).err();
    assert_eq!(link(c"(i)", &ty(&[I64], &[])), Some(LinkError::Signature("(i)".into())));
    assert_eq!(link(c"", &ty(&[I64], &[])), None, "an empty signature says nothing");
    // More than the 32 words that can be passed on the stack.
    let many = ty(&[V128; 40], &[]);
    assert_eq!(prepared(f as *const (), None, false, &many).err(), Some(LinkError::Vector));
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::{__m128i, _mm_add_epi64, _mm_set_epi64x};

    use super::*;

    #[test]
    #[allow(improper_ctypes_definitions)]
    fn are_passed_and_returned() {
        extern "C" fn f(env: usize, a: __m128i, n: i32, b: __m128i) -> __m128i {
            assert_eq!(env, ENV);
            // SAFETY: every x86-64 has it.
            unsafe { _mm_add_epi64(_mm_add_epi64(a, b), _mm_set_epi64x(0, i64::from(n))) }
        }
        // SAFETY: its type.
        let slots = unsafe { call(f as *const (), &ty(&[V128, I32, V128], &[V128]), &[1, 2, 100, 10, 20]) };
        assert_eq!(slots[..2], [111, 22]);
    }

    #[test]
    #[allow(improper_ctypes_definitions, clippy::too_many_arguments)]
    fn go_to_the_stack_aligned_when_registers_are_full() {
        extern "C" fn f(
            _: usize,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            _: __m128i,
            ints: i64,
            x: f64,
            last: __m128i,
            second: &mut __m128i,
        ) -> i64 {
            *second = last;
            ints + x as i64
        }
        let mut params = vec![V128; 8];
        params.extend([I64, F64, V128]);
        let mut args = vec![9; 16];
        args.extend([40, 2.0f64.to_bits(), 11, 12]);
        // SAFETY: its type.
        let slots = unsafe { call(f as *const (), &ty(&params, &[I64, V128]), &args) };
        assert_eq!(slots[..3], [42, 11, 12]);
    }
}
