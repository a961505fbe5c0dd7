//! Random calls with a checkpoint in the middle of them: every later call gives what it gives undisturbed, in each back end, and
//! from Linux's files into memory. And both back ends give the same, and leave the same record.
//!
//! 200 of each; 2,000 with `WAYFARER_TEST_FULL=1`, 10,000 with `WAYFARER_TEST_LONG=1`. `WAYFARER_TEST_SEED` sets where to begin.
#![allow(missing_docs)]
mod common;
use common::*;
use std::path::Path;
use wayfarer_wasi::{BackEnd, WasiBuilder};

const NAMES: [&str; 8] = ["a", "b", "c", "d/a", "d/b", "d/e/a", "l", "no/a"];
const DIRECTORIES: [&str; 3] = [".", "d", "d/e"];
/// Calls of a run.
const CALLS: usize = 80;

#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % most
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// A call, with everything it is given.
#[derive(Clone, Debug)]
enum Action {
    Open { path: &'static str, oflags: u64, rights: u64, flags: u64, lookup: u64 },
    OpenDirectory { path: &'static str },
    Close { fd: u64 },
    Renumber { from: u64, to: u64 },
    Seek { fd: u64, offset: i64, whence: u64 },
    Read { fd: u64, len: usize },
    Write { fd: u64, len: usize, byte: u8 },
    ReadAt { fd: u64, at: u64, len: u64 },
    WriteAt { fd: u64, at: u64, len: u64 },
    ReadDirectory { fd: u64, go_on: bool, size: usize },
    Rename { from: &'static str, to: &'static str },
    Unlink { path: &'static str },
    Truncate { fd: u64, size: u64 },
    Allocate { fd: u64, at: u64, len: u64 },
    SetFlags { fd: u64, flags: u64 },
    SetRights { fd: u64, rights: u64 },
    SetTimes { fd: u64, at: u64 },
    Stat { path: &'static str },
    StatOpen { fd: u64 },
    State { fd: u64 },
}

fn action(random: &mut Random) -> Action {
    let fd = 3 + random.below(9);
    let len = random.one_of(&[0, 1, 7, 100, 5000]);
    let at = random.one_of(&[0, 3, 50, 4096, 70_000]);
    match random.below(26) {
        0..=4 => {
            let mut oflags = 0;
            for (bit, odds) in [(CREAT, 2), (TRUNC, 5), (EXCL, 6)] {
                oflags |= if random.below(odds) == 0 { bit } else { 0 };
            }
            Action::Open {
                path: random.one_of(&NAMES),
                oflags,
                rights: random.one_of(&[FILE, FILE, FILE, READ_ONLY, WRITE | SEEK | TELL]),
                flags: random.one_of(&[0, 0, APPEND]),
                lookup: random.one_of(&[0, FOLLOW, FOLLOW]),
            }
        }
        5 => Action::OpenDirectory { path: random.one_of(&DIRECTORIES) },
        6 => Action::Close { fd },
        7 => Action::Renumber { from: fd, to: 3 + random.below(9) },
        8 | 9 => {
            let offset = random.one_of(&[0, 2, -3, 64, 5000, -100]);
            Action::Seek { fd, offset, whence: random.below(4) }
        }
        10..=12 => Action::Read { fd, len },
        13..=15 => Action::Write { fd, len, byte: random.below(256) as u8 },
        16 => Action::ReadAt { fd, at, len: len as u64 },
        17 => Action::WriteAt { fd, at, len: len as u64 },
        18 => {
            let size = random.one_of(&[60, 100, 4096]);
            Action::ReadDirectory { fd, go_on: random.below(2) == 0, size }
        }
        19 => Action::Rename { from: random.one_of(&NAMES), to: random.one_of(&NAMES) },
        20 => Action::Unlink { path: random.one_of(&NAMES) },
        21 => Action::Truncate { fd, size: at },
        22 => match random.below(3) {
            0 => Action::Allocate { fd, at, len: len as u64 },
            1 => Action::SetFlags { fd, flags: random.one_of(&[0, APPEND, NONBLOCK]) },
            _ => Action::SetRights { fd, rights: random.one_of(&[READ | SEEK | TELL, READ | WRITE, FILE]) },
        },
        23 => Action::SetTimes { fd, at: 1_000_000_000 * (1 + random.below(9)) },
        24 => Action::Stat { path: random.one_of(&NAMES) },
        _ if random.below(2) == 0 => Action::StatOpen { fd },
        _ => Action::State { fd },
    }
}

/// What a call gave: its error number, or what the guest learns from it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Given {
    errno: u16,
    numbers: Vec<u64>,
    bytes: Vec<u8>,
    /// Names of entries in their order, and whether they were all.
    names: Vec<(String, u64)>,
}

/// Cookies of directories that are being read, by descriptor.
#[derive(Clone, Default)]
struct Reading(std::collections::BTreeMap<u64, u64>);

fn give(guest: &mut Guest, reading: &mut Reading, action: &Action) -> Given {
    let mut given = Given { errno: 0, numbers: vec![], bytes: vec![], names: vec![] };
    if let Err(errno) = try_give(guest, reading, action, &mut given) {
        given.errno = errno.0;
    }
    given
}

fn filestat(guest: &Guest) -> Vec<u64> {
    let kind = guest.get(RESULT + 16, 1)[0];
    // A directory's size is the file system's affair.
    let size = if kind == 3 { 0 } else { guest.u64(RESULT + 32) };
    let links = if kind == 3 { 0 } else { guest.u64(RESULT + 24) };
    vec![kind.into(), size, links]
}

fn try_give(
    guest: &mut Guest,
    reading: &mut Reading,
    action: &Action,
    given: &mut Given,
) -> common::Result<()> {
    let path_call = |guest: &mut Guest, path| guest.path_at(PATH, path);
    match *action {
        Action::Open { path, oflags, rights, flags, lookup } => {
            given.numbers.push(guest.open_at(3, lookup, path, oflags, rights, flags)?);
        }
        Action::OpenDirectory { path } => given.numbers.push(guest.open(path, DIRECTORY, DIR, 0)?),
        Action::Close { fd } => {
            guest.close(fd)?;
            reading.0.remove(&fd);
        }
        Action::Renumber { from, to } => {
            guest.try_call("fd_renumber", &[from, to])?;
            let cookie = reading.0.remove(&from);
            reading.0.remove(&to);
            cookie.map(|cookie| reading.0.insert(to, cookie));
        }
        Action::Seek { fd, offset, whence } => given.numbers.push(guest.seek(fd, offset, whence)?),
        Action::Read { fd, len } => given.bytes = guest.read(fd, len)?,
        Action::Write { fd, len, byte } => given.numbers.push(guest.write(fd, &vec![byte; len])? as u64),
        Action::ReadAt { fd, at, len } => {
            let [iovs, count] = guest.iovecs(&[(DATA, len)]);
            guest.try_call("fd_pread", &[fd, iovs, count, at, RESULT])?;
            given.bytes = guest.get(DATA, guest.u32(RESULT) as usize).to_vec();
        }
        Action::WriteAt { fd, at, len } => {
            guest.put(DATA, &vec![0x77; len as usize]);
            let [iovs, count] = guest.iovecs(&[(DATA, len)]);
            guest.try_call("fd_pwrite", &[fd, iovs, count, at, RESULT])?;
            given.numbers.push(guest.u32(RESULT).into());
        }
        Action::ReadDirectory { fd, go_on, size } => {
            let cookie = if go_on { reading.0.get(&fd).copied().unwrap_or(0) } else { 0 };
            let (names, end) = guest.readdir(fd, cookie, size)?;
            reading.0.insert(fd, names.last().map_or(cookie, |(_, next)| *next));
            given.names = names;
            given.numbers.push(end.into());
        }
        Action::Rename { from, to } => {
            let ([f, f_len], [t, t_len]) = (guest.path_at(PATH, from), guest.path_at(PATH2, to));
            guest.try_call("path_rename", &[3, f, f_len, 3, t, t_len])?;
        }
        Action::Unlink { path } => guest.at("path_unlink_file", 3, path)?,
        Action::Truncate { fd, size } => guest.try_call("fd_filestat_set_size", &[fd, size])?,
        Action::Allocate { fd, at, len } => guest.try_call("fd_allocate", &[fd, at, len])?,
        Action::SetFlags { fd, flags } => guest.try_call("fd_fdstat_set_flags", &[fd, flags])?,
        Action::SetRights { fd, rights } => guest.try_call("fd_fdstat_set_rights", &[fd, rights, 0])?,
        Action::SetTimes { fd, at } => {
            guest.try_call("fd_filestat_set_times", &[fd, at, at + 1, 1 | 4])?;
            guest.try_call("fd_filestat_get", &[fd, RESULT])?;
            given.numbers = vec![guest.u64(RESULT + 40), guest.u64(RESULT + 48)];
        }
        Action::Stat { path } => {
            let [at, len] = path_call(guest, path);
            guest.try_call("path_filestat_get", &[3, 0, at, len, RESULT])?;
            given.numbers = filestat(guest);
        }
        Action::StatOpen { fd } => {
            guest.try_call("fd_filestat_get", &[fd, RESULT])?;
            given.numbers = filestat(guest);
        }
        Action::State { fd } => {
            let (kind, flags, base, inheriting) = guest.fdstat(fd)?;
            given.numbers = vec![kind.into(), flags.into(), base, inheriting];
        }
    }
    Ok(())
}

/// A directory to begin with.
fn folder() -> tempfile::TempDir {
    let dir = fast_dir();
    std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
    create(dir.path(), "a", "content of a");
    create(dir.path(), "d/a", &"0123456789".repeat(700));
    std::os::unix::fs::symlink("d/a", dir.path().join("l")).unwrap();
    dir
}

fn builder(dir: &Path, back_end: BackEnd) -> WasiBuilder {
    let mut builder = quiet();
    builder.map_dir(format!("/::{}", dir.display())).back_end(back_end);
    builder
}

/// How a run is disturbed.
#[derive(Clone, Copy)]
struct Hop {
    before: usize,
    to: BackEnd,
}

/// What a run did, what it got, and all that is there at its end.
fn run(seed: u64, back_end: BackEnd, hop: Option<Hop>) -> (Vec<Action>, Vec<Given>) {
    let (actions, given, _) = run_to_its_end(seed, back_end, hop);
    (actions, given)
}

/// And its guest.
fn run_to_its_end(
    seed: u64,
    back_end: BackEnd,
    hop: Option<Hop>,
) -> (Vec<Action>, Vec<Given>, (Guest, tempfile::TempDir)) {
    let dir = folder();
    let mut guest = Guest::new(&builder(dir.path(), back_end));
    let mut random = Random(seed);
    let mut reading = Reading::default();
    let (mut actions, mut all) = (Vec::new(), Vec::new());
    for nth in 0..CALLS {
        if let Some(hop) = hop
            && hop.before == nth
        {
            let image = guest.ctx.save().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let target = builder(dir.path(), hop.to);
            let next = Guest::new(&target);
            next.ctx.restore(&image).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            guest.ctx = next.ctx;
        }
        let action = action(&mut random);
        all.push(give(&mut guest, &mut reading, &action));
        actions.push(action);
    }
    for path in NAMES {
        let given = guest.open(path, 0, READ, 0).and_then(|fd| guest.read(fd, 100_000));
        let errno = given.as_ref().err().map_or(0, |errno| errno.0);
        all.push(Given { errno, numbers: vec![], bytes: given.unwrap_or_default(), names: vec![] });
    }
    (actions, all, (guest, dir))
}

/// What has to be the same: between file systems that list directories in another order, only what was read as a whole is.
fn compare(seed: u64, what: &str, order: bool, one: &(Vec<Action>, Vec<Given>), other: &[Given]) {
    for (nth, (before, after)) in one.1.iter().zip(other).enumerate() {
        let (mut before, mut after) = (before.clone(), after.clone());
        if let Some(Action::ReadDirectory { go_on, size, .. }) = one.0.get(nth)
            && !order
        {
            for given in [&mut before, &mut after] {
                if *go_on || *size < 4096 {
                    (given.names, given.numbers) = (vec![], vec![]);
                } else {
                    given.names.iter_mut().for_each(|(_, cookie)| *cookie = 0);
                    given.names.sort();
                }
            }
        }
        assert_eq!(before, after, "seed {seed}, {what}: call {nth}, {:?}", one.0.get(nth));
    }
    assert_eq!(one.1.len(), other.len());
}

fn seeds() -> std::ops::Range<u64> {
    let asked = |name| std::env::var_os(name).is_some_and(|value| value != "0");
    let count = match (asked("WAYFARER_TEST_LONG"), asked("WAYFARER_TEST_FULL")) {
        (true, _) => 10_000,
        (_, true) => 2_000,
        _ => 200,
    };
    let first = std::env::var("WAYFARER_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    first..first + count
}

/// Compares runs that are stopped somewhere with those that are not.
fn stopped_and_not(from: BackEnd, to: BackEnd) {
    for seed in seeds() {
        let undisturbed = run(seed, from, None);
        let before = Random(seed ^ 0x5555).below(CALLS as u64) as usize;
        let (_, disturbed) = run(seed, from, Some(Hop { before, to }));
        compare(seed, &format!("{from} to {to} before call {before}"), from == to, &undisturbed, &disturbed);
    }
}

#[test]
fn files_of_linux_are_as_they_were() {
    stopped_and_not(BackEnd::Linux, BackEnd::Linux);
}

#[test]
fn files_in_memory_are_as_they_were() {
    stopped_and_not(BackEnd::Memory, BackEnd::Memory);
}

#[test]
fn files_of_linux_go_on_in_memory() {
    stopped_and_not(BackEnd::Linux, BackEnd::Memory);
}

#[test]
fn files_of_the_portable_one_are_as_they_were() {
    stopped_and_not(BackEnd::Portable, BackEnd::Portable);
}

#[test]
fn files_of_linux_go_on_in_the_portable_one_and_the_other_way_round() {
    stopped_and_not(BackEnd::Linux, BackEnd::Portable);
    stopped_and_not(BackEnd::Portable, BackEnd::Linux);
}

#[test]
fn all_back_ends_give_the_same() {
    for seed in seeds() {
        let linux = run(seed, BackEnd::Linux, None);
        for other in [BackEnd::Portable, BackEnd::Memory] {
            let (_, given) = run(seed, other, None);
            compare(seed, other.name(), false, &linux, &given);
        }
    }
}

/// What an image says of descriptors, without what is the file system's: times, and how it lists directories.
fn record(guest: &Guest) -> serde_json::Value {
    let image = guest.ctx.save().unwrap();
    let mut described = wayfarer_wasi::describe_record(&image).unwrap();
    let described = described.as_object_mut().unwrap();
    for descriptor in described["descriptors"].as_array_mut().unwrap() {
        for operation in descriptor["operations"].as_array_mut().unwrap() {
            operation.as_object_mut().unwrap().retain(|name, _| name != "modified_ns" && name != "seen");
        }
    }
    serde_json::json!([described["descriptors"], described["preopens"]])
}

#[test]
fn the_same_calls_leave_the_same_record_in_each_back_end() {
    for seed in seeds() {
        let (_, _, (linux, _dir)) = run_to_its_end(seed, BackEnd::Linux, None);
        for other in [BackEnd::Portable, BackEnd::Memory] {
            let (_, _, (guest, _dir)) = run_to_its_end(seed, other, None);
            assert_eq!(record(&linux), record(&guest), "seed {seed}, {other}");
        }
    }
}
