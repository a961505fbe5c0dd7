//! Compiled code and the interpreter, each stopped everywhere and restored in the other; and compared at every stable
//! point.

use crate::harness::compiled::Code;
use crate::harness::engine::Engine;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Ended, Machine, World};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::points::{Prints, Test, choose, effort, expected, fingerprints, is_volatile, reference, visiting};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use wayfarer_runtime::{CaptureError, Store};
use wayfarer_snapshot::view::Thread;
use wayfarer_snapshot::{Info, Reason, WriteOptions, save_to_vec};

const INTERP: Engine = Engine::Interp;
const DEFAULT: Engine = Engine::Compiled(Code::Default);
const PRECISE: Engine = Engine::Compiled(Code::Precise);

/// Those that have the same stable points, and how many of the points are taken: one in so many. Images of precise code are those
/// of the interpreter, byte for byte ([`twins`]): what becomes of them is what becomes of those.
const ALIKE: [([Engine; 2], u64); 3] =
    [([INTERP, PRECISE], 1), ([PRECISE, INTERP], 5), ([PRECISE, PRECISE], 5)];

/// Those that have other ones.
const OTHERS: [[Engine; 2]; 3] = [[INTERP, DEFAULT], [DEFAULT, INTERP], [DEFAULT, DEFAULT]];

/// Of code that is there only in part, as it is while a program runs and is compiled.
#[cfg(target_arch = "x86_64")]
const IN_PARTS: &[[Engine; 2]] = &[[Engine::Compiled(Code::Parts), Engine::Compiled(Code::Parts)]];
#[cfg(not(target_arch = "x86_64"))]
const IN_PARTS: &[[Engine; 2]] = &[];

/// The same, of code that is compiled otherwise; for some guests.
const VARIANTS: [[Engine; 2]; 3] = [
    [Engine::Compiled(Code::Unoptimized), DEFAULT],
    [DEFAULT, Engine::Compiled(Code::WithoutContinuations)],
    [Engine::Compiled(Code::BoundsCompared), Engine::Compiled(Code::BoundsCompared)],
];

/// The guests that are tested with these.
const VARIED: &[&str] = &[
    "br_table",
    "call_in_expression",
    "call_indirect_nested",
    "files",
    "heap",
    "loop_params",
    "loops",
    "memory_grow",
    "multi_value",
    "nan_payloads",
    "recursion",
    "tail_calls",
    "v128_locals",
];

/// Points that are the first of a run of compiled code to be stopped at, of each guest.
const FIRSTS: usize = 8;

