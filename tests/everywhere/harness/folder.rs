//! Directories for guests: as they are at the beginning, as they were at a checkpoint, as they are at the
//! end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A directory with a life of its own, removed with this value.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

/// What is in a directory: path below it, and a file's content, a link's target or nothing.
pub(crate) type Listing = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Folder {
    pub(crate) fn empty() -> io::Result<Folder> {
        tempfile::tempdir().map(Folder)
    }

    /// A copy of a directory and all that is below. Times of modification are kept: by them, a restored
    /// program knows its files again.
    pub(crate) fn copy_of(from: &Path) -> io::Result<Folder> {
        let folder = Folder::empty()?;
        copy(from, folder.path())?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn listing(&self) -> io::Result<Listing> {
        let mut listing = Listing::new();
        list(self.path(), Path::new(""), &mut listing)?;
        Ok(listing)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::options().write(true).open(&target)?.set_modified(entry.metadata()?.modified()?)?;
        }
    }
    Ok(())
}

fn list(root: &Path, below: &Path, listing: &mut Listing) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, below.join(entry.file_name()));
        if kind.is_dir() {
            list(root, &path, listing)?;
            listing.insert(path, None);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            listing.insert(path, Some(target.into_os_string().into_encoded_bytes()));
        } else {
            listing.insert(path, Some(fs::read(entry.path())?));
        }
    }
    Ok(())
}
