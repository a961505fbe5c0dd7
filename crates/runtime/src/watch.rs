//! Watched functions: whoever asked for it is told of each entry, with the arguments, and how it was left.
//!
//! A function that is watched is interpreted in every engine, so events come from one place (`exec::watch` of the interpreter)
//! and nothing else in an engine knows of them. Entries that no return has followed yet are in the environment, in their order, and in
//! images: the return comes after a restore as well.

use crate::capture::FuncIds;
use crate::engine::{CaptureError, ResumeError};
use crate::exec::ExecEnv;
use crate::func::{Caller, Func};
use crate::instance::{Instance, LoadedModule};
use crate::raw_frame::RawFrame;
use crate::store::Store;
use crate::trap::Trap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wayfarer_module::{FuncIdx, ValType};
use wayfarer_snapshot::view::{Thread, WatchedCall};

/// Who is told. Calls of the guest that it makes are like those of a host function that calls back.
pub trait Watcher: Send + Sync {
    /// A watched function was called with these arguments, as slots, and is about to begin.
    fn entered(&self, caller: &mut Caller<'_>, call: Call<'_>);

    /// It was left. The arguments are those that it was called with.
    fn left(&self, caller: &mut Caller<'_>, call: Call<'_>, how: Left<'_>);
}

/// A call of a watched function.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The function.
    pub func: &'a Func,
    /// Its arguments, as slots.
    pub args: &'a [u64],
}

/// How a watched function was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left<'a> {
    /// It returned these results, as slots: itself, or what it has called in tail position.
    Returned(&'a [u64]),
    /// A call in tail position led from it to another watched function, which returns in its place.
    TailCalled,
    /// It will never return.
    Trapped(&'a Trap),
}

/// Why a function cannot be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwatchable {
    /// There is none of this index.
    Missing,
    /// It is not one of the instance's own.
    Imported,
    /// There is compiled code of it, or into which it was inlined.
    Compiled,
}

impl fmt::Display for Unwatchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unwatchable::Missing => "there is no such function",
            Unwatchable::Imported => "it is imported: only functions of the module itself are watched",
            Unwatchable::Compiled => {
                "it is compiled in a way that nobody would notice its calls: compile the module with wamrc --watch, \
                 or watch it before it is compiled"
            }
        })
    }
}

impl std::error::Error for Unwatchable {}

/// A watcher of a function. Names it, to be taken away again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchId(pub u64);

struct Entry {
    id: WatchId,
    func: u32,
    watcher: Arc<dyn Watcher>,
    /// Whose code knows that it is watched.
    loaded: Arc<LoadedModule>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.loaded.code.watch(FuncIdx(self.func), false);
    }
}

/// The watchers of an instance's functions.
#[derive(Default)]
pub(crate) struct Watches(Mutex<Vec<Entry>>);

impl Watches {
    fn all(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watches({})", self.all().len())
    }
}

impl Instance {
    /// Has calls of a function told from now on. A call that is in progress was not noticed, and its return is not told of
    /// either; except in a program that was restored, where returns of calls are told of that were noticed before.
    ///
    /// # Errors
    /// [`Unwatchable`].
    pub fn watch(&self, func: u32, watcher: Arc<dyn Watcher>) -> Result<WatchId, Unwatchable> {
        let module = self.module();
        if func as usize >= module.funcs.len() {
            return Err(Unwatchable::Missing);
        }
        let defined = module.defined(FuncIdx(func)).ok_or(Unwatchable::Imported)?;
        if let Some(native) = &self.loaded.native
            && !native.keep_interpreted(defined)
        {
            return Err(Unwatchable::Compiled);
        }
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = WatchId(NEXT.fetch_add(1, Ordering::Relaxed));
        self.loaded.code.watch(FuncIdx(func), true);
        self.watches.all().push(Entry { id, func, watcher, loaded: self.loaded.clone() });
        Ok(id)
    }

    /// Takes a watcher away; false if there is no such one. It may still be told of what is happening just now.
    pub fn unwatch(&self, id: WatchId) -> bool {
        let mut all = self.watches.all();
        let found = all.iter().position(|entry| entry.id == id).map(|at| all.remove(at));
        drop(all);
        found.is_some()
    }

    /// Whether a function of it is watched.
    pub fn is_watched(&self, func: u32) -> bool {
        self.watches.all().iter().any(|entry| entry.func == func)
    }

