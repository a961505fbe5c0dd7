//! Guests that travel: stopped by the `iwasm` of this machine, they go on in that of one architecture after the other, and
//! finish where they began; at each of them interpreted, or in code that was compiled for it.
//!
//! Ignored unless asked for, by `scripts/cross/test.sh`, which has those other programs, and emulators for them.
//! `WAYFARER_TEST_STATIONS` names them: lines of an architecture and the words that start `iwasm` there.

use crate::harness::compile::{Options, wamrc};
use crate::harness::compiled::Code;
use crate::harness::engine::Engine;
use crate::harness::folder::Folder;
use crate::harness::guests::{self, Guest};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::moved::{CHECKPOINTED, open_again};
use crate::points::reference;
use crate::support::{Ran, command, run};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Guests that travel in every combination of engines, one of each kind of state: calls, files, loops, vectors, memory.
const THOROUGH: &[&str] = &["recursion", "files", "loops", "v128_locals", "heap"];

/// How much is tested.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// How many of [`THOROUGH`] do.
    thorough: usize,
    /// Journeys of each other guest in random engines with the same stable points.
    journeys: usize,
    /// Journeys of each guest in random engines of any kind.
    others: usize,
}

fn effort() -> Effort {
    match std::env::var_os("WAYFARER_TEST_CROSS").is_some_and(|tier| tier == "suites") {
        true => Effort { thorough: 2, journeys: 2, others: 1 },
        false => Effort { thorough: THOROUGH.len(), journeys: 3, others: 2 },
    }
}

/// What a guest is at a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Interpreted,
    /// Compiled, with the interpreter's stable points.
    Precise,
    /// Compiled, as the product does.
    Compiled,
}

impl Form {
    const ALL: [Form; 3] = [Form::Interpreted, Form::Precise, Form::Compiled];

    /// Those in which stable points are counted alike.
    const ALIKE: [Form; 2] = [Form::Interpreted, Form::Precise];

    /// The guest's program for an architecture.
    fn program(self, guest: &Guest, arch: &str) -> Vec<u8> {
        let precise = match self {
            Form::Interpreted => return guest.module.bytes.to_vec(),
            Form::Precise => true,
            Form::Compiled => false,
        };
        let options = Options { precise, ..Options::default() };
        wamrc::aot_for(arch, &guest.module, &options)
            .unwrap_or_else(|e| panic!("{} for {arch}: {e}", guest.name))
    }
}

/// A place where guests run.
#[derive(Clone, Debug)]
struct Station {
    arch: String,
    /// What starts `iwasm`.
    words: Vec<String>,
}

impl Station {
    fn here() -> Station {
        Station {
            arch: std::env::consts::ARCH.to_owned(),
            words: vec![env!("CARGO_BIN_EXE_iwasm").to_owned()],
        }
    }

    /// The others.
    fn elsewhere() -> Vec<Station> {
        let lines =
            std::env::var("WAYFARER_TEST_STATIONS").expect("WAYFARER_TEST_STATIONS names other stations");
        let stations: Vec<Station> = lines
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().map(str::to_owned);
                Some(Station { arch: words.next()?, words: words.collect() })
            })
            .collect();
        assert!(!stations.is_empty(), "WAYFARER_TEST_STATIONS is empty");
        stations
    }

    /// There and back, the others in turn each first.
    fn round_trip(nth: usize) -> Vec<Station> {
        let mut stations = Station::elsewhere();
        let len = stations.len();
        stations.rotate_left(nth % len);
        stations.insert(0, Station::here());
        stations.push(Station::here());
        stations
    }
}

/// What a journey takes along.
struct Luggage<'a> {
    guest: &'a Guest,
    /// Has a folder for each station and form, with the guest's program in it under the guest's name, which it may print.
    home: &'a Path,
    data: Option<Folder>,
    input: &'a File,
}

impl Luggage<'_> {
    fn new<'a>(guest: &'a Guest, home: &'a Path, input: &'a File) -> Luggage<'a> {
        let data = guest.dir.as_ref().map(|dir| Folder::copy_of(dir).expect("it can be copied"));
        Luggage { guest, home, data, input }
    }

    /// The folder with the guest's program, which is made if it is not there.
    fn folder(&self, arch: &str, form: Form) -> PathBuf {
        let folder = self.home.join(format!("{arch}-{form:?}"));
        if !folder.exists() {
            fs::create_dir(&folder).expect("it can be made");
            fs::write(folder.join(&self.guest.name), form.program(self.guest, arch))
                .expect("it can be written to");
        }
        folder
    }

    fn iwasm(&self, station: &Station, form: Form, mut options: Vec<String>) -> Ran {
        let guest = self.guest;
        options.extend(guest.env.iter().map(|entry| format!("--env={entry}")));
        options
            .extend(self.data.iter().map(|folder| format!("--map-dir=/data::{}", folder.path().display())));
        options.push(guest.name.clone());
        options.extend(guest.args.iter().cloned());
        let words: Vec<&str> = station.words.iter().map(String::as_str).collect();
        let mut command = command(&words, options);
        command.current_dir(self.folder(&station.arch, form)).stdin(open_again(self.input));
        run(command)
    }
}

