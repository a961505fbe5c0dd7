//! Handlers of loads, stores and bulk memory instructions.
//!
//! Loads: result slot 8, address slot 10, offset (32 bits) 12. Stores: value slot 8, address slot 10, offset 12, and an
//! immediate value at 16. Guest memory is little-endian whatever the host is.

use super::dispatch::{Handler, State, handlers, next};
use super::operand::{Acc, Imm, Scalar, Slot, Source, put};
use std::marker::PhantomData;
use std::ptr;
use wayfarer_runtime::TrapCode;

/// What a load makes of the bytes.
pub(crate) trait Load {
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
pub(crate) trait Store {
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
pub(crate) unsafe fn effective(s: &State, addr: u32, offset: u32, size: usize) -> Option<*mut u8> {
    // No overflow: both are 32 bits wide.
    let at = u64::from(addr) + u64::from(offset);
    if at + size as u64 <= s.len as u64 {
        // SAFETY: inside the memory.
        Some(unsafe { s.mem.add(at as usize) })
    } else {
        None
    }
}

handlers! {
    load<L: Load, X: Source> |s| {
        match effective(&s, X::get(&s), s.u32(12), L::SIZE) {
            Some(at) => {
                put(&mut s, 8, L::load(at));
                s.ip = s.ip.add(2);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    /// A load whose address is a sum, which wraps: addend at 16.
    load_sum<L: Load, X: Source, Y: Source> |s| {
        let addr = X::get::<u32>(&s).wrapping_add(Y::get(&s));
        match effective(&s, addr, s.u32(12), L::SIZE) {
            Some(at) => {
                put(&mut s, 8, L::load(at));
                s.ip = s.ip.add(3);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    store<W: Store, X: Source, V: Source> |s| {
        match effective(&s, X::get(&s), s.u32(12), W::SIZE) {
            Some(at) => {
                W::store(at, V::get(&s));
                s.ip = s.ip.add(2);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    /// A store of an immediate is one word longer.
    store_imm<W: Store, X: Source> |s| {
        match effective(&s, X::get(&s), s.u32(12), W::SIZE) {
            Some(at) => {
                W::store(at, Imm::<16>::get(&s));
                s.ip = s.ip.add(3);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    memory_size |s| {
        let pages = (s.len / 65536) as u32;
        put::<u32>(&mut s, 8, pages);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Result slot 8, delta slot 10.
    memory_grow |s| {
        let pages = *s.slot(10) as u32;
        let old = s.instance().grow_memory(pages);
        s.reload_memory();
        put::<u32>(&mut s, 8, old);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Destination, source, size in slots 8, 10, 12.
    memory_copy |s| {
        let (to, from, size) = (*s.slot(8) as u32, *s.slot(10) as u32, *s.slot(12) as u32);
        match (effective(&s, to, 0, size as usize), effective(&s, from, 0, size as usize)) {
            (Some(to), Some(from)) => {
                ptr::copy(from, to, size as usize);
                s.ip = s.ip.add(2);
                next(s)
            }
            _ => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    /// Destination, byte, size in slots 8, 10, 12.
    memory_fill |s| {
        let (to, byte, size) = (*s.slot(8) as u32, *s.slot(10) as u8, *s.slot(12) as u32);
        match effective(&s, to, 0, size as usize) {
            Some(to) => {
                ptr::write_bytes(to, byte, size as usize);
                s.ip = s.ip.add(2);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    /// Destination, source, size in slots 8, 10, 12; data segment at 16.
    memory_init |s| {
        let (to, from, size) = (*s.slot(8) as u32, *s.slot(10) as u32, *s.slot(12) as u32);
        match s.instance().init_memory(s.u32(16), to, from, size) {
            Ok(()) => {
                s.ip = s.ip.add(3);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Data segment at 8.
    data_drop |s| {
        s.instance().drop_data(s.u32(8));
        s.ip = s.ip.add(2);
        next(s)
    }
}

/// Handlers of a load: address in a slot, in the accumulator.
pub(crate) struct LoadHandlers {
    pub(crate) s: Handler,
    pub(crate) a: Handler,
    /// Address a sum: `[first in a slot, accumulator][second an immediate, in a slot]`.
    pub(crate) sum: [[Handler; 2]; 2],
}

/// Handlers of a store, by address and value: slot, accumulator, immediate.
pub(crate) struct StoreHandlers {
    pub(crate) ss: Handler,
    pub(crate) sa: Handler,
    pub(crate) si: Handler,
    pub(crate) as_: Handler,
    pub(crate) ai: Handler,
    /// Address and value in different accumulators (an integer and a float).
    pub(crate) aa: Handler,
}

/// Carries the handler table of a load or store.
pub(crate) struct Table<O>(PhantomData<O>);

impl<L: Load> Table<L> {
    pub(crate) const LOAD: LoadHandlers = LoadHandlers {
        s: load::<L, Slot<10>>,
        a: load::<L, Acc>,
        sum: [
            [load_sum::<L, Slot<10>, Imm<16>>, load_sum::<L, Slot<10>, Slot<16>>],
            [load_sum::<L, Acc, Imm<16>>, load_sum::<L, Acc, Slot<16>>],
        ],
    };
}

impl<W: Store> Table<W> {
    pub(crate) const STORE: StoreHandlers = StoreHandlers {
        ss: store::<W, Slot<10>, Slot<8>>,
        sa: store::<W, Slot<10>, Acc>,
        si: store_imm::<W, Slot<10>>,
        as_: store::<W, Acc, Slot<8>>,
        ai: store_imm::<W, Acc>,
        aa: store::<W, Acc, Acc>,
    };
}