/// Stops a guest everywhere in one engine and restores it in the other.
pub(crate) fn everywhere(name: &str) {
    let kind = Kind::Pipes;
    let guest = guests::guest(name);
    let (reference, polls) = expected(&guest, kind);
    let volatile = is_volatile(name);
    let mut random = Random::named(&format!("pairs {name}"));
    let points = choose(polls, effort().pair, &mut random);
    let mut prints = Prints::new();
    if !volatile {
        let states = |engine| fingerprints(engine, &guest, kind, &points);
        prints = states(INTERP).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    let others = OTHERS
        .into_iter()
        .chain(IN_PARTS.iter().copied())
        .chain(VARIANTS.into_iter().filter(|_| VARIED.contains(&name)));
    // Code that leaves its frames at each point counted is slow to come to one.
    let others = others.map(|engines| (engines, if engines[0].counts() { 1 } else { 16 }));
    for (engines, part) in ALIKE.into_iter().chain(others) {
        let polls = undisturbed(engines[0], &guest, kind, &reference);
        let alike = engines.iter().all(|engine| engine.counts());
        let (points, prints) = match alike {
            // Of guests that call back, refusals are counted.
            true if part == 1 || guest.callback => (points.clone(), prints.clone()),
            true => {
                let from = random.below(part.min(points.len() as u64)) as usize;
                (points.iter().copied().skip(from).step_by(part as usize).collect(), prints.clone())
            }
            false => {
                let (first, later) = effort().pair;
                let fewer = (first.div_ceil(part), later.div_ceil(part as usize));
                (choose(polls, fewer, &mut random), Prints::new())
            }
        };
        let test = Test {
            guest: guest.clone(),
            kind,
            engines,
            reference: reference.clone(),
            polls,
            prints,
            volatile,
        };
        test.check(points, &mut random);
    }
}

/// A run of an engine ends as it should whether its stable points are counted or not. How many there are.
fn undisturbed(engine: Engine, guest: &Guest, kind: Kind, expected: &Ended) -> u64 {
    let volatile = is_volatile(&guest.name);
    let machine = Machine::new(engine, guest, World::new(guest, kind));
    let plain = machine.unwrap_or_else(|why| panic!("{} in {engine}: {why}", guest.name)).run();
    assert_eq!(plain.difference(expected, 0, volatile), None, "{} in {engine}", guest.name);
    let (counted, polls) = reference(engine, guest, kind);
    assert_eq!(counted.difference(expected, 0, volatile), None, "{} in {engine}, counted", guest.name);
    polls
}

/// What is stopped, and its image without the host's side: that names files and times.
type Image = (Thread, Vec<u8>);

/// Images of a run that goes on after each, by stable point.
fn images(engine: Engine, guest: &Guest, points: &BTreeSet<u64>) -> Result<BTreeMap<u64, Image>, String> {
    let images = Arc::new(Mutex::new(BTreeMap::new()));
    let mut machine = Machine::new(engine, guest, World::new(guest, Kind::Pipes))?;
    let into = images.clone();
    let info = Info { id: [0; 16], created_unix_ms: 0, ..Info::now(Reason::Count, 1) };
    let visit = move |at, store: &Store, thread: Result<Thread, CaptureError>| {
        // Where the host is in between there is none, in no engine.
        let Ok(thread) = thread else { return Ok(()) };
        let program = store.program(vec![thread.clone()], Vec::new()).map_err(|e| e.to_string())?;
        let image = store
            .with_memories(&program, |m| save_to_vec(&program, &info, m, &WriteOptions::default()))
            .map_err(|e| e.to_string())?;
        into.lock().map_err(|e| e.to_string())?.insert(at, (thread, image));
        Ok(())
    };
    visiting(&mut machine, points.iter().copied(), visit, Machine::run)?;
    drop(machine);
    Ok(std::mem::take(&mut *images.lock().map_err(|e| e.to_string())?))
}

/// The interpreter and precise code have the same stable points, and write the same images there.
pub(crate) fn twins(name: &str) {
    let guest = guests::guest(name);
    let (expected, polls) = expected(&guest, Kind::Pipes);
    let compiled = undisturbed(PRECISE, &guest, Kind::Pipes, &expected);
    if is_volatile(name) {
        return;
    }
    assert_eq!(compiled, polls, "{name}: stable points");
    let mut random = Random::named(&format!("twins {name}"));
    let points = choose(polls, effort().pair, &mut random);
    let taken = |engine, points: &BTreeSet<u64>| {
        images(engine, &guest, points).unwrap_or_else(|why| panic!("{name} in {engine}: {why}"))
    };
    let [theirs, ours] = [INTERP, PRECISE].map(|engine| taken(engine, &points));
    assert!(theirs.keys().eq(ours.keys()) && !theirs.is_empty(), "{name}: {points:?}");
    let compare = |at: &u64, theirs: &Image, ours: &Image| {
        assert_eq!(theirs.0, ours.0, "{name}, stopped at {at}");
        assert!(theirs.1 == ours.1, "{name}, stopped at {at}: other images of the same frames");
    };
    theirs.iter().for_each(|(at, image)| compare(at, image, &ours[at]));
    // In that run of compiled code, all points but the first came after another capture.
    let stopped: Vec<u64> = theirs.keys().copied().collect();
    for _ in 0..FIRSTS.min(stopped.len()) {
        let at = *random.pick(&stopped);
        compare(&at, &theirs[&at], &taken(PRECISE, &BTreeSet::from([at]))[&at]);
    }
}
