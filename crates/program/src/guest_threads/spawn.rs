//! A thread from when the guest starts it until all that it had is gone.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wayfarer_module::{ExternKind, ValType};
use wayfarer_runtime::{ExecEnv, Func, GuestThread, Trap, TrapCode};
use wayfarer_snapshot::view::{Entry as EnteredBy, Thread};

use super::{Entry, GuestThreads, Phase, START, State, TIDS, ThreadContext, Vacant, group_of};
use crate::instance::HostParts;
use crate::program::Program;

/// Native stack of a thread (bytes): as the process's first one mostly has, so that a guest may recurse as deep. Only what is used
/// takes up memory.
pub const STACK: usize = 8 << 20;

/// How many threads a root may have, if the host has not said it; as WAMR has it.
const DEFAULT_LIMIT: u32 = 4;

static LIMIT: AtomicU32 = AtomicU32::new(DEFAULT_LIMIT);

/// Sets how many threads a program may have at a time beside the one that the host calls. 0 changes nothing.
pub fn set_limit(threads: u32) {
    if threads > 0 {
        LIMIT.store(threads, Ordering::Relaxed);
    }
}

/// What a thread is to do.
pub(super) struct Job {
    program: Program,
    context: Box<dyn ThreadContext>,
    tid: u32,
    arg: u32,
    pub(super) root: u32,
}

/// A thread that was made for the host, which runs in it what it likes.
pub struct Spawned {
    program: Program,
    root: u32,
    id: Option<u64>,
}

/// A context of an embedder that has no more to say.
pub(crate) struct PlainContext {
    pub(crate) parts: Box<HostParts>,
    pub(crate) env: RefCell<ExecEnv>,
}

impl ThreadContext for PlainContext {
    fn parts(&self) -> &HostParts {
        &self.parts
    }

    fn parts_mut(&mut self) -> &mut HostParts {
        &mut self.parts
    }

    fn thread(&self) -> Option<Arc<GuestThread>> {
        Some(self.env.try_borrow().ok()?.thread().clone())
    }

    fn run(&self, guest: &mut dyn FnMut(&mut ExecEnv)) -> Result<(), &'static str> {
        let mut env = self.env.try_borrow_mut().map_err(|_| "guest code is running in this environment")?;
        guest(&mut env);
        Ok(())
    }
}

impl State {
    /// Adds a thread, if there may be one more.
    fn admit(&mut self, root: u32, phase: Phase, arg: u32) -> Result<u32, String> {
        if self.end_of(root).is_some() {
            return Err("the guest's threads are ending".to_owned());
        }
        if self.threads.iter().filter(|entry| entry.root == root).count()
            >= LIMIT.load(Ordering::Relaxed) as usize
        {
            return Err("thread manager error: maximum number of threads exceeded".to_owned());
        }
        let tid = match phase {
            Phase::OfHost => 0,
            _ => {
                let free = |tid: &u32| self.threads.iter().all(|entry| entry.tid != *tid);
                TIDS.clone().find(free).ok_or("Maximum thread identifier reached")?
            }
        };
        self.threads.push(Entry {
            tid,
            arg,
            root,
            instance: None,
            id: None,
            wake: 0,
            phase,
            job: None,
            stack: None,
        });
        Ok(tid)
    }
}

