//! CPython, stopped at random points: in the interpreter, and from and to compiled code.
//!
//! To compile all of it takes minutes: tests that need that are ignored unless asked for, as `make test` does with
//! `WAYFARER_TEST_FULL=1`. What they do with CPython, others do with a smaller program; and CPython is compiled while it runs,
//! as far as it is hot.

use crate::harness::engine::Engine;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Ended, Machine, World};
use crate::harness::random::Random;
use crate::harness::streams::Kind;
use crate::harness::take::{Checkpoint, Visitor, take};
use crate::points::{effort, is_volatile, reference, until, visiting};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};
use wayfarer_runtime::{AfterCheckpoint, CaptureError, Store, Trap};
use wayfarer_snapshot::Compression;
use wayfarer_snapshot::view::Thread;

const SCRIPT: &str = include_str!("script.py");

/// Where programs are only interpreted.
const INTERPRETED: [[Engine; 2]; 1] = [[Engine::Interp; 2]];

/// CPython with its script.
fn python() -> Arc<Guest> {
    static PYTHON: LazyLock<(Arc<Guest>, tempfile::TempDir)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("script.py"), SCRIPT).expect("it can be written to");
        let bytes = std::fs::read(guests::built().join("python.wasm")).expect("CPython was fetched");
        let guest = Guest {
            name: "python".to_owned(),
            module: guests::parse(bytes),
            // It does not look for modules beside the script, in the order in which the host lists them.
            args: ["-B", "-P", "/data/script.py"].map(str::to_owned).to_vec(),
            // Sets are walked in the order of hashes.
            env: vec!["PYTHONHASHSEED=0".to_owned()],
            dir: Some(folder.path().to_owned()),
            stdin: Vec::new(),
            exit: 7,
            callback: false,
            still: true,
            expected: Vec::new(),
        };
        (Arc::new(guest), folder)
    });
    PYTHON.0.clone()
}

/// What stopped programs stood in.
#[derive(Debug, Default)]
struct Seen {
    points: usize,
    /// Functions of innermost frames, and of all.
    innermost: BTreeSet<u32>,
    funcs: BTreeSet<u32>,
    deepest: usize,
}

impl Seen {
    fn add(&mut self, thread: &Thread) {
        self.points += 1;
        self.innermost.extend(thread.frames.last().map(|frame| frame.func.func));
        self.funcs.extend(thread.frames.iter().map(|frame| frame.func.func));
        self.deepest = self.deepest.max(thread.frames.len());
    }
}

/// What is said to the thread that asks for checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    /// The checkpoint was taken.
    Visited,
    /// The program ended.
    Over,
}

/// One direction.
struct Trial {
    guest: Arc<Guest>,
    engines: [Engine; 2],
    /// What the interpreter made of it.
    expected: Ended,
    seen: Mutex<Seen>,
}

impl Trial {
    /// A program that was stopped goes on, and does what it would have done.
    fn go_on(&self, thread: &Thread, checkpoint: Checkpoint) -> Result<(), String> {
        let printed = checkpoint.printed;
        let (mut machine, restored) = Machine::restored(self.engines[1], &self.guest, checkpoint)?;
        if &restored != thread {
            return Err(format!("the thread restored is {restored:?}, not {thread:?}"));
        }
        let ended = machine.resume(&restored);
        self.seen.lock().map_err(|e| e.to_string())?.add(thread);
        self.compare(&ended, printed)
    }

    /// Output, exit status, files and memory.
    fn compare(&self, ended: &Ended, printed: usize) -> Result<(), String> {
        ended.difference(&self.expected, printed, is_volatile(&self.guest.name)).map_or(Ok(()), Err)
    }

    fn machine(&self) -> Result<Machine, String> {
        Machine::new(self.engines[0], &self.guest, World::new(&self.guest, Kind::Pipes))
    }

    /// One run that is imaged at each of these points and goes on, as each image does.
    fn counted(self: &Arc<Self>, points: &BTreeSet<u64>) -> Result<(), String> {
        let mut machine = self.machine()?;
        let (host, trial) = (machine.host.clone(), self.clone());
        let visit = move |_, store: &Store, thread: Result<Thread, CaptureError>| {
            let thread = thread.map_err(|e| e.to_string())?;
            let checkpoint = take(store, &host, thread.clone(), Compression::None)?;
            trial.go_on(&thread, checkpoint)
        };
        let ended = visiting(&mut machine, points.iter().copied(), visit, Machine::run)?;
        self.compare(&ended, 0)
    }

