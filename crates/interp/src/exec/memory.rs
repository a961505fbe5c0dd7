//! Handlers of loads, stores and bulk memory instructions.
//!
//! Guest memory is little-endian whatever the host is.

use super::dispatch::{Exit, State, handlers, next, past};
use super::operand::{Scalar, Source, put};
use crate::ir::name::Named;
use crate::ir::operand::Ty;
use crate::ir::{
    self, Acc, DataDrop, Imm, LoadSum, MemOffset, MemoryCopy, MemoryFill, MemoryGrow, MemoryInit, MemorySize,
    Op, Slot, StoreImm,
};
use std::marker::PhantomData;
use std::ptr;
use wayfarer_runtime::TrapCode;

/// What a load makes of the bytes.
pub(crate) trait Load: Named {
    /// Type of the result.
    type Out: Scalar;
    /// Bytes read.
    const SIZE: usize;
    /// Reads them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be readable.
    unsafe fn load(at: *const u8) -> Self::Out;
}

/// What a store makes of a value.
pub(crate) trait Store: Named {
    /// Type of the value.
    type In: Scalar;
    /// Bytes written.
    const SIZE: usize;
    /// Writes them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be writable.
    unsafe fn store(at: *mut u8, v: Self::In);
}

macro_rules! loads {
    ($($name:ident: $mem:ty => $out:ty, |$v:ident| $e:expr;)*) => {
        $(
            pub(crate) struct $name;
            impl Named for $name {
                const NAME: &'static str = stringify!($name);
            }
            impl Load for $name {
                type Out = $out;
                const SIZE: usize = size_of::<$mem>();
                #[inline(always)]
                unsafe fn load(at: *const u8) -> $out {
                    // SAFETY: passed on; the read needs no alignment.
                    let $v = <$mem>::from_le(unsafe { ptr::read_unaligned(at.cast::<$mem>()) });
                    $e
                }
            }
        )*
    };
}

macro_rules! stores {
    ($($name:ident: $in:ty => $mem:ty, |$v:ident| $e:expr;)*) => {
        $(
            pub(crate) struct $name;
            impl Named for $name {
                const NAME: &'static str = stringify!($name);
                const TY: Ty = <$in as Named>::TY;
            }
            impl Store for $name {
                type In = $in;
                const SIZE: usize = size_of::<$mem>();
                #[inline(always)]
                unsafe fn store(at: *mut u8, $v: $in) {
                    let bytes: $mem = $e;
                    // SAFETY: passed on; the write needs no alignment.
                    unsafe { ptr::write_unaligned(at.cast::<$mem>(), bytes.to_le()) }
                }
            }
        )*
    };
}

loads! {
    I32Load: u32 => u32, |v| v;
    I64Load: u64 => u64, |v| v;
    F32Load: u32 => f32, |v| f32::from_bits(v);
    F64Load: u64 => f64, |v| f64::from_bits(v);
    I32Load8S: i8 => u32, |v| v as u32;
    I32Load8U: u8 => u32, |v| u32::from(v);
    I32Load16S: i16 => u32, |v| v as u32;
    I32Load16U: u16 => u32, |v| u32::from(v);
    I64Load8S: i8 => u64, |v| v as u64;
    I64Load8U: u8 => u64, |v| u64::from(v);
    I64Load16S: i16 => u64, |v| v as u64;
    I64Load16U: u16 => u64, |v| u64::from(v);
    I64Load32S: i32 => u64, |v| v as u64;
    I64Load32U: u32 => u64, |v| u64::from(v);
}

stores! {
    I32Store: u32 => u32, |v| v;
    I64Store: u64 => u64, |v| v;
    F32Store: f32 => u32, |v| v.to_bits();
    F64Store: f64 => u64, |v| v.to_bits();
    I32Store8: u32 => u8, |v| v as u8;
    I32Store16: u32 => u16, |v| v as u16;
    I64Store8: u64 => u8, |v| v as u8;
    I64Store16: u64 => u16, |v| v as u16;
    I64Store32: u64 => u32, |v| v as u32;
}

/// Address of `size` bytes at `addr + offset` in memory 0, if they are all inside.
#[inline(always)]
pub(crate) unsafe fn effective(s: &State, addr: u32, offset: MemOffset, size: usize) -> Option<*mut u8> {
    // No overflow: both are 32 bits wide.
    let at = u64::from(addr) + u64::from(offset.0);
    if at + size as u64 <= s.len as u64 {
        // SAFETY: inside the memory.
        Some(unsafe { s.mem.add(at as usize) })
    } else {
        None
    }
}

/// Address of `size` bytes at `addr`, if they are all inside.
#[inline(always)]
unsafe fn place(s: &State, addr: u32, size: usize) -> Option<*mut u8> {
    // SAFETY: passed on.
    unsafe { effective(s, addr, MemOffset(0), size) }
}

/// An access ends outside of what was the memory when its size was read last. Another thread may have grown it since.
#[inline(always)]
pub(super) unsafe fn outside(s: State) -> Exit {
    // SAFETY: passed on.
    unsafe { reload(s.ip, s.fp, s.mem, s.len, s.ctx, s.acc, s.f4, s.f8) }
}

