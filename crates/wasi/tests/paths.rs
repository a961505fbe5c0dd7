//! `path_*`, with the error numbers that the WASI test suite expects, and attempts to leave the sandbox.
#![allow(missing_docs)]
mod common;
use common::*;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wayfarer_wasi::Errno;

in_each_back_end!();

/// A sandbox `box` beside a file `secret` that must stay out of reach.
fn sandbox() -> (tempfile::TempDir, std::path::PathBuf, Guest) {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("box");
    std::fs::create_dir(&inner).unwrap();
    create(outer.path(), "secret", "secret");
    let guest = Guest::in_dir(&inner);
    (outer, inner, guest)
}

fn symlink_at(guest: &mut Guest, target: &str, name: &str) -> Result<()> {
    let [t, t_len] = guest.path_at(PATH, target);
    let [n, n_len] = guest.path_at(PATH2, name);
    guest.try_call("path_symlink", &[t, t_len, 3, n, n_len])
}

fn rename(guest: &mut Guest, from: &str, to: &str) -> Result<()> {
    let [f, f_len] = guest.path_at(PATH, from);
    let [t, t_len] = guest.path_at(PATH2, to);
    guest.try_call("path_rename", &[3, f, f_len, 3, t, t_len])
}

fn link(guest: &mut Guest, lookup: u64, from: &str, to: &str) -> Result<()> {
    let [f, f_len] = guest.path_at(PATH, from);
    let [t, t_len] = guest.path_at(PATH2, to);
    guest.try_call("path_link", &[3, lookup, f, f_len, 3, t, t_len])
}

/// File type and size.
fn stat(guest: &mut Guest, lookup: u64, path: &str) -> Result<(u8, u64)> {
    let [at, len] = guest.path_at(PATH, path);
    guest.try_call("path_filestat_get", &[3, lookup, at, len, RESULT])?;
    Ok((guest.get(RESULT + 16, 1)[0], guest.u64(RESULT + 32)))
}

fn readlink(guest: &mut Guest, path: &str, size: u64) -> Result<Vec<u8>> {
    let [at, len] = guest.path_at(PATH, path);
    guest.try_call("path_readlink", &[3, at, len, DATA, size, RESULT])?;
    Ok(guest.get(DATA, guest.u32(RESULT) as usize).to_vec())
}

#[test]
fn open_flags_do_what_they_say() {
    let (_outer, _dir, mut guest) = sandbox();
    assert_eq!(guest.open("f", 0, READ, 0).unwrap_err(), Errno::NoEnt);
    let fd = guest.open("f", CREAT | EXCL, FILE, 0).unwrap();
    guest.write(fd, b"12345").unwrap();
    assert_eq!(guest.open("f", CREAT | EXCL, FILE, 0).unwrap_err(), Errno::Exist);
    guest.open("f", CREAT, FILE, 0).unwrap();
    assert_eq!(guest.content("f"), "12345");
    guest.open("f", TRUNC, FILE, 0).unwrap();
    assert_eq!(guest.content("f"), "");
    // Creating and truncating need no right to write the descriptor.
    guest.make("f", "more");
    guest.open("f", TRUNC, 0, 0).unwrap();
    assert_eq!(guest.content("f"), "");
    guest.open("g", CREAT, 0, 0).unwrap();
    guest.open("h", CREAT | TRUNC, FILE, APPEND).unwrap();
    assert_eq!(guest.open("f", DIRECTORY, 0, 0).unwrap_err(), Errno::NotDir);
    assert_eq!(guest.open("x", DIRECTORY | CREAT, 0, 0).unwrap_err(), Errno::Inval);
    for rights in [WRITE, READ | WRITE, FILE] {
        assert_eq!(guest.open(".", DIRECTORY, rights, 0).unwrap_err(), Errno::IsDir);
        assert_eq!(guest.open("f", DIRECTORY, rights, 0).unwrap_err(), Errno::NotDir);
    }
    guest.open(".", DIRECTORY, DIR | READ, 0).unwrap();
    assert_eq!(guest.open(".", 0, FILE, 0).unwrap_err(), Errno::IsDir);
    assert_eq!(guest.open("f", 16, 0, 0).unwrap_err(), Errno::Inval);
    assert_eq!(guest.open("f", 0, 0, 32).unwrap_err(), Errno::Inval);
    assert_eq!(guest.open_at(3, 2, "f", 0, 0, 0).unwrap_err(), Errno::Inval);
    assert_eq!(guest.open_at(77, 0, "f", 0, 0, 0).unwrap_err(), Errno::BadF);
    assert_eq!(guest.open("", 0, 0, 0).unwrap_err(), Errno::NoEnt);
}

