//! Path functions compared with the kernel's own, for names of each kind with and without slashes behind them.
#![allow(missing_docs)]
mod common;
use common::*;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use wayfarer_wasi::Errno;

in_each_back_end!();

const NAMES: [&str; 22] = [
    "f",
    "f/",
    "f//",
    "f/.",
    "f/x",
    "d",
    "d/",
    "d//",
    "d/.",
    "e",
    "e/",
    "full",
    "full/",
    "l",
    "l/",
    "ld",
    "ld/",
    "x",
    "x/",
    "new",
    "new/",
    "nodir/new",
];

/// A folder with a file, directories, links to both, and one that leads nowhere.
fn folder() -> tempfile::TempDir {
    let dir = fast_dir();
    create(dir.path(), "f", "file");
    for name in ["d", "e", "full"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    create(dir.path(), "full/inside", "inside");
    for (name, target) in [("l", "f"), ("ld", "d"), ("x", "nowhere")] {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    }
    dir
}

/// All that is in a folder: type, and content or target.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            let what = if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                left.push(path.clone());
                "directory".into()
            } else {
                std::fs::read_to_string(&path).unwrap()
            };
            all.insert(path.strip_prefix(dir).unwrap().display().to_string(), what);
        }
    }
    all
}

/// The same, as a guest sees it.
fn seen_by(guest: &mut Guest) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![String::new()];
    while let Some(at) = left.pop() {
        let path = if at.is_empty() { "." } else { &at };
        let fd = guest.open(path, DIRECTORY, DIR, 0).unwrap();
        let (names, end) = guest.readdir(fd, 0, 1 << 16).unwrap();
        assert!(end);
        guest.close(fd).unwrap();
        for (name, _) in &names[2..] {
            let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
            let [name, len] = guest.path_at(PATH, &path);
            guest.try_call("path_filestat_get", &[3, 0, name, len, RESULT]).unwrap();
            let what = match guest.get(RESULT + 16, 1)[0] {
                7 => {
                    guest.try_call("path_readlink", &[3, name, len, DATA, 100, RESULT]).unwrap();
                    let target = guest.get(DATA, guest.u32(RESULT) as usize);
                    format!("-> {}", String::from_utf8_lossy(target))
                }
                3 => {
                    left.push(path.clone());
                    "directory".into()
                }
                _ => guest.content(&path),
            };
            all.insert(path, what);
        }
    }
    all
}

/// Does the same to two folders, by the guest's functions and by the kernel's, and says how the results differ. With
/// `two_faults`, which of them the error is for does not matter.
fn compare(
    what: &str,
    two_faults: bool,
    ours: impl Fn(&mut Guest) -> Result<()>,
    kernels: impl Fn(&File) -> rustix::io::Result<()>,
) -> Option<String> {
    let (one, other) = (folder(), folder());
    let mut guest = Guest::in_dir(one.path());
    let ours = ours(&mut guest).map_or_else(|errno| errno.0, |()| 0);
    guest.stay();
    let kernels = kernels(&File::open(other.path()).unwrap()).map_or_else(|e| Errno::from(e) as u16, |()| 0);
    let (one, other) = (seen_by(&mut guest), tree(other.path()));
    let same = ours == kernels || two_faults && ours != 0 && kernels != 0;
    (!same || one != other).then(|| format!("{what}: {ours}, not {kernels}; {one:?}, not {other:?}"))
}

fn report(differences: impl Iterator<Item = Option<String>>) {
    let differences: Vec<_> = differences.flatten().collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.iter().flat_map(|from| NAMES.iter().map(move |to| (*from, *to)))
}

#[test]
fn rename() {
    report(pairs().map(|(from, to)| {
        compare(
            &format!("rename {from} {to}"),
            from.ends_with('/') && (to.contains("/.") || to == "f/x" || to == "nodir/new"),
            |guest| {
                let ([f, f_len], [t, t_len]) = (guest.path_at(PATH, from), guest.path_at(PATH2, to));
                guest.try_call("path_rename", &[3, f, f_len, 3, t, t_len])
            },
            |dir| rustix::fs::renameat(dir, from, dir, to),
        )
    }));
}

