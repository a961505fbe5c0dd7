//! What compiled code calls. Signatures are those of `wayfarer_abi::Helper`.
//!
//! A helper that traps or stops the thread never returns: it leaves the run (see `enter`), or unwinds it. So each does
//! its work in a function that returns what is to be done, and has nothing with a destructor left when it does it.

use crate::enter;
use crate::hop::COMPILED;
use crate::stop::{Action, entry, leave, leave_entry, poll};
use std::sync::atomic::Ordering;
use wayfarer_abi::{Helper, wait};
use wayfarer_interp::mixed::{self, Ended, Tier};
use wayfarer_runtime::waits::{self, Expected};
use wayfarer_runtime::{ExecEnv, Func, HelperCode, HostError, Instance, Table, TrapCode, VmCtx};

/// The helpers' addresses, by number.
pub(crate) fn table() -> *const Option<HelperCode> {
    static TABLE: [Option<HelperCode>; Helper::COUNT] = {
        let mut table = [None; Helper::COUNT];
        table[Helper::Poll as usize] = code(poll as *const ());
        table[Helper::Leave as usize] = code(leave as *const ());
        table[Helper::Entry as usize] = code(entry as *const ());
        table[Helper::LeaveEntry as usize] = code(leave_entry as *const ());
        table[Helper::Trap as usize] = code(trap as *const ());
        table[Helper::Call as usize] = code(call as *const ());
        table[Helper::Interpret as usize] = code(interpret as *const ());
        table[Helper::MemoryGrow as usize] = code(memory_grow as *const ());
        table[Helper::MemoryCopy as usize] = code(memory_copy as *const ());
        table[Helper::MemoryFill as usize] = code(memory_fill as *const ());
        table[Helper::MemoryInit as usize] = code(memory_init as *const ());
        table[Helper::DataDrop as usize] = code(data_drop as *const ());
        table[Helper::TableGet as usize] = code(table_get as *const ());
        table[Helper::TableSet as usize] = code(table_set as *const ());
        table[Helper::TableGrow as usize] = code(table_grow as *const ());
        table[Helper::TableFill as usize] = code(table_fill as *const ());
        table[Helper::TableCopy as usize] = code(table_copy as *const ());
        table[Helper::TableInit as usize] = code(table_init as *const ());
        table[Helper::ElemDrop as usize] = code(elem_drop as *const ());
        table[Helper::RefFunc as usize] = code(ref_func as *const ());
        table[Helper::AtomicWait as usize] = code(atomic_wait as *const ());
        table[Helper::AtomicNotify as usize] = code(atomic_notify as *const ());
        table
    };
    TABLE.as_ptr()
}

/// The address of a helper.
const fn code(helper: *const ()) -> Option<HelperCode> {
    // SAFETY: a function of this file, with the signature of the helper that it is listed as.
    unsafe { HelperCode::at(helper) }
}

/// The environment that runs compiled code in this context.
pub(crate) unsafe fn env<'a>(vmctx: *mut VmCtx) -> &'a mut ExecEnv {
    // SAFETY: while compiled code runs, its context names the environment, which nothing else uses.
    unsafe { &mut *(*vmctx).env.load(Ordering::Relaxed) }
}

unsafe fn instance<'a>(vmctx: *mut VmCtx) -> &'a Instance {
    // SAFETY: a context's instance outlives it.
    unsafe { &*(*vmctx).instance }
}

unsafe extern "C" fn trap(vmctx: *mut VmCtx, code: u32) {
    // SAFETY: called by compiled code.
    unsafe {
        let code = TrapCode::from_number(code).unwrap_or(TrapCode::Unreachable);
        enter::trap(env(vmctx), code.into())
    }
}

unsafe extern "C-unwind" fn call(vmctx: *mut VmCtx, func: *const Func, slots: *mut u64) -> u32 {
    // SAFETY: called by compiled code with a function of its store, and slots for arguments and results.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        let mut interrupted = false;
        call_any(&mut *env, vmctx, &*func, slots, &mut interrupted).take(env);
        u32::from(interrupted)
    }
}

unsafe fn call_any(
    env: &mut ExecEnv,
    vmctx: *mut VmCtx,
    func: &Func,
    slots: *mut u64,
    interrupted: &mut bool,
) -> Action {
    if func.host.is_some() {
        // SAFETY: the slots are the function's until it returns.
        let called = unsafe {
            let slots = std::slice::from_raw_parts_mut(slots, func.slots());
            wayfarer_runtime::func::call_host(env, func, instance(vmctx), slots)
        };
        return match called {
            Ok(()) => Action::Return,
            Err(HostError::Trap(trap)) => Action::trap(env, trap),
            Err(HostError::Interrupted) => {
                *interrupted = true;
                Action::Return
            }
        };
    }
    // SAFETY: passed on.
    let ran = unsafe {
        match COMPILED.enter(env, func, slots) {
            Some(ran) => ran,
            None => mixed::call(env, &COMPILED, func, slots),
        }
    };
    ended(env, ran)
}

