//! What compiled code calls. Signatures are those of `wayfarer_abi::Helper`.
//!
//! A helper that traps or stops the thread never returns: it leaves the run (see `enter`), or unwinds it. So each does
//! its work in a function that returns what is to be done, and has nothing with a destructor left when it does it.

use crate::enter::{self, level};
use crate::tier::COMPILED;
use crate::{backtrace, unwind};
use std::sync::atomic::Ordering;
use wayfarer_abi::Helper;
use wayfarer_interp::mixed::{self, Ended, Tier};
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, ExecEnv, Func, HostError, Instance, PollAction, Table, Trap, TrapCode,
    VmCtx, native_stack,
};

/// The helpers' addresses, by number.
pub(crate) fn table() -> *const *const () {
    static TABLE: Addresses = Addresses({
        let mut table = [std::ptr::null(); Helper::COUNT];
        table[Helper::Poll as usize] = poll as *const ();
        table[Helper::Leave as usize] = leave as *const ();
        table[Helper::Entry as usize] = entry as *const ();
        table[Helper::LeaveEntry as usize] = leave_entry as *const ();
        table[Helper::Trap as usize] = trap as *const ();
        table[Helper::Call as usize] = call as *const ();
        table[Helper::Interpret as usize] = interpret as *const ();
        table[Helper::MemoryGrow as usize] = memory_grow as *const ();
        table[Helper::MemoryCopy as usize] = memory_copy as *const ();
        table[Helper::MemoryFill as usize] = memory_fill as *const ();
        table[Helper::MemoryInit as usize] = memory_init as *const ();
        table[Helper::DataDrop as usize] = data_drop as *const ();
        table[Helper::TableGet as usize] = table_get as *const ();
        table[Helper::TableSet as usize] = table_set as *const ();
        table[Helper::TableGrow as usize] = table_grow as *const ();
        table[Helper::TableFill as usize] = table_fill as *const ();
        table[Helper::TableCopy as usize] = table_copy as *const ();
        table[Helper::TableInit as usize] = table_init as *const ();
        table[Helper::ElemDrop as usize] = elem_drop as *const ();
        table[Helper::RefFunc as usize] = ref_func as *const ();
        table
    });
    TABLE.0.as_ptr()
}

struct Addresses([*const (); Helper::COUNT]);

// SAFETY: addresses of functions.
unsafe impl Sync for Addresses {}

/// The environment that runs compiled code in this context.
unsafe fn env<'a>(vmctx: *mut VmCtx) -> &'a mut ExecEnv {
    // SAFETY: while compiled code runs, its context names the environment, which nothing else uses.
    unsafe { &mut *(*vmctx).env.load(Ordering::Relaxed) }
}

unsafe fn instance<'a>(vmctx: *mut VmCtx) -> &'a Instance {
    // SAFETY: a context's instance outlives it.
    unsafe { &*(*vmctx).instance }
}

/// What a helper does in the end.
enum Action {
    Return,
    /// Capture the run's frames, and leave it.
    Capture,
    /// The trap is in the level.
    Trap,
}

impl Action {
    /// Notes why the run will be left.
    fn trap(env: &ExecEnv, trap: Trap) -> Action {
        // SAFETY: compiled code runs, so there is a level, and nobody else looks at it.
        unsafe { (*level(env)).trap = Some(trap) };
        Action::Trap
    }

    /// # Safety
    /// Compiled code must be running in `env`, and between it and this call nothing may have a destructor.
    unsafe fn take(self, env: *mut ExecEnv) {
        // SAFETY: passed on.
        unsafe {
            let level = level(&*env);
            match self {
                Action::Return => {}
                Action::Capture => unwind::capture(level),
                Action::Trap => {
                    backtrace::collect(level);
                    enter::wayfarer_leave(level.cast(), enter::TRAPPED)
                }
            }
        }
    }
}

unsafe extern "C-unwind" fn poll(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a stable point.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        serve(&mut *env).take(env);
    }
}

unsafe extern "C-unwind" fn leave(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a stable point, with the frame's record written.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        let action = match serve(&mut *env) {
            // Nothing else is to be done, but there is no way back.
            Action::Return => {
                (*env).goes_on = true;
                Action::Capture
            }
            action => action,
        };
        action.take(env);
    }
}

unsafe extern "C-unwind" fn leave_entry(vmctx: *mut VmCtx) -> *const u64 {
    // SAFETY: called by compiled code at a function's entry, with the frame's record written.
    unsafe {
        // Not the stack pointer here: the function's frame is gone.
        let env: *mut ExecEnv = env(vmctx);
        if (*vmctx).stack.load(Ordering::Relaxed) < native_stack::limit((*env).stack_boundary.get()) {
            Action::trap(&*env, TrapCode::NativeStackOverflow.into()).take(env);
        }
        leave(vmctx);
    }
    std::ptr::null()
}

/// Serves a request.
fn serve(env: &mut ExecEnv) -> Action {
    let store = env.store().clone();
    match store.control().poll(env.thread()) {
        PollAction::Continue => Action::Return,
        PollAction::Terminate => Action::trap(env, TrapCode::Terminated.into()),
        PollAction::Checkpoint => {
            let Some(checkpointer) = store.checkpointer() else { return Action::Return };
            let Some(&func) = env.host_stack.last() else { return Action::Capture };
            // SAFETY: functions of a store outlive its runs.
            let name = match unsafe { &(*func).host } {
                Some(host) => (host.name.0.to_string(), host.name.1.to_string()),
                None => Default::default(),
            };
            match checkpointer.checkpoint(&store, Err(CaptureError::HostOnStack { name })) {
                AfterCheckpoint::Continue => Action::Return,
                AfterCheckpoint::Stop => Action::trap(env, Trap::Stopped),
            }
        }
    }
}

unsafe extern "C-unwind" fn entry(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a function's entry.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        if native_stack::is_used_up((*env).stack_boundary.get()) {
            Action::trap(&*env, TrapCode::NativeStackOverflow.into()).take(env);
        }
        // A request, or the stack was short by no more than this helper's frame: then the word is not armed.
        if (*env).store().control().word().load(Ordering::Relaxed) != 0 {
            serve(&mut *env).take(env);
        }
    }
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
    ref_func |instance| (index: u32) -> u64 {
        Ok(instance.funcs()[index as usize] as usize as u64)
    }
}
