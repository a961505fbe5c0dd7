//! Files in memory as a whole: filled, saved, hostile. What each function does is tested through the guest's, in `wayfarer-wasi`.

use super::*;
use crate::{Directory, Kind, Open, OpenOptions, Opened};
use std::io::Read;
use std::sync::Arc;

fn options() -> OpenOptions {
    OpenOptions { read: true, write: true, create: true, follow: true, ..OpenOptions::default() }
}

fn file(directory: &dyn Directory, path: &str) -> Box<dyn crate::File> {
    match directory.open(path.as_bytes(), &options()).unwrap() {
        Opened::File(file) => file,
        other => panic!("{other:?}"),
    }
}

fn content(directory: &dyn Directory, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    file(directory, path).content().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn kind(directory: &dyn Directory, path: &str) -> Option<Kind> {
    directory.stat_at(path.as_bytes(), false).ok().map(|stat| stat.kind)
}

fn empty() -> MemoryDirectory {
    MemoryFiles::new(1 << 20).add_root().unwrap()
}

#[test]
fn a_directory_of_the_host_is_read_with_links_times_and_files_of_several_names() {
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("d")).unwrap();
    std::fs::write(host.path().join("d/f"), vec![7; 100_000]).unwrap();
    std::fs::hard_link(host.path().join("d/f"), host.path().join("g")).unwrap();
    std::os::unix::fs::symlink("/etc", host.path().join("l")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(host.path().join("socket")).unwrap();
    let files = MemoryFiles::new(1 << 20);
    let mut known = Known::default();
    let inner = files.directory_of(&host.path().join("d"), &mut known).unwrap();
    let outer = files.directory_of(host.path(), &mut known).unwrap();
    let again = files.directory_of(host.path(), &mut known).unwrap();
    assert_eq!(content(&outer, "d/f"), vec![7; 100_000]);
    assert_eq!(kind(&outer, "l"), Some(Kind::Symlink));
    assert_eq!(kind(&outer, "socket"), None);
    let (one, other) = (outer.stat_at(b"g", true).unwrap(), inner.stat_at(b"f", true).unwrap());
    assert_eq!((one.id(), one.links), (other.id(), 2));
    let host_time = std::fs::metadata(host.path().join("d/f")).unwrap().modified().unwrap();
    let nanos = host_time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert_eq!(u128::from(one.modified), nanos);
    assert_eq!(outer.stat().unwrap().id(), again.stat().unwrap().id());
    assert_eq!(outer.path_to(&inner), Some(b"d".to_vec()));
    assert_eq!(outer.path_to(&*file(&inner, "new")), Some(b"d/new".to_vec()));
    let small = MemoryFiles::new(50_000);
    let error = small.directory_of(host.path(), &mut Known::default()).unwrap_err().to_string();
    assert!(error.contains("into memory: no space left"), "{error}");
}

#[test]
fn a_tar_file_is_unpacked_and_cannot_lead_out() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mtime(1000);
    tar.append_data(&mut header.clone(), "a/b/c", &b"first"[..]).unwrap();
    tar.append_data(&mut header.clone(), "a/b/c", &b"again"[..]).unwrap();
    header.set_size(0);
    for (kind, path, target) in [
        (tar::EntryType::Symlink, "l", "a/b"),
        (tar::EntryType::Link, "hard", "a/b/c"),
        (tar::EntryType::Fifo, "pipe", "x"),
        (tar::EntryType::Directory, "empty/", "x"),
    ] {
        header.set_entry_type(kind);
        tar.append_link(&mut header, path, target).unwrap();
    }
    let bytes = tar.into_inner().unwrap();
    let root = empty();
    root.fill_from_tar(&bytes[..]).unwrap();
    assert_eq!((content(&root, "a/b/c"), content(&root, "hard")), (b"again".to_vec(), b"again".to_vec()));
    assert_eq!(root.stat_at(b"hard", false).unwrap().links, 2);
    assert_eq!(root.stat_at(b"a/b/c", false).unwrap().modified, 1000 * 1_000_000_000);
    assert_eq!(root.read_link(b"l").unwrap(), b"a/b");
    assert_eq!((kind(&root, "pipe"), kind(&root, "empty")), (None, Some(Kind::Directory)));

    for path in ["../out", "a/../../out", ".."] {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, &b""[..]).unwrap();
        let error = empty().fill_from_tar(&tar.into_inner().unwrap()[..]).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
    assert!(empty().fill_from_tar(&bytes[..700]).is_err());
}

#[test]
fn the_host_can_put_files_there() {
    let root = empty();
    root.add_file(b"/etc/motd", b"hello").unwrap();
    root.add_file(b"etc/motd", b"again").unwrap();
    root.add_directory(b"var/log/").unwrap();
    assert_eq!(content(&root, "etc/motd"), b"again");
    assert_eq!(kind(&root, "var/log"), Some(Kind::Directory));
    assert_eq!(root.add_file(b"etc", b""), Err(Errno::IsDir));
    assert_eq!(root.add_file(b"etc/motd/x", b""), Err(Errno::NotDir));
    assert_eq!(root.add_file(b"../x", b""), Err(Errno::NotCapable));
    assert_eq!(root.add_directory(b"a/../.."), Err(Errno::NotCapable));
    assert_eq!(root.add_file(b"large", &vec![1; 2 << 20]), Err(Errno::NoSpc));
}