    fn watchers(&self, func: u32) -> Vec<Arc<dyn Watcher>> {
        let all = self.watches.all();
        all.iter().filter(|entry| entry.func == func).map(|entry| entry.watcher.clone()).collect()
    }
}

/// A call of a watched function that was not left yet.
#[derive(Clone, Debug)]
struct Pending {
    instance: *const Instance,
    func: u32,
    args: Box<[u64]>,
    /// How many calls from the host were active in it.
    depth: u32,
    /// While the thread is captured: how many frames there are from the innermost one to that which returns in its place.
    above: usize,
}

/// The calls of watched functions in an environment that were not left yet, outermost first.
#[derive(Default, Debug)]
pub struct Watched {
    calls: Vec<Pending>,
    /// How many of them, from the innermost, have been found on the stack that is being captured.
    found: usize,
}

impl Watched {
    /// Where those begin that run in the innermost call from the host.
    fn first_of(&self, depth: u32) -> usize {
        self.calls.partition_point(|call| call.depth < depth)
    }

    /// While a stack is captured, innermost frame first: the next call is the one that returns with the frame that was
    /// captured last, of so many.
    pub fn captured(&mut self, frames: usize) {
        self.found += 1;
        if let Some(at) = self.calls.len().checked_sub(self.found) {
            self.calls[at].above = frames;
        }
    }

    /// The captured frames have been looked at, or were made again.
    pub fn capture_ended(&mut self) {
        self.found = 0;
    }

    /// For each call that was captured in the environment's innermost call from the host, outermost first, how many frames there
    /// are from the innermost one to that which returns in its place.
    pub fn places(&self, depth: u32) -> impl Iterator<Item = usize> + '_ {
        self.calls[self.first_of(depth)..].iter().map(|call| call.above)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// As a view has them, of a stack of these frames.
    ///
    /// # Errors
    /// [`CaptureError::ForeignFunction`].
    pub fn view(
        &self,
        depth: u32,
        frames: &[RawFrame],
        ids: &FuncIds,
    ) -> Result<Vec<WatchedCall>, CaptureError> {
        let view = |call: &Pending| {
            // SAFETY: an instance outlives the runs of its functions.
            let instance = unsafe { &*call.instance };
            let foreign = || CaptureError::ForeignFunction {
                place: format!("a call of watched function {}", call.func),
            };
            let mut slots = &call.args[..];
            let mut take = |&ty: &ValType| {
                let (value, rest) = slots.split_at_checked(ty.slots() as usize)?;
                slots = rest;
                ids.value(ty, value)
            };
            let ty = instance.module().func_type(call.func);
            let args = ty.params.iter().map(&mut take).collect::<Option<_>>().ok_or_else(foreign)?;
            let func = instance.func(call.func).and_then(|func| ids.get(func)).ok_or_else(foreign)?;
            let frame = frames.len().checked_sub(call.above).ok_or_else(foreign)? as u32;
            Ok(WatchedCall { frame, func, args })
        };
        self.calls[self.first_of(depth)..].iter().map(view).collect()
    }
}

impl ExecEnv {
    /// Takes up the calls of a captured thread, after everything about them was checked, as far as that is possible without
    /// an engine: the view may come from anywhere. The thread's frames are checked by the engine.
    ///
    /// # Errors
    /// [`ResumeError::Invalid`].
    pub(crate) fn take_up_watched(&mut self, store: &Store, thread: &Thread) -> Result<(), ResumeError> {
        let mut calls = Vec::with_capacity(thread.watched.len());
        let mut before = 0;
        for call in &thread.watched {
            let invalid =
                |reason: &str| ResumeError::Invalid { frame: call.frame as usize, reason: reason.to_owned() };
            let frame = thread.frames.get(call.frame as usize);
            let frame =
                frame.ok_or_else(|| invalid("a watched call returns with it, and it does not exist"))?;
            if call.frame < before {
                return Err(invalid("watched calls are not in their order"));
            }
            before = call.frame;
            let function = |id: wayfarer_snapshot::view::FuncId| {
                let instance = store.instance(id.instance as usize)?;
                let func = instance.func(id.func)?;
                (std::ptr::eq(func.instance, instance) && !func.code.is_null()).then_some((instance, func))
            };
            let (Some((instance, func)), Some((returning, _))) = (function(call.func), function(frame.func))
            else {
                return Err(invalid("a watched call is of no function of a module"));
            };
            let (ty, returns) =
                (instance.module().func_type(func.index), returning.module().func_type(frame.func.func));
            if ty.results != returns.results {
                return Err(invalid("its results are not those of the watched call that it returns from"));
            }
            let types = call.args.iter().map(|value| value.ty());
            if !types.eq(ty.params.iter().copied()) {
                return Err(invalid(
                    "the arguments of a watched call are of other types than its function's",
                ));
            }
            let mut args = Vec::with_capacity(func.param_slots as usize);
            for value in &call.args {
                let bits = store.value_to_slots(value);
                let bits = bits.ok_or_else(|| invalid("a watched call refers to no function"))?;
                args.extend(&bits[..value.ty().slots() as usize]);
            }
            let above = thread.frames.len() - call.frame as usize;
            calls.push(Pending { instance, func: func.index, args: args.into(), depth: self.depth, above });
        }
        self.watched.calls.extend(calls);
        Ok(())
    }
}

