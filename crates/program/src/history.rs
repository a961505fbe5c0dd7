//! What a host has done with a store's instances, and doing it again.
//!
//! A host that knows nothing of checkpoints is restored by being started again. It does what it did: makes its instances
//! and calls into them. Calls that were done before the checkpoint are answered from its history, without the guest
//! running: they give the same results, and change memory, globals and tables as they did, so that the host sees between
//! its calls what it saw. Everything else that it does (writing to memory, growing it, allocating) it just does again.
//! The call that was in progress is continued: the image's state is laid out, whatever is there by then.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wayfarer_module::ValType;
use wayfarer_runtime::fork::Lineage;
use wayfarer_runtime::values::{NULL_REF, func_to_slot, slot_to_func};
use wayfarer_runtime::{ChangeWatch, Func, Instance, Store};
use wayfarer_snapshot::view::{Entry, HostSection, Thread};

use super::lock::{Guard, Lock};
use super::record::{Call, FuncName, InstanceNote, Outcome, Packed, Processes, StoreRecord};
use super::references;
use super::resources::native_state;
use super::source::Source;
use crate::embedder::Embedder;
use crate::instance::{HostParts, imports_wasi};
use crate::kept::{Coming, Taken};

/// WASI's state of an instance, and the image that it is in.
pub(crate) type SavedWasi = (Vec<u8>, Arc<Source>);

/// Calls remembered of a process at most.
pub(crate) const MAX_CALLS: usize = 1 << 20;

/// Instances remembered of a store at most.
pub(crate) const MAX_INSTANCES: usize = 1 << 20;

/// Bytes of what they changed at most, compressed.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// What is kept of the calls that a host makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Keep {
    /// Nothing: it goes on by `wayfarer.h`.
    Nothing,
    /// Results: it does not look at the guest between its calls (`iwasm`).
    Results,
    /// Results, and what the calls changed.
    Changes,
}

/// A store's history.
pub(crate) struct History {
    keep: Keep,
    embedder: Arc<dyn Embedder>,
    state: Lock<State>,
    /// Nothing to repeat, no call in progress to come back to: looked at by every call.
    caught_up: AtomicBool,
}

#[derive(Default)]
struct State {
    instances: Vec<[u8; 32]>,
    calls: Vec<Call>,
    /// In which processes, as [`StoreRecord::processes`].
    processes: BTreeMap<u64, Processes>,
    /// Where the last call ended.
    last: Lineage,
    /// Bytes that the calls take.
    bytes: usize,
    /// Calls that the restored host has not made again yet.
    repeat: VecDeque<Call>,
    /// Instances that it made the first time.
    expected: Vec<[u8; 32]>,
    /// Where that is from: an image, and the place of the store in it.
    origin: Option<(Arc<Source>, usize)>,
    /// Calls that are being made.
    running: Vec<Running>,
    pending: Option<Pending>,
    /// The same, once the host has come back to it.
    coming: Coming,
    /// Why the host could not do the same again.
    unrepeatable: Option<String>,
    watch: ChangeWatch,
    /// State of native modules after the last call.
    hooks: Vec<HostSection>,
}

struct Running {
    /// The process that made it.
    process: Lineage,
    instance: u32,
    entry: Entry,
    args: Vec<u64>,
}

/// The call that was in progress.
struct Pending {
    thread: Thread,
    args: Option<Vec<u64>>,
    process: Processes,
    /// Where the program's state comes from when it is continued; `None`: it is in place already.
    source: Option<Arc<Source>>,
}

/// What becomes of something that the host does.
pub(crate) enum Replay {
    /// Do it.
    Run,
    /// It was done; these were the results.
    Done(Vec<u64>),
    /// It was done, and ended so.
    Failed { exception: String, exit_code: u32, terminated: bool },
    /// It is in progress: go on with it.
    Continue(Taken),
    /// It is not what the host did the first time.
    Astray(String),
}