#[test]
fn room_comes_back_with_the_last_user() {
    let files = MemoryFiles::new(10_000);
    let root = files.add_root().unwrap();
    let before = files.used();
    let open = file(&root, "f");
    open.allocate(0, 5000).unwrap();
    assert!(open.allocate(5000, 5000).is_err());
    root.unlink(b"f").unwrap();
    assert!(files.used() > 5000, "it is still open");
    drop(open);
    assert_eq!(files.used(), before);
    // Renaming needs none, also when there is none left.
    root.add_file(b"a", b"x").unwrap();
    let rest = file(&root, "b");
    rest.allocate(0, 10_000 - files.used()).unwrap();
    root.rename(b"a", &root, b"c").unwrap();
    root.rename(b"c", &root, b"b").unwrap();
    assert_eq!(content(&root, "b"), b"x");
}

/// A record with a file, a directory with a link, and a hole.
fn record() -> FilesRecord {
    let files = MemoryFiles::new(1 << 20);
    let (one, two) = (files.add_root().unwrap(), files.add_root().unwrap());
    one.add_file(b"d/f", b"content").unwrap();
    one.add_file(b"g", b"content").unwrap();
    one.symlink(b"d/f", b"l").unwrap();
    one.link(b"g", &two, b"h").unwrap();
    file(&two, "hole").set_size(1 << 40).unwrap();
    drop(file(&two, "gone"));
    let roots: [Arc<dyn Directory>; 2] = [Arc::new(one), Arc::new(two)];
    FilesRecord::save(&roots).unwrap()
}

#[test]
fn a_record_makes_the_same_files_again() {
    let record = record();
    assert_eq!(record.size().1, 7, "what is the same is there once, and holes are not");
    let roots = record.restore().unwrap();
    assert_eq!(FilesRecord::save(&roots).unwrap(), record);
    assert_eq!(content(&*roots[0], "l"), b"content");
    assert_eq!(content(&*roots[1], "h"), b"content");
    assert_eq!(roots[1].stat_at(b"hole", false).unwrap().size, 1 << 40);
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    use super::record::DataRecord::{self, Directory, File};
    fn entries(record: &mut FilesRecord, nth: usize) -> &mut Vec<(super::record::Bytes, u64)> {
        match &mut record.files[nth].data {
            Directory { entries } => entries,
            other => panic!("{other:?}"),
        }
    }
    fn chunks(record: &mut FilesRecord) -> (&mut u64, &mut Vec<(u64, u32)>) {
        let data = record.files.iter_mut().map(|file| &mut file.data);
        let mut files = data.filter_map(|data: &mut DataRecord| match data {
            File { len, chunks } => Some((len, chunks)),
            _ => None,
        });
        files.next().unwrap()
    }
    type Change = fn(&mut FilesRecord);
    let changes: [(&str, Change); 18] = [
        ("may take", |record| record.limit = 1 << 40),
        ("files take", |record| record.limit = 5),
        ("out of order", |record| record.next = 2),
        ("out of order", |record| record.files.swap(0, 1)),
        ("is no directory", |record| record.roots[0] = 99),
        ("no directory leads to", |record| record.roots.truncate(1)),
        ("there is no file 99", |record| entries(record, 0)[0].1 = 99),
        // Itself, the other root, and one directory twice.
        ("in several directories", |record| entries(record, 0)[0].1 = 1),
        ("in several directories", |record| {
            let (name, directory) = (b"again"[..].into(), entries(record, 0)[0].1);
            entries(record, 0).push((name, directory));
        }),
        ("without a proper name", |record| entries(record, 0)[0].0 = b".."[..].into()),
        ("without a proper name", |record| entries(record, 0)[0].0 = b"a/b"[..].into()),
        ("without a proper name", |record| entries(record, 0)[0].0 = b""[..].into()),
        ("without a proper name", |record| entries(record, 0)[0].0 = b"a\0"[..].into()),
        ("two files of one name", |record| {
            let first = entries(record, 0)[0].clone();
            entries(record, 0).push(first);
        }),
        ("which there is not", |record| chunks(record).1[0].1 = 9),
        ("beyond its end", |record| *chunks(record).0 = 3),
        ("beyond its end", |record| chunks(record).1[0].0 = u64::MAX),
        ("has 65537 bytes", |record| record.chunks[0] = vec![0; 65537][..].into()),
    ];
    for (what, change) in changes {
        let mut record = record();
        record.check().unwrap();
        change(&mut record);
        let error = record.check().unwrap_err();
        assert!(error.contains(what), "{what}: {error}");
        assert!(record.restore().is_err());
    }
}

#[test]
fn threads_write_and_rename_at_the_same_time() {
    let root = empty();
    let log = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let (root, log) = (&root, &log);
            scope.spawn(move || {
                let options = OpenOptions { append: true, ..options() };
                let Opened::File(file) = root.open(b"log", &options).unwrap() else { panic!("a file") };
                let mut line = [thread; 64];
                for round in 0..500 {
                    let buffer = crate::Buffer { base: line.as_mut_ptr(), len: line.len() };
                    // SAFETY: nobody else uses `line` while the buffers live.
                    let buffers = unsafe { crate::Buffers::new(vec![buffer]) };
                    *log.lock().unwrap() += file.write(&buffers).unwrap();
                    let (from, to) = (format!("f{thread}-{round}"), format!("g{}", round % 3));
                    drop(self::file(root, &from));
                    root.rename(from.as_bytes(), root, to.as_bytes()).unwrap();
                }
            });
        }
    });
    let bytes = content(&root, "log");
    assert_eq!(bytes.len(), *log.lock().unwrap());
    assert!(bytes.chunks(64).all(|line| line.iter().all(|byte| *byte == line[0])), "no line is torn");
    assert_eq!(root.entries().unwrap().len(), 2 + 1 + 3);
    let tree = root.files().tree();
    assert_eq!(tree.space.used, tree.count_space());
}
