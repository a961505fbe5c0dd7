//! Handlers of globals, tables and references.

use super::dispatch::{State, handlers, next};
use super::operand::{Scalar, Source, put};
use wayfarer_runtime::{Global, Table, TrapCode};

/// Global whose index is the 32-bit operand at 12.
#[inline(always)]
unsafe fn global<'a>(s: &State) -> &'a Global {
    // SAFETY: validation checked the index; globals outlive the run.
    unsafe { &**(*s.ctx).globals.add(s.u32(12) as usize) }
}

/// Table whose index is at byte `at`.
#[inline(always)]
unsafe fn table<'a>(s: &State, at: usize) -> Result<&'a Table, TrapCode> {
    // SAFETY: passed on.
    unsafe { s.instance().table(s.u32(at)) }.ok_or(TrapCode::TableOutOfBounds)
}

handlers! {
    /// Result slot 8, global 12; into the accumulator of its type.
    global_get<T: Scalar> |s| {
        let bits = *global(&s).storage();
        put::<T>(&mut s, 8, T::from_bits(bits));
        s.ip = s.ip.add(2);
        next(s)
    }

    global_get_v128 |s| {
        let [lo, hi] = global(&s).get();
        s.set_v128(8, u128::from(lo) | u128::from(hi) << 64);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Value from `X` (slot 8), global 12.
    global_set<X: Source, T: Scalar> |s| {
        *global(&s).storage() = X::get::<T>(&s).to_bits();
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Value at 16.
    global_set_const |s| {
        *global(&s).storage() = s.u64(16);
        s.ip = s.ip.add(3);
        next(s)
    }

    global_set_v128 |s| {
        let v = s.v128(8);
        global(&s).set([v as u64, (v >> 64) as u64]);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Result slot 8, function 12.
    ref_func |s| {
        let func = s.instance().funcs()[s.u32(12) as usize];
        put::<u64>(&mut s, 8, func as usize as u64);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Result slot 8, index slot 10, table 12.
    table_get |s| {
        match table(&s, 12).and_then(|t| t.get(*s.slot(10) as u32).ok_or(TrapCode::TableOutOfBounds)) {
            Ok(v) => {
                put::<u64>(&mut s, 8, v);
                s.ip = s.ip.add(2);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Value slot 8, index slot 10, table 12.
    table_set |s| {
        match table(&s, 12).and_then(|t| t.set(*s.slot(10) as u32, *s.slot(8))) {
            Ok(()) => {
                s.ip = s.ip.add(2);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Result slot 8, table 12.
    table_size |s| {
        let size = table(&s, 12).map_or(0, Table::len);
        put::<u32>(&mut s, 8, size);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Result slot 8, initial value slot 10, count slot 12, table 16.
    table_grow |s| {
        let old = table(&s, 16).ok().and_then(|t| t.grow(*s.slot(12) as u32, *s.slot(10)));
        put::<u32>(&mut s, 8, old.unwrap_or(u32::MAX));
        s.ip = s.ip.add(3);
        next(s)
    }

    /// Start, value, count in slots 8, 10, 12; table 16.
    table_fill |s| {
        let filled = table(&s, 16).and_then(|t| t.fill(*s.slot(8) as u32, *s.slot(10), *s.slot(12) as u32));
        match filled {
            Ok(()) => {
                s.ip = s.ip.add(3);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Destination, source, count in slots 8, 10, 12; destination table 16, source table 20.
    table_copy |s| {
        let copied = table(&s, 16).and_then(|to| {
            Table::copy(to, *s.slot(8) as u32, table(&s, 20)?, *s.slot(10) as u32, *s.slot(12) as u32)
        });
        match copied {
            Ok(()) => {
                s.ip = s.ip.add(3);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Destination, source, count in slots 8, 10, 12; table 16, element segment 20.
    table_init |s| {
        let (to, from, count) = (*s.slot(8) as u32, *s.slot(10) as u32, *s.slot(12) as u32);
        match s.instance().init_table(s.u32(16), s.u32(20), to, from, count) {
            Ok(()) => {
                s.ip = s.ip.add(3);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// Element segment at 8.
    elem_drop |s| {
        s.instance().drop_elem(s.u32(8));
        s.ip = s.ip.add(2);
        next(s)
    }
}