#[test]
fn a_file_can_be_opened_with_synchronous_writes() {
    let (_outer, _dir, mut guest) = sandbox();
    for flags in [2, 8, 16] {
        let fd = guest.open("f", CREAT, FILE, flags).unwrap();
        assert_eq!(guest.fdstat(fd).unwrap().1, flags as u16);
        guest.write(fd, b"x").unwrap();
    }
    assert_eq!(guest.open_at(3, 0, "f", 0, READ, 0).map(|_| ()), Ok(()));
}

#[test]
fn interesting_paths_resolve_as_in_posix() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.at("path_create_directory", 3, "dir").unwrap();
    guest.at("path_create_directory", 3, "dir/nested/").unwrap();
    guest.open("dir/nested/file", CREAT | EXCL, FILE, 0).unwrap();
    guest.open("dir/.//nested/../../dir/nested/../nested///./file", 0, READ, 0).unwrap();
    assert_eq!(guest.open("dir/nested/file\0", 0, 0, 0).unwrap_err(), Errno::Inval);
    assert_eq!(guest.open("dir/nested/file/", 0, 0, 0).unwrap_err(), Errno::NotDir);
    assert_eq!(guest.open("dir/nested/file///", 0, 0, 0).unwrap_err(), Errno::NotDir);
    guest.open("dir/nested/", 0, 0, 0).unwrap();
    guest.open("dir/nested///", DIRECTORY, 0, 0).unwrap();
    let sub = guest.open("dir", DIRECTORY, DIR, 0).unwrap();
    assert_eq!(guest.fdstat(sub).unwrap().0, 3);
    guest.open_at(sub, 0, "nested/file", 0, READ, 0).unwrap();
    let long = "x".repeat(300);
    assert_eq!(guest.open(&long, CREAT, FILE, 0).unwrap_err(), Errno::NameTooLong);
}

#[test]
fn nothing_leads_out_of_the_sandbox() {
    let (outer, dir, _) = sandbox();
    std::fs::create_dir(dir.join("d")).unwrap();
    symlink("../secret", dir.join("up")).unwrap();
    symlink(outer.path().join("secret"), dir.join("absolute")).unwrap();
    symlink("..", dir.join("parent")).unwrap();
    symlink("up", dir.join("chain")).unwrap();
    symlink("/proc/self/root", dir.join("magic")).unwrap();
    let mut guest = Guest::in_dir(&dir);
    let absolute = outer.path().join("secret").display().to_string();
    let paths = [
        "..",
        "../secret",
        "d/../../secret",
        "./../secret",
        "/",
        &absolute,
        "up",
        "absolute",
        "chain",
        "parent/secret",
        "parent/box/d",
        "magic/etc/passwd",
        "../box/d",
    ];
    for path in paths {
        assert_eq!(guest.open(path, 0, READ, 0).unwrap_err(), Errno::NotCapable, "open {path}");
        assert_eq!(stat(&mut guest, FOLLOW, path).unwrap_err(), Errno::NotCapable, "stat {path}");
        let [at, len] = guest.path_at(PATH, path);
        assert_eq!(
            guest.try_call("path_filestat_set_times", &[3, FOLLOW, at, len, 0, 0, 8]).unwrap_err(),
            Errno::NotCapable,
            "times {path}"
        );
    }
    for path in ["../new", "parent/new", "d/../../new", "/new", "magic/tmp/new"] {
        assert_eq!(guest.open(path, CREAT, FILE, 0).unwrap_err(), Errno::NotCapable, "create {path}");
        assert_eq!(
            guest.at("path_create_directory", 3, path).unwrap_err(),
            Errno::NotCapable,
            "mkdir {path}"
        );
        assert_eq!(symlink_at(&mut guest, "d", path).unwrap_err(), Errno::NotCapable, "symlink {path}");
        assert_eq!(rename(&mut guest, "d", path).unwrap_err(), Errno::NotCapable, "rename to {path}");
    }
    for path in ["../secret", "parent/secret", "d/../../secret"] {
        assert_eq!(guest.at("path_unlink_file", 3, path).unwrap_err(), Errno::NotCapable, "unlink {path}");
        assert_eq!(
            guest.at("path_remove_directory", 3, path).unwrap_err(),
            Errno::NotCapable,
            "rmdir {path}"
        );
        assert_eq!(rename(&mut guest, path, "stolen").unwrap_err(), Errno::NotCapable, "rename {path}");
        assert_eq!(link(&mut guest, 0, path, "stolen").unwrap_err(), Errno::NotCapable, "link {path}");
        assert_eq!(readlink(&mut guest, path, 10).unwrap_err(), Errno::NotCapable, "readlink {path}");
    }
    assert_eq!(symlink_at(&mut guest, "/etc/passwd", "l").unwrap_err(), Errno::NotCapable);
    // The links themselves may be looked at.
    assert_eq!(stat(&mut guest, 0, "up").unwrap().0, 7);
    assert_eq!(readlink(&mut guest, "up", 100).unwrap(), b"../secret");
    assert_eq!(content(outer.path(), "secret"), "secret");
    assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 2);
}

