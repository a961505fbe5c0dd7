//! The interpreter. Functions are translated once, when first called, into register-style code over frames of 64-bit
//! slots, where local *i* and operand stack height *h* have fixed slots: so the Wasm view of a frame is a walk over them.
//!
//! - `ir`: the instructions of the internal code, declared once; listings of it, and its verifier
//! - [`translate`]: validated bytecode to internal code; `code`: what comes out
//! - `exec`: the handlers, one for each combination of instruction and operand places
//! - [`mixed`]: runs among compiled code; `heat`: which places would need some
//! - `check`: a translation held against its stable points
//! - `capture`, `resume`: frames to and from the Wasm view; `trace`: the functions that a trap ended;
//!   `simd`: what vector instructions compute

mod capture;
mod check;
mod code;
mod exec;
mod heat;
mod ir;
pub mod mixed;
mod resume;
mod simd;
mod trace;
mod translate;

#[doc(hidden)]
pub use check::check_translation;
use code::{FuncCode, InterpModule, Offset};
use exec::ctx::{Ctx, LastLoop};
use exec::dispatch::{Exit, State};
pub use ir::listing::Listings;
use std::ptr;
use std::sync::Arc;
use wayfarer_module::Module;
use wayfarer_runtime::requests::{self, Served};
use wayfarer_runtime::{
    Caller, Engine, ExecEnv, Func, HostError, ModuleCode, ResumeError, Trap, TrapCode, TypeId, native_stack,
    watch,
};
use wayfarer_snapshot::view::Thread;

/// Names of the instructions' handlers, by the module of `exec` that they are in: for the test that looks at their machine
/// code.
#[doc(hidden)]
pub fn handlers() -> impl Iterator<Item = (&'static str, &'static str)> {
    exec::HANDLERS.into_iter().flat_map(|(module, names)| names.iter().map(move |&name| (module, name)))
}

/// The interpreter as an engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl Engine for Interpreter {
    fn prepare(&self, module: &Arc<Module>, types: &[TypeId]) -> Box<dyn ModuleCode> {
        InterpModule::new(module, types)
    }

    unsafe fn call_in_place(
        &self,
        env: &mut ExecEnv,
        func: *const Func,
        slots: &mut [u64],
    ) -> Result<(), Trap> {
        // SAFETY: the caller passes a function of the environment's store.
        let callee = unsafe { &*func };
        if callee.code.is_null() {
            // SAFETY: as above.
            return unsafe { call_host(env, callee, slots) };
        }
        // Guest and host may call each other without end.
        native_stack::check(env.stack_boundary.get())?;
        let (params, results) = (callee.param_slots as usize, callee.result_slots as usize);
        let mut ctx = context(env);
        ctx.state.ctx = &raw mut ctx;
        env.depth += 1;
        // SAFETY: the caller vouches for the arguments; the context is fresh.
        let exit = unsafe { enter(&mut ctx, callee, &slots[..params], results) };
        let ran = exit.map_err(Trap::from).and_then(|exit| {
            // SAFETY: the run is over.
            slots[..results].copy_from_slice(unsafe { finish(&mut ctx, exit, results) }?);
            Ok(())
        });
        let ended = ran.inspect_err(|trap| watch::unwound(env, trap));
        env.depth -= 1;
        ended
    }

    fn resume(&self, env: &mut ExecEnv, thread: &Thread) -> Result<Vec<u64>, ResumeError> {
        let frames = resume::check(env.store(), thread)?;
        (env.entry, env.tid) = (thread.entry, thread.tid);
        env.depth += 1;
        let ended = env.take_up(&env.store().clone(), thread).and_then(|()| {
            resume::make_room(env, frames.iter());
            let mut ctx = context(env);
            ctx.state.ctx = &raw mut ctx;
            // SAFETY: the context is fresh, and the frames were checked.
            let (exit, results) = unsafe { resume::run(&mut ctx, frames.iter()) }?;
            // SAFETY: the run is over.
            unsafe { finish(&mut ctx, exit, results) }.map(<[u64]>::to_vec).map_err(ResumeError::Trap)
        });
        let ended = ended.inspect_err(|error| watch::unwound(env, error.trap().unwrap_or(&Trap::Stopped)));
        env.depth -= 1;
        ended
    }
}

