//! Guests that travel: stopped by the `iwasm` of this machine, they go on in that of one architecture after the other, and
//! finish where they began.
//!
//! Ignored unless asked for, by `scripts/cross/test.sh`, which has those other programs, and emulators for them.
//! `WAYFARER_TEST_STATIONS` names them: lines of a name and the words that start `iwasm` there. What `iwasm` is given is
//! the guest's module; at a station for which `WAYFARER_TEST_COMPILED` has a folder of the station's name with a file
//! GUEST.aot in it, that file.

use crate::harness::engine::Engine;
use crate::harness::folder::Folder;
use crate::harness::guests::{self, Guest};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::moved::{CHECKPOINTED, open_again};
use crate::points::reference;
use crate::support::{Ran, command, run};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Journeys of each guest.
const JOURNEYS: usize = 3;

/// A place where guests run.
#[derive(Clone, Debug)]
struct Station {
    name: String,
    /// What starts `iwasm`.
    words: Vec<String>,
}

impl Station {
    fn here() -> Station {
        Station {
            name: std::env::consts::ARCH.to_owned(),
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
                Some(Station { name: words.next()?, words: words.collect() })
            })
            .collect();
        assert!(!stations.is_empty(), "WAYFARER_TEST_STATIONS is empty");
        stations
    }

    /// What `iwasm` is given here to run the guest.
    fn program(&self, guest: &Guest) -> Vec<u8> {
        let compiled = std::env::var_os("WAYFARER_TEST_COMPILED").map(PathBuf::from);
        compiled
            .map(|folder| folder.join(&self.name).join(&guest.name).with_extension("aot"))
            .filter(|file| file.exists())
            .map_or_else(|| guest.module.bytes.to_vec(), |file| std::fs::read(file).expect("it can be read"))
    }
}

/// What a journey takes along.
struct Luggage<'a> {
    guest: &'a Guest,
    /// Has a folder for each station, with the guest's program in it under the guest's name, which it may print.
    home: &'a Path,
    data: Option<Folder>,
    input: &'a File,
}

impl Luggage<'_> {
    fn iwasm(&self, station: &Station, mut options: Vec<String>) -> Ran {
        let guest = self.guest;
        options.extend(guest.env.iter().map(|entry| format!("--env={entry}")));
        options
            .extend(self.data.iter().map(|folder| format!("--map-dir=/data::{}", folder.path().display())));
        options.push(guest.name.clone());
        options.extend(guest.args.iter().cloned());
        let words: Vec<&str> = station.words.iter().map(String::as_str).collect();
        let mut command = command(&words, options);
        command.current_dir(self.home.join(&station.name)).stdin(open_again(self.input));
        run(command)
    }
}

/// Runs a guest from the first station to the last; it is stopped once at each but the last, at these stable points.
fn journey(luggage: &Luggage, stations: &[&Station], points: &BTreeSet<u64>) {
    let image = luggage.home.join("the.image").display().to_string();
    let (mut printed, mut before) = (String::new(), 0);
    let mut points = points.iter();
    for (leg, station) in stations.iter().enumerate() {
        let at = format!("{}, stop {leg} at {}", luggage.guest.name, station.name);
        let restore = (leg > 0).then(|| format!("--restore={image}"));
        let Some(point) = points.next() else {
            let last = luggage.iwasm(station, restore.into_iter().collect());
            assert_eq!(
                (last.status, &*last.stderr, printed + &last.stdout),
                (
                    Some(luggage.guest.exit as i32),
                    "",
                    String::from_utf8_lossy(&luggage.guest.expected).into_owned()
                ),
                "{at}"
            );
            return;
        };
        let stop = [
            format!("--checkpoint={image}"),
            format!("--checkpoint-at={}", point - before),
            "--checkpoint-then=exit".to_owned(),
        ];
        let ran = luggage.iwasm(station, stop.into_iter().chain(restore).collect());
        assert_eq!((ran.status, &*ran.stderr), (Some(CHECKPOINTED), ""), "{at}, point {point}");
        printed += &ran.stdout;
        before = *point;
    }
    panic!("{}: more points than stations", luggage.guest.name);
}

#[test]
#[ignore = "needs the programs of other architectures: make test-cross"]
fn from_architecture_to_architecture() {
    let here = Station::here();
    let elsewhere = Station::elsewhere();
    let (mut journeys, mut complete) = (0, 0);
    for name in guests::names() {
        let guest = guests::guest(&name);
        // `iwasm` has no functions that call back.
        if guest.callback {
            continue;
        }
        let (_, polls) = reference(Engine::Interp, &guest, Kind::Files);
        let home = tempfile::tempdir().expect("a temporary folder");
        for station in elsewhere.iter().chain([&here]) {
            let folder = home.path().join(&station.name);
            std::fs::create_dir(&folder).expect("it can be made");
            std::fs::write(folder.join(&name), station.program(&guest)).expect("it can be written to");
        }
        let mut input = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut input, &guest.stdin).expect("it can be written to");
        let mut random = Random::named(&format!("across {name}"));
        for round in 0..JOURNEYS {
            // There and back, the others in turn each first. With few stable points the journey is shorter.
            let mut stations: Vec<&Station> = elsewhere.iter().collect();
            stations.rotate_left(round % elsewhere.len());
            stations.insert(0, &here);
            let stops = stations.len().min(usize::try_from(polls).expect("a program that ends"));
            stations.push(&here);
            let mut points = BTreeSet::new();
            while points.len() < stops {
                points.insert(1 + random.below(polls));
            }
            let data = guest.dir.as_ref().map(|dir| Folder::copy_of(dir).expect("it can be copied"));
            let luggage = Luggage { guest: &guest, home: home.path(), data, input: &input };
            journey(&luggage, &stations, &points);
            journeys += 1;
            complete += usize::from(stops + 1 == stations.len());
        }
    }
    println!("{journeys} journeys, {complete} of them there and back");
    // Guests of fewer stable points than stations are the exception.
    assert!(complete * 2 > journeys, "{complete} of {journeys}");
}