/// A run above this one ended.
fn ended(env: &ExecEnv, ran: Result<(), Ended>) -> Action {
    match ran {
        Ok(()) => Action::Return,
        Err(Ended::Trap(trap)) => Action::trap(env, trap),
        Err(Ended::Captured) => Action::Capture,
    }
}

unsafe extern "C-unwind" fn interpret(vmctx: *mut VmCtx, index: u32, slots: *mut u64) {
    // SAFETY: called by compiled code with a function of its module, and slots for arguments and results.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        let func = &*instance(vmctx).funcs()[index as usize];
        let ran = mixed::call(&mut *env, &COMPILED, func, slots);
        ended(&*env, ran).take(env);
    }
}

unsafe extern "C" fn atomic_wait(
    vmctx: *mut VmCtx,
    how: u32,
    address: u64,
    expected: u64,
    timeout: i64,
) -> u32 {
    // SAFETY: called by compiled code.
    unsafe {
        let expected = match how & wait::WIDE {
            0 => Expected::Four(expected as u32),
            _ => Expected::Eight(expected),
        };
        let env: &ExecEnv = env(vmctx);
        let waited = match instance(vmctx).memory(0) {
            Some(memory) if how & wait::WITHOUT_POLL != 0 => {
                waits::wait_to_the_end(env, memory, address, expected, timeout)
            }
            Some(memory) => waits::wait(env, memory, address, expected, timeout),
            None => Err(TrapCode::MemoryOutOfBounds),
        };
        or_trap(vmctx, waited) as u32
    }
}

/// Traps if it did not work.
unsafe fn or_trap<T>(vmctx: *mut VmCtx, done: Result<T, TrapCode>) -> T {
    match done {
        Ok(value) => value,
        // SAFETY: called by helpers that have nothing with a destructor.
        Err(code) => unsafe { enter::trap(env(vmctx), code.into()) },
    }
}

fn table_at(instance: &Instance, index: u32) -> Result<&Table, TrapCode> {
    instance.table(index).ok_or(TrapCode::TableOutOfBounds)
}

/// Helpers that only do something to the instance.
macro_rules! helpers {
    ($($name:ident |$instance:ident| ($($arg:ident: $ty:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(
            unsafe extern "C" fn $name(vmctx: *mut VmCtx, $($arg: $ty),*) $(-> $result)? {
                // SAFETY: called by compiled code, for indices of its module.
                unsafe {
                    let $instance = instance(vmctx);
                    or_trap(vmctx, $body)
                }
            }
        )*
    };
}

helpers! {
    memory_grow |instance| (pages: u32) -> u32 {
        Ok(instance.grow_memory(pages))
    }
    memory_copy |instance| (to: u32, from: u32, count: u32) {
        instance.copy_memory(to, from, count)
    }
    memory_fill |instance| (to: u32, byte: u32, count: u32) {
        match instance.memory(0) {
            Some(memory) => memory.fill(to.into(), byte as u8, count.into()),
            None => Err(TrapCode::MemoryOutOfBounds),
        }
    }
    memory_init |instance| (segment: u32, to: u32, from: u32, count: u32) {
        instance.init_memory(segment, to, from, count)
    }
    data_drop |instance| (segment: u32) {
        instance.drop_data(segment);
        Ok(())
    }
    table_get |instance| (table: u32, index: u32) -> u64 {
        instance.table(table).and_then(|t| t.get(index)).ok_or(TrapCode::TableOutOfBounds)
    }
    table_set |instance| (table: u32, index: u32, value: u64) {
        table_at(instance, table).and_then(|t| t.set(index, value))
    }
    table_grow |instance| (table: u32, value: u64, count: u32) -> u32 {
        Ok(instance.table(table).and_then(|t| t.grow(count, value)).unwrap_or(u32::MAX))
    }
    table_fill |instance| (table: u32, start: u32, value: u64, count: u32) {
        table_at(instance, table).and_then(|t| t.fill(start, value, count))
    }
    table_copy |instance| (to_table: u32, from_table: u32, to: u32, from: u32, count: u32) {
        table_at(instance, to_table)
            .and_then(|to_table| Table::copy(to_table, to, table_at(instance, from_table)?, from, count))
    }
    table_init |instance| (table: u32, segment: u32, to: u32, from: u32, count: u32) {
        instance.init_table(table, segment, to, from, count)
    }
    elem_drop |instance| (segment: u32) {
        instance.drop_elem(segment);
        Ok(())
    }
    atomic_notify |instance| (address: u64, count: u32) -> u32 {
        let memory = instance.memory(0).ok_or(TrapCode::MemoryOutOfBounds);
        memory.and_then(|memory| waits::notify(memory, address, count))
    }
    ref_func |instance| (index: u32) -> u64 {
        Ok(instance.funcs()[index as usize] as usize as u64)
    }
}
