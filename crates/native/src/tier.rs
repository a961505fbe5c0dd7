//! Compiled code as the interpreter asks for it.

use crate::enter;
use wayfarer_interp::mixed::{Done, Ended, Tier};
use wayfarer_runtime::{ExecEnv, Func, Instance, RawFrame};

/// Enters compiled code.
#[derive(Debug)]
pub(crate) struct Compiled;

/// There is only one.
pub(crate) static COMPILED: Compiled = Compiled;

impl Tier for Compiled {
    unsafe fn enter(&self, env: &mut ExecEnv, func: &Func, slots: *mut u64) -> Option<Result<(), Ended>> {
        if func.native.is_null() {
            return None;
        }
        // SAFETY: a guest function's instance outlives it.
        let instance = unsafe { func.instance.as_ref() }?;
        let (vm, native) = (instance.vm()?, instance.loaded().native.as_ref()?);
        let entry = native.entry(instance.module().funcs[func.index as usize].ty);
        // SAFETY: the entry is the one for the function's type, and the caller vouches for the slots.
        unsafe { enter::run(env, vm, guard(instance), entry, func.native.cast_mut().cast(), slots) }
    }

    fn has_continuation(&self, instance: &Instance, func: u32, offset: u32) -> bool {
        let native = instance.vm().and(instance.loaded().native.as_ref());
        native.is_some_and(|native| native.continuation(func, offset).is_some())
    }

    unsafe fn go_on(
        &self,
        env: &mut ExecEnv,
        frame: &mut RawFrame,
        slots: *mut u64,
    ) -> Option<Result<Done, Ended>> {
        // SAFETY: a frame's instance outlives it.
        let instance = unsafe { &*frame.instance };
        let (vm, native) = (instance.vm()?, instance.loaded().native.as_ref()?);
        let code = native.continuation(frame.func, frame.offset)?;
        if frame.slots.is_empty() {
            // It says there how it ended.
            frame.slots = Box::new([0]);
        }
        // SAFETY: the continuation is the one for where the frame stands, its state is what the stable point saves, and the
        // slots are the same frame's.
        let ran = unsafe { enter::run(env, vm, guard(instance), code, frame.slots.as_mut_ptr(), slots) }?;
        Some(ran.map(|()| match frame.slots[0] {
            0 => Done::Returned,
            offset => Done::Left(offset as u32),
        }))
    }
}

/// The addresses where a fault is an access outside the instance's memory.
fn guard(instance: &Instance) -> (usize, usize) {
    match instance.memory(0) {
        Some(memory) => (memory.base() as usize, memory.base() as usize + memory.reserved()),
        None => (0, 0),
    }
}
