//! For each function of WASI preview 1, each error number it can be made to give, as POSIX and the text of WASI have it.
#![allow(missing_docs)]
mod common;
use common::*;
use std::collections::BTreeSet;
use wayfarer_wasi::Errno::{self, *};
use wayfarer_wasi::FUNCTIONS;

in_each_back_end!();

/// The preopened folder, and a descriptor that is none.
const ROOT: u64 = 3;
const NONE: u64 = 77;
/// Bits of `fstflags`.
const ATIM: u64 = 1;
const ATIM_NOW: u64 = 2;
/// Bytes that no name has (NAME_MAX is one less).
const TOO_LONG: usize = 256;

/// Makes a call.
type Act = Box<dyn Fn(&mut Guest) -> Result<()>>;

/// Arguments of a function, by the descriptor that it is about.
type Args = fn(u64) -> Vec<u64>;

/// What is called, what it is to give, and how to do it.
struct Case {
    function: &'static str,
    expected: Errno,
    what: &'static str,
    act: Act,
}

fn case(
    function: &'static str,
    expected: Errno,
    what: &'static str,
    act: impl Fn(&mut Guest) -> Result<()> + 'static,
) -> Case {
    Case { function, expected, what, act: Box::new(act) }
}

/// A folder with files, directories, links to both, one that leads nowhere and one that leads to itself.
fn folder() -> tempfile::TempDir {
    let dir = fast_dir();
    create(dir.path(), "f", "content");
    for name in ["d", "full"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    create(dir.path(), "full/inside", "inside");
    for (name, target) in [("l", "f"), ("ld", "d"), ("x", "nowhere"), ("loop", "loop"), ("out", "../..")] {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    }
    dir
}

/// `f` with all rights of files, and with those alone.
fn file(guest: &mut Guest) -> u64 {
    guest.open("f", 0, FILE, 0).unwrap()
}

fn file_with(guest: &mut Guest, rights: u64) -> u64 {
    guest.open("f", 0, rights, 0).unwrap()
}

fn long() -> String {
    "n".repeat(TOO_LONG)
}

/// Calls of functions of one descriptor: that it is open, and that it has the right.
fn of_descriptors() -> Vec<Case> {
    let args: [(&str, Args, Option<u64>); 17] = [
        ("fd_advise", |fd| vec![fd, 0, 1, 0], Some(7)),
        ("fd_allocate", |fd| vec![fd, 0, 1], Some(8)),
        ("fd_close", |fd| vec![fd], None),
        ("fd_datasync", |fd| vec![fd], Some(0)),
        ("fd_fdstat_get", |fd| vec![fd, RESULT], None),
        ("fd_fdstat_set_flags", |fd| vec![fd, APPEND], Some(3)),
        ("fd_fdstat_set_rights", |fd| vec![fd, FILE, 0], None),
        ("fd_filestat_get", |fd| vec![fd, RESULT], Some(21)),
        ("fd_filestat_set_size", |fd| vec![fd, 0], Some(22)),
        ("fd_filestat_set_times", |fd| vec![fd, 0, 0, 0], Some(23)),
        ("fd_pread", |fd| vec![fd, IOVECS, 0, 0, RESULT], Some(1)),
        ("fd_pwrite", |fd| vec![fd, IOVECS, 0, 0, RESULT], Some(6)),
        ("fd_read", |fd| vec![fd, IOVECS, 0, RESULT], Some(1)),
        ("fd_seek", |fd| vec![fd, 0, 0, RESULT], Some(2)),
        ("fd_sync", |fd| vec![fd], Some(4)),
        ("fd_tell", |fd| vec![fd, RESULT], Some(5)),
        ("fd_write", |fd| vec![fd, IOVECS, 0, RESULT], Some(6)),
    ];
    let mut cases = Vec::new();
    for (function, args, right) in args {
        cases.push(case(function, BadF, "not open", move |guest| guest.try_call(function, &args(NONE))));
        let Some(right) = right else { continue };
        // The right to set a position is that to learn it, too; and one of reading or writing is asked for, always.
        let without = FILE & !(1 << right) & if right == 5 { !SEEK } else { !0 };
        cases.push(case(function, NotCapable, "without the right", move |guest| {
            let fd = file_with(guest, without);
            guest.try_call(function, &args(fd))
        }));
    }
    cases
}

/// More of them.
fn of_files() -> Vec<Case> {
    vec![
        case("fd_advise", Inval, "an advice that is none", |guest| {
            let fd = file(guest);
            guest.try_call("fd_advise", &[fd, 0, 1, 9])
        }),
        case("fd_allocate", Inval, "no bytes", |guest| {
            let fd = file(guest);
            guest.try_call("fd_allocate", &[fd, 0, 0])
        }),
        case("fd_fdstat_set_rights", NotCapable, "more rights than there were", |guest| {
            let fd = file_with(guest, READ);
            guest.try_call("fd_fdstat_set_rights", &[fd, READ | WRITE, 0])
        }),
        case("fd_filestat_set_times", Inval, "a time and now", |guest| {
            let fd = file(guest);
            guest.try_call("fd_filestat_set_times", &[fd, 1, 1, ATIM | ATIM_NOW])
        }),
        case("fd_filestat_set_size", Inval, "more than a file can have", |guest| {
            let fd = file(guest);
            guest.try_call("fd_filestat_set_size", &[fd, 1 << 63])
        }),
        case("fd_pread", Inval, "where no file is", |guest| {
            let fd = file(guest);
            let [iovs, count] = guest.iovecs(&[(DATA, 1)]);
            guest.try_call("fd_pread", &[fd, iovs, count, 1 << 63, RESULT])
        }),
        case("fd_pwrite", Inval, "where no file is", |guest| {
            let fd = file(guest);
            let [iovs, count] = guest.iovecs(&[(DATA, 1)]);
            guest.try_call("fd_pwrite", &[fd, iovs, count, 1 << 63, RESULT])
        }),
        case("fd_prestat_get", BadF, "not open", |guest| guest.try_call("fd_prestat_get", &[NONE, RESULT])),
        case("fd_prestat_get", BadF, "not preopened", |guest| {
            let fd = file(guest);
            guest.try_call("fd_prestat_get", &[fd, RESULT])
        }),
        case("fd_prestat_dir_name", BadF, "not preopened", |guest| {
            let fd = file(guest);
            guest.try_call("fd_prestat_dir_name", &[fd, DATA, 10])
        }),
        case("fd_readdir", BadF, "not open", |guest| {
            guest.try_call("fd_readdir", &[NONE, DATA, 100, 0, RESULT])
        }),
        case("fd_readdir", NotCapable, "without the right", |guest| {
            let fd = guest.open("d", DIRECTORY, DIR & !(1 << 14), 0)?;
            guest.try_call("fd_readdir", &[fd, DATA, 100, 0, RESULT])
        }),
        case("fd_renumber", BadF, "from what is not open", |guest| {
            let fd = file(guest);
            guest.try_call("fd_renumber", &[NONE, fd])
        }),
        case("fd_renumber", BadF, "to what is not open", |guest| {
            let fd = file(guest);
            guest.try_call("fd_renumber", &[fd, NONE])
        }),
        case("fd_seek", Inval, "from nowhere", |guest| {
            let fd = file(guest);
            guest.seek(fd, 0, 3).map(drop)
        }),
        case("fd_seek", Inval, "before the beginning", |guest| {
            let fd = file(guest);
            guest.seek(fd, -1, 0).map(drop)
        }),
    ]
}

/// Functions of one path, with the arguments behind it.
type OfPath = (&'static str, fn(&mut Guest, u64, &str) -> Result<()>, u64);

fn of_a_path() -> [OfPath; 8] {
    [
        ("path_create_directory", |guest, fd, path| guest.at("path_create_directory", fd, path), 9),
        (
            "path_filestat_get",
            |guest, fd, path| {
                let [at, len] = guest.path_at(PATH, path);
                guest.try_call("path_filestat_get", &[fd, FOLLOW, at, len, RESULT])
            },
            18,
        ),
        (
            "path_filestat_set_times",
            |guest, fd, path| {
                let [at, len] = guest.path_at(PATH, path);
                guest.try_call("path_filestat_set_times", &[fd, FOLLOW, at, len, 1, 1, ATIM])
            },
            20,
        ),
        ("path_open", |guest, fd, path| guest.open_at(fd, FOLLOW, path, 0, READ, 0).map(drop), 13),
        (
            "path_readlink",
            |guest, fd, path| {
                let [at, len] = guest.path_at(PATH, path);
                guest.try_call("path_readlink", &[fd, at, len, DATA, 100, RESULT])
            },
            15,
        ),
        ("path_remove_directory", |guest, fd, path| guest.at("path_remove_directory", fd, path), 25),
        (
            "path_symlink",
            |guest, fd, path| {
                let ([to, to_len], [at, len]) = (guest.path_at(PATH, "f"), guest.path_at(PATH2, path));
                guest.try_call("path_symlink", &[to, to_len, fd, at, len])
            },
            24,
        ),
        ("path_unlink_file", |guest, fd, path| guest.at("path_unlink_file", fd, path), 26),
    ]
}

/// What all of them have in common.
fn of_paths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (function, act, right) in of_a_path() {
        cases.push(case(function, BadF, "in what is not open", move |guest| act(guest, NONE, "f")));
        cases.push(case(function, NotCapable, "without the right", move |guest| {
            let fd = guest.open("d", DIRECTORY, DIR & !(1 << right), 0)?;
            act(guest, fd, "n")
        }));
        cases.push(case(function, NoEnt, "below what is not there", move |guest| act(guest, ROOT, "no/n")));
        cases.push(case(function, NotDir, "below a file", move |guest| act(guest, ROOT, "f/n")));
        cases.push(case(function, Loop, "below a link to itself", move |guest| act(guest, ROOT, "loop/n")));
        cases.push(case(function, NotCapable, "up and out", move |guest| act(guest, ROOT, "../n")));
        cases
            .push(case(function, NotCapable, "down, up and out", move |guest| act(guest, ROOT, "d/../../n")));
        cases.push(case(function, NotCapable, "from the host's root", move |guest| act(guest, ROOT, "/n")));
        cases.push(case(function, NotCapable, "through a link out", move |guest| act(guest, ROOT, "out/n")));
        cases.push(case(function, NameTooLong, "too long a name", move |guest| act(guest, ROOT, &long())));
        cases.push(case(function, NoEnt, "no name", move |guest| act(guest, ROOT, "")));
        cases.push(case(function, Inval, "a NUL in it", move |guest| act(guest, ROOT, "a\0b")));
        let makes = matches!(function, "path_create_directory" | "path_symlink");
        let (expected, what) = if makes { (Exist, "there already") } else { (NoEnt, "not there") };
        let name = if makes { "f" } else { "n" };
        cases.push(case(function, expected, what, move |guest| act(guest, ROOT, name)));
    }
    cases
}

fn rename(guest: &mut Guest, from: &str, fd: u64, to: &str) -> Result<()> {
    let ([f, f_len], [t, t_len]) = (guest.path_at(PATH, from), guest.path_at(PATH2, to));
    guest.try_call("path_rename", &[ROOT, f, f_len, fd, t, t_len])
}

fn link(guest: &mut Guest, from: &str, fd: u64, to: &str) -> Result<()> {
    let ([f, f_len], [t, t_len]) = (guest.path_at(PATH, from), guest.path_at(PATH2, to));
    guest.try_call("path_link", &[ROOT, 0, f, f_len, fd, t, t_len])
}

/// What each of them has of its own.
fn of_some_paths() -> Vec<Case> {
    vec![
        case("path_filestat_set_times", Inval, "a time and now", |guest| {
            let [at, len] = guest.path_at(PATH, "f");
            guest.try_call("path_filestat_set_times", &[ROOT, 0, at, len, 1, 1, ATIM | ATIM_NOW])
        }),
        case("path_link", BadF, "in what is not open", |guest| link(guest, "f", NONE, "n")),
        case("path_link", Exist, "there already", |guest| link(guest, "f", ROOT, "l")),
        case("path_link", NoEnt, "of what is not there", |guest| link(guest, "n", ROOT, "m")),
        case("path_link", Perm, "of a directory", |guest| link(guest, "d", ROOT, "n")),
        case("path_link", NotCapable, "up and out", |guest| link(guest, "f", ROOT, "../n")),
        case("path_link", NotDir, "below a file", |guest| link(guest, "f", ROOT, "f/n")),
        case("path_open", Exist, "made, but there already", |guest| {
            guest.open("f", CREAT | EXCL, FILE, 0).map(drop)
        }),
        case("path_open", IsDir, "a directory, to write", |guest| guest.open("d", 0, WRITE, 0).map(drop)),
        case("path_open", NotDir, "a file, as a directory", |guest| {
            guest.open("f", DIRECTORY, DIR, 0).map(drop)
        }),
        case("path_open", NotDir, "in a file", |guest| {
            let fd = file(guest);
            guest.open_at(fd, FOLLOW, "n", 0, READ, 0).map(drop)
        }),
        case("path_open", Loop, "a link that is not to be followed", |guest| {
            guest.open_at(ROOT, 0, "l", 0, READ, 0).map(drop)
        }),
        case("path_open", Loop, "a link to itself", |guest| guest.open("loop", 0, READ, 0).map(drop)),
        case("path_open", Inval, "a directory that is to be made", |guest| {
            guest.open("n", CREAT | DIRECTORY, DIR, 0).map(drop)
        }),
        case("path_open", NotCapable, "with rights that the folder cannot give", |guest| {
            let [at, len] = guest.path_at(PATH, "d");
            guest.try_call("path_open", &[ROOT, 0, at, len, DIRECTORY, DIR, READ, 0, RESULT])?;
            let fd = guest.u32(RESULT).into();
            create_below(guest, "d/n");
            guest.open_at(fd, FOLLOW, "n", 0, READ | WRITE, 0).map(drop)
        }),
        case("path_open", NotCapable, "made, without the right to", |guest| {
            let fd = guest.open("d", DIRECTORY, DIR & !(1 << 10), 0)?;
            guest.open_at(fd, FOLLOW, "n", CREAT, FILE, 0).map(drop)
        }),
        case("path_readlink", Inval, "of what is no link", |guest| {
            let [at, len] = guest.path_at(PATH, "f");
            guest.try_call("path_readlink", &[ROOT, at, len, DATA, 100, RESULT])
        }),
        case("path_remove_directory", NotEmpty, "one that is not empty", |guest| {
            guest.at("path_remove_directory", ROOT, "full")
        }),
        case("path_remove_directory", NotDir, "a file", |guest| guest.at("path_remove_directory", ROOT, "f")),
        case("path_remove_directory", NotDir, "a link to one", |guest| {
            guest.at("path_remove_directory", ROOT, "ld")
        }),
        case("path_rename", BadF, "to what is not open", |guest| rename(guest, "f", NONE, "n")),
        case("path_rename", NoEnt, "of what is not there", |guest| rename(guest, "n", ROOT, "m")),
        case("path_rename", NoEnt, "to below what is not there", |guest| rename(guest, "f", ROOT, "no/n")),
        case("path_rename", IsDir, "a file over a directory", |guest| rename(guest, "f", ROOT, "d")),
        case("path_rename", NotDir, "a directory over a file", |guest| rename(guest, "d", ROOT, "f")),
        case("path_rename", NotEmpty, "over one that is not empty", |guest| rename(guest, "d", ROOT, "full")),
        case("path_rename", Inval, "a directory into itself", |guest| rename(guest, "d", ROOT, "d/n")),
        case("path_rename", NotCapable, "up and out", |guest| rename(guest, "f", ROOT, "../n")),
        case("path_rename", NotCapable, "without the right", |guest| {
            let fd = guest.open("d", DIRECTORY, DIR & !(1 << 17), 0)?;
            rename(guest, "f", fd, "n")
        }),
        case("path_symlink", NoEnt, "to nothing", |guest| {
            let [at, len] = guest.path_at(PATH2, "n");
            guest.try_call("path_symlink", &[PATH, 0, ROOT, at, len])
        }),
        case("path_unlink_file", IsDir, "a directory", |guest| guest.at("path_unlink_file", ROOT, "d")),
    ]
}

fn create_below(guest: &mut Guest, path: &str) {
    let fd = guest.open(path, CREAT, FILE, 0).unwrap();
    guest.close(fd).unwrap();
}

/// Those without files.
fn of_others() -> Vec<Case> {
    let mut cases = vec![
        case("clock_res_get", Inval, "a clock that is none", |guest| {
            guest.try_call("clock_res_get", &[9, RESULT])
        }),
        case("clock_time_get", Inval, "a clock that is none", |guest| {
            guest.try_call("clock_time_get", &[9, 0, RESULT])
        }),
        case("poll_oneoff", Inval, "for nothing", |guest| {
            guest.try_call("poll_oneoff", &[DATA, DATA, 0, RESULT])
        }),
    ];
    let args: [(&str, Args); 4] = [
        ("sock_accept", |fd| vec![fd, 0, RESULT]),
        ("sock_recv", |fd| vec![fd, IOVECS, 0, 0, RESULT, RESULT + 8]),
        ("sock_send", |fd| vec![fd, IOVECS, 0, 0, RESULT]),
        ("sock_shutdown", |fd| vec![fd, 1]),
    ];
    for (function, args) in args {
        cases.push(case(function, BadF, "not open", move |guest| guest.try_call(function, &args(NONE))));
    }
    cases
}

fn all() -> Vec<Case> {
    [of_descriptors(), of_files(), of_paths(), of_some_paths(), of_others()].into_iter().flatten().collect()
}

#[test]
fn each_function_gives_each_of_its_errors() {
    let mut wrong = Vec::new();
    for Case { function, expected, what, act } in all() {
        let dir = folder();
        let mut guest = Guest::in_dir(dir.path());
        match act(&mut guest) {
            Err(errno) if errno == expected => {}
            other => {
                wrong.push(format!("{function}, {what}: {other:?}, not {expected:?} ({})", expected as u16))
            }
        }
        // Nothing was done, and nothing is left open.
        assert_eq!(guest.content("f"), "content", "{function}, {what}");
    }
    assert!(wrong.is_empty(), "{}:\n{}", back_end(), wrong.join("\n"));
}

/// Of those that every guest can call, `proc_exit` returns nothing, and others have no error but a pointer out of memory, which
/// is a trap.
#[test]
fn no_function_is_left_out() {
    const WITHOUT: [&str; 8] = [
        "args_get",
        "args_sizes_get",
        "environ_get",
        "environ_sizes_get",
        "proc_exit",
        "proc_raise",
        "random_get",
        "sched_yield",
    ];
    let tested: BTreeSet<&str> = all().iter().map(|case| case.function).chain(WITHOUT).collect();
    let preview1 = FUNCTIONS.iter().map(|function| function.name);
    // WAMR's own come behind those of preview 1.
    let preview1: BTreeSet<&str> = preview1.take_while(|name| *name != "sock_addr_local").collect();
    assert_eq!(tested, preview1);
}
