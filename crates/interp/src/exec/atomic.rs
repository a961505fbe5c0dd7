//! Handlers of atomic instructions: all sequentially consistent.
//!
//! Guest memory is little-endian whatever the host is. What adds has to swap bytes in between on a big-endian one, and is a
//! loop there.

use super::ctx::Ctx;
use super::dispatch::{Exit, State, handlers, past};
use super::memory::{effective, outside};
use super::operand::{Scalar, put};
use super::stop;
use crate::ir::name::Named;
use crate::ir::{
    AtomicCmpxchg, AtomicFence, AtomicLoad, AtomicNotify, AtomicRmw, AtomicStore, AtomicWait32, AtomicWait64,
    Instruction, MemOffset, Slot,
};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
use wayfarer_module::PointKind;
use wayfarer_runtime::TrapCode;
use wayfarer_runtime::waits::{self, Expected, WaitResult};

/// What is accessed at once. Addresses passed must be inside guest memory, and aligned.
pub(crate) trait Cell: Copy {
    unsafe fn load(at: *mut u8) -> Self;
    unsafe fn store(at: *mut u8, v: Self);
    unsafe fn add(at: *mut u8, v: Self) -> Self;
    unsafe fn sub(at: *mut u8, v: Self) -> Self;
    unsafe fn and(at: *mut u8, v: Self) -> Self;
    unsafe fn or(at: *mut u8, v: Self) -> Self;
    unsafe fn xor(at: *mut u8, v: Self) -> Self;
    unsafe fn xchg(at: *mut u8, v: Self) -> Self;
    unsafe fn cmpxchg(at: *mut u8, expected: Self, v: Self) -> Self;
}

const ORDER: Ordering = Ordering::SeqCst;

macro_rules! cells {
    ($($int:ty: $atomic:ty;)*) => {
        $(
            // SAFETY, in each: as the caller promises; others access the same bytes atomically, or race and get what they get.
            #[allow(clippy::undocumented_unsafe_blocks)]
            impl Cell for $int {
                #[inline(always)]
                unsafe fn load(at: *mut u8) -> $int {
                    <$int>::from_le(unsafe { <$atomic>::from_ptr(at.cast()) }.load(ORDER))
                }
                #[inline(always)]
                unsafe fn store(at: *mut u8, v: $int) {
                    unsafe { <$atomic>::from_ptr(at.cast()) }.store(v.to_le(), ORDER);
                }
                #[inline(always)]
                unsafe fn add(at: *mut u8, v: $int) -> $int {
                    let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                    if cfg!(target_endian = "little") {
                        return cell.fetch_add(v, ORDER);
                    }
                    let add = |old: $int| Some(<$int>::from_le(old).wrapping_add(v).to_le());
                    <$int>::from_le(cell.fetch_update(ORDER, ORDER, add).unwrap_or_default())
                }
                #[inline(always)]
                unsafe fn sub(at: *mut u8, v: $int) -> $int {
                    unsafe { Self::add(at, v.wrapping_neg()) }
                }
                #[inline(always)]
                unsafe fn and(at: *mut u8, v: $int) -> $int {
                    <$int>::from_le(unsafe { <$atomic>::from_ptr(at.cast()) }.fetch_and(v.to_le(), ORDER))
                }
                #[inline(always)]
                unsafe fn or(at: *mut u8, v: $int) -> $int {
                    <$int>::from_le(unsafe { <$atomic>::from_ptr(at.cast()) }.fetch_or(v.to_le(), ORDER))
                }
                #[inline(always)]
                unsafe fn xor(at: *mut u8, v: $int) -> $int {
                    <$int>::from_le(unsafe { <$atomic>::from_ptr(at.cast()) }.fetch_xor(v.to_le(), ORDER))
                }
                #[inline(always)]
                unsafe fn xchg(at: *mut u8, v: $int) -> $int {
                    <$int>::from_le(unsafe { <$atomic>::from_ptr(at.cast()) }.swap(v.to_le(), ORDER))
                }
                #[inline(always)]
                unsafe fn cmpxchg(at: *mut u8, expected: $int, v: $int) -> $int {
                    let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                    match cell.compare_exchange(expected.to_le(), v.to_le(), ORDER, ORDER) {
                        Ok(old) | Err(old) => <$int>::from_le(old),
                    }
                }
            }
        )*
    };
}