/// A call of the host's.
#[derive(Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) store: &'a Store,
    pub(crate) instance: &'a Instance,
    pub(crate) func: &'a Func,
    /// Types of its parameters and results.
    pub(crate) params: &'a [ValType],
    pub(crate) results: &'a [ValType],
}

impl Made<'_> {
    /// The function's index in its instance.
    fn index(&self) -> u32 {
        if self.func.host.is_none() {
            return self.func.index;
        }
        let place = self.instance.funcs().iter().position(|&f| std::ptr::eq(f, self.func));
        place.map_or(u32::MAX, |index| index as u32)
    }

    /// Slots as they are kept. `None`: a function without a name.
    fn keep(&self, types: &[ValType], slots: &[u64]) -> Option<Vec<u64>> {
        if !types.contains(&ValType::FuncRef) {
            return Some(slots.to_vec());
        }
        let ids = self.store.lasting_func_ids();
        map_functions(types, slots, |slot| ids.get(slot_to_func(slot)).map(FuncName::of))
    }

    /// Slots from what was kept.
    fn take_back(&self, types: &[ValType], kept: &[u64]) -> Option<Vec<u64>> {
        let slots: usize = types.iter().map(|ty| ty.slots() as usize).sum();
        if kept.len() != slots {
            return None;
        }
        map_functions(types, kept, |name| {
            let func = self.store.func_by_lasting_id(FuncName::id(name)?)?;
            // SAFETY: a function that was just found in the store.
            Some(func_to_slot(Some(unsafe { &*func })))
        })
    }
}

/// Slots with those that hold functions replaced.
fn map_functions(types: &[ValType], slots: &[u64], f: impl Fn(u64) -> Option<u64>) -> Option<Vec<u64>> {
    let mut mapped = slots.to_vec();
    let mut at = 0;
    for ty in types {
        if *ty == ValType::FuncRef && mapped.get(at).is_some_and(|&slot| slot != NULL_REF) {
            mapped[at] = f(mapped[at])?;
        }
        at += ty.slots() as usize;
    }
    Some(mapped)
}

impl History {
    /// The history of a store in which nothing has happened.
    pub(crate) fn new(keep: Keep, embedder: Arc<dyn Embedder>) -> History {
        History { keep, embedder, state: Lock::default(), caught_up: AtomicBool::new(true) }
    }

