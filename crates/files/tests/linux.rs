//! What only Linux's file system does.
#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use wayfarer_files::linux::LinuxDirectory;
use wayfarer_files::{Directory, fill};

/// `O_TMPFILE`.
const NAMELESS: i32 = libc::O_TMPFILE;

#[test]
fn large_files_without_a_name_are_on_the_disk_of_their_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = LinuxDirectory::open_host(dir.path()).unwrap();
    // What is said of the size decides.
    let make = |size: u64| {
        let file = root.unnamed(b"f", size).unwrap();
        fill(&*file, &mut &b"content"[..], 5, 6).unwrap();
        file
    };
    let (small, large) = (make(7), make(65 << 20));
    for file in [&small, &large] {
        let stat = file.stat().unwrap();
        assert_eq!((stat.size, stat.links, stat.accessed, stat.modified), (7, 0, 5, 6));
        let mut content = String::new();
        std::io::Read::read_to_string(&mut file.content().unwrap(), &mut content).unwrap();
        assert_eq!((content.as_str(), file.tell().unwrap()), ("content", 0));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let here = std::fs::metadata(dir.path()).unwrap().dev();
    assert_ne!(small.stat().unwrap().id().0, here, "in memory");
    let can = std::fs::File::options().write(true).custom_flags(NAMELESS).open(dir.path()).is_ok();
    assert!(large.stat().unwrap().id().0 == here || !can, "on the disk, where it has such files");
}
