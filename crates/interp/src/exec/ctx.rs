//! What a run of guest code needs besides its registers.

use super::dispatch::{Exit, State, next};
use crate::code::{FuncCode, Offset};
use crate::heat::Heat;
use crate::ir::{Base, Instruction, Slot, Wide};
use crate::mixed::Tier;
use std::sync::atomic::AtomicU32;
use wayfarer_runtime::{ExecEnv, Global, Instance, Trap, TrapCode};

/// A frame record: how to return from a frame, and whose it is.
///
/// A record with a null `func` marks a change of instance: everything below it runs in `instance`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Record {
    /// Where the caller goes on.
    pub(crate) ret: *const u64,
    /// The caller's frame.
    pub(crate) fp: *mut u64,
    /// The callee.
    pub(crate) func: *const FuncCode,
    /// Only in a mark.
    pub(crate) instance: *const Instance,
}

/// A loop header.
#[derive(Clone, Copy)]
pub(crate) struct LastLoop {
    /// Its first instruction.
    pub(crate) ip: *const u64,
    pub(crate) heat: *const Heat,
    pub(crate) offset: Offset,
}

/// Context of one run: from a call by the host until it returns.
pub(crate) struct Ctx {
    /// The word that polls read.
    pub(crate) request: *const AtomicU32,
    /// The store's word: what `request` points to, except in runs among compiled code.
    pub(crate) word: *const AtomicU32,
    /// The loop header that was polled last, in runs among compiled code.
    pub(crate) last_loop: LastLoop,
    /// First byte behind the operand stack.
    pub(crate) stack_end: *mut u64,
    /// One behind the innermost record.
    pub(crate) top: *mut Record,
    /// One behind the last record there is room for.
    pub(crate) records_end: *mut Record,
    /// Slot 0 of the run's outermost frame.
    pub(crate) base: *mut u64,
    /// The current instance.
    pub(crate) instance: *const Instance,
    /// Its globals.
    pub(crate) globals: *const *const Global,
    /// The thread.
    pub(crate) env: *mut ExecEnv,
    /// Why the run ended, with [`Exit::Trap`].
    pub(crate) trap: Option<Trap>,
    /// Where compiled code comes from, if there is any in the store.
    pub(crate) tier: Option<&'static dyn Tier>,
    /// The state, while it is not in registers: see [`Ctx::step`]. After a trap, its instruction.
    pub(crate) state: State,
}

impl Ctx {
    /// Does something that is not worth being a handler, or must not be one: code that lets its state's address escape
    /// cannot end in a jump, so it works on the state in the context.
    ///
    /// # Safety
    /// As for [`next`]; `what` leaves a state that is as good if it says [`Exit::Next`].
    #[inline(always)]
    pub(crate) unsafe fn step(s: State, what: impl FnOnce(*mut Ctx) -> Exit) -> Exit {
        let ctx = s.ctx;
        // SAFETY: the context outlives the run.
        unsafe {
            (*ctx).state = s;
            match what(ctx) {
                Exit::Next => next((*ctx).state),
                exit => exit,
            }
        }
    }
}

impl State {
    /// The operands of the instruction at `ip`, which stay where they are.
    ///
    /// # Safety
    /// The instruction must be of this form.
    #[inline(always)]
    pub(crate) unsafe fn operands<'a, I: Instruction>(&self) -> &'a I {
        // SAFETY: they lie behind the handler's address (caller), and any bytes are valid operands; code stays while any of
        // its functions may run.
        unsafe { &*self.ip.add(1).cast() }
    }

    /// The place of a slot.
    #[inline(always)]
    pub(crate) unsafe fn slot(&self, slot: Slot) -> *mut u64 {
        // SAFETY: slots named by instructions are inside the frame (caller).
        unsafe { self.fp.add(usize::from(slot.0)) }
    }

    /// The place where a callee's frame begins.
    #[inline(always)]
    pub(crate) unsafe fn base(&self, base: Base) -> *mut u64 {
        // SAFETY: as above; it may be one behind the frame.
        unsafe { self.fp.add(usize::from(base.0)) }
    }

    /// A v128.
    #[inline(always)]
    pub(crate) unsafe fn v128(&self, at: Wide) -> u128 {
        // SAFETY: as above, for two slots.
        unsafe {
            let p = self.fp.add(usize::from(at.0));
            u128::from(*p) | u128::from(*p.add(1)) << 64
        }
    }

    /// Writes a v128.
    #[inline(always)]
    pub(crate) unsafe fn set_v128(&self, at: Wide, v: u128) {
        // SAFETY: as above.
        unsafe {
            let p = self.fp.add(usize::from(at.0));
            *p = v as u64;
            *p.add(1) = (v >> 64) as u64;
        }
    }

    /// The current instance.
    #[inline(always)]
    pub(crate) unsafe fn instance<'a>(&self) -> &'a Instance {
        // SAFETY: instances outlive every run in their store.
        unsafe { &*(*self.ctx).instance }
    }

    /// Reads memory 0's base and size again, after something may have grown it.
    #[inline(always)]
    pub(crate) unsafe fn reload_memory(&mut self) {
        // SAFETY: as above.
        match unsafe { self.instance() }.memory(0) {
            Some(memory) => (self.mem, self.len) = (memory.base(), memory.len()),
            None => (self.mem, self.len) = (std::ptr::null_mut(), 0),
        }
    }

    /// Makes `instance` the current one.
    pub(crate) unsafe fn set_instance(&mut self, instance: *const Instance) {
        // SAFETY: the caller passes an instance of the store; the context outlives the run.
        unsafe {
            (*self.ctx).instance = instance;
            (*self.ctx).globals = (*instance).globals().as_ptr();
            self.reload_memory();
        }
    }

    /// Ends the run with a trap.
    #[inline(always)]
    pub(crate) unsafe fn trap(self, code: TrapCode) -> Exit {
        // SAFETY: the context outlives the run.
        unsafe { trap(self.ctx, code, self.ip) }
    }

    /// Ends the run for a reason that is not just a code.
    #[cold]
    pub(crate) unsafe fn end(self, trap: Trap) -> Exit {
        // SAFETY: as above.
        unsafe {
            (*self.ctx).trap = Some(trap);
            (*self.ctx).state.ip = self.ip;
        }
        Exit::Trap
    }
}

/// Out of line, so that handlers need no stack frame for it.
#[cold]
#[inline(never)]
unsafe extern "C" fn trap(ctx: *mut Ctx, code: TrapCode, ip: *const u64) -> Exit {
    // SAFETY: the context outlives the run.
    unsafe {
        (*ctx).trap = Some(Trap::Code(code));
        (*ctx).state.ip = ip;
    }
    Exit::Trap
}
