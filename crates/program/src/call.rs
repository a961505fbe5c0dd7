//! Calls from the host into the guest: of a host that is started again, those that were done are answered, and the one that
//! was in progress is gone on with.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use wayfarer_module::FuncType;
use wayfarer_runtime::{ExecEnv, Func, Store, Trap};
use wayfarer_snapshot::view::Entry;

use crate::guest_threads::group_of;
use crate::history::{Made, Replay};
use crate::instance::HostParts;
use crate::kept::Taken;
use crate::program::InCall;
use crate::record::Outcome;
use crate::suspend::SUSPENDED_HERE;

/// Where guest code runs: one thread's stacks, and what the embedder has to say of that thread.
pub trait Environment {
    /// Looks at it. `None`: guest code is running in it, and has not lent it to anybody.
    fn inspect<T>(&self, look: impl FnOnce(&ExecEnv) -> T) -> Option<T>;

    /// Runs guest code in it.
    ///
    /// # Errors
    /// Why this thread can't.
    fn run<T>(&self, guest: impl FnOnce(&mut ExecEnv) -> T) -> Result<T, &'static str>;
}

impl Environment for RefCell<ExecEnv> {
    fn inspect<T>(&self, look: impl FnOnce(&ExecEnv) -> T) -> Option<T> {
        self.try_borrow().ok().map(|env| look(&env))
    }

    fn run<T>(&self, guest: impl FnOnce(&mut ExecEnv) -> T) -> Result<T, &'static str> {
        match self.try_borrow_mut() {
            Ok(mut env) => Ok(guest(&mut env)),
            Err(_) => Err("guest code is running in this environment"),
        }
    }
}

/// Whether a call of the host's is in progress in it: another one is part of that.
#[inline]
fn is_inside(env: &impl Environment) -> bool {
    env.inspect(|env| env.depth > 0).unwrap_or(true)
}

/// Ends a call that ran there.
#[inline]
fn end(call: InCall<'_>, env: &impl Environment) {
    call.end(|| {
        // It runs nothing now.
        let _ = env.inspect(|env| env.thread().leave());
    });
}

/// Why there are no results of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It ended so.
    Trap(Trap),
    /// It was not made.
    Refused(&'static str),
    /// It was done before the checkpoint that the host was restored from, and ended so.
    Repeated {
        /// Text of the exception.
        exception: String,
        /// The status given to `proc_exit`.
        exit_code: u32,
        /// The host ended it, from another thread or a signal handler: it will do so again.
        terminated: bool,
    },
    /// The restored host does something else than the first time, or cannot go on.
    Astray(String),
}

/// The type of a function of this store.
pub fn type_of<'a>(store: &Store, func: &'a Func) -> Cow<'a, FuncType> {
    match func.declared_type() {
        Some(ty) => Cow::Borrowed(ty),
        // A host function that no module declares: the registry of types has a lock.
        None => Cow::Owned(FuncType::clone(&store.runtime().types.get(func.ty))),
    }
}

impl HostParts {
    /// Calls a function. Its arguments are the first of `slots`; results replace them. In a program that was restored, the
    /// call may already be done, or be in progress.
    ///
    /// # Safety
    /// `slots` has [`Func::slots`], with arguments of the function's type. A function of the host's that is of no instance
    /// is of this store.
    ///
    /// # Errors
    /// [`Failure`].
    #[inline]
    pub unsafe fn call(
        &self,
        env: &impl Environment,
        func: &Func,
        slots: &mut [u64],
        entry: Entry,
    ) -> Result<(), Failure> {
        if !self.can_run(func) {
            return Err(Failure::Refused("the function is of another instance"));
        }
        let program = self.program();
        // A call that a native function makes while the guest runs is part of the call that is in progress.
        let outermost = !is_inside(env);
        if outermost {
            program.collect_before_call();
        }
        if outermost && !program.history().is_caught_up() {
            if program.is_suspended_here() {
                return Err(Failure::Refused(SUSPENDED_HERE));
            }
            match self.repeated(func, &slots[..func.param_slots as usize]) {
                Replay::Run => {}
                Replay::Done(results) => return give(slots, &results),
                Replay::Continue(taken) => return give(slots, &self.go_on(env, &taken)?),
                Replay::Failed { exception, exit_code, terminated } => {
                    return Err(Failure::Repeated { exception, exit_code, terminated });
                }
                Replay::Astray(why) => return Err(Failure::Astray(why)),
            }
        }
        if outermost {
            program.guest_threads().start().map_err(Failure::Astray)?;
        }
        let remembered = outermost && (entry == Entry::Main || program.history().keeps());
        let mut call = None;
        let result = env.run(|exec_env| {
            self.prepare(exec_env)?;
            if outermost {
                exec_env.entry = entry;
                call = Some(program.begin_call(exec_env.thread()).map_err(Failure::Refused)?);
            }
            if remembered {
                self.begin(func, entry, &slots[..func.param_slots as usize]);
            }
            // SAFETY: the function is of this store, which the environment is for, and the slots are as the caller promises.
            let called = unsafe { program.store().runtime().engine.call_in_place(exec_env, func, slots) };
            called.map_err(|trap| self.failed(exec_env, trap))
        });
        let ended = result.unwrap_or_else(|why| Err(Failure::Refused(why)));
        // A call that this thread or environment may not make was none.
        if let Some(call) = call {
            if remembered {
                self.remember(func, ended.as_ref().map(|()| &slots[..func.result_slots as usize]));
            }
            end(call, env);
        }
        ended
    }

