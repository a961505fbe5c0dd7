//! SQLite in a guest: transactions on a database file, stopped anywhere, go on as if nothing had been. Both what it prints and
//! what SQLite thinks of its file in the end are as in a run that nobody disturbed. Each run is stopped several times, and restored
//! by a new process each time: to come to each place from the beginning would take ten times as long, and see less.

use std::path::{Path, PathBuf};

use crate::support::{Folder, Ran, built, how_often, iwasm_command, run};

/// Status of a program that ended with its checkpoint.
const CHECKPOINTED: i32 = 86;
/// Journals, one on the side and one that is written ahead.
const MODES: [&str; 2] = ["delete", "wal"];
/// Transactions of a run. `VACUUM`, which needs a temporary file, is among what is done.
const ROUNDS: &str = "24";

/// The guest, which `scripts/build-guests.sh` makes.
fn guest() -> String {
    let target =
        Path::new(env!("CARGO_BIN_EXE_iwasm")).ancestors().nth(2).expect("it is in a folder of a folder");
    let wasm = target.join("guests/transactions.wasm");
    assert!(wasm.exists(), "no {}: run \"make guests\"", wasm.display());
    wasm.display().to_string()
}

/// How often it is stopped, in each mode.
fn count() -> u64 {
    how_often(8, 40, 200)
}

/// About how often a run is stopped until it ends.
const STOPS: u64 = 8;

/// A database in a directory of its own.
struct Database {
    directory: PathBuf,
    mode: &'static str,
}

impl Database {
    /// In a folder that is empty now.
    fn new(folder: &Folder, name: &str, mode: &'static str) -> Self {
        let directory = folder.at(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir(&directory).unwrap();
        Database { directory, mode }
    }

    fn run(&self, options: &[&str]) -> Ran {
        let dir = format!("--map-dir=.::{}", self.directory.display());
        let mut command = iwasm_command([options, &[&dir, &guest(), "t.db", self.mode, ROUNDS]].concat());
        command.stdin(std::process::Stdio::null());
        command.env("WAYFARER_CACHE", self.directory.with_file_name("cache"));
        run(command)
    }

    /// With an image to go on from, if there is one, and stopped after so many stable points.
    fn stopped(&self, from: Option<&str>, at: u64, options: &[&str], image: &str) -> Ran {
        let (checkpoint, at) = (format!("--checkpoint={image}"), format!("--checkpoint-at={at}"));
        let restore = from.map(|from| format!("--restore={from}"));
        let words = [&*checkpoint, &*at, "--checkpoint-then=exit"];
        self.run(&[options, &words, restore.as_deref().as_slice()].concat())
    }
}

/// A number of stable points that a run has not, but half of which it has.
fn points(folder: &Folder, options: &[&str], mode: &'static str) -> u64 {
    let image = folder.text("probe");
    let mut past = 1 << 16;
    while Database::new(folder, "data", mode).stopped(None, past, options, &image).status
        == Some(CHECKPOINTED)
    {
        past *= 2;
    }
    past
}

/// Stops runs until `count` checkpoints were taken in each mode. They begin with these options, go on with those, and so on by
/// turns; always in one directory, or each time in one that is empty.
fn stopped_anywhere(options: &[&str], then: &[&str], directory: Directory, count: u64) {
    let folder = Folder::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for mode in MODES {
        let undisturbed = Database::new(&folder, "data", mode).run(options);
        assert!(undisturbed.stdout.ends_with(" ok\n"), "{undisturbed:?}");
        // Three quarters of that are about as many as it has.
        let between = points(&folder, options, mode) * 3 / 2 / STOPS;
        let mut stops = 0;
        while stops < count {
            let mut database = Database::new(&folder, "data", mode);
            let (mut printed, mut places, mut from) = (String::new(), Vec::new(), None::<String>);
            let last = loop {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                places.push(1 + (state >> 20) % between);
                let nth = places.len();
                if directory == Directory::New && from.is_some() {
                    database = Database::new(&folder, &format!("elsewhere{}", nth % 2), mode);
                }
                let options = if nth % 2 == 1 { options } else { then };
                let image = folder.text(&format!("{}.image", nth % 2));
                let ran = database.stopped(from.as_deref(), places[nth - 1], options, &image);
                printed += &ran.stdout;
                if ran.status != Some(CHECKPOINTED) {
                    break ran;
                }
                stops += 1;
                from = Some(image);
            };
            assert_eq!(last.status, Some(0), "{mode}, stopped after {places:?}: {last:?}");
            assert_eq!(printed, undisturbed.stdout, "{mode}, stopped after {places:?}");
        }
    }
}

/// Where a database is when its program goes on.
#[derive(Clone, Copy, PartialEq)]
enum Directory {
    /// Where it was.
    Same,
    /// In one that has no file.
    New,
}

#[test]
fn transactions_go_on_where_they_were() {
    stopped_anywhere(&[], &[], Directory::Same, count());
}

#[test]
fn transactions_in_memory_go_on_where_nothing_is() {
    stopped_anywhere(&["--wasi=memory"], &["--wasi=memory"], Directory::New, count());
}

#[test]
fn a_database_that_is_carried_goes_on_where_nothing_is() {
    stopped_anywhere(&["--checkpoint-files=carry"], &[], Directory::New, count());
}

#[test]
fn transactions_go_on_in_code_that_is_compiled_while_it_runs() {
    built();
    stopped_anywhere(&[], &["--llvm-jit"], Directory::Same, count());
    stopped_anywhere(&["--llvm-jit", "--wasi=portable"], &[], Directory::Same, count());
}