    fn state(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// This thread is about to fork.
    pub(crate) fn before_fork(&self) {
        self.state.before_fork();
    }

    /// It has, and this is the parent or the child. Async-signal-safe.
    pub(crate) fn after_fork(&self) {
        self.state.after_fork();
    }

    /// Whether there is nothing to repeat, nor a call in progress to come back to.
    #[inline]
    pub(crate) fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Whether anything is remembered.
    #[inline]
    pub(crate) fn keeps(&self) -> bool {
        self.keep != Keep::Nothing
    }

    /// The host will do again what the image says of its store number `ordinal`.
    pub(crate) fn repeat(&self, source: Arc<Source>, ordinal: usize) {
        let mut state = self.state();
        let host = source.host.as_ref();
        let pending = host.map_or(0, |host| host.pending as usize);
        match host.and_then(|host| host.stores.get(ordinal)) {
            Some(store) => {
                state.expected = store.instances.iter().map(|note| note.sha256).collect();
                state.repeat = store.calls.clone().into();
                state.processes = store.processes.clone();
            }
            // An image of one instance, whose first call was in progress.
            None => state.expected = source.modules(),
        }
        if ordinal == pending {
            let args = source.record.in_progress.clone();
            let thread = source.thread().cloned();
            let process = host.map(|host| host.process.clone()).unwrap_or_default();
            state.pending =
                thread.map(|thread| Pending { thread, args, process, source: Some(source.clone()) });
        }
        state.origin = Some((source, ordinal));
        let caught_up = state.repeat.is_empty() && state.pending.is_none();
        self.caught_up.store(caught_up, Ordering::Release);
    }

    /// The state is that of the image already: only results are given once more. Calls of start functions are not made
    /// again, as the instance has them behind it.
    pub(crate) fn go_on_from(&self, source: &Source) {
        let mut state = self.state();
        let calls = source.host.as_ref().and_then(|h| h.stores.first()).map(|s| s.calls.clone());
        let calls = calls.unwrap_or_default();
        let start = |call: &&Call| !matches!(call.entry, Entry::Main | Entry::Call);
        let started = calls.iter().take_while(start).count();
        calls[..started].iter().for_each(|call| state.push(call.clone()));
        state.repeat = calls[started..].to_vec().into();
        let args = source.record.in_progress.clone();
        let process = Processes::here();
        let pending = |thread: &Thread| Pending { thread: thread.clone(), args, process, source: None };
        state.pending = source.thread().map(pending);
        let caught_up = state.repeat.is_empty() && state.pending.is_none();
        self.caught_up.store(caught_up, Ordering::Release);
    }

    /// An instance is made, of the module with this hash, as the store's `place`th.
    ///
    /// # Errors
    /// Text: the first time it was another one.
    pub(crate) fn instance_made(&self, place: usize, sha256: [u8; 32]) -> Result<(), String> {
        let mut state = self.state();
        if let (Some(expected), Some((source, _))) = (state.expected.get(place), &state.origin)
            && *expected != sha256
        {
            return Err(format!("{}: {}", source.image.origin(), another_module(expected, &sha256)));
        }
        if self.keep == Keep::Nothing {
            return Ok(());
        }
        if place >= MAX_INSTANCES {
            state.instances = Vec::new();
            state.forget(format!(
                "the host has made more than {MAX_INSTANCES} instances in a store, too many to make again when restored"
            ));
        } else if state.unrepeatable.is_none() {
            if state.instances.len() <= place {
                state.instances.resize(place + 1, [0; 32]);
            }
            state.instances[place] = sha256;
        }
        Ok(())
    }

    /// WASI's state for the instance in this place, if it is alive in the image that the host is restored from; and that.
    ///
    /// # Errors
    /// The image has none, in words.
    pub(crate) fn wasi_of(&self, place: usize) -> Result<Option<SavedWasi>, String> {
        let state = self.state();
        let Some((source, ordinal)) = &state.origin else { return Ok(None) };
        if place == 0 && source.is_section_of_first(*ordinal) {
            return source.wasi().map(|wasi| Some((wasi.into_owned(), source.clone())));
        }
        let store = source.host.as_ref().and_then(|host| host.stores.get(*ordinal));
        let wasi = store.and_then(|store| store.instances.get(place)?.wasi.clone());
        Ok(wasi.map(|wasi| (wasi, source.clone())))
    }

    /// Where an instance that goes again, as it did the first time, leaves the host's standard streams.
    pub(crate) fn streams_left(&self, place: usize) -> Option<Vec<wayfarer_wasi::StreamPosition>> {
        let state = self.state();
        let (source, ordinal) = state.origin.as_ref()?;
        let host = source.host.as_ref()?;
        let note = host.stores.get(*ordinal)?.instances.get(place)?;
        let alive = note.wasi.is_some() || place == 0 && source.is_section_of_first(*ordinal);
        (!alive).then(|| host.streams.clone())
    }

    /// A memory of the store, with this number, will be freed.
    pub(crate) fn forget_memory(&self, number: u32) {
        self.state().watch.forget(number);
    }

    /// Threads of the guest run on while none of the host's calls is in progress, or another instance is made: what the host sees of
    /// what they do, a restored one would not see again.
    pub(crate) fn outlived(&self) {
        if self.keep == Keep::Changes {
            self.state().forget(
                "threads of the guest were running when a call of the host's ended: what they did meanwhile, \
                 a restored host would not see again"
                    .to_owned(),
            );
        }
    }

    /// Why a host could not do the same again, if it could not.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let state = self.state();
        let away = || {
            let pending = state.pending.as_ref();
            pending.map(|_| "the restored host has not come back to its call yet".to_owned())
        };
        state.unrepeatable.clone().or_else(away)
    }

