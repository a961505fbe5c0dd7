//! SQLite in a guest: transactions on a database file, stopped anywhere, go on as if nothing had been. Both what it prints and
//! what SQLite thinks of its file in the end are as in a run that nobody disturbed.

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
    how_often(8, 25, 200)
}

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

    fn stopped(&self, at: u64, options: &[&str], image: &str) -> Ran {
        let (checkpoint, at) = (format!("--checkpoint={image}"), format!("--checkpoint-at={at}"));
        self.run(&[options, &[&checkpoint, &at, "--checkpoint-then=exit"]].concat())
    }
}

/// A number of stable points that no run has more of.
fn points(folder: &Folder, options: &[&str], mode: &'static str) -> u64 {
    let image = folder.text("probe");
    let mut past = 1 << 16;
    while Database::new(folder, "data", mode).stopped(past, options, &image).status == Some(CHECKPOINTED) {
        past += past / 4;
    }
    past
}

/// Stops it with these options, `count` times, and goes on with those, in the folder of this name.
fn stopped_anywhere(options: &[&str], then: &[&str], place: &str, count: u64) {
    let folder = Folder::new();
    let image = folder.text("image");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for mode in MODES {
        let undisturbed = Database::new(&folder, "data", mode).run(options);
        assert!(undisturbed.stdout.ends_with(" ok\n"), "{undisturbed:?}");
        let most = points(&folder, options, mode);
        let mut stops = 0;
        while stops < count {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = 1 + (state >> 20) % most;
            let database = Database::new(&folder, "data", mode);
            let first = database.stopped(at, options, &image);
            if first.status == Some(0) {
                continue;
            }
            assert_eq!(first.status, Some(CHECKPOINTED), "{mode} at {at}: {first:?}");
            let database = if place == "data" { database } else { Database::new(&folder, place, mode) };
            let last = database.run(&[then, &[&format!("--restore={image}")]].concat());
            assert_eq!(last.status, Some(0), "{mode} at {at}: {last:?}");
            assert_eq!(first.stdout + &last.stdout, undisturbed.stdout, "{mode} at {at}");
            stops += 1;
        }
    }
}

#[test]
fn transactions_go_on_where_they_were() {
    stopped_anywhere(&[], &[], "data", count());
}

#[test]
fn transactions_in_memory_go_on_where_nothing_is() {
    stopped_anywhere(&["--wasi=memory"], &["--wasi=memory"], "elsewhere", count());
}

#[test]
fn a_database_that_is_carried_goes_on_where_nothing_is() {
    stopped_anywhere(&["--checkpoint-files=carry"], &[], "elsewhere", count());
}

#[test]
fn transactions_go_on_in_code_that_is_compiled_while_it_runs() {
    built();
    stopped_anywhere(&[], &["--llvm-jit"], "data", count() / 4);
    stopped_anywhere(&["--llvm-jit", "--wasi=portable"], &[], "data", count() / 4);
}
