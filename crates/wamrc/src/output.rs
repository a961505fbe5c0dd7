//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Whether two paths lead to the same file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b
        || match (fs::canonicalize(a), fs::canonicalize(b)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
}

/// Writes a file: under another name beside it first, so that whoever has the old one open keeps it, and nobody sees half
/// of the new one. What is no regular file, like `/dev/stdout`, is written to.
///
/// # Errors
/// A message.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |e: io::Error| format!("Error: {}: {e}", path.display());
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(bytes)).map_err(fail)
        }
        // What a link leads to is replaced, not the link.
        Ok(_) => fs::canonicalize(path).and_then(|path| replace(&path, bytes)).map_err(fail),
        Err(_) => replace(path, bytes).map_err(fail),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// A new file in the folder of `path`.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::other("not the name of a file"))?;
    let mut nth = 0;
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.{nth}", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && nth < 100 => nth += 1,
            Err(e) => return Err(e),
        }
    }
}

/// The name of the `nth` of several files, from 0.
pub(crate) fn numbered(path: &Path, nth: usize) -> PathBuf {
    if nth == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{nth}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one").unwrap();
        let mut old = File::open(&path).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mut text = String::new();
        io::Read::read_to_string(&mut old, &mut text).unwrap();
        assert_eq!(text, "one");

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"three").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"three");
        write(Path::new("/dev/null"), b"four").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());

        assert!(write(&folder.path().join("none/b"), b"").unwrap_err().contains("none/b: "));
        assert!(write(folder.path(), b"").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(is_same_file(&path, &path));
        fs::write(&path, "").unwrap();
        assert!(is_same_file(&path, &folder.path().join(".").join("a")));
        assert!(!is_same_file(&path, &folder.path().join("b")));
    }

    #[test]
    fn names_of_several() {
        assert_eq!(numbered(Path::new("x/a.o"), 0), Path::new("x/a.o"));
        assert_eq!(numbered(Path::new("x/a.o"), 2), Path::new("x/a.o.2"));
    }
}