/// Runs a guest from the first station to the last, in a form at each; it is stopped at each but the last, after so many
/// stable points. Returns how often it was: it may end before, but must have done what it should.
fn journey(luggage: &Luggage, legs: &[(&Station, Form)], strides: &[u64], expected: &str) -> usize {
    let image = luggage.home.join("the.image").display().to_string();
    let mut printed = String::new();
    for (leg, &(station, form)) in legs.iter().enumerate() {
        let way: Vec<_> = legs.iter().map(|(station, form)| (&*station.arch, *form)).collect();
        let at = format!("{} by {way:?}, at stop {leg} after each of {strides:?}", luggage.guest.name);
        let mut options: Vec<String> = (leg > 0).then(|| format!("--restore={image}")).into_iter().collect();
        if let Some(stride) = strides.get(leg).filter(|_| leg + 1 < legs.len()) {
            options.push(format!("--checkpoint={image}"));
            options.push(format!("--checkpoint-at={stride}"));
            options.push("--checkpoint-then=exit".to_owned());
        }
        let last = options.len() < 3;
        let ran = luggage.iwasm(station, form, options);
        printed += &ran.stdout;
        if !last && ran.status == Some(CHECKPOINTED) {
            assert_eq!(ran.stderr, "", "{at}");
            continue;
        }
        let exit = Some(luggage.guest.exit as i32);
        assert_eq!((ran.status, &*ran.stderr, &*printed), (exit, "", expected), "{at}");
        return leg;
    }
    panic!("{}: the last leg ends a journey", luggage.guest.name);
}

/// Random strides that end at different stable points of a run with so many.
fn strides(polls: u64, stops: usize, random: &mut Random) -> Vec<u64> {
    let stops = stops.min(usize::try_from(polls).expect("a program that ends"));
    let mut points = BTreeSet::new();
    while points.len() < stops {
        points.insert(1 + random.below(polls));
    }
    let mut before = 0;
    points.into_iter().map(|point| point - std::mem::replace(&mut before, point)).collect()
}

/// All combinations of forms for so many legs.
fn combinations(forms: &[Form], legs: usize) -> Vec<Vec<Form>> {
    (0..legs).fold(vec![Vec::new()], |before, _| {
        let longer = |way: Vec<Form>| forms.iter().map(move |&form| [&way[..], &[form]].concat());
        before.into_iter().flat_map(longer).collect()
    })
}

/// Journeys made, and how many of them went there and back: with the same stable points everywhere, and with others.
#[derive(Clone, Copy, Default)]
struct Count {
    journeys: usize,
    complete: usize,
    others: usize,
    others_complete: usize,
}

#[test]
#[ignore = "needs the programs of other architectures: make test-cross"]
fn from_architecture_to_architecture() {
    let guests = Mutex::new(guests::names().into_iter());
    let count = Mutex::new(Count::default());
    let next = || guests.lock().expect("nobody panics with it").next();
    // Emulators work on one processor each.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while let Some(name) = next() {
                    travel(&name, &count);
                }
            });
        }
    });
    let Count { journeys, complete, others, others_complete } = count.into_inner().expect("nobody panicked");
    println!(
        "{journeys} journeys, {complete} of them there and back; {others} in engines with other stable points, \
         {others_complete} there and back"
    );
    // Guests of fewer stable points than stations are the exception.
    assert!(complete * 2 > journeys, "{complete} of {journeys}");
    assert!(others_complete * 3 > others, "{others_complete} of {others}");
}

