//! The everywhere test of one guest: stopped in one engine, restored in another or the same.

use crate::harness::engine::Engine;
use crate::harness::fingerprint::Fingerprint;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Ended, Host, Machine, World};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::harness::take::{Checkpoint, Visitor, take};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use wayfarer_runtime::{AfterCheckpoint, CaptureError, Store, Trap};
use wayfarer_snapshot::Compression;
use wayfarer_snapshot::view::Thread;

/// Guests whose state differs from run to run though their output does not: one has read the clock, one has
/// listed a directory in the order that the host keeps it.
const VOLATILE: &[&str] = &["clocks", "readdir"];

/// How far after a restore the state is compared with that of the undisturbed run (stable points).
const AHEAD: [u64; 4] = [1, 2, 5, 23];

/// Runs that really stop at a point, of each guest.
const STOPS: usize = 12;

/// Hops that take a guest from its beginning to its end.
const HOPS: u64 = 20;

/// How much is tested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Every point up to this one.
    pub(crate) first: u64,
    /// Random later ones.
    pub(crate) later: usize,
    /// The same for each pair of engines with compiled code.
    pub(crate) pair: (u64, usize),
    /// Points of CPython for each pair of engines.
    pub(crate) cpython: usize,
}

pub(crate) fn effort() -> Effort {
    // Emulated, which is slow.
    if std::env::var_os("WAYFARER_TEST_EMULATOR").is_some() {
        return Effort { first: 25, later: 10, pair: (10, 5), cpython: 1 };
    }
    let asked = |name| std::env::var_os(name).is_some_and(|value| value != "0");
    if asked("WAYFARER_TEST_LONG") {
        Effort { first: 2000, later: 500, pair: (500, 200), cpython: 100 }
    } else if asked("WAYFARER_TEST_FULL") {
        Effort { first: 500, later: 125, pair: (100, 50), cpython: 25 }
    } else {
        Effort { first: 150, later: 50, pair: (30, 20), cpython: 5 }
    }
}

/// The points at which a program with this many is stopped: every one of the first, and random later ones.
pub(crate) fn choose(polls: u64, (first, later): (u64, usize), random: &mut Random) -> BTreeSet<u64> {
    let mut points: BTreeSet<u64> = (1..=polls.min(first)).collect();
    let rest = polls.saturating_sub(first);
    if rest <= later as u64 {
        points.extend(1..=polls);
    } else {
        let all = points.len() + later;
        while points.len() < all {
            points.insert(first + 1 + random.below(rest));
        }
    }
    points
}

/// A run that nobody disturbed: how it ended, and how many stable points it has.
pub(crate) fn reference(engine: Engine, guest: &Guest, kind: Kind) -> (Ended, u64) {
    let mut machine =
        Machine::new(engine, guest, World::new(guest, kind)).expect("the guest can be instantiated");
    let control = machine.store.control().clone();
    control.checkpoint_at(u64::MAX);
    let ended = machine.run();
    (ended, control.polls())
}

/// Runs on with `run`, and calls `visit` at each of the points, which are counted from here.
pub(crate) fn visiting(
    machine: &mut Machine,
    points: impl IntoIterator<Item = u64>,
    mut visit: impl FnMut(u64, &Store, Result<Thread, CaptureError>) -> Result<(), String> + Send + 'static,
    run: impl FnOnce(&mut Machine) -> Ended,
) -> Result<Ended, String> {
    let mut points: Vec<u64> = points.into_iter().collect();
    points.reverse();
    let control = machine.store.control().clone();
    // Always armed, so that all points are counted.
    let arm = |from: u64, to: Option<&u64>| to.map_or(u64::MAX, |to| to - from);
    control.checkpoint_at(arm(0, points.last()));
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let at = points.pop().ok_or("a visit too many")?;
        store.control().checkpoint_at(arm(at, points.last()));
        if store.control().polls() != at {
            return Err(format!("stopped at {} instead of {at}", store.control().polls()));
        }
        visit(at, store, thread).map_err(|why| format!("point {at}: {why}"))?;
        Ok(AfterCheckpoint::Continue)
    });
    let ended = run(machine);
    let complaints = visitor.complaints();
    if complaints.is_empty() {
        return Ok(ended);
    }
    Err(format!("{} complaints:\n{}", complaints.len(), complaints[..complaints.len().min(5)].join("\n")))
}

