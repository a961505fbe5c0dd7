//! Handlers of globals, tables and references.

use super::dispatch::{State, handlers, past};
use super::operand::{Scalar, Source, put};
use crate::ir::{
    ElemDrop, GlobalGet, GlobalGetV128, GlobalIdx, GlobalSet, GlobalSetConst, GlobalSetV128, RefFunc,
    TableCopy, TableFill, TableGet, TableGrow, TableIdx, TableInit, TableSet, TableSize,
};
use wayfarer_runtime::{Global, Table, TrapCode};

#[inline(always)]
unsafe fn global<'a>(s: &State, index: GlobalIdx) -> &'a Global {
    // SAFETY: validation checked the index; globals outlive the run.
    unsafe { &**(*s.ctx).globals.add(index.0 as usize) }
}

#[inline(always)]
unsafe fn table<'a>(s: &State, index: TableIdx) -> Result<&'a Table, TrapCode> {
    // SAFETY: passed on.
    unsafe { s.instance().table(index.0) }.ok_or(TrapCode::TableOutOfBounds)
}

handlers! {
    /// Into the slot and the accumulator of its type.
    global_get<T: Scalar> |s, i: GlobalGet| {
        let bits = *global(&s, i.global).storage();
        let v = T::from_bits(bits);
        put::<T>(&mut s, i.result, v);
        past(s, i)
    }

    global_get_v128 |s, i: GlobalGetV128| {
        let [lo, hi] = global(&s, i.global).get();
        let v = u128::from(lo) | u128::from(hi) << 64;
        s.set_v128(i.result, v);
        past(s, i)
    }

    global_set<X: Source, T: Scalar> |s, i: GlobalSet<X>| {
        *global(&s, i.global).storage() = i.value.get::<T>(&s).to_bits();
        past(s, i)
    }

    global_set_const |s, i: GlobalSetConst| {
        *global(&s, i.global).storage() = i.value.0;
        past(s, i)
    }

    global_set_v128 |s, i: GlobalSetV128| {
        let v = s.v128(i.value);
        global(&s, i.global).set([v as u64, (v >> 64) as u64]);
        past(s, i)
    }

    ref_func |s, i: RefFunc| {
        let func = s.instance().funcs()[i.func.0 as usize];
        let v = func as usize as u64;
        put::<u64>(&mut s, i.result, v);
        past(s, i)
    }

    table_get |s, i: TableGet| {
        let index = *s.slot(i.index) as u32;
        match table(&s, i.table).and_then(|t| t.get(index).ok_or(TrapCode::TableOutOfBounds)) {
            Ok(v) => {
                put::<u64>(&mut s, i.result, v);
                past(s, i)
            }
            Err(code) => s.trap(code),
        }
    }

    table_set |s, i: TableSet| {
        match table(&s, i.table).and_then(|t| t.set(*s.slot(i.index) as u32, *s.slot(i.value))) {
            Ok(()) => past(s, i),
            Err(code) => s.trap(code),
        }
    }

    table_size |s, i: TableSize| {
        let size = table(&s, i.table).map_or(0, Table::len);
        put::<u32>(&mut s, i.result, size);
        past(s, i)
    }

    table_grow |s, i: TableGrow| {
        let old = table(&s, i.table).ok().and_then(|t| t.grow(*s.slot(i.count) as u32, *s.slot(i.value)));
        let v = old.unwrap_or(u32::MAX);
        put::<u32>(&mut s, i.result, v);
        past(s, i)
    }

    table_fill |s, i: TableFill| {
        let (to, value, count) = (*s.slot(i.to) as u32, *s.slot(i.value), *s.slot(i.count) as u32);
        let filled = table(&s, i.table).and_then(|t| t.fill(to, value, count));
        match filled {
            Ok(()) => past(s, i),
            Err(code) => s.trap(code),
        }
    }

    table_copy |s, i: TableCopy| {
        let (at, from, count) = (*s.slot(i.to) as u32, *s.slot(i.from) as u32, *s.slot(i.count) as u32);
        let copied =
            table(&s, i.to_table).and_then(|to| Table::copy(to, at, table(&s, i.from_table)?, from, count));
        match copied {
            Ok(()) => past(s, i),
            Err(code) => s.trap(code),
        }
    }

    table_init |s, i: TableInit| {
        let (to, from, count) = (*s.slot(i.to) as u32, *s.slot(i.from) as u32, *s.slot(i.count) as u32);
        match s.instance().init_table(i.table.0, i.segment.0, to, from, count) {
            Ok(()) => past(s, i),
            Err(code) => s.trap(code),
        }
    }

    elem_drop |s, i: ElemDrop| {
        s.instance().drop_elem(i.segment.0);
        past(s, i)
    }
}