    /// The store is gone, and nothing of it is watched any more. What the host did with it is still to be repeated.
    pub(crate) fn store_gone(&self) {
        let mut state = self.state();
        state.watch = ChangeWatch::default();
        state.running.clear();
        state.pending = None;
        state.origin = None;
    }

    /// Whether a call is being made.
    pub(crate) fn is_running(&self) -> bool {
        !self.state().running.is_empty()
    }

    /// Instances and calls, for an image, and where a call that is being made began. What is still to be repeated belongs to
    /// it.
    pub(crate) fn record(&self) -> (StoreRecord, Option<Lineage>) {
        let state = self.state();
        let expected = state.expected.iter().skip(state.instances.len());
        let notes = state.instances.iter().chain(expected);
        let notes = notes.map(|&sha256| InstanceNote { sha256, wasi: None });
        let record = StoreRecord {
            instances: notes.collect(),
            calls: state.calls.iter().chain(&state.repeat).cloned().collect(),
            processes: state.processes.clone(),
        };
        (record, state.running.first().map(|running| running.process.clone()))
    }

    /// Notes that a call of the host's begins.
    pub(crate) fn begin(&self, made: Made<'_>, entry: Entry, args: &[u64]) {
        // The arguments of a main function tell where they are in memory.
        if self.keep == Keep::Nothing && entry != Entry::Main {
            return;
        }
        let mut state = self.state();
        if !state.running.is_empty() && state.unrepeatable.is_none() {
            state.forget(
                "two threads of the host have called the guest at the same time: in which order, \
                 a restored host could not repeat"
                    .to_owned(),
            );
        }
        let kept = made.keep(made.params, args);
        if kept.is_none() && self.keeps() {
            state.unrepeatable.get_or_insert_with(|| unnamed(made.index()));
        }
        let args = kept.unwrap_or_default();
        let process = Lineage::here();
        state.running.push(Running { process, instance: made.instance.number(), entry, args });
        // Otherwise it is of no use, and another thread may be changing what would be looked at.
        if self.keep == Keep::Changes && state.unrepeatable.is_none() {
            state.watch.sync(made.store);
        }
    }

    /// The same for a call that was in progress and is continued from the image.
    fn begin_again(&self, state: &mut State, store: &Store, pending: &Pending) {
        let place = pending.thread.frames.first().map_or(0, |f| f.func.instance);
        let instance = store.instance(place as usize).map_or(place, Instance::number);
        let args = pending.args.clone().unwrap_or_default();
        let process = pending.process.begun.clone();
        state.running.push(Running { process, instance, entry: pending.thread.entry, args });
        if self.keep == Keep::Changes {
            state.watch.sync(store);
        }
    }

    /// A call was not made, as the host had terminated it before it began. Whether it was so, or came just after, is chance:
    /// it is a call like others, which the restored host makes again.
    pub(crate) fn ended_before(
        &self,
        made: Made<'_>,
        entry: Entry,
        args: &[u64],
        outcome: impl FnOnce() -> Outcome,
    ) {
        if !self.keeps() && self.is_caught_up() {
            return;
        }
        let mut state = self.state();
        let (instance, func) = (made.instance.number(), made.index());
        let Some(kept) = made.keep(made.params, args) else { return };
        if let Some(call) = state.repeat.front() {
            let terminated = matches!(call.outcome, Outcome::Failed { terminated: true, .. });
            if terminated && (call.instance, call.func, &call.args) == (instance, func, &kept) {
                drop(state);
                // What the guest had done until then, if it had begun.
                let _ = self.call(made, args);
            }
            return;
        }
        if state.pending.is_some() {
            drop(state);
            // If it is the call in progress: what that had done when it was stopped. It ends here.
            if let Replay::Continue(taken) = self.call(made, args) {
                self.has_come_in(&taken);
                self.end(made, Err(outcome()));
            }
            return;
        }
        if self.keeps() && state.unrepeatable.is_none() {
            let (changes, hooks) = (Packed::default(), Vec::new());
            let call = Call { instance, func, entry, args: kept, outcome: outcome(), changes, hooks };
            state.done(call, &Lineage::here());
        }
    }