/// States of an undisturbed run by stable point.
pub(crate) type Prints = BTreeMap<u64, Fingerprint>;

/// The states of a run at these points, and where a program that is restored there will be looked at again.
pub(crate) fn fingerprints(
    engine: Engine,
    guest: &Guest,
    kind: Kind,
    points: &BTreeSet<u64>,
) -> Result<Prints, String> {
    let wanted: BTreeSet<u64> =
        points.iter().flat_map(|p| AHEAD.map(|a| p + a).into_iter().chain([*p])).collect();
    let prints = Arc::new(Mutex::new(Prints::new()));
    let mut machine = Machine::new(engine, guest, World::new(guest, kind))?;
    let into = prints.clone();
    let visit = move |at, store: &Store, thread: Result<Thread, CaptureError>| {
        if let Ok(thread) = thread {
            let view = store.capture().map_err(|e| e.to_string())?;
            into.lock().map_err(|e| e.to_string())?.insert(at, Fingerprint::of(store, &view, &thread));
        }
        Ok(())
    };
    visiting(&mut machine, wanted, visit, Machine::run)?;
    drop(machine);
    Ok(prints.lock().map_err(|e| e.to_string())?.clone())
}

/// What all parts of a guest's test need.
pub(crate) struct Test {
    pub(crate) guest: Arc<Guest>,
    pub(crate) kind: Kind,
    /// Where it is stopped, and where it is restored.
    pub(crate) engines: [Engine; 2],
    pub(crate) reference: Ended,
    /// Stable points of a run in the first engine.
    pub(crate) polls: u64,
    /// Empty unless both engines count alike.
    pub(crate) prints: Prints,
    pub(crate) volatile: bool,
}

/// Whether the state of a guest differs from run to run, though what it prints does not.
pub(crate) fn is_volatile(name: &str) -> bool {
    VOLATILE.contains(&name)
}

/// The guest's undisturbed run in the interpreter, which must do what the manifest says.
pub(crate) fn expected(guest: &Guest, kind: Kind) -> (Ended, u64) {
    let (reference, polls) = reference(Engine::Interp, guest, kind);
    assert_eq!(
        (String::from_utf8_lossy(&reference.stdout), &reference.exit),
        (String::from_utf8_lossy(&guest.expected), &Ok(guest.exit)),
        "{}, undisturbed",
        guest.name
    );
    (reference, polls)
}

/// Stops a guest everywhere in the interpreter, and restores it there.
pub(crate) fn everywhere(name: &str, kind: Kind) {
    let guest = guests::guest(name);
    let (reference, polls) = expected(&guest, kind);
    let mut random = Random::named(name);
    let Effort { first, later, .. } = effort();
    let points = choose(polls, (first, later), &mut random);
    assert!(points.len() as u64 >= polls.min(10), "{name} has {polls} stable points");
    let volatile = is_volatile(name);
    let engines = [Engine::Interp; 2];
    let prints = match volatile {
        true => Prints::new(),
        false => {
            fingerprints(Engine::Interp, &guest, kind, &points).unwrap_or_else(|why| panic!("{name}: {why}"))
        }
    };
    Test { guest, kind, engines, reference, polls, prints, volatile }.check(points, &mut random);
}

impl Test {
    /// Whether both engines have the same stable points, so that those of a restored program can be counted.
    fn counts(&self) -> bool {
        !self.volatile && self.engines.iter().all(|engine| engine.counts())
    }