#[test]
fn a_directory_swapped_for_a_link_does_not_open_the_way_out() {
    if !on_host() {
        return;
    }
    let (outer, dir, _) = sandbox();
    let mut guest = Guest::new(&builder_in(&dir));
    std::fs::create_dir(outer.path().join("out")).unwrap();
    create(&outer.path().join("out"), "f", "outside");
    std::fs::create_dir(dir.join("a")).unwrap();
    create(&dir.join("a"), "f", "inside");
    symlink("../out", dir.join("b")).unwrap();
    let stop = AtomicBool::new(false);
    let (a, b, c) = (dir.join("a"), dir.join("b"), dir.join("c"));
    let results = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [(&a, &c), (&b, &a), (&a, &b), (&c, &a)] {
                    std::fs::rename(from, to).unwrap();
                }
            }
        });
        let mut results: Vec<Result<Vec<u8>>> = Vec::new();
        let mut attempt = || {
            let fd = guest.open("a/f", 0, READ, 0)?;
            let bytes = guest.read(fd, 10)?;
            guest.close(fd)?;
            Ok(bytes)
        };
        // Until the swapping has shown: on a busy machine the other thread may stand still for a while.
        let shown = |results: &[Result<Vec<u8>>]| {
            results.len() >= 20_000 && results.iter().any(|r| r.is_ok()) && results.iter().any(|r| r.is_err())
        };
        let start = Instant::now();
        while !shown(&results) && start.elapsed() < Duration::from_secs(20) {
            results.extend((0..1000).map(|_| attempt()));
        }
        stop.store(true, Ordering::Relaxed);
        results
    });
    for result in &results {
        match result {
            Ok(bytes) => assert_eq!(bytes, b"inside"),
            // The last two are the resolver's without openat2, when a link is none any more as it is read.
            Err(errno) => assert!(
                errno.among(&[Errno::NoEnt, Errno::NotDir, Errno::NotCapable, Errno::Loop, Errno::Inval]),
                "{errno:?}"
            ),
        }
    }
    assert!(results.iter().any(|result| result.is_ok()));
    assert!(results.iter().any(|result| result.is_err()));
}

/// Makes `openat2` fail as on Linux before 5.6, for this process and its children.
fn forbid_openat2() -> std::io::Result<()> {
    let load = |offset| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    let answer = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let mut filter = [
        load(0),
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: libc::SYS_openat2 as u32 },
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers only.
    let no_new_privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: `program` and the filter it points to live through the call, which copies them.
    let filtered =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if no_new_privileges == 0 && filtered == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

const WITHOUT_OPENAT2: &str = "WAYFARER_TEST_WITHOUT_OPENAT2";

#[test]
fn all_of_this_holds_without_openat2() {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    if !on_host() {
        return;
    }
    if std::env::var_os(WITHOUT_OPENAT2).is_some() {
        let opened = openat2(CWD, ".", OFlags::PATH, Mode::empty(), ResolveFlags::empty());
        assert_eq!(opened.unwrap_err(), rustix::io::Errno::NOSYS);
        return;
    }
    let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
    tests.env(WITHOUT_OPENAT2, "1").env("WAYFARER_TEST_WASI", "linux");
    // SAFETY: between fork and exec only `prctl` is called, and nothing is allocated.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut tests, forbid_openat2) };
    let output = tests.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn links_are_followed_only_when_asked() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "content");
    guest.mkdir("dir");
    symlink_at(&mut guest, "file", "to-file").unwrap();
    symlink_at(&mut guest, "dir", "to-dir").unwrap();
    symlink_at(&mut guest, "loop", "loop").unwrap();
    symlink_at(&mut guest, "nowhere", "dangling").unwrap();
    assert_eq!(guest.open_at(3, 0, "to-file", 0, READ, 0).unwrap_err(), Errno::Loop);
    assert_eq!(guest.open_at(3, 0, "to-dir", DIRECTORY, 0, 0).unwrap_err(), Errno::NotDir);
    guest.open("to-dir", DIRECTORY, 0, 0).unwrap();
    assert_eq!(guest.open("to-file", DIRECTORY, 0, 0).unwrap_err(), Errno::NotDir);
    let fd = guest.open("to-file", 0, READ, 0).unwrap();
    assert_eq!(guest.read(fd, 7).unwrap(), b"content");
    assert_eq!(guest.open("loop", 0, READ, 0).unwrap_err(), Errno::Loop);
    assert_eq!(guest.open("dangling", 0, READ, 0).unwrap_err(), Errno::NoEnt);
    assert_eq!(guest.open("dangling", CREAT | EXCL, FILE, 0).unwrap_err(), Errno::Exist);
    guest.open("dangling", CREAT, FILE, 0).unwrap();
    stat(&mut guest, 0, "nowhere").unwrap();
    assert_eq!(stat(&mut guest, FOLLOW, "to-file").unwrap(), (4, 7));
    assert_eq!(stat(&mut guest, 0, "to-file").unwrap(), (7, 4));
    assert_eq!(stat(&mut guest, FOLLOW, "loop").unwrap_err(), Errno::Loop);
    assert_eq!(readlink(&mut guest, "to-file", 100).unwrap(), b"file");
    assert_eq!(readlink(&mut guest, "to-file", 2).unwrap(), b"fi");
    assert_eq!(readlink(&mut guest, "file", 2).unwrap_err(), Errno::Inval);
}