/// A watched function is entered: its watchers are told. `replaces`: by a call in tail position, from one that was watched, too.
///
/// # Safety
/// `func` must be a function of `instance`, which is of `env`'s store, and `args` its arguments.
pub unsafe fn entered(env: &mut ExecEnv, instance: &Instance, func: u32, args: *const u64, replaces: bool) {
    let Some(callee) = instance.func(func) else { return };
    if replaces && let Some(call) = env.watched.calls.pop() {
        tell(env, &call, Left::TailCalled);
    }
    // SAFETY: as the caller promises.
    let args = unsafe { std::slice::from_raw_parts(args, callee.param_slots as usize) };
    let call = Pending { instance, func, args: args.into(), depth: env.depth, above: 0 };
    env.watched.calls.push(call.clone());
    tell_each(env, &call, |watcher, caller, call| watcher.entered(caller, call));
}

/// How many slots the results of the innermost watched call have.
pub fn result_slots(env: &ExecEnv) -> usize {
    let results = |call: &Pending| {
        // SAFETY: an instance outlives the runs of its functions.
        unsafe { &*call.instance }.func(call.func).map_or(0, |func| func.result_slots as usize)
    };
    env.watched.calls.last().map_or(0, results)
}

/// The innermost watched call returned: its watchers are told.
///
/// # Safety
/// There must be [`result_slots`] at `results`.
pub unsafe fn returned(env: &mut ExecEnv, results: *const u64) {
    let slots = result_slots(env);
    let Some(call) = env.watched.calls.pop() else { return };
    // SAFETY: as the caller promises.
    let results = unsafe { std::slice::from_raw_parts(results, slots) }.to_vec();
    tell(env, &call, Left::Returned(&results));
}

/// The innermost call from the host is about to end in a trap. Watched calls in it will not return.
#[cold]
pub fn unwound(env: &mut ExecEnv, trap: &Trap) {
    env.watched.found = 0;
    while env.watched.calls.last().is_some_and(|call| call.depth >= env.depth) {
        let Some(call) = env.watched.calls.pop() else { return };
        // After a checkpoint they go on elsewhere.
        if *trap != Trap::Stopped {
            tell(env, &call, Left::Trapped(trap));
        }
    }
}

fn tell(env: &mut ExecEnv, call: &Pending, how: Left<'_>) {
    tell_each(env, call, |watcher, caller, call| watcher.left(caller, call, how));
}

/// Watchers are on the stack as host functions are: who calls the guest from there cannot be captured.
fn tell_each(env: &mut ExecEnv, pending: &Pending, what: impl Fn(&dyn Watcher, &mut Caller<'_>, Call<'_>)) {
    // SAFETY: an instance outlives the runs of its functions.
    let instance = unsafe { &*pending.instance };
    let Some(func) = instance.func(pending.func) else { return };
    let watchers = instance.watchers(pending.func);
    if watchers.is_empty() {
        return;
    }
    env.host_stack.push(func);
    env.thread().set_host(func);
    for watcher in watchers {
        let call = Call { func, args: &pending.args };
        // What it does wrong is not the guest's fault.
        let _ = catch_unwind(AssertUnwindSafe(|| what(&*watcher, &mut Caller { env, instance }, call)));
    }
    env.host_stack.pop();
    env.thread().set_host(env.host_stack.last().copied().unwrap_or(std::ptr::null()));
}