impl HostParts {
    /// Starts a thread of this guest: the function that it begins with gets the thread's id, and `arg`. The id.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn spawn_thread(&self, arg: u32) -> Result<u32, String> {
        self.start_function()?;
        if !self.instance().memory(0).is_some_and(|memory| memory.plan().shared) {
            return Err("a guest without a shared memory cannot have threads".to_owned());
        }
        let threads = self.program().guest_threads();
        let root = self.root_number();
        let tid = {
            let mut state = threads.state();
            let tid = state.admit(root, Phase::Begins, arg);
            threads.note(&state);
            tid?
        };
        let program = self.program().clone();
        let started = self.context_beside(&mut |state| state.entry(tid));
        let started =
            started.and_then(|context| Job { program: program.clone(), context, tid, arg, root }.start());
        started
            .map(|()| tid)
            .inspect_err(|_| threads.remove(|entry| entry.tid == tid && entry.phase != Phase::OfHost))
    }

    /// The function that threads begin with.
    fn start_function(&self) -> Result<&Func, String> {
        let failed = || format!("Failed to find thread start function {START}");
        let module = self.instance().module();
        let export =
            module.export(START).filter(|export| export.kind == ExternKind::Func).ok_or_else(failed)?;
        let ty = module.func_type(export.index);
        if *ty.params != [ValType::I32, ValType::I32] || !ty.results.is_empty() {
            return Err(failed());
        }
        self.instance().func(export.index).ok_or_else(failed)
    }

    /// An instance beside this one's, and what the embedder has to it. `entry` finds whose it is.
    fn context_beside(
        &self,
        entry: &mut dyn FnMut(&mut State) -> Option<&mut Entry>,
    ) -> Result<Box<dyn ThreadContext>, String> {
        if self.instance().has_linked_functions() {
            // Their instances would run on several threads.
            return Err("a guest that imports functions of other instances cannot have threads".to_owned());
        }
        let program = self.program();
        let threads = program.guest_threads();
        let vacant = threads.take_vacant(self);
        // SAFETY: this thread is the one that runs in this instance, or it stands still, as the callers here see to; nobody uses
        // the vacant one.
        let made = unsafe { program.store().instantiate_beside(self.instance(), vacant) };
        let instance = made.map_err(|error| error.to_string())?;
        let parts = HostParts::of_thread(self, instance);
        let number = instance.number();
        let context = program.embedder().thread(self.root(), parts);
        let context = context.inspect_err(|_| threads.discard_unused(program))?;
        if let Some(entry) = entry(&mut threads.state()) {
            (entry.id, entry.instance) = (context.thread().map(|thread| thread.id()), Some(number));
            entry.wake = context.parts().embedder() as usize;
        }
        Ok(context)
    }

    /// Makes what a thread of the host's may run this guest in, beside this instance, as one of its threads. `own` is given the
    /// context, and has to end it by [`Spawned::end`].
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub fn spawn_for_host(&self) -> Result<(Box<dyn ThreadContext>, Spawned), String> {
        let threads = self.program().guest_threads();
        let root = self.root_number();
        threads.state().admit(root, Phase::OfHost, 0)?;
        let new = |entry: &Entry| entry.phase == Phase::OfHost && entry.id.is_none() && entry.root == root;
        let context = self.context_beside(&mut |state| state.threads.iter_mut().find(|entry| new(entry)));
        let context = context.inspect_err(|_| threads.remove_one(new))?;
        threads.note(&threads.state());
        let id = context.thread().map(|thread| thread.id());
        Ok((context, Spawned { program: self.program().clone(), root, id }))
    }
}

impl Spawned {
    /// It ends, with its context.
    pub fn end(self, context: Box<dyn ThreadContext>) {
        let Spawned { program, root, id } = self;
        dismiss(&program, context, root, |entry| entry.id == id);
    }
}

impl Job {
    /// What a thread of an image has to do.
    pub(super) fn new(program: &Program, context: Box<dyn ThreadContext>, entry: &Entry) -> Job {
        Job { program: program.clone(), context, tid: entry.tid, arg: entry.arg, root: entry.root }
    }

    /// It will not be done.
    pub(super) fn give_up(self) {
        let tid = self.tid;
        dismiss(&self.program, self.context, self.root, |entry| {
            entry.tid == tid && entry.phase != Phase::OfHost
        });
    }

    /// Begins with it on a new thread.
    pub(super) fn start(self) -> Result<(), String> {
        // What cannot be started is given back by this.
        let job = Arc::new(std::sync::Mutex::new(Some(self)));
        let given = job.clone();
        let thread = std::thread::Builder::new().name("guest".to_owned()).stack_size(STACK);
        let spawned = thread.spawn(move || {
            let job = given.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(job) = job {
                job.run();
            }
        });
        spawned.map(drop).map_err(|error| {
            let job = job.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(job) = job {
                job.give_up();
            }
            format!("Failed to spawn a new thread: {error}")
        })
    }