#[test]
fn link() {
    report(pairs().map(|(from, to)| {
        compare(
            &format!("link {from} {to}"),
            to.ends_with('/') || from == "new" && to.starts_with("f/"),
            |guest| {
                let ([f, f_len], [t, t_len]) = (guest.path_at(PATH, from), guest.path_at(PATH2, to));
                guest.try_call("path_link", &[3, 0, f, f_len, 3, t, t_len])
            },
            |dir| rustix::fs::linkat(dir, from, dir, to, AtFlags::empty()),
        )
    }));
}

#[test]
fn functions_of_one_path() {
    type Ours = fn(&mut Guest, [u64; 2]) -> Result<()>;
    type Kernels = fn(&File, &str) -> rustix::io::Result<()>;
    let functions: [(&str, Ours, Kernels); 8] = [
        (
            "unlink",
            |guest, [at, len]| guest.try_call("path_unlink_file", &[3, at, len]),
            |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::empty()),
        ),
        (
            "rmdir",
            |guest, [at, len]| guest.try_call("path_remove_directory", &[3, at, len]),
            |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR),
        ),
        (
            "mkdir",
            |guest, [at, len]| guest.try_call("path_create_directory", &[3, at, len]),
            |dir, name| rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)),
        ),
        (
            "symlink",
            |guest, [at, len]| {
                let [target, target_len] = guest.path_at(PATH2, "f");
                guest.try_call("path_symlink", &[target, target_len, 3, at, len])
            },
            |dir, name| rustix::fs::symlinkat("f", dir, name),
        ),
        (
            "readlink",
            |guest, [at, len]| guest.try_call("path_readlink", &[3, at, len, DATA, 100, RESULT]),
            |dir, name| rustix::fs::readlinkat(dir, name, Vec::new()).map(drop),
        ),
        (
            "stat",
            |guest, [at, len]| guest.try_call("path_filestat_get", &[3, FOLLOW, at, len, RESULT]),
            |dir, name| rustix::fs::statat(dir, name, AtFlags::empty()).map(drop),
        ),
        (
            "lstat",
            |guest, [at, len]| guest.try_call("path_filestat_get", &[3, 0, at, len, RESULT]),
            |dir, name| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(drop),
        ),
        (
            "utimens",
            |guest, [at, len]| guest.try_call("path_filestat_set_times", &[3, FOLLOW, at, len, 5, 6, 5]),
            |dir, name| {
                let time = |tv_nsec| rustix::fs::Timespec { tv_sec: 0, tv_nsec };
                let times = rustix::fs::Timestamps { last_access: time(5), last_modification: time(6) };
                rustix::fs::utimensat(dir, name, &times, AtFlags::empty())
            },
        ),
    ];
    report(functions.into_iter().flat_map(|(function, ours, kernels)| {
        NAMES.iter().map(move |name| {
            compare(
                &format!("{function} {name}"),
                function == "symlink" && name.ends_with('/'),
                |guest| {
                    let path = guest.path_at(PATH, name);
                    ours(guest, path)
                },
                |dir| kernels(dir, name),
            )
        })
    }));
}

#[test]
fn open() {
    let access = [(READ, OFlags::RDONLY), (WRITE, OFlags::WRONLY), (READ | WRITE, OFlags::RDWR)];
    let flags = [
        (0, OFlags::empty()),
        (CREAT, OFlags::CREATE),
        (CREAT | EXCL, OFlags::CREATE.union(OFlags::EXCL)),
        (DIRECTORY, OFlags::DIRECTORY),
        (TRUNC, OFlags::TRUNC),
    ];
    let all = access.iter().flat_map(|access| flags.iter().map(move |flags| (access, flags)));
    let all = all.flat_map(|which| NAMES.iter().map(move |name| (which, *name)));
    report(all.map(|(((rights, access), (oflags, flags)), name)| {
        compare(
            &format!("open {name} {access:?} {flags:?}"),
            false,
            |guest| {
                let [at, len] = guest.path_at(PATH, name);
                guest.try_call("path_open", &[3, FOLLOW, at, len, *oflags, *rights, 0, 0, RESULT])
            },
            |dir| rustix::fs::openat(dir, name, *access | *flags, Mode::from_raw_mode(0o666)).map(drop),
        )
    }));
}
