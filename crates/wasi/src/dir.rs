//! `fd_readdir`.
//!
//! The kernel's directory positions mean nothing on another machine or file system. So a read from the start
//! takes down the whole directory, and a cookie is a place in that list: the entries before it were handed
//! out, the ones after it were not. An image holds the list; a restore refreshes it (see
//! [`Listing::refresh`]), so the guest goes on behind the entries it has already seen.

use crate::abi::{DIRENT_SIZE, FileType, rights};
use crate::errno::Errno;
use crate::table::lock;
use crate::{Call, Ended};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// A directory's entries in the order in which the guest gets them.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// How many entries were handed out.
    pub(crate) seen: u64,
}

/// A directory entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) inode: u64,
    /// WASI `filetype`.
    pub(crate) filetype: u8,
    /// Found missing by a restore: keeps its place, so that cookies stay what they were, and is not shown.
    pub(crate) gone: bool,
}

impl Listing {
    /// Reads a directory, with `.` and `..`.
    pub(crate) fn read(dir: impl AsFd) -> rustix::io::Result<Self> {
        // A descriptor of its own: it has a position of its own.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = openat(&dir, c".", flags, Mode::empty())?;
        let mut entries = Vec::new();
        for entry in Dir::new(own)? {
            let entry = entry?;
            let mut filetype = FileType::from_host(entry.file_type());
            if filetype == FileType::Unknown
                && let Ok(stat) = statat(&dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            {
                filetype = FileType::from_mode(stat.st_mode);
            }
            entries.push(Entry {
                name: entry.file_name().to_bytes().to_vec(),
                inode: entry.ino(),
                filetype: filetype as u8,
                gone: false,
            });
        }
        // `.` and `..` first, which some programs rely on; the rest as the file system has it.
        entries.sort_by_key(|entry| match &entry.name[..] {
            b"." => 0,
            b".." => 1,
            _ => 2,
        });
        Ok(Listing { entries, seen: 0 })
    }

    /// Brings a list from an image up to the directory as it is here: entries keep their places, those that
    /// are gone are no longer shown, new ones come last.
    pub(crate) fn refresh(&mut self, dir: impl AsFd) -> rustix::io::Result<()> {
        let now = Listing::read(&dir)?;
        let mut found: HashMap<&[u8], &Entry> =
            now.entries.iter().map(|entry| (&entry.name[..], entry)).collect();
        for entry in &mut self.entries {
            match found.remove(&entry.name[..]) {
                Some(found) => entry.clone_from(found),
                None => entry.gone = true,
            }
        }
        let new = now.entries.iter().filter(|entry| found.contains_key(&entry.name[..])).cloned();
        self.entries.extend(new);
        Ok(())
    }

    /// Entries from `cookie` on, as `dirent`s in up to `size` bytes; the last one may be cut off.
    fn fill(&mut self, cookie: u64, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let start = usize::try_from(cookie).unwrap_or(usize::MAX).min(self.entries.len());
        for (i, entry) in self.entries.iter().enumerate().skip(start) {
            if bytes.len() >= size {
                break;
            }
            if entry.gone {
                continue;
            }
            let next = i as u64 + 1;
            let mut dirent = [0; DIRENT_SIZE];
            dirent[0..8].copy_from_slice(&next.to_le_bytes());
            dirent[8..16].copy_from_slice(&entry.inode.to_le_bytes());
            dirent[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
            dirent[20] = entry.filetype;
            bytes.extend_from_slice(&dirent);
            bytes.extend_from_slice(&entry.name);
            if bytes.len() <= size {
                self.seen = self.seen.max(next);
            }
        }
        bytes.truncate(size);
        bytes
    }
}

pub(crate) fn fd_readdir(call: &Call<'_>) -> Ended {
    let descriptor = call.descriptor(0, rights::FD_READDIR)?;
    let (buffer, size, cookie) = (call.ptr(1), call.ptr(2), call.u64(3));
    call.memory.range(buffer, size)?;
    let used = call.out(4, 4)?;
    let dir = descriptor.directory()?;
    let mut listing = lock(&descriptor.listing);
    if cookie == 0 || listing.is_none() {
        *listing = Some(Listing::read(dir)?);
    }
    let size = usize::try_from(size).map_err(|_| Errno::Inval)?;
    let bytes = listing.as_mut().map(|listing| listing.fill(cookie, size)).unwrap_or_default();
    call.memory.write(buffer, &bytes)?;
    call.memory.write_u32(used, bytes.len() as u32)?;
    Ok(())
}

/// For error messages.
pub(crate) fn show(path: &[u8]) -> String {
    OsStr::from_bytes(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn names(listing: &mut Listing, cookie: u64) -> Vec<(String, u64)> {
        let bytes = listing.fill(cookie, 1 << 16);
        let mut at = 0;
        let mut names = Vec::new();
        while at < bytes.len() {
            let len = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
            let next = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let name = &bytes[at + DIRENT_SIZE..at + DIRENT_SIZE + len];
            names.push((String::from_utf8(name.to_vec()).unwrap(), next));
            at += DIRENT_SIZE + len;
        }
        names
    }

    #[test]
    fn a_refreshed_listing_goes_on_behind_what_was_seen() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            File::create(dir.path().join(name)).unwrap();
        }
        let handle = File::open(dir.path()).unwrap();
        let mut listing = Listing::read(&handle).unwrap();
        let all = names(&mut listing, 0);
        assert_eq!((all[0].0.as_str(), all[1].0.as_str(), all.len()), (".", "..", 6));

        let unseen = &all[4..];
        std::fs::remove_file(dir.path().join(&unseen[0].0)).unwrap();
        std::fs::remove_file(dir.path().join(&all[2].0)).unwrap();
        File::create(dir.path().join("new")).unwrap();
        listing.refresh(&handle).unwrap();
        let rest: Vec<_> = names(&mut listing, all[3].1).into_iter().map(|(name, _)| name).collect();
        assert_eq!(rest, [unseen[1].0.as_str(), "new"]);
    }

    #[test]
    fn the_last_entry_is_cut_off_at_the_end_of_the_buffer_and_not_counted_as_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut listing = Listing::read(File::open(dir.path()).unwrap()).unwrap();
        assert_eq!(listing.fill(0, DIRENT_SIZE + 1 + 10).len(), DIRENT_SIZE + 11);
        assert_eq!(listing.seen, 1);
        assert!(listing.fill(9, 100).is_empty());
    }
}