cells! {
    u8: AtomicU8;
    u16: AtomicU16;
    u32: AtomicU32;
    u64: AtomicU64;
}

/// A load, store or compare-and-exchange: how much of which type.
pub(crate) trait Access: Named {
    type Cell: Cell;
    type Value: Scalar;
    fn narrow(v: Self::Value) -> Self::Cell;
    fn widen(v: Self::Cell) -> Self::Value;
}

/// A read-modify-write.
pub(crate) trait Rmw: Access {
    /// Gives what was there.
    ///
    /// # Safety
    /// As for [`Cell`].
    unsafe fn apply(at: *mut u8, v: Self::Cell) -> Self::Cell;
}

macro_rules! accesses {
    ($($name:ident: $cell:ty => $value:ty;)*) => {
        $(
            pub(crate) struct $name;
            impl Named for $name {
                const NAME: &'static str = stringify!($name);
            }
            impl Access for $name {
                type Cell = $cell;
                type Value = $value;
                #[inline(always)]
                fn narrow(v: $value) -> $cell {
                    v as $cell
                }
                #[inline(always)]
                fn widen(v: $cell) -> $value {
                    <$value>::from(v)
                }
            }
        )*
    };
}

macro_rules! rmws {
    ($($op:ident { $($name:ident: $cell:ty => $value:ty;)* })*) => {
        $($(
            accesses! { $name: $cell => $value; }
            impl Rmw for $name {
                #[inline(always)]
                unsafe fn apply(at: *mut u8, v: $cell) -> $cell {
                    // SAFETY: passed on.
                    unsafe { <$cell>::$op(at, v) }
                }
            }
        )*)*
    };
}

accesses! {
    I32AtomicLoad: u32 => u32;
    I64AtomicLoad: u64 => u64;
    I32AtomicLoad8U: u8 => u32;
    I32AtomicLoad16U: u16 => u32;
    I64AtomicLoad8U: u8 => u64;
    I64AtomicLoad16U: u16 => u64;
    I64AtomicLoad32U: u32 => u64;
    I32AtomicStore: u32 => u32;
    I64AtomicStore: u64 => u64;
    I32AtomicStore8: u8 => u32;
    I32AtomicStore16: u16 => u32;
    I64AtomicStore8: u8 => u64;
    I64AtomicStore16: u16 => u64;
    I64AtomicStore32: u32 => u64;
    I32AtomicRmwCmpxchg: u32 => u32;
    I64AtomicRmwCmpxchg: u64 => u64;
    I32AtomicRmw8CmpxchgU: u8 => u32;
    I32AtomicRmw16CmpxchgU: u16 => u32;
    I64AtomicRmw8CmpxchgU: u8 => u64;
    I64AtomicRmw16CmpxchgU: u16 => u64;
    I64AtomicRmw32CmpxchgU: u32 => u64;
}