    /// A run that ends at this point: before it, nothing was captured.
    fn stopped(&self, at: u64) -> Result<(), String> {
        let mut machine = self.machine()?;
        let (ended, taken) = until(&mut machine, at, Machine::run)?;
        let (thread, checkpoint) = taken.ok_or("it did not come there")?;
        if ended.exit != Err(Trap::Stopped.to_string()) {
            return Err(format!("it was to stop, and ended with {:?}", ended.exit));
        }
        drop(machine);
        self.go_on(&thread, checkpoint)
    }

    /// A run that is imaged now and then, as another thread asks for it: after so much time at most; if that is none, first
    /// before it runs. Nothing is counted, so polls are as quick as when nobody asks. Afterwards it does as told.
    fn asked(
        self: &Arc<Self>,
        most: Duration,
        random: &mut Random,
        after: AfterCheckpoint,
    ) -> Result<(), String> {
        let mut machine = self.machine()?;
        let control = machine.store.control().clone();
        let (host, trial) = (machine.host.clone(), self.clone());
        let (tell, told) = mpsc::channel();
        let visitor = {
            let tell = tell.clone();
            Visitor::new(&machine.store, move |store, thread| {
                let thread = thread.map_err(|e| e.to_string())?;
                let checkpoint = take(store, &host, thread.clone(), Compression::None)?;
                let went_on = trial.go_on(&thread, checkpoint);
                let _ = tell.send(Progress::Visited);
                went_on.map(|()| after)
            })
        };
        let mut random = Random::new(random.next());
        let mut is_asked = most.is_zero();
        if is_asked {
            control.request_checkpoint();
        }
        let asking = std::thread::spawn(move || {
            let most = most.as_micros() as u64 + 1;
            // Until it is over, which it may be at any time.
            while is_asked || told.recv_timeout(Duration::from_micros(random.below(most))).is_err() {
                if !is_asked {
                    control.request_checkpoint();
                }
                is_asked = false;
                if told.recv() != Ok(Progress::Visited) {
                    return;
                }
            }
        });
        let ended = machine.run();
        let _ = tell.send(Progress::Over);
        asking.join().map_err(|_| "asking panicked")?;
        match visitor.complaints().first() {
            Some(complaint) => Err(complaint.clone()),
            None if ended.exit == Err(Trap::Stopped.to_string()) => Ok(()),
            None => self.compare(&ended, 0),
        }
    }
}

/// Stops a program at so many points in one engine, and goes on from each in the other.
fn check(guest: &Arc<Guest>, expected: &Ended, engines: [Engine; 2], count: usize) {
    let name = format!("{} from {} to {}", guest.name, engines[0], engines[1]);
    let trial = Trial { guest: guest.clone(), engines, expected: expected.clone(), seen: Mutex::default() };
    let trial = Arc::new(trial);
    // It may have to be compiled first.
    let mut machine = trial.machine().unwrap_or_else(|why| panic!("{name}: {why}"));
    let started = Instant::now();
    let undisturbed = machine.run();
    let lasts = started.elapsed();
    drop(machine);
    let ok = |result: Result<(), String>| result.unwrap_or_else(|why| panic!("{name}, {why}"));
    ok(trial.compare(&undisturbed, 0).map_err(|why| format!("undisturbed, {why}")));
    let mut random = Random::named(&name);
    if engines[0].counts() {
        by_count(&trial, &name, count, &mut random);
    }
    let counted = trial.seen.lock().expect("nobody panics").points;
    let seen = || trial.seen.lock().expect("nobody panics").points - counted;
    // Other code leaves its frames at each point that is counted. So it is stopped by time alone.
    let wanted = if engines[0].counts() { count.div_ceil(4) } else { count };
    for (most, wanted, after) in [
        (lasts, count.div_ceil(5), AfterCheckpoint::Stop),
        (lasts / 8, count.div_ceil(5) + wanted, AfterCheckpoint::Continue),
    ] {
        let mut most = most;
        while seen() < wanted {
            let before = seen();
            ok(trial.asked(most, &mut random, after).map_err(|why| format!("when asked: {why}")));
            if seen() == before {
                // It was over before it was asked: threads start late on a busy machine.
                assert!(!most.is_zero(), "{name}: it was asked before it ran, and did not stop");
                most /= 2;
            }
        }
    }
    let asked = seen();
    let seen = trial.seen.lock().expect("nobody panics");
    println!(
        "{name}: {} points tested, {counted} of them by count, {asked} by time; they stood in {} functions, their frames in {}, \
         at most {} frames; {:?}",
        seen.points,
        seen.innermost.len(),
        seen.funcs.len(),
        seen.deepest,
        started.elapsed()
    );
    if guest.name == "python" && count >= 100 {
        assert!(
            seen.innermost.len() > 20 && seen.funcs.len() > 100 && seen.deepest > 100,
            "{name}: {seen:?}"
        );
    }
}

