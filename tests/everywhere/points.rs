//! The everywhere test of one guest.

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
    /// Points of CPython.
    pub(crate) cpython: usize,
}

pub(crate) fn effort() -> Effort {
    // Emulated, which is slow.
    if std::env::var_os("WAYFARER_TEST_EMULATOR").is_some() {
        return Effort { first: 25, later: 10, cpython: 1 };
    }
    match std::env::var_os("WAYFARER_TEST_FULL") {
        Some(value) if value != "0" => Effort { first: 2000, later: 500, cpython: 200 },
        _ => Effort { first: 150, later: 50, cpython: 5 },
    }
}

/// The points at which a program with this many is stopped.
fn choose(polls: u64, effort: Effort, random: &mut Random) -> BTreeSet<u64> {
    let mut points: BTreeSet<u64> = (1..=polls.min(effort.first)).collect();
    let later = polls.saturating_sub(effort.first);
    if later <= effort.later as u64 {
        points.extend(1..=polls);
    } else {
        let all = points.len() + effort.later;
        while points.len() < all {
            points.insert(effort.first + 1 + random.below(later));
        }
    }
    points
}

/// A run that nobody disturbed: how it ended, and how many stable points it has.
pub(crate) fn reference(guest: &Guest, kind: Kind) -> (Ended, u64) {
    let mut machine = Machine::new(guest, World::new(guest, kind)).expect("the guest can be instantiated");
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
type Prints = BTreeMap<u64, Fingerprint>;

fn fingerprints(guest: &Guest, kind: Kind, points: &BTreeSet<u64>) -> Result<Prints, String> {
    let wanted: BTreeSet<u64> =
        points.iter().flat_map(|p| AHEAD.map(|a| p + a).into_iter().chain([*p])).collect();
    let prints = Arc::new(Mutex::new(Prints::new()));
    let mut machine = Machine::new(guest, World::new(guest, kind))?;
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
struct Test {
    guest: Arc<Guest>,
    kind: Kind,
    reference: Ended,
    polls: u64,
    prints: Prints,
    volatile: bool,
}

/// Stops a guest everywhere.
pub(crate) fn everywhere(name: &str, kind: Kind) {
    let guest = guests::guest(name);
    let (reference, polls) = reference(&guest, kind);
    assert_eq!(
        (String::from_utf8_lossy(&reference.stdout), &reference.exit),
        (String::from_utf8_lossy(&guest.expected), &Ok(guest.exit)),
        "{name}, undisturbed"
    );
    let mut random = Random::named(name);
    let points = choose(polls, effort(), &mut random);
    assert!(points.len() as u64 >= polls.min(10), "{name} has {polls} stable points");
    let volatile = VOLATILE.contains(&name);
    let prints = match volatile {
        true => Prints::new(),
        false => fingerprints(&guest, kind, &points).unwrap_or_else(|why| panic!("{name}: {why}")),
    };
    let test = Arc::new(Test { guest, kind, reference, polls, prints, volatile });
    let all: Vec<u64> = points.iter().copied().collect();
    let refused = go_on_from_each(&test, points).unwrap_or_else(|why| panic!("{name}: {why}"));
    for _ in 0..STOPS {
        let at = *random.pick(&all);
        stop_at(&test, at).unwrap_or_else(|why| panic!("{name}, stopped at {at}: {why}"));
    }
    hop(&test, &mut random).unwrap_or_else(|why| panic!("{name}, hopping: {why}"));
    assert_eq!(refused > 0, test.guest.callback, "{name}: {refused} checkpoints were refused");
    println!("{name}: {polls} stable points, {} tested, {refused} refused", all.len());
}

/// One run that is imaged at each point and goes on; each image is restored, and finishes. Returns at how
/// many points a checkpoint was refused because the host was in between.
fn go_on_from_each(test: &Arc<Test>, points: BTreeSet<u64>) -> Result<u64, String> {
    let mut machine = Machine::new(&test.guest, World::new(&test.guest, test.kind))?;
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
    if !test.volatile && visited.load(Ordering::Relaxed) != count {
        return Err(format!("only {} of {count} points were reached", visited.load(Ordering::Relaxed)));
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
    let (mut machine, restored) = Machine::restored(&test.guest, checkpoint)?;
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
    if !test.volatile && polls != test.polls {
        return Err(format!("restored from point {at}, it had {polls} stable points, not {}", test.polls));
    }
    Ok(())
}

/// Runs until a checkpoint that ends the run; `None` if it came to its own end, or refused.
fn until(
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

/// A run that ends at a point, and another that goes on where it ended.
fn stop_at(test: &Arc<Test>, at: u64) -> Result<(), String> {
    let mut machine = Machine::new(&test.guest, World::new(&test.guest, test.kind))?;
    let (ended, taken) = until(&mut machine, at, Machine::run)?;
    let Some((thread, checkpoint)) = taken else {
        // It finished: there was no acceptable point any more.
        return ended.difference(&test.reference, 0, test.volatile).map_or(Ok(()), Err);
    };
    if ended.exit != Err(Trap::Stopped.to_string()) {
        return Err(format!("it was to stop, and ended with {:?}", ended.exit));
    }
    if ended.stdout[..] != test.reference.stdout[..checkpoint.printed] {
        return Err("it had not printed what it should have".to_owned());
    }
    let stopped_at = machine.store.control().polls();
    drop(machine);
    go_on(test, stopped_at, &thread, checkpoint)
}

/// From image to image, a short run between two.
fn hop(test: &Arc<Test>, random: &mut Random) -> Result<(), String> {
    let mut stride = || 1 + random.below((2 * test.polls / HOPS).max(1));
    let mut machine = Machine::new(&test.guest, World::new(&test.guest, test.kind))?;
    let (mut ended, mut taken) = until(&mut machine, stride(), Machine::run)?;
    let mut stdout = ended.stdout.clone();
    while let Some((thread, checkpoint)) = taken {
        drop(machine);
        machine = Machine::restored(&test.guest, checkpoint)?.0;
        (ended, taken) = until(&mut machine, stride(), |m| m.resume(&thread))?;
        stdout.extend(&ended.stdout);
    }
    ended.stdout = stdout;
    ended.difference(&test.reference, 0, test.volatile).map_or(Ok(()), Err)
}