#[test]
fn symlinks_are_made_where_nothing_is() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "");
    guest.mkdir("dir");
    assert_eq!(symlink_at(&mut guest, "t", "file").unwrap_err(), Errno::Exist);
    assert_eq!(symlink_at(&mut guest, "t", "dir").unwrap_err(), Errno::Exist);
    assert!(symlink_at(&mut guest, "t", "l/").unwrap_err().among(&[Errno::NoEnt, Errno::NotDir]));
    assert_eq!(symlink_at(&mut guest, "t", "dir/").unwrap_err(), Errno::Exist);
}

#[test]
fn rename_replaces_what_it_may() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.mkdir("source");
    rename(&mut guest, "source", "target").unwrap();
    guest.mkdir("source");
    rename(&mut guest, "source/", "target/").unwrap();
    guest.mkdir("source");
    guest.make("target/file", "");
    assert_eq!(rename(&mut guest, "source", "target").unwrap_err(), Errno::NotEmpty);
    assert_eq!(rename(&mut guest, "source", "target/file").unwrap_err(), Errno::NotDir);
    guest.make("a", "A");
    guest.make("b", "B");
    rename(&mut guest, "a", "b").unwrap();
    assert_eq!(guest.content("b"), "A");
    assert_eq!(rename(&mut guest, "b", "source").unwrap_err(), Errno::IsDir);
    assert_eq!(rename(&mut guest, "b/", "c").unwrap_err(), Errno::NotDir);
    assert_eq!(rename(&mut guest, "no", "c").unwrap_err(), Errno::NoEnt);
    assert_eq!(rename(&mut guest, "target", "target/in").unwrap_err(), Errno::Inval);
}

#[test]
fn hard_links_share_the_file() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "x");
    guest.mkdir("sub");
    link(&mut guest, 0, "file", "sub/link").unwrap();
    stat(&mut guest, 0, "file").unwrap();
    assert_eq!(guest.u64(RESULT + 24), 2, "names");
    assert_eq!(guest.content("sub/link"), "x");
    for taken in ["file", "sub", "sub/link"] {
        assert_eq!(link(&mut guest, 0, "file", taken).unwrap_err(), Errno::Exist, "{taken}");
    }
    assert_eq!(link(&mut guest, 0, "sub", "l").unwrap_err(), Errno::Perm);
    assert_eq!(link(&mut guest, 0, "file", "l/").unwrap_err(), Errno::NoEnt);
    symlink_at(&mut guest, "nowhere", "dangling").unwrap();
    link(&mut guest, 0, "dangling", "l").unwrap();
    assert_eq!(stat(&mut guest, 0, "l").unwrap().0, 7);
    assert_eq!(link(&mut guest, 0, "file", "dangling").unwrap_err(), Errno::Exist);
    assert_eq!(link(&mut guest, FOLLOW, "dangling", "m").unwrap_err(), Errno::Inval);
}