/// Stops it at so many points in one run, and at some of them in a run of their own.
fn by_count(trial: &Arc<Trial>, name: &str, count: usize, random: &mut Random) {
    let ok = |result: Result<(), String>| result.unwrap_or_else(|why| panic!("{name}, {why}"));
    let (counted, polls) = reference(trial.engines[0], &trial.guest, Kind::Pipes);
    ok(trial.compare(&counted, 0).map_err(|why| format!("counted, {why}")));
    let mut points = BTreeSet::new();
    while points.len() < count.min(polls as usize / 2) {
        points.insert(1 + random.below(polls));
    }
    ok(trial.counted(&points).map_err(|why| format!("of {polls} stable points: {why}")));
    let visited = trial.seen.lock().expect("nobody panics").points;
    assert_eq!(visited, points.len(), "{name}: points of {polls}");

    let all: Vec<u64> = points.into_iter().collect();
    for _ in 0..count.div_ceil(5) {
        let at = *random.pick(&all);
        ok(trial.stopped(at).map_err(|why| format!("stopped at {at} of {polls}: {why}")));
    }
}

/// The undisturbed run in the interpreter, which must be what the script says.
fn expected(guest: &Guest) -> Ended {
    let (expected, _) = reference(Engine::Interp, guest, Kind::Pipes);
    let printed = String::from_utf8_lossy(&expected.stdout).into_owned();
    assert_eq!((&expected.exit, &*expected.stderr), (&Ok(guest.exit), &b""[..]), "{printed}");
    if guest.name == "python" {
        assert!(printed.ends_with("done\n"), "{printed}");
        let notes = std::path::Path::new("folder/notes.txt");
        assert!(expected.files.contains_key(notes), "{:?}", expected.files.keys());
    }
    expected
}

#[test]
fn cpython() {
    let guest = python();
    let expected = expected(&guest);
    INTERPRETED.into_iter().for_each(|engines| check(&guest, &expected, engines, effort().cpython));
}

#[cfg(target_arch = "x86_64")]
mod compiled {
    use super::*;
    use crate::harness::aot;
    use crate::harness::compiled::Code;
    use crate::harness::folder::Folder;
    use crate::moved::{CHECKPOINTED, iwasm};
    use crate::support;
    use std::path::Path;

    /// What `iwasm` runs out of an `.aot` file.
    const FILE: Engine = Engine::Compiled(Code::File);

    /// What is tested in CPython's place where that is not compiled.
    const STAND_IN: &str = "files";

    /// Most images between a program's beginning and its end.
    const HOPS: usize = 200;

    fn direction(guest: &Arc<Guest>, engines: [Engine; 2]) {
        check(guest, &expected(guest), engines, effort().cpython);
    }

    #[test]
    #[ignore = "compiles CPython"]
    fn from_interpreter_to_compiled() {
        direction(&python(), [Engine::Interp, FILE]);
    }

    #[test]
    #[ignore = "compiles CPython"]
    fn from_compiled_to_interpreter() {
        direction(&python(), [FILE, Engine::Interp]);
    }

    #[test]
    #[ignore = "compiles CPython"]
    fn from_compiled_to_compiled() {
        direction(&python(), [FILE, FILE]);
    }

    #[test]
    #[ignore = "compiles CPython"]
    fn from_iwasm_to_iwasm() {
        let guest = python();
        let code = aot::make(&guest.module);
        journeys(&guest, &[Way::Interpreted, Way::File(&code)]);
    }

    /// CPython, compiled while it runs: most of it is interpreted, what is hot is not.
    #[test]
    fn while_it_is_compiled() {
        let guest = python();
        journeys(&guest, &[Way::WhileItRuns, Way::Interpreted, Way::WhileItRuns]);
    }