rmws! {
    add {
        I32AtomicRmwAdd: u32 => u32;
        I64AtomicRmwAdd: u64 => u64;
        I32AtomicRmw8AddU: u8 => u32;
        I32AtomicRmw16AddU: u16 => u32;
        I64AtomicRmw8AddU: u8 => u64;
        I64AtomicRmw16AddU: u16 => u64;
        I64AtomicRmw32AddU: u32 => u64;
    }
    sub {
        I32AtomicRmwSub: u32 => u32;
        I64AtomicRmwSub: u64 => u64;
        I32AtomicRmw8SubU: u8 => u32;
        I32AtomicRmw16SubU: u16 => u32;
        I64AtomicRmw8SubU: u8 => u64;
        I64AtomicRmw16SubU: u16 => u64;
        I64AtomicRmw32SubU: u32 => u64;
    }
    and {
        I32AtomicRmwAnd: u32 => u32;
        I64AtomicRmwAnd: u64 => u64;
        I32AtomicRmw8AndU: u8 => u32;
        I32AtomicRmw16AndU: u16 => u32;
        I64AtomicRmw8AndU: u8 => u64;
        I64AtomicRmw16AndU: u16 => u64;
        I64AtomicRmw32AndU: u32 => u64;
    }
    or {
        I32AtomicRmwOr: u32 => u32;
        I64AtomicRmwOr: u64 => u64;
        I32AtomicRmw8OrU: u8 => u32;
        I32AtomicRmw16OrU: u16 => u32;
        I64AtomicRmw8OrU: u8 => u64;
        I64AtomicRmw16OrU: u16 => u64;
        I64AtomicRmw32OrU: u32 => u64;
    }
    xor {
        I32AtomicRmwXor: u32 => u32;
        I64AtomicRmwXor: u64 => u64;
        I32AtomicRmw8XorU: u8 => u32;
        I32AtomicRmw16XorU: u16 => u32;
        I64AtomicRmw8XorU: u8 => u64;
        I64AtomicRmw16XorU: u16 => u64;
        I64AtomicRmw32XorU: u32 => u64;
    }
    xchg {
        I32AtomicRmwXchg: u32 => u32;
        I64AtomicRmwXchg: u64 => u64;
        I32AtomicRmw8XchgU: u8 => u32;
        I32AtomicRmw16XchgU: u16 => u32;
        I64AtomicRmw8XchgU: u8 => u64;
        I64AtomicRmw16XchgU: u16 => u64;
        I64AtomicRmw32XchgU: u32 => u64;
    }
}

/// Where the bytes are that are accessed at an address, or why they cannot be. `None`: it is outside of what was the memory.
#[inline(always)]
unsafe fn place<C>(s: &State, address: Slot, offset: MemOffset) -> Option<Result<*mut u8, TrapCode>> {
    // SAFETY: passed on.
    let at = unsafe { effective(s, *s.slot(address) as u32, offset, size_of::<C>()) }?;
    // Memories begin on a page.
    Some(if at.addr() % size_of::<C>() == 0 { Ok(at) } else { Err(TrapCode::UnalignedAtomic) })
}

handlers! {
    load<A: Access> |s, i: AtomicLoad| {
        match place::<A::Cell>(&s, i.address, i.offset) {
            Some(Ok(at)) => {
                put(&mut s, i.result, A::widen(A::Cell::load(at)));
                past(s, i)
            }
            Some(Err(code)) => s.trap(code),
            None => outside(s),
        }
    }

    store<A: Access> |s, i: AtomicStore| {
        match place::<A::Cell>(&s, i.address, i.offset) {
            Some(Ok(at)) => {
                A::Cell::store(at, A::narrow(A::Value::from_bits(*s.slot(i.value))));
                past(s, i)
            }
            Some(Err(code)) => s.trap(code),
            None => outside(s),
        }
    }

    rmw<A: Rmw> |s, i: AtomicRmw| {
        match place::<A::Cell>(&s, i.address, i.offset) {
            Some(Ok(at)) => {
                let old = A::apply(at, A::narrow(A::Value::from_bits(*s.slot(i.value))));
                put(&mut s, i.result, A::widen(old));
                past(s, i)
            }
            Some(Err(code)) => s.trap(code),
            None => outside(s),
        }
    }

    /// What is expected is narrowed, too.
    cmpxchg<A: Access> |s, i: AtomicCmpxchg| {
        match place::<A::Cell>(&s, i.address, i.offset) {
            Some(Ok(at)) => {
                let expected = A::narrow(A::Value::from_bits(*s.slot(i.expected)));
                let value = A::narrow(A::Value::from_bits(*s.slot(i.value)));
                put(&mut s, i.result, A::widen(A::Cell::cmpxchg(at, expected, value)));
                past(s, i)
            }
            Some(Err(code)) => s.trap(code),
            None => outside(s),
        }
    }

    fence_all |s, i: AtomicFence| {
        fence(ORDER);
        past(s, i)
    }

    notify |s, i: AtomicNotify| {
        Ctx::step(s, |ctx| notify_at(ctx, i))
    }

    wait32 |s, i: AtomicWait32| {
        Ctx::step(s, |ctx| wait32_at(ctx, i))
    }

    wait64 |s, i: AtomicWait64| {
        Ctx::step(s, |ctx| wait64_at(ctx, i))
    }
}