#[test]
fn files_and_directories_are_removed_by_their_own_functions() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "");
    guest.mkdir("dir");
    guest.make("dir/f", "");
    assert_eq!(guest.at("path_unlink_file", 3, "dir").unwrap_err(), Errno::IsDir);
    assert_eq!(guest.at("path_unlink_file", 3, "dir/").unwrap_err(), Errno::IsDir);
    assert_eq!(guest.at("path_unlink_file", 3, "file/").unwrap_err(), Errno::NotDir);
    assert_eq!(guest.at("path_remove_directory", 3, "file").unwrap_err(), Errno::NotDir);
    assert_eq!(guest.at("path_remove_directory", 3, "file/").unwrap_err(), Errno::NotDir);
    assert_eq!(guest.at("path_remove_directory", 3, "dir").unwrap_err(), Errno::NotEmpty);
    guest.at("path_unlink_file", 3, "dir/f").unwrap();
    guest.at("path_remove_directory", 3, "dir/").unwrap();
    symlink_at(&mut guest, "file", "link").unwrap();
    guest.at("path_unlink_file", 3, "link").unwrap();
    guest.at("path_unlink_file", 3, "file").unwrap();
    assert_eq!(guest.at("path_unlink_file", 3, "file").unwrap_err(), Errno::NoEnt);
    assert_eq!(guest.readdir(3, 0, 4096).unwrap().0.len(), 2);
}

#[test]
fn stat_and_times_by_path() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "12345");
    symlink_at(&mut guest, "file", "link").unwrap();
    assert_eq!(stat(&mut guest, 0, "file").unwrap(), (4, 5));
    assert_eq!(stat(&mut guest, 0, ".").unwrap().0, 3);
    assert_eq!(stat(&mut guest, 0, "no").unwrap_err(), Errno::NoEnt);
    assert_eq!(stat(&mut guest, 0, "file/").unwrap_err(), Errno::NotDir);
    assert_eq!(stat(&mut guest, 4, "file").unwrap_err(), Errno::Inval);
    let [at, len] = guest.path_at(PATH, "link");
    guest
        .try_call("path_filestat_set_times", &[3, FOLLOW, at, len, 5_000_000_001, 6_000_000_002, 5])
        .unwrap();
    guest.try_call("path_filestat_set_times", &[3, 0, at, len, 0, 7_000_000_000, 4]).unwrap();
    stat(&mut guest, 0, "file").unwrap();
    assert_eq!((guest.u64(RESULT + 40), guest.u64(RESULT + 48)), (5_000_000_001, 6_000_000_002));
    stat(&mut guest, 0, "link").unwrap();
    assert_eq!(guest.u64(RESULT + 48), 7_000_000_000);
    let [at, len] = guest.path_at(PATH, "file");
    assert_eq!(
        guest.try_call("path_filestat_set_times", &[3, 0, at, len, 0, 0, 12]).unwrap_err(),
        Errno::Inval
    );
}

#[test]
fn every_path_function_needs_its_right() {
    let (_outer, _dir, mut guest) = sandbox();
    guest.make("file", "");
    let bare = guest.open(".", DIRECTORY, 0, 0).unwrap();
    for name in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
        assert_eq!(guest.at(name, bare, "file").unwrap_err(), Errno::NotCapable, "{name}");
    }
    assert_eq!(guest.open_at(bare, 0, "file", 0, 0, 0).unwrap_err(), Errno::NotCapable);
    assert_eq!(guest.readdir(bare, 0, 100).unwrap_err(), Errno::NotCapable);
    let [at, len] = guest.path_at(PATH, "file");
    let [to, to_len] = guest.path_at(PATH2, "other");
    for (name, args) in [
        ("path_filestat_get", &[bare, 0, at, len, RESULT][..]),
        ("path_filestat_set_times", &[bare, 0, at, len, 0, 0, 0]),
        ("path_link", &[bare, 0, at, len, 3, to, to_len]),
        ("path_link", &[3, 0, at, len, bare, to, to_len]),
        ("path_rename", &[bare, at, len, 3, to, to_len]),
        ("path_rename", &[3, at, len, bare, to, to_len]),
        ("path_symlink", &[at, len, bare, to, to_len]),
        ("path_readlink", &[bare, at, len, DATA, 10, RESULT]),
    ] {
        assert_eq!(guest.try_call(name, args).unwrap_err(), Errno::NotCapable, "{name}");
    }
}

#[test]
fn names_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let (_outer, dir, _) = sandbox();
    let name = [b'n', 0xff, 0xe4];
    std::fs::write(dir.join(std::ffi::OsStr::from_bytes(&name)), "odd").unwrap();
    let mut guest = Guest::in_dir(&dir);
    let [at, len] = guest.path_at(PATH, name);
    guest.try_call("path_filestat_get", &[3, 0, at, len, RESULT]).unwrap();
    assert_eq!(guest.u64(RESULT + 32), 3);
}