    /// Stops the guest at these points, and in the middle of what follows.
    pub(crate) fn check(self, points: BTreeSet<u64>, random: &mut Random) {
        let test = Arc::new(self);
        let [from, to] = test.engines;
        let name = format!("{} from {from} to {to}", test.guest.name);
        let all: Vec<u64> = points.iter().copied().collect();
        let refused = go_on_from_each(&test, points).unwrap_or_else(|why| panic!("{name}: {why}"));
        let mut stopped = 0;
        for _ in 0..if all.is_empty() { 0 } else { STOPS } {
            let at = *random.pick(&all);
            stopped += usize::from(
                stop_at(&test, at).unwrap_or_else(|why| panic!("{name}, stopped at {at}: {why}")),
            );
        }
        let hops = hop(&test, random).unwrap_or_else(|why| panic!("{name}, hopping: {why}"));
        if !all.is_empty() {
            assert!(stopped > 0 && hops > 0, "{name}: {stopped} of {STOPS} runs were stopped, {hops} hops");
            assert_eq!(refused > 0, test.guest.callback, "{name}: {refused} checkpoints were refused");
        }
        println!("{name}: {} stable points, {} tested, {refused} refused", test.polls, all.len());
    }
}

/// One run that is imaged at each point and goes on; each image is restored, and finishes. Returns at how
/// many points a checkpoint was refused because the host was in between.
fn go_on_from_each(test: &Arc<Test>, points: BTreeSet<u64>) -> Result<u64, String> {
    let mut machine = Machine::new(test.engines[0], &test.guest, World::new(&test.guest, test.kind))?;
    let (host, refused, visited) =
        (machine.host.clone(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let count = points.len() as u64;
    let visit = {
        let (test, refused, visited) = (test.clone(), refused.clone(), visited.clone());
        move |at: u64, store: &Store, thread: Result<Thread, CaptureError>| {
            visited.fetch_add(1, Ordering::Relaxed);
            let Some(thread) = acceptable(&host, thread)? else {
                refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            };
            let compression = if at.is_multiple_of(2) { Compression::None } else { Compression::Zstd(1) };
            let checkpoint = take(store, &host, thread.clone(), compression)?;
            go_on(&test, at, &thread, checkpoint)
        }
    };
    let ended = visiting(&mut machine, points, visit, Machine::run)?;
    // A program that was captured goes on in frames that have all stable points, for a while: it has more then, not fewer.
    let visited = visited.load(Ordering::Relaxed);
    if visited < count {
        return Err(format!("only {visited} of {count} points were reached"));
    }
    if let Some(what) = ended.difference(&test.reference, 0, test.volatile) {
        return Err(format!("after {count} checkpoints {what}"));
    }
    Ok(refused.load(Ordering::Relaxed))
}

/// The thread, unless it is right that there is none.
fn acceptable(host: &Host, thread: Result<Thread, CaptureError>) -> Result<Option<Thread>, String> {
    match thread {
        Ok(_) if host.in_callback() => Err("captured while a host function was on the stack".to_owned()),
        Ok(thread) => Ok(Some(thread)),
        Err(CaptureError::HostOnStack { name })
            if host.in_callback() && name == ("test".to_owned(), "callback".to_owned()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Restores an image and lets the program finish, looking at its state on the way.
fn go_on(test: &Arc<Test>, at: u64, thread: &Thread, checkpoint: Checkpoint) -> Result<(), String> {
    let printed = checkpoint.printed;
    let (mut machine, restored) = Machine::restored(test.engines[1], &test.guest, checkpoint)?;
    if &restored != thread {
        return Err(format!("the thread restored is {restored:?}, not {thread:?}"));
    }
    if let Some(print) = test.prints.get(&at) {
        let view = machine.store.capture().map_err(|e| e.to_string())?;
        if let Some(what) = Fingerprint::of(&machine.store, &view, &restored).difference(print) {
            return Err(format!("restored: {what} differ"));
        }
    }
    let ahead = AHEAD.into_iter().filter(|a| test.prints.contains_key(&(at + a)));
    let visit = {
        let test = test.clone();
        move |after, store: &Store, thread: Result<Thread, CaptureError>| {
            let view = store.capture().map_err(|e| e.to_string())?;
            let now = Fingerprint::of(store, &view, &thread.map_err(|e| e.to_string())?);
            match now.difference(&test.prints[&(at + after)]) {
                Some(what) => Err(format!("{what} differ")),
                None => Ok(()),
            }
        }
    };
    let ended = visiting(&mut machine, ahead.collect::<Vec<_>>(), visit, |m| m.resume(&restored))
        .map_err(|why| format!("restored from point {at}, {why}"))?;
    if let Some(what) = ended.difference(&test.reference, printed, test.volatile) {
        return Err(format!("restored from point {at}, {what}"));
    }
    let polls = at + machine.store.control().polls();
    if test.counts() && polls != test.polls {
        return Err(format!("restored from point {at}, it had {polls} stable points, not {}", test.polls));
    }
    Ok(())
}

/// Runs until a checkpoint that ends the run; `None` if it came to its own end, or refused.
pub(crate) fn until(
    machine: &mut Machine,
    at: u64,
    run: impl FnOnce(&mut Machine) -> Ended,
) -> Result<(Ended, Option<(Thread, Checkpoint)>), String> {
    let taken = Arc::new(Mutex::new(None));
    machine.store.control().checkpoint_at(at);
    let (host, into) = (machine.host.clone(), taken.clone());
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let Some(thread) = acceptable(&host, thread)? else {
            // As soon as it can be.
            store.control().checkpoint_at(1);
            return Ok(AfterCheckpoint::Continue);
        };
        let checkpoint = take(store, &host, thread.clone(), Compression::None)?;
        *into.lock().map_err(|e| e.to_string())? = Some((thread, checkpoint));
        Ok(AfterCheckpoint::Stop)
    });
    let ended = run(machine);
    let taken = taken.lock().map_err(|e| e.to_string())?.take();
    match visitor.complaints().first() {
        Some(complaint) => Err(complaint.clone()),
        None => Ok((ended, taken)),
    }
}

/// A run that ends at a point, and another that goes on where it ended. Whether it was stopped: a host that is called back may
/// stand in the way to the end.
fn stop_at(test: &Arc<Test>, at: u64) -> Result<bool, String> {
    let mut machine = Machine::new(test.engines[0], &test.guest, World::new(&test.guest, test.kind))?;
    let (ended, taken) = until(&mut machine, at, Machine::run)?;
    let Some((thread, checkpoint)) = taken else {
        // It finished: there was no acceptable point any more.
        if !test.guest.callback && !test.volatile {
            return Err("it was to stop, and came to its end".to_owned());
        }
        return ended.difference(&test.reference, 0, test.volatile).map_or(Ok(false), Err);
    };
    if ended.exit != Err(Trap::Stopped.to_string()) {
        return Err(format!("it was to stop, and ended with {:?}", ended.exit));
    }
    if ended.stdout[..] != test.reference.stdout[..checkpoint.printed] {
        return Err("it had not printed what it should have".to_owned());
    }
    let stopped_at = machine.store.control().polls();
    drop(machine);
    go_on(test, stopped_at, &thread, checkpoint)?;
    Ok(true)
}

/// From image to image and from engine to engine, a short run between two. How many images there were.
fn hop(test: &Arc<Test>, random: &mut Random) -> Result<usize, String> {
    let mut stride = || 1 + random.below((2 * test.polls / HOPS).max(1));
    let mut engines = test.engines.into_iter().cycle();
    let mut engine = || engines.next().unwrap_or(test.engines[0]);
    let mut machine = Machine::new(engine(), &test.guest, World::new(&test.guest, test.kind))?;
    let (mut ended, mut taken) = until(&mut machine, stride(), Machine::run)?;
    let mut stdout = ended.stdout.clone();
    let mut hops = 0;
    while let Some((thread, checkpoint)) = taken {
        hops += 1;
        drop(machine);
        machine = Machine::restored(engine(), &test.guest, checkpoint)?.0;
        (ended, taken) = until(&mut machine, stride(), |m| m.resume(&thread))?;
        stdout.extend(&ended.stdout);
    }
    ended.stdout = stdout;
    ended.difference(&test.reference, 0, test.volatile).map_or(Ok(hops), Err)
}