    /// Notes how a call ended: its result slots, or its exception.
    pub(crate) fn end(&self, made: Made<'_>, result: Result<&[u64], Outcome>) {
        // Not while the lock is held: native modules may wait for other threads.
        let natives = self.native_state(made);
        let mut state = self.state();
        let instance = made.instance.number();
        let running = state.running.iter().rposition(|r| r.instance == instance);
        let Some(running) = running.map(|at| state.running.remove(at)) else { return };
        if !self.keeps() || state.unrepeatable.is_some() {
            return;
        }
        let begun = running.process.clone();
        match self.call_done(&mut state, made, running, result, natives) {
            Ok(call) => state.done(call, &begun),
            Err(why) => state.forget(why),
        }
    }

    /// State of native modules, if it is to be kept and there are any.
    fn native_state(&self, made: Made<'_>) -> Option<Result<Vec<HostSection>, String>> {
        if self.keep != Keep::Changes || self.state().unrepeatable.is_some() {
            return None;
        }
        let natives = self.embedder.native_modules();
        let save = |instance| native_state::save(&natives, instance);
        (!natives.is_empty()).then(|| HostParts::of(made.instance).map_or(Ok(Vec::new()), save))
    }

    fn call_done(
        &self,
        state: &mut State,
        made: Made<'_>,
        running: Running,
        result: Result<&[u64], Outcome>,
        natives: Option<Result<Vec<HostSection>, String>>,
    ) -> Result<Call, String> {
        let changes = if self.keep == Keep::Changes {
            let changes = state.watch.changes(made.store).map_err(|e| e.to_string())?;
            if changes.has_host_references() && references::made_by_guest() {
                return Err("the guest keeps a reference to an object that a native function has made, \
                            and that a restored host could not make again"
                    .to_owned());
            }
            Packed::new(&changes).map_err(|e| e.to_string())?
        } else {
            Packed::default()
        };
        let outcome = match result {
            Ok(slots) => {
                if made.results.contains(&ValType::ExternRef) && references::made_by_guest() {
                    return Err(format!(
                        "function {} gave the host an object that a native function may have made, and that a \
                         restored host could not make again",
                        made.index()
                    ));
                }
                Outcome::Returned(made.keep(made.results, slots).ok_or_else(|| unnamed(made.index()))?)
            }
            Err(failed) => failed,
        };
        let mut changed = Vec::new();
        if let Some(saved) = natives {
            let saved = saved?;
            changed = saved.iter().filter(|s| !state.hooks.contains(s)).cloned().collect();
            state.hooks = saved;
        }
        Ok(Call {
            instance: running.instance,
            func: made.index(),
            entry: running.entry,
            args: running.args,
            outcome,
            changes,
            hooks: changed,
        })
    }

    /// Arguments of the call that is being made, if it is the only one.
    pub(crate) fn in_progress(&self) -> Option<Vec<u64>> {
        match &*self.state().running {
            [one] => Some(one.args.clone()),
            _ => None,
        }
    }

    /// Why the call that comes next was made the first time, if it was in progress and its state is in place: its
    /// arguments are where they belong. Its arguments with it.
    pub(crate) fn next_in_place(&self) -> Option<(Entry, Vec<u64>)> {
        if self.is_caught_up() {
            return None;
        }
        let state = self.state();
        let pending = state.pending.as_ref().filter(|p| state.repeat.is_empty() && p.source.is_none())?;
        Some((pending.thread.entry, pending.args.clone().unwrap_or_default()))
    }

    /// Instance and function index of the call in progress that the host has not come back to.
    pub(crate) fn pending_function(&self) -> Option<(u32, u32)> {
        let state = self.state();
        let func = state.pending.as_ref()?.thread.frames.first()?.func;
        Some((func.instance, func.func))
    }

    /// The call in progress that the host has not come back to, or is on its way to, if its state is in place.
    pub(crate) fn waiting(&self) -> Option<Thread> {
        let state = self.state();
        let pending = state.pending.as_ref().filter(|pending| pending.source.is_none());
        pending.map(|pending| &pending.thread).or(state.coming.stacks().next()).cloned()
    }

