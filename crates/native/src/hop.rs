//! Compiled code as the interpreter asks for it.

use crate::enter;
use wayfarer_interp::mixed::{Done, Ended, Tier};
use wayfarer_module::FuncIdx;
use wayfarer_runtime::{CompiledFunc, ExecEnv, Func, Instance, Loop, RawFrame};

/// Enters compiled code.
#[derive(Debug)]
pub(crate) struct Compiled;

/// There is only one.
pub(crate) static COMPILED: Compiled = Compiled;

impl Tier for Compiled {
    unsafe fn enter(&self, env: &mut ExecEnv, func: &Func, slots: *mut u64) -> Option<Result<(), Ended>> {
        // SAFETY: a guest function's instance outlives it.
        let instance = unsafe { func.instance.as_ref() }?;
        let (vm, native) = (instance.vm()?, instance.loaded().native.as_ref()?);
        let code = code(instance, func)?;
        let entry = native.entry(instance.module().funcs[func.index as usize].ty)?;
        // SAFETY: the entry is the one for the function's type, and the caller vouches for the slots.
        unsafe { enter::call(env, vm, guard(instance), entry, code, slots) }
    }

    fn generation(&self, instance: &Instance) -> u32 {
        instance.loaded().native.as_ref().map_or(0, |native| native.generation())
    }

    fn is_compiled(&self, instance: &Instance, func: &Func) -> bool {
        code(instance, func).is_some()
    }

    fn has_continuation(&self, instance: &Instance, at: Loop) -> bool {
        let native = instance.vm().and(instance.loaded().native.as_ref());
        native.is_some_and(|native| native.continuation(at).is_some())
    }

    fn wanted(&self, instance: &Instance, func: u32, offset: Option<u32>, count: u32) {
        if let Some(native) = instance.vm().and(instance.loaded().native.as_ref()) {
            native.wanted(func, offset, count);
        }
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
        let code = native.continuation(Loop { func: frame.func, offset: frame.offset })?;
        if frame.slots.is_empty() {
            // It says there how it ended.
            frame.slots = Box::new([0]);
        }
        // SAFETY: the continuation is the one for where the frame stands, its state is what the stable point saves, and the
        // slots are the same frame's.
        let ran = unsafe { enter::go_on(env, vm, guard(instance), code, frame.slots.as_mut_ptr(), slots) }?;
        Some(ran.map(|()| match frame.slots[0] {
            0 => Done::Returned,
            offset => Done::Left(offset as u32),
        }))
    }
}

/// The code of a function of `instance`. It is noted in the function, for compiled code that calls it through a table.
fn code(instance: &Instance, func: &Func) -> Option<CompiledFunc> {
    let known = func.native();
    if known.is_some() {
        return known;
    }
    let native = instance.vm().and(instance.loaded().native.as_ref())?;
    let code = native.func(instance.module().defined(FuncIdx(func.index))?)?;
    func.set_native(code);
    Some(code)
}

/// The addresses where a fault is an access outside the instance's memory.
fn guard(instance: &Instance) -> (usize, usize) {
    match instance.memory(0) {
        Some(memory) => (memory.base() as usize, memory.base() as usize + memory.reserved()),
        None => (0, 0),
    }
}