    /// All of the thread's life.
    fn run(self) {
        let Job { program, context, tid, arg, root } = self;
        let threads = program.guest_threads();
        let ran = context.run(&mut |env| {
            let parts = context.parts();
            env.tid = tid;
            env.entry = EnteredBy::Call;
            env.instance = parts.instance();
            env.thread().set_group(group_of(root));
            let call = match program.begin_call(env.thread()) {
                Ok(call) => call,
                Err(why) => return parts.thread_failed(Trap::host(why), Vec::new()),
            };
            // Who ends all of them does it after he has said so: either this thread is told, or it sees it here.
            let (begins, stack) = {
                let mut state = threads.state();
                let begins = state.end_of(root).is_none();
                let entry = state.entry(tid);
                let stack = entry.and_then(|entry| {
                    entry.phase = Phase::Runs;
                    entry.stack.take()
                });
                (begins, stack)
            };
            let result = if begins { run_guest(parts, env, tid, arg, stack.as_ref()) } else { Ok(()) };
            if let Err(trap) = result {
                let trace = std::mem::take(&mut env.trace);
                parts.thread_failed(trap, trace);
            }
            if let Some(entry) = threads.state().entry(tid) {
                entry.phase = Phase::Ended;
            }
            call.end(|| env.thread().leave());
        });
        if let Err(why) = ran {
            context.parts().thread_failed(Trap::host(why), Vec::new());
        }
        dismiss(&program, context, root, |entry| entry.tid == tid && entry.phase != Phase::OfHost);
    }
}

/// Runs a thread's functions: the module's start function, as for each instance, and the one that it begins with.
fn run_guest(
    parts: &HostParts,
    env: &mut ExecEnv,
    tid: u32,
    arg: u32,
    stack: Option<&Thread>,
) -> Result<(), Trap> {
    let engine = &parts.store().runtime().engine;
    let mut starts = true;
    if let Some(stack) = stack {
        engine.resume(env, stack)?;
        starts = stack.entry == EnteredBy::Start;
    } else if let Some(start) = parts.instance().module().start.and_then(|start| parts.instance().func(start))
    {
        env.entry = EnteredBy::Start;
        // SAFETY: a function of this instance, without parameters and results.
        unsafe { engine.call_in_place(env, start, &mut vec![0; start.slots()]) }?;
    }
    if starts {
        let start = parts.start_function().map_err(Trap::host)?;
        let mut slots = vec![0; start.slots()];
        (slots[0], slots[1]) = (tid.into(), arg.into());
        (env.entry, env.tid) = (EnteredBy::Call, tid);
        // SAFETY: a function of this instance, with the arguments that its type asks for.
        unsafe { engine.call_in_place(env, start, &mut slots) }?;
    }
    Ok(())
}

/// A thread is out of the guest for good: all that it had goes.
fn dismiss(
    program: &Program,
    mut context: Box<dyn ThreadContext>,
    root: u32,
    is_it: impl Fn(&Entry) -> bool,
) {
    let threads = program.guest_threads();
    program.pass(|| {
        let used = context.parts_mut().let_go();
        // Natives' parts of it go here, and may ask something of this library.
        drop(context);
        let mut state = threads.state();
        state.threads.retain(|entry| !is_it(entry));
        state.vacant.extend(used.map(|instance| Vacant { root, instance }));
        threads.note(&state);
        drop(state);
        threads.discard_unused(program);
    });
    threads.tell();
}

impl GuestThreads {
    fn remove_one(&self, which: impl Fn(&Entry) -> bool) {
        let mut state = self.state();
        if let Some(at) = state.threads.iter().position(which) {
            state.threads.remove(at);
        }
        self.note(&state);
        drop(state);
        self.tell();
    }

    fn remove(&self, which: impl Fn(&Entry) -> bool) {
        let mut state = self.state();
        state.threads.retain(|entry| !which(entry));
        self.note(&state);
        drop(state);
        self.tell();
    }

    /// An instance beside that of `parts` which nobody has any more.
    fn take_vacant(&self, parts: &HostParts) -> Option<wayfarer_runtime::Used<wayfarer_runtime::Instance>> {
        let mut state = self.state();
        let root = parts.root_number();
        let at = state.vacant.iter().position(|vacant| vacant.root == root)?;
        Some(state.vacant.swap_remove(at).instance)
    }

    /// Frees instances that no thread has: those that are the last of the store.
    fn discard_unused(&self, program: &Program) {
        let mut state = self.state();
        loop {
            let before = state.vacant.len();
            for Vacant { root, instance } in std::mem::take(&mut state.vacant) {
                // SAFETY: nobody uses it.
                let number = unsafe { &*instance.as_ptr() }.number();
                // SAFETY: it was made beside another, and its thread is gone.
                match unsafe { program.store().discard(instance) } {
                    Ok(()) => program.forget_heap(number),
                    Err(instance) => state.vacant.push(Vacant { root, instance }),
                }
            }
            if state.vacant.len() == before {
                return;
            }
        }
    }
}

/// Whether a thread that ended so was told to.
pub(super) fn is_told(trap: &Trap) -> bool {
    matches!(trap, Trap::Stopped | Trap::Code(TrapCode::Terminated))
}