    /// The host is in that call, or has ended it.
    pub(crate) fn has_come_in(&self, taken: &Taken) {
        self.state().coming.remove(taken);
    }

    /// Takes the call in progress whatever the host has done so far.
    ///
    /// # Errors
    /// The image cannot be read any more, or does not fit.
    pub(crate) fn take_pending(&self, store: &Store) -> Result<Option<Taken>, String> {
        let mut state = self.state();
        while let Some(call) = state.repeat.pop_front() {
            state.repeated(call);
        }
        self.finish(&mut state, store)
    }

    /// What becomes of a call with these argument slots.
    pub(crate) fn call(&self, made: Made<'_>, args: &[u64]) -> Replay {
        if self.is_caught_up() {
            return Replay::Run;
        }
        let mut state = self.state();
        if !state.is_where_it_was_made() {
            return self.go_another_way(&mut state, made.store);
        }
        let (instance, index) = (made.instance.number(), made.index());
        let kept = made.keep(made.params, args);
        if let Some(call) = state.repeat.front() {
            if (call.instance, call.func) != (instance, index) {
                return Replay::Astray(format!(
                    "the restored host calls function {index} where it called function {}",
                    call.func
                ));
            }
            if Some(&call.args) != kept.as_ref() {
                return Replay::Astray(format!(
                    "the restored host calls function {index} with other arguments than the first time"
                ));
            }
            return self.repeat_call(&mut state, made).unwrap_or_else(Replay::Astray);
        }
        let Some(pending) = &state.pending else { return Replay::Run };
        let Some(func) = pending.thread.frames.first().map(|f| f.func) else { return Replay::Run };
        // A view names instances by their places.
        if (func.instance, func.func) != (made.instance.index(), index) {
            return Replay::Astray(format!(
                "the restored host calls function {index}, but a call of function {} is in progress",
                func.func
            ));
        }
        if pending.args.is_some() && pending.args != kept {
            return Replay::Astray(format!(
                "the restored host calls function {index} with other arguments than the call in progress has"
            ));
        }
        match self.finish(&mut state, made.store) {
            Ok(Some(taken)) => Replay::Continue(taken),
            Ok(None) => Replay::Run,
            Err(why) => Replay::Astray(why),
        }
    }

    /// A process of the restored host that is not the one the image is of, but its parent, or another child, or a child of
    /// its: it does what it did the first time, from here.
    fn go_another_way(&self, state: &mut State, store: &Store) -> Replay {
        let uses_wasi =
            |instance: &Instance| HostParts::of(instance).is_some() && imports_wasi(instance.module());
        if store.instances().any(uses_wasi) {
            // What the image has of WASI is of another moment.
            return Replay::Astray(
                "the image is of another process that the host has forked; this one's files are not in it"
                    .to_owned(),
            );
        }
        state.repeat.clear();
        state.pending = None;
        state.origin = None;
        let done = state.calls.len() as u64;
        state.processes.split_off(&done);
        self.caught_up.store(true, Ordering::Release);
        Replay::Run
    }

    /// Lets a call that was done happen once more.
    fn repeat_call(&self, state: &mut State, made: Made<'_>) -> Result<Replay, String> {
        let Some(call) = state.repeat.front() else { return Ok(Replay::Run) };
        let replay = match &call.outcome {
            Outcome::Returned(results) => {
                let results = made.take_back(made.results, results);
                Replay::Done(results.ok_or("the image's results of a call do not fit its function")?)
            }
            Outcome::Failed { exception, exit_code, terminated } => Replay::Failed {
                exception: exception.clone(),
                exit_code: *exit_code,
                terminated: *terminated,
            },
        };
        let changes = call.changes.unpack().map_err(|e| e.to_string())?;
        made.store.apply(&changes).map_err(|e| e.to_string())?;
        if let (Some(instance), false) = (HostParts::of(made.instance), call.hooks.is_empty()) {
            native_state::restore(&self.embedder.native_modules(), instance, &call.hooks)?;
        }
        if let Some(call) = state.repeat.pop_front() {
            state.repeated(call);
        }
        if state.repeat.is_empty() && state.pending.is_none() {
            self.caught_up.store(true, Ordering::Release);
        }
        Ok(replay)
    }

