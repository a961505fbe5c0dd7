//! CPython, stopped at random points.

use crate::harness::engine::Engine;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Machine, World};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::harness::take::take;
use crate::points::{effort, reference, visiting};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wayfarer_runtime::{CaptureError, Store};
use wayfarer_snapshot::Compression;
use wayfarer_snapshot::view::Thread;

/// Uses files, dicts, generators, exceptions and hashlib.
const SCRIPT: &str = include_str!("script.py");

fn python() -> (Arc<Guest>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("script.py"), SCRIPT).expect("it can be written to");
    let bytes = std::fs::read(guests::built().join("python.wasm")).expect("CPython was fetched");
    let guest = Guest {
        name: "python".to_owned(),
        module: guests::parse(bytes),
        args: ["-B", "/data/script.py"].map(str::to_owned).to_vec(),
        // Sets are walked in the order of hashes.
        env: vec!["PYTHONHASHSEED=0".to_owned()],
        dir: Some(folder.path().to_owned()),
        stdin: Vec::new(),
        exit: 7,
        callback: false,
        expected: Vec::new(),
    };
    (Arc::new(guest), folder)
}

#[test]
fn cpython() {
    let (guest, _folder) = python();
    let (reference, polls) = reference(Engine::Interp, &guest, Kind::Pipes);
    let printed = String::from_utf8_lossy(&reference.stdout).into_owned();
    assert_eq!((&reference.exit, &*reference.stderr), (&Ok(guest.exit), &b""[..]), "{printed}");
    assert!(printed.ends_with("done\n"), "{printed}");
    assert!(reference.files.contains_key(std::path::Path::new("notes.txt")), "{:?}", reference.files.keys());

    let mut random = Random::named("python");
    let count = effort().cpython;
    let points: BTreeSet<u64> = (0..count).map(|_| 1 + random.below(polls)).collect();
    let mut machine = Machine::new(Engine::Interp, &guest, World::new(&guest, Kind::Pipes))
        .expect("it can be instantiated");
    let (host, tested) = (machine.host.clone(), Arc::new(AtomicUsize::new(0)));
    let visit = {
        let (guest, reference, tested) = (guest.clone(), reference.clone(), tested.clone());
        move |_, store: &Store, thread: Result<Thread, CaptureError>| {
            let thread = thread.map_err(|e| e.to_string())?;
            let checkpoint = take(store, &host, thread, Compression::None)?;
            let printed = checkpoint.printed;
            let (mut machine, thread) = Machine::restored(Engine::Interp, &guest, checkpoint)?;
            let ended = machine.resume(&thread);
            tested.fetch_add(1, Ordering::Relaxed);
            // Its memory holds times.
            ended.difference(&reference, printed, true).map_or(Ok(()), Err)
        }
    };
    let ended = visiting(&mut machine, points.iter().copied(), visit, Machine::run)
        .unwrap_or_else(|why| panic!("of {polls} stable points: {why}"));
    assert_eq!(ended.difference(&reference, 0, true), None);
    // What it reads of the clock may make a run a little shorter than the one that was counted.
    assert!(tested.load(Ordering::Relaxed) + 1 >= points.len(), "{polls} stable points");
}
