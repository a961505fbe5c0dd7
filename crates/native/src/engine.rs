//! Compiled code where there is any, the interpreter everywhere else.

use crate::tier::COMPILED;
use std::sync::Arc;
use wayfarer_interp::mixed::{self, Ended, Tier};
use wayfarer_interp::{Interpreter, call_host};
use wayfarer_module::Module;
use wayfarer_runtime::{
    AfterCheckpoint, Engine, ExecEnv, Func, ModuleCode, RawFrame, ResumeError, Trap, TypeId,
};
use wayfarer_snapshot::view::Thread;

/// Runs compiled code of modules that were loaded with some, and interprets the others; on one stack, in any order.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeEngine;

impl Engine for NativeEngine {
    fn prepare(&self, module: &Arc<Module>, types: &[TypeId]) -> Box<dyn ModuleCode> {
        Interpreter.prepare(module, types)
    }

    unsafe fn call_in_place(
        &self,
        env: &mut ExecEnv,
        func: *const Func,
        slots: &mut [u64],
    ) -> Result<(), Trap> {
        // SAFETY: the caller passes a function of the environment's store.
        let callee = unsafe { &*func };
        if !env.store().has_compiled() {
            // SAFETY: passed on.
            return unsafe { Interpreter.call_in_place(env, func, slots) };
        }
        if callee.code.is_null() {
            // SAFETY: passed on.
            return unsafe { call_host(env, callee, slots) };
        }
        env.depth += 1;
        // SAFETY: the caller vouches for function and arguments, and that the slots have room.
        let ran = unsafe {
            match COMPILED.enter(env, callee, slots.as_mut_ptr()) {
                Some(ran) => ran,
                None => mixed::call(env, &COMPILED, callee, slots.as_mut_ptr()),
            }
        };
        let ended = match ran {
            Ok(()) => Ok(()),
            Err(ended) => {
                go_on_after(env, ended).map(|results| slots[..results.len()].copy_from_slice(&results))
            }
        };
        env.depth -= 1;
        ended
    }

    fn resume(&self, env: &mut ExecEnv, thread: &Thread) -> Result<Vec<u64>, ResumeError> {
        if !env.store().has_compiled() {
            return Interpreter.resume(env, thread);
        }
        let mut frames = mixed::check(env.store(), thread)?;
        frames.reverse();
        (env.entry, env.tid) = (thread.entry, thread.tid);
        env.depth += 1;
        // SAFETY: the frames were checked.
        let ended = match unsafe { mixed::go_on(env, &COMPILED, &frames) } {
            Err(invalid) => Err(invalid),
            Ok(Ok(results)) => Ok(results),
            Ok(Err(ended)) => go_on_after(env, ended).map_err(ResumeError::Trap),
        };
        env.depth -= 1;
        ended
    }
}

/// The outermost run ended: a thread that was captured is handed over, and goes on as often as it shall.
fn go_on_after(env: &mut ExecEnv, mut ended: Ended) -> Result<Vec<u64>, Trap> {
    loop {
        match ended {
            Ended::Trap(trap) => return Err(trap),
            Ended::Captured => {}
        }
        let frames = std::mem::take(&mut env.captured);
        let only_left = std::mem::take(&mut env.goes_on);
        if !only_left && checkpoint(env, &frames) == AfterCheckpoint::Stop {
            return Err(Trap::Stopped);
        }
        // SAFETY: just captured, in this store.
        match unsafe { mixed::go_on(env, &COMPILED, &frames) } {
            Ok(Ok(results)) => return Ok(results),
            Ok(Err(again)) => ended = again,
            // Interpreted frames may need more room than the compiled ones did.
            Err(_) => return Err(wayfarer_runtime::TrapCode::StackOverflow.into()),
        }
    }
}

fn checkpoint(env: &ExecEnv, frames: &[RawFrame]) -> AfterCheckpoint {
    let store = env.store();
    match store.checkpointer() {
        Some(checkpointer) => checkpointer.checkpoint(store, mixed::view(env, store, frames)),
        None => AfterCheckpoint::Continue,
    }
}