handlers! {
    /// Executes the instruction once more if the memory is larger than it was, and has it trap if not. The instruction has not
    /// done anything yet.
    #[cold]
    #[inline(never)]
    reload |s| {
        let before = s.len;
        s.reload_memory();
        if s.len > before { next(s) } else { s.trap(TrapCode::MemoryOutOfBounds) }
    }

    load<L: Load, X: Source> |s, i: ir::Load<X>| {
        match effective(&s, i.address.get(&s), i.offset, L::SIZE) {
            Some(at) => {
                let v = L::load(at);
                put(&mut s, i.result, v);
                past(s, i)
            }
            None => outside(s),
        }
    }

    /// The sum wraps.
    load_sum<L: Load, X: Source, Y: Source> |s, i: LoadSum<X, Y>| {
        let addr = i.address.get::<u32>(&s).wrapping_add(i.addend.get(&s));
        match effective(&s, addr, i.offset, L::SIZE) {
            Some(at) => {
                let v = L::load(at);
                put(&mut s, i.result, v);
                past(s, i)
            }
            None => outside(s),
        }
    }

    store<W: Store, X: Source, V: Source> |s, i: ir::Store<X, V>| {
        match effective(&s, i.address.get(&s), i.offset, W::SIZE) {
            Some(at) => {
                W::store(at, i.value.get(&s));
                past(s, i)
            }
            None => outside(s),
        }
    }

    store_imm<W: Store, X: Source> |s, i: StoreImm<X>| {
        match effective(&s, i.address.get(&s), i.offset, W::SIZE) {
            Some(at) => {
                W::store(at, i.value.get(&s));
                past(s, i)
            }
            None => outside(s),
        }
    }

    /// `SHARED`: another thread may have grown it.
    memory_size<; SHARED> |s, i: MemorySize| {
        if SHARED {
            s.reload_memory();
        }
        let pages = (s.len / 65536) as u32;
        put::<u32>(&mut s, i.result, pages);
        past(s, i)
    }

    memory_grow |s, i: MemoryGrow| {
        let pages = *s.slot(i.delta) as u32;
        let old = s.instance().grow_memory(pages);
        s.reload_memory();
        put::<u32>(&mut s, i.result, old);
        past(s, i)
    }

    memory_copy |s, i: MemoryCopy| {
        let (to, from, size) = (*s.slot(i.to) as u32, *s.slot(i.from) as u32, *s.slot(i.size) as u32);
        match (place(&s, to, size as usize), place(&s, from, size as usize)) {
            (Some(to), Some(from)) => {
                ptr::copy(from, to, size as usize);
                past(s, i)
            }
            _ => outside(s),
        }
    }

    memory_fill |s, i: MemoryFill| {
        let (to, byte, size) = (*s.slot(i.to) as u32, *s.slot(i.value) as u8, *s.slot(i.size) as u32);
        match place(&s, to, size as usize) {
            Some(to) => {
                ptr::write_bytes(to, byte, size as usize);
                past(s, i)
            }
            None => outside(s),
        }
    }

    memory_init |s, i: MemoryInit| {
        let (to, from, size) = (*s.slot(i.to) as u32, *s.slot(i.from) as u32, *s.slot(i.size) as u32);
        match s.instance().init_memory(i.segment.0, to, from, size) {
            Ok(()) => past(s, i),
            Err(code) => s.trap(code),
        }
    }

    data_drop |s, i: DataDrop| {
        s.instance().drop_data(i.segment.0);
        past(s, i)
    }
}

/// One load: address in a slot, in the accumulator.
pub(crate) struct LoadOps {
    pub(crate) s: Op<ir::Load<Slot>>,
    pub(crate) a: Op<ir::Load<Acc>>,
    /// Address a sum, by where both parts are.
    pub(crate) sum_si: Op<LoadSum<Slot, Imm>>,
    pub(crate) sum_ss: Op<LoadSum<Slot, Slot>>,
    pub(crate) sum_ai: Op<LoadSum<Acc, Imm>>,
    pub(crate) sum_as: Op<LoadSum<Acc, Slot>>,
}

/// One store, by address and value: slot, accumulator, immediate.
pub(crate) struct StoreOps {
    pub(crate) ss: Op<ir::Store<Slot, Slot>>,
    pub(crate) sa: Op<ir::Store<Slot, Acc>>,
    pub(crate) si: Op<StoreImm<Slot>>,
    pub(crate) as_: Op<ir::Store<Acc, Slot>>,
    pub(crate) ai: Op<StoreImm<Acc>>,
    /// Address and value in different accumulators (an integer and a float).
    pub(crate) aa: Op<ir::Store<Acc, Acc>>,
}

/// Carries what can be encoded of a load or store.
pub(crate) struct Table<O>(PhantomData<O>);

impl<L: Load> Table<L> {
    pub(crate) const LOAD: &'static LoadOps = &LoadOps {
        s: op::load::<L, Slot>(),
        a: op::load::<L, Acc>(),
        sum_si: op::load_sum::<L, Slot, Imm>(),
        sum_ss: op::load_sum::<L, Slot, Slot>(),
        sum_ai: op::load_sum::<L, Acc, Imm>(),
        sum_as: op::load_sum::<L, Acc, Slot>(),
    };
}

impl<W: Store> Table<W> {
    pub(crate) const STORE: &'static StoreOps = &StoreOps {
        ss: op::store::<W, Slot, Slot>(),
        sa: op::store::<W, Slot, Acc>(),
        si: op::store_imm::<W, Slot>(),
        as_: op::store::<W, Acc, Slot>(),
        ai: op::store_imm::<W, Acc>(),
        aa: op::store::<W, Acc, Acc>(),
    };
}