    /// The host has come to its call: from here the guest runs.
    fn finish(&self, state: &mut State, store: &Store) -> Result<Option<Taken>, String> {
        let Some(pending) = state.pending.take() else {
            self.caught_up.store(true, Ordering::Release);
            return Ok(None);
        };
        self.begin_again(state, store, &pending);
        if let Some(source) = &pending.source
            && let Err(why) = source.lay_out(
                store,
                pending.thread.frames.first().map_or(0, |f| f.func.instance),
                &*self.embedder,
            )
        {
            state.running.clear();
            state.pending = Some(pending);
            return Err(why);
        }
        if pending.source.is_some() {
            pending.process.ended.assume();
        }
        self.caught_up.store(true, Ordering::Release);
        Ok(Some(state.coming.add(pending.thread)))
    }
}

/// Calls that are remembered in all stores, and bytes of what they changed.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Whether that is more than is to be kept.
fn too_much() -> Option<String> {
    if CALLS.load(Ordering::Relaxed) > MAX_CALLS {
        return Some(format!(
            "the host has made more than {MAX_CALLS} calls, too many to repeat when restored"
        ));
    }
    (BYTES.load(Ordering::Relaxed) > MAX_BYTES).then(|| {
        format!(
            "the host's calls have changed more than {} MiB, too much to repeat when restored",
            MAX_BYTES >> 20
        )
    })
}

impl State {
    /// Whether the next call that is to be repeated, or continued, was made in this process.
    fn is_where_it_was_made(&self) -> bool {
        let next = self.processes.get(&(self.calls.len() as u64)).map(|next| &next.begun);
        let pending = self.pending.as_ref().map(|pending| &pending.process.begun);
        let made = if self.repeat.is_empty() { pending } else { next };
        made.unwrap_or(&self.last).ancestors == Lineage::here().ancestors
    }

    /// A call was repeated. Forks of native functions were not.
    fn repeated(&mut self, call: Call) {
        match self.processes.get(&(self.calls.len() as u64)) {
            Some(processes) => {
                processes.ended.assume();
                self.last = processes.ended.clone();
            }
            None => self.last = Lineage { forks: self.last.forks, ..Lineage::here() },
        }
        self.push(call);
    }

    /// A call that began in this process is done.
    fn done(&mut self, call: Call, begun: &Lineage) {
        let ended = Lineage::here();
        if begun.ancestors != self.last.ancestors || *begun != ended {
            let processes = Processes { begun: begun.clone(), ended: ended.clone() };
            self.processes.insert(self.calls.len() as u64, processes);
        }
        self.last = ended;
        self.push(call);
        if let Some(why) = too_much() {
            self.forget(why);
        }
    }

    fn push(&mut self, call: Call) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(call.size(), Ordering::Relaxed);
        self.bytes += call.size();
        self.calls.push(call);
    }

    /// The host cannot be restored by doing the same again: what was kept for that is of no use.
    fn forget(&mut self, why: String) {
        CALLS.fetch_sub(self.calls.len(), Ordering::Relaxed);
        BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
        self.calls = Vec::new();
        self.processes = BTreeMap::new();
        self.bytes = 0;
        self.watch = ChangeWatch::default();
        self.unrepeatable.get_or_insert(why);
    }
}

fn unnamed(func: u32) -> String {
    format!(
        "a call of function {func} passed a reference to a function of the host's that no module imports; \
         a restored host could not be given it again"
    )
}

/// Hosts give the loader's message 128 bytes: what tells the modules apart comes first.
pub(crate) fn another_module(image: &[u8; 32], ours: &[u8; 32]) -> String {
    format!(
        "the image is of another module: {}, not {} (SHA-256 begins so)",
        hex(&image[..6]),
        hex(&ours[..6])
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