    #[test]
    fn a_smaller_program() {
        let guest = guests::guest(STAND_IN);
        for engines in [[Engine::Interp, FILE], [FILE, Engine::Interp], [FILE, FILE]] {
            direction(&guest, engines);
        }
        let code = aot::make(&guest.module);
        journeys(&guest, &[Way::Interpreted, Way::File(&code)]);
    }

    /// How `iwasm` runs a program.
    enum Way<'a> {
        Interpreted,
        /// Compiled before.
        File(&'a Path),
        /// Compiled while it runs, with what earlier runs have left in a cache.
        WhileItRuns,
    }

    /// A program in the hands of `iwasm`, which stops after some time, again and again, run in these ways in turn.
    fn journeys(guest: &Guest, ways: &[Way<'_>]) {
        let expected = expected(guest);
        // Each has the program under the guest's name, which it may print.
        let homes: Vec<_> = ways.iter().map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
        for (home, way) in homes.iter().zip(ways) {
            let program = home.path().join(&guest.name);
            match way {
                Way::File(code) => std::os::unix::fs::symlink(code, program),
                _ => std::fs::write(program, &*guest.module.bytes),
            }
            .expect("it can be written to");
        }
        let image = homes[0].path().join("the.image").display().to_string();
        // What is compiled while it runs needs the compiler beside it.
        support::built();
        let input = tempfile::tempfile().expect("a temporary file");
        let mut random = Random::named("from iwasm to iwasm");
        let (mut hops, journeys) = (0, effort().cpython.div_ceil(10));
        let (_, polls) = reference(Engine::Interp, guest, Kind::Pipes);
        for journey in 0..journeys {
            let data = guest.dir.as_ref().map(|dir| Folder::copy_of(dir).expect("it can be copied"));
            let mut printed = String::new();
            let mut restore = None;
            for hop in 0.. {
                let nth = (journey + hop) % ways.len();
                let home: &Path = homes[nth].path();
                // Some of them to each journey. A small program is over too soon to be stopped by time; CPython takes a
                // quarter of a second for all of it; many times that on a busy machine, so it gets longer and longer.
                let stop = match guest.name == STAND_IN {
                    true => format!("--checkpoint-at={}", 1 + random.below((polls / 10).max(1))),
                    false => format!("--checkpoint-every={}ms", (10 + random.below(80)) << (hop / 25)),
                };
                let mut options =
                    vec![format!("--checkpoint={image}"), stop, "--checkpoint-then=exit".to_owned()];
                options.extend(restore.take());
                if let Way::WhileItRuns = ways[nth] {
                    options.push("--llvm-jit".to_owned());
                }
                let ran = iwasm(guest, home, data.as_ref(), &input, &options);
                assert_eq!(ran.stderr, "", "{} at hop {hop}", guest.name);
                printed += &ran.stdout;
                if ran.status != Some(CHECKPOINTED) {
                    assert_eq!(ran.status, Some(guest.exit as i32), "{} at hop {hop}", guest.name);
                    break;
                }
                hops += 1;
                assert!(hop < HOPS, "{} does not come to its end", guest.name);
                restore = Some(format!("--restore={image}"));
            }
            assert_eq!(printed, String::from_utf8_lossy(&expected.stdout), "{}", guest.name);
            let files = data.map(|data| data.listing().expect("it can be read")).unwrap_or_default();
            assert!(files == expected.files, "{}: {:?}", guest.name, files.keys());
        }
        println!("{}: {journeys} journeys of {hops} hops", guest.name);
        assert!(hops >= journeys, "{}: {hops} hops in {journeys} journeys", guest.name);
    }

    /// Modes that compile have the code that is tested above.
    #[test]
    fn files_and_modes_that_compile_have_the_same_code() {
        let guest = guests::guest(STAND_IN);
        let home = tempfile::tempdir().expect("a temporary folder");
        let (wasm, cache) = (home.path().join("guest.wasm"), home.path().join("cache"));
        std::fs::write(&wasm, &*guest.module.bytes).expect("it can be written to");
        // The compiler has a place beside it.
        support::built();
        let mut command = support::iwasm_command([std::ffi::OsStr::new("--llvm-jit"), wasm.as_os_str()]);
        command.env("WAYFARER_CACHE", &cache).env("WAYFARER_JIT", "eager");
        support::run(command);
        let entries: Vec<_> = std::fs::read_dir(&cache)
            .expect("iwasm keeps what it compiled")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        let read = |path: &Path| std::fs::read(path).expect("it can be read");
        assert!(read(entry) == read(&aot::make(&guest.module)), "{}", entry.display());
    }
}
