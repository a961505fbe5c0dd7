//! Compiled code where there is any, the interpreter everywhere else.

use crate::hop::COMPILED;
use crate::resume;
use std::sync::Arc;
use wayfarer_interp::mixed::{self, Tier};
use wayfarer_interp::{Interpreter, call_host};
use wayfarer_module::Module;
use wayfarer_runtime::{Engine, ExecEnv, Func, ModuleCode, ResumeError, Trap, TypeId, watch};
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
                resume::after(env, ended).map(|results| slots[..results.len()].copy_from_slice(&results))
            }
        };
        let ended = ended.inspect_err(|trap| watch::unwound(env, trap));
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
        let ended = env.take_up(&env.store().clone(), thread).and_then(|()| {
            // SAFETY: the frames were checked.
            match unsafe { mixed::go_on(env, &COMPILED, &frames) } {
                Err(invalid) => Err(invalid),
                Ok(Ok(results)) => Ok(results),
                Ok(Err(ended)) => resume::after(env, ended).map_err(ResumeError::Trap),
            }
        });
        let ended = ended.inspect_err(|error| watch::unwound(env, error.trap().unwrap_or(&Trap::Stopped)));
        env.depth -= 1;
        ended
    }
}