/// Runs a function from its entry until something ends the run.
///
/// # Safety
/// `ctx` must be fresh, and `args` those of `func`, a guest function.
unsafe fn enter(ctx: &mut Ctx, func: &Func, args: &[u64], results: usize) -> Result<Exit, TrapCode> {
    let room = args.len().max(results);
    // SAFETY: the context's stacks are the environment's, above what is in use; room is checked first.
    unsafe {
        if ctx.base.wrapping_add(room) > ctx.stack_end {
            return Err(TrapCode::StackOverflow);
        }
        ptr::copy_nonoverlapping(args.as_ptr(), ctx.base, args.len());
        let mut s = ctx.state;
        s.set_instance(func.instance);
        let s = exec::call::start(s, FuncCode::of(func))?;
        Ok(exec::call::run_from_entry(s))
    }
}

/// A context on the unused part of the environment's stacks.
fn context(env: &mut ExecEnv) -> Ctx {
    let base = env.values.base().cast::<u64>().wrapping_add(env.values_used);
    let records = env.frames.base().wrapping_add(env.frames_used).cast();
    Ctx {
        request: env.store().control().word(),
        word: env.store().control().word(),
        last_loop: LastLoop { ip: ptr::null(), heat: ptr::null(), offset: Offset(0) },
        stack_end: env.values.base().wrapping_add(env.values.reserved()).cast(),
        top: records,
        records_end: env.frames.base().wrapping_add(env.frames.reserved()).cast(),
        base,
        instance: ptr::null(),
        globals: ptr::null(),
        env,
        trap: None,
        tier: None,
        state: State {
            ip: ptr::null(),
            fp: base,
            mem: ptr::null_mut(),
            len: 0,
            ctx: ptr::null_mut(),
            acc: 0,
            f4: 0.0,
            f8: 0.0,
        },
    }
}

/// The results of a run, which are where its outermost frame was.
unsafe fn finish(ctx: &mut Ctx, exit: Exit, results: usize) -> Result<&[u64], Trap> {
    match exit {
        // SAFETY: a frame has room for its results.
        Exit::Done => Ok(unsafe { std::slice::from_raw_parts(ctx.base, results) }),
        _ => {
            let trap = ctx.trap.take().unwrap_or(Trap::Code(TrapCode::Unreachable));
            if !matches!(trap, Trap::Exit(_) | Trap::Stopped) {
                // SAFETY: the trap ended the run, and nothing has touched its records since.
                unsafe { trace::collect(ctx) };
            }
            Err(trap)
        }
    }
}

/// Calls a host function straight from the host: arguments are in `slots`, results replace them.
///
/// # Errors
/// Whatever ended the call.
///
/// # Safety
/// `func` must be a function of `env`'s store, and `slots` must have [`Func::slots`], with arguments of its type.
pub unsafe fn call_host(env: &mut ExecEnv, func: &Func, slots: &mut [u64]) -> Result<(), Trap> {
    let Some(host) = &func.host else {
        return Err(Trap::host("function has no code"));
    };
    // It may be called several times.
    let args = slots[..func.param_slots as usize].to_vec();
    loop {
        // SAFETY: each is null or an instance of the store.
        let Some(instance) = (unsafe { func.instance.as_ref().or(env.instance.as_ref()) }) else {
            return Err(Trap::host("host function called without an instance"));
        };
        slots[..args.len()].copy_from_slice(&args);
        match (host.call)(&mut Caller { env, instance }, slots) {
            Ok(()) => return Ok(()),
            Err(HostError::Trap(trap)) => return Err(trap),
            Err(HostError::Interrupted) => match requests::serve_between_calls(env) {
                // There is nothing to capture.
                Served::GoOn | Served::Capture => {}
                Served::End(trap) => return Err(trap),
            },
        }
    }
}