/// The address that an instruction names.
unsafe fn address(s: &State, address: Slot, offset: MemOffset) -> u64 {
    // SAFETY: passed on. No overflow: both are 32 bits wide.
    unsafe { u64::from(*s.slot(address) as u32) + u64::from(offset.0) }
}

/// A step: wakes those who wait at an address.
#[inline(never)]
unsafe fn notify_at(ctx: *mut Ctx, i: &AtomicNotify) -> Exit {
    // SAFETY: the context outlives the run; the instruction is of the running frame.
    unsafe {
        let mut s = (*ctx).state;
        let woken = match s.instance().memory(0) {
            Some(memory) => waits::notify(memory, address(&s, i.address, i.offset), *s.slot(i.count) as u32),
            None => Err(TrapCode::MemoryOutOfBounds),
        };
        match woken {
            Ok(woken) => {
                put::<u32>(&mut s, i.result, woken);
                s.ip = s.ip.add(AtomicNotify::WORDS);
                (*ctx).state = s;
                Exit::Next
            }
            Err(code) => s.trap(code),
        }
    }
}

/// What both instructions that wait have.
struct Wait {
    result: Slot,
    address: Slot,
    timeout: Slot,
    offset: MemOffset,
}

/// A step. What it works with is not the handler's, which could not end in a jump with its address given away.
#[inline(never)]
unsafe fn wait32_at(ctx: *mut Ctx, i: &AtomicWait32) -> Exit {
    let wait = Wait { result: i.result, address: i.address, timeout: i.timeout, offset: i.offset };
    // SAFETY: passed on.
    unsafe {
        let expected = Expected::Four(*(*ctx).state.slot(i.expected) as u32);
        wait_at(ctx, wait, expected, AtomicWait32::WORDS)
    }
}

/// As [`wait32_at`].
#[inline(never)]
unsafe fn wait64_at(ctx: *mut Ctx, i: &AtomicWait64) -> Exit {
    let wait = Wait { result: i.result, address: i.address, timeout: i.timeout, offset: i.offset };
    // SAFETY: passed on.
    unsafe {
        let expected = Expected::Eight(*(*ctx).state.slot(i.expected));
        wait_at(ctx, wait, expected, AtomicWait64::WORDS)
    }
}

/// Waits, or comes to a stable point where it would have.
///
/// # Safety
/// The context must be that of the run, in whose frame the instruction is.
unsafe fn wait_at(ctx: *mut Ctx, i: Wait, expected: Expected, words: usize) -> Exit {
    // SAFETY: the context outlives the run (caller).
    unsafe {
        let mut s = (*ctx).state;
        let timeout = (*s.slot(i.timeout)).cast_signed();
        let waited = match s.instance().memory(0) {
            Some(memory) => {
                waits::wait(&*(*ctx).env, memory, address(&s, i.address, i.offset), expected, timeout)
            }
            None => Err(TrapCode::MemoryOutOfBounds),
        };
        match waited {
            Ok(WaitResult::Interrupted) => stop::poll(ctx, PointKind::BeforeCall),
            Ok(result) => {
                put::<u32>(&mut s, i.result, result as u32);
                s.ip = s.ip.add(words);
                (*ctx).state = s;
                Exit::Next
            }
            Err(code) => s.trap(code),
        }
    }
}