    /// The host has ended a call before it began. Whether it was so, or came just after, is chance: it is a call like others,
    /// which a host that is started again makes again. `outcome`: how it sees that.
    pub fn ended_before(
        &self,
        env: &impl Environment,
        func: &Func,
        args: &[u64],
        entry: Entry,
        outcome: impl FnOnce() -> Outcome,
    ) {
        if self.can_run(func) && !is_inside(env) {
            let history = self.program().history();
            let note = |made: Made<'_>| history.ended_before(made, entry, args, outcome);
            self.program().pass(|| self.with_call(func, note));
        }
    }

    /// Goes on with the call that was in progress in a restored program: its results.
    ///
    /// # Errors
    /// As [`HostParts::call`]; also if there is none.
    pub fn resume(&self, env: &impl Environment) -> Result<Vec<u64>, Failure> {
        if self.program().is_suspended_here() {
            return Err(Failure::Refused(SUSPENDED_HERE));
        }
        let program = self.program();
        match program.history().take_pending(self.store()) {
            Ok(Some(taken)) => self.go_on(env, &taken),
            Ok(None) => {
                let next = program.first_kept().and_then(|nth| program.take_call(nth));
                let next = next.ok_or(Failure::Refused("no call is in progress"))?;
                self.go_on(env, &next)
            }
            Err(why) => Err(Failure::Astray(why)),
        }
    }

    /// Goes on with a call that was in progress, and was taken from [`Program::take_call`](crate::Program::take_call): its results.
    ///
    /// # Errors
    /// As [`HostParts::call`].
    pub fn go_on(&self, env: &impl Environment, thread: &Taken) -> Result<Vec<u64>, Failure> {
        let frame = thread.frames.first();
        let func = frame.and_then(|frame| self.instance().func(frame.func.func));
        let mut call = None;
        let result = env.run(|exec_env| {
            self.prepare(exec_env)?;
            call = Some(self.program().begin_call(exec_env.thread()).map_err(Failure::Refused)?);
            self.program().has_come_in(thread);
            self.program().locks().take_up(thread.number, exec_env.thread());
            // All that were stopped go on together.
            self.program().guest_threads().start().map_err(Failure::Astray)?;
            let resumed = self.store().runtime().engine.resume(exec_env, thread);
            resumed.map_err(|error| self.failed(exec_env, error.into()))
        });
        let ended = result.unwrap_or_else(|why| Err(Failure::Refused(why)));
        if let Some(func) = func {
            self.remember(func, ended.as_deref());
        }
        if let Some(call) = call {
            end(call, env);
        }
        ended
    }

    /// Makes an environment one for calls of this instance.
    #[inline]
    fn prepare(&self, env: &mut ExecEnv) -> Result<(), Failure> {
        if !Arc::ptr_eq(env.store(), self.store()) && !env.set_store(self.store().clone()) {
            return Err(Failure::Refused(
                "invalid exec env: guest code of another instance is running in it",
            ));
        }
        env.instance = self.instance();
        env.thread().set_group(group_of(self.root_number()));
        Ok(())
    }

    /// Whether a function is one of the instance's store. One of the host's alone can't be told.
    #[inline]
    fn can_run(&self, func: &Func) -> bool {
        // SAFETY: null, or the function's instance, which lives as long as it.
        unsafe { func.instance.as_ref() }.is_none_or(|of| of.is_of(self.store()))
    }

    /// A call ended in a trap: the embedder is told.
    #[cold]
    fn failed(&self, env: &mut ExecEnv, trap: Trap) -> Failure {
        let trace = std::mem::take(&mut env.trace);
        let (trap, told) = self.ends_so(trap);
        if !told {
            self.program().embedder().call_failed(self, &trap, trace);
        }
        Failure::Trap(trap)
    }

    /// A call of the host's, for its history.
    fn with_call<T>(&self, func: &Func, f: impl FnOnce(Made<'_>) -> T) -> T {
        let (store, instance) = (self.store(), self.instance());
        let ty = type_of(store, func);
        f(Made { store, instance, func, params: &ty.params, results: &ty.results })
    }

    /// What becomes of a call: a host that is restored makes those again that were done.
    #[cold]
    fn repeated(&self, func: &Func, args: &[u64]) -> Replay {
        let history = self.program().history();
        self.program().pass(|| self.with_call(func, |made| history.call(made, args)))
    }

    #[cold]
    fn begin(&self, func: &Func, entry: Entry, args: &[u64]) {
        self.with_call(func, |made| self.program().history().begin(made, entry, args));
    }

    /// Notes how a call ended.
    #[cold]
    fn remember(&self, func: &Func, result: Result<&[u64], &Failure>) {
        let result = result.map_err(|failure| match failure {
            Failure::Trap(trap) => self.program().embedder().outcome(self, trap),
            Failure::Refused(why) => Outcome::failed((*why).to_owned()),
            Failure::Repeated { exception: why, .. } | Failure::Astray(why) => Outcome::failed(why.clone()),
        });
        if self.program().guest_threads().any() {
            self.program().history().outlived();
        }
        self.with_call(func, |made| self.program().history().end(made, result));
    }
}

/// Puts results where the arguments were.
fn give(slots: &mut [u64], results: &[u64]) -> Result<(), Failure> {
    let place = slots.get_mut(..results.len());
    place.ok_or(Failure::Refused("there is no room for the results"))?.copy_from_slice(results);
    Ok(())
}