/// All journeys of a guest.
fn travel(name: &str, count: &Mutex<Count>) {
    let guest = guests::guest(name);
    // `iwasm` has no functions that call back.
    if guest.callback {
        return;
    }
    let (_, polls) = reference(Engine::Interp, &guest, Kind::Files);
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut input = tempfile::tempfile().expect("a temporary file");
    std::io::Write::write_all(&mut input, &guest.stdin).expect("it can be written to");
    let expected = String::from_utf8_lossy(&guest.expected);
    let mut random = Random::named(&format!("across {name}"));
    let legs = Station::round_trip(0).len();
    let effort = effort();
    let ways = match THOROUGH[..effort.thorough].contains(&name) {
        true => combinations(&Form::ALIKE, legs),
        false => {
            (0..effort.journeys).map(|_| (0..legs).map(|_| *random.pick(&Form::ALIKE)).collect()).collect()
        }
    };
    for (round, way) in ways.into_iter().enumerate() {
        let stations = Station::round_trip(round);
        // With few stable points the journey is shorter.
        let strides = strides(polls, legs - 1, &mut random);
        let legs: Vec<(&Station, Form)> = stations.iter().zip(way).collect();
        let luggage = Luggage::new(&guest, home.path(), &input);
        let stops = journey(&luggage, &legs, &strides, &expected);
        assert_eq!(stops, strides.len(), "{name}: {legs:?}");
        let mut count = count.lock().expect("nobody panics with it");
        count.journeys += 1;
        count.complete += usize::from(stops + 1 == stations.len());
    }
    // Others have other stable points, and may end before all strides are done.
    let (_, polls) = reference(Engine::Compiled(Code::Default), &guest, Kind::Files);
    for round in 0..effort.others {
        let stations = Station::round_trip(round);
        let way: Vec<Form> = stations.iter().map(|_| *random.pick(&Form::ALL)).collect();
        let way = if round == 0 { vec![Form::Compiled; legs] } else { way };
        let longest = (2 * polls / legs as u64).max(1);
        let strides: Vec<u64> = (1..legs).map(|_| 1 + random.below(longest)).collect();
        let legs: Vec<(&Station, Form)> = stations.iter().zip(way).collect();
        let luggage = Luggage::new(&guest, home.path(), &input);
        let stops = journey(&luggage, &legs, &strides, &expected);
        let mut count = count.lock().expect("nobody panics with it");
        count.others += 1;
        count.others_complete += usize::from(stops + 1 == stations.len());
    }
}

/// What CPython does on its way.
const SCRIPT: &str = "\
import hashlib
digest, table = hashlib.sha256(), {}
with open('/data/notes.txt', 'w+') as notes:
    for i in range(2000):
        table[i * i % 977] = f'{i / 7:.6f}'
        digest.update(table[i * i % 977].encode())
        if i % 400 == 0:
            print(i, len(table), digest.hexdigest()[:16], file=notes)
            print(i, 3 ** i % 10 ** 9 + 7, flush=True)
    notes.seek(0)
    print(notes.read(), sorted(table)[-5:], sum(map(float, table.values())))
";

/// Longest way of CPython between two stops (stable points); it passes five million in all.
const CPYTHON_STRIDE: u64 = 1_500_000;

#[test]
#[ignore = "compiles CPython for each architecture, which takes minutes: WAYFARER_TEST_CROSS=full make test-cross"]
fn cpython_from_architecture_to_architecture() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = tempfile::tempdir().expect("a temporary folder");
    fs::write(data.path().join("script.py"), SCRIPT).expect("it can be written to");
    let bytes = fs::read(guests::built().join("python.wasm")).expect("CPython was fetched");
    let mut guest = Arc::into_inner(guests::from_text("python", "(module)", "")).expect("just made");
    guest.module = guests::parse(bytes);
    guest.args = ["-B", "/data/script.py"].map(str::to_owned).to_vec();
    guest.env = vec!["PYTHONHASHSEED=0".to_owned()];
    guest.dir = Some(data.path().to_owned());
    let input = tempfile::tempfile().expect("a temporary file");

    let here = Station::here();
    let undisturbed = Luggage::new(&guest, home.path(), &input).iwasm(&here, Form::Compiled, Vec::new());
    assert_eq!((undisturbed.status, &*undisturbed.stderr), (Some(0), ""));
    assert!(undisturbed.stdout.contains("1600 "), "{}", undisturbed.stdout);
    let mut random = Random::named("across cpython");
    for round in 0..2 {
        let stations = Station::round_trip(round);
        let mut legs: Vec<(&Station, Form)> = stations.iter().map(|s| (s, Form::Compiled)).collect();
        if round > 0 {
            legs[round].1 = Form::Interpreted;
        }
        let strides: Vec<u64> = legs[1..].iter().map(|_| 1 + random.below(CPYTHON_STRIDE)).collect();
        let luggage = Luggage::new(&guest, home.path(), &input);
        assert_eq!(journey(&luggage, &legs, &strides, &undisturbed.stdout), strides.len());
    }
}
