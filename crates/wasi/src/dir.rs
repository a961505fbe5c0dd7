//! `fd_readdir`.
//!
//! The kernel's directory positions mean nothing on another machine or file system. So a read from the start
//! takes down the whole directory, and a cookie is a place in that list: the entries before it were handed
//! out, the ones after it were not. An image holds the list, and what had become of the directory by then
//! ([`Listing::noted`]); a restore refreshes it ([`Listing::refresh`]), so the guest goes on behind the entries it has
//! already seen, with what it would have got, as far as the directory is still what it was.

use crate::abi::{DIRENT_SIZE, FileType, rights};
use crate::table::lock;
use crate::{Call, Ended};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use wayfarer_files::{Directory, Errno};

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
    pub(crate) state: State,
}

/// Whether an entry is handed out, and whether there is such a file. Any keeps its place, so that cookies stay what they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub(crate) enum State {
    /// It was there when the directory was read or, in an image, at the checkpoint.
    There,
    /// It is not there any more since the program was restored, and not handed out.
    Gone,
    /// It was removed while the directory was read, and is handed out all the same.
    Removed,
    /// It was made while the directory was read, and is not handed out.
    New,
}

impl State {
    fn of(shown: bool, there: bool) -> Self {
        match (shown, there) {
            (true, true) => State::There,
            (true, false) => State::Removed,
            (false, true) => State::New,
            (false, false) => State::Gone,
        }
    }

    fn is_shown(self) -> bool {
        matches!(self, State::There | State::Removed)
    }
}

impl From<State> for u8 {
    fn from(state: State) -> u8 {
        state as u8
    }
}

impl TryFrom<u8> for State {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        let all = [State::There, State::Gone, State::Removed, State::New];
        all.get(usize::from(number)).copied().ok_or_else(|| format!("directory entry of state {number}"))
    }
}

impl Listing {
    /// Reads a directory, with `.` and `..`.
    pub(crate) fn read(dir: &dyn Directory) -> io::Result<Self> {
        let entries = dir.entries()?.into_iter().map(|entry| Entry {
            name: entry.name,
            inode: entry.inode,
            filetype: FileType::from(entry.kind) as u8,
            state: State::There,
        });
        Ok(Listing { entries: entries.collect(), seen: 0 })
    }

    /// The list for an image, with what has become of the directory since it was read.
    pub(crate) fn noted(&self, dir: &dyn Directory) -> Listing {
        let mut noted = self.clone();
        // If it can't be read any more, all is taken to be as it was.
        let Ok(now) = Listing::read(dir) else { return noted };
        let mut there: HashSet<&[u8]> = now.entries.iter().map(|entry| &entry.name[..]).collect();
        for entry in &mut noted.entries {
            entry.state = State::of(entry.state.is_shown(), there.remove(&entry.name[..]));
        }
        let new = now.entries.iter().filter(|entry| there.contains(&entry.name[..]));
        noted.entries.extend(new.map(|entry| Entry { state: State::New, ..entry.clone() }));
        noted
    }

    /// Brings a list from an image up to the directory as it is here: entries keep their places, those that were there at the
    /// checkpoint and are not here are no longer shown, and what was not there comes last.
    pub(crate) fn refresh(&mut self, dir: &dyn Directory) -> io::Result<()> {
        let now = Listing::read(dir)?;
        let mut found: HashMap<&[u8], &Entry> =
            now.entries.iter().map(|entry| (&entry.name[..], entry)).collect();
        for entry in &mut self.entries {
            match (found.remove(&entry.name[..]), entry.state) {
                (Some(found), State::New) => *entry = Entry { state: State::New, ..found.clone() },
                (Some(found), _) => entry.clone_from(found),
                (None, State::Removed) => {}
                (None, _) => entry.state = State::Gone,
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
            if !entry.state.is_shown() {
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
    use wayfarer_files::linux::LinuxDirectory;

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
        let handle = LinuxDirectory::open_host(dir.path()).unwrap();
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
    fn what_changed_before_the_checkpoint_is_shown_as_it_would_have_been() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            File::create(dir.path().join(name)).unwrap();
        }
        let handle = LinuxDirectory::open_host(dir.path()).unwrap();
        let mut listing = Listing::read(&handle).unwrap();
        let all = names(&mut listing, 0);
        std::fs::remove_file(dir.path().join("b")).unwrap();
        File::create(dir.path().join("new")).unwrap();
        for _ in 0..3 {
            listing = listing.noted(&handle);
            listing.refresh(&handle).unwrap();
            assert_eq!(names(&mut listing, 0), all, "nothing has changed since");
        }
        listing = listing.noted(&handle);
        std::fs::remove_file(dir.path().join("a")).unwrap();
        std::fs::remove_file(dir.path().join("new")).unwrap();
        File::create(dir.path().join("later")).unwrap();
        listing.refresh(&handle).unwrap();
        let mut after: Vec<_> = names(&mut listing, 0).into_iter().map(|(name, _)| name).collect();
        after.sort();
        assert_eq!(after, [".", "..", "b", "c", "later"]);
    }

    #[test]
    fn states_are_numbers_and_others_are_refused() {
        for number in 0..4 {
            assert_eq!(State::try_from(number).map(u8::from), Ok(number));
        }
        assert!(State::try_from(4).unwrap_err().contains("state 4"));
    }

    #[test]
    fn the_last_entry_is_cut_off_at_the_end_of_the_buffer_and_not_counted_as_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut listing = Listing::read(&LinuxDirectory::open_host(dir.path()).unwrap()).unwrap();
        assert_eq!(listing.fill(0, DIRENT_SIZE + 1 + 10).len(), DIRENT_SIZE + 11);
        assert_eq!(listing.seen, 1);
        assert!(listing.fill(9, 100).is_empty());
    }
}
