//! Standard streams that are regular files, which the guest shares with its host.
//!
//! The position of such a file is the guest's affair only as far as the guest has used it. So we watch what the
//! guest does, and whether the position is where it left it; an image holds the position if it is the guest's.
//!
//! What can be known: that somebody else has moved the position since the guest's last read (the host itself, or
//! another process with the same open file), but not who, nor what was read before the instance was made. What was
//! read before is no problem: a host that is started again reads it again.

use crate::ctx::WasiCtx;
use crate::resources::{StreamFile, same_time};
use crate::table::lock;
use rustix::fs::{AtFlags, StatxFlags, fstat, statx, tell};
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{LazyLock, Mutex, MutexGuard};
use wayfarer_files::Stat;

/// Device, inode, and when that was made (seconds and nanoseconds): inodes are used again. Where the file system does
/// not say when, it does not count.
type FileId = (u64, u64, (i64, u32));

fn file_id(fd: impl AsFd) -> Option<FileId> {
    let stat = fstat(&fd).ok()?;
    let made = statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok();
    let made = made.map_or((0, 0), |stat| (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec));
    Some((stat.st_dev, stat.st_ino, made))
}

/// What guests of this process, whichever and by whichever stream, did with a file. A host may have made several
/// after each other, and may make more of them.
#[derive(Clone, Copy, Default, Debug)]
struct ByGuests {
    /// Where they left the position, if they read.
    left_at: Option<u64>,
    wrote: bool,
}

static BY_GUESTS: LazyLock<Mutex<HashMap<FileId, ByGuests>>> = LazyLock::new(Mutex::default);

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, HashMap<FileId, ByGuests>>>> = const { RefCell::new(None) };
}

/// This thread is about to fork: no other thread is to be in the middle of what all guests' streams share, which a child would
/// wait for in vain. To be followed by [`after_fork`] in both processes.
pub fn before_fork() {
    HELD.set(Some(lock(&BY_GUESTS)));
}

/// It has, and this is the parent or the child. Async-signal-safe.
pub fn after_fork() {
    HELD.set(None);
}

fn by_guests(file: FileId) -> ByGuests {
    lock(&BY_GUESTS).get(&file).copied().unwrap_or_default()
}

/// Where guests have left the position of a regular file that is a standard stream of theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct StreamPosition {
    file: FileId,
    /// Bytes from its beginning.
    position: u64,
}

/// Where the guests of this process, also those that are gone, have left the files that they share with their host.
pub fn stream_positions() -> Vec<StreamPosition> {
    let all = lock(&BY_GUESTS);
    let left = all.iter().filter_map(|(&file, by)| Some(StreamPosition { file, position: by.left_at? }));
    let mut positions: Vec<_> = left.collect();
    positions.sort_by_key(|p| p.file);
    positions
}

impl WasiCtx {
    /// Sets the positions of the streams that guests had left there: the reads of a guest that is gone are not done again
    /// when its host is restored, but those of the next one follow them. Other files than it had stay where they are.
    pub fn take_up_streams(&self, positions: &[StreamPosition]) {
        for stream in &self.streams {
            let handle = stream.handle();
            let (Some(file), Ok(stat)) = (file_id(&handle), fstat(&handle)) else { continue };
            if let Some(left) = positions.iter().find(|p| p.file == file)
                && stat.st_size as u64 >= left.position
                && rustix::fs::seek(&handle, rustix::fs::SeekFrom::Start(left.position)).is_ok()
            {
                lock(&BY_GUESTS).entry(file).or_default().left_at = Some(left.position);
            }
        }
    }
}

/// What the guest did with a stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct StreamUse {
    /// It has written.
    wrote: bool,
    /// It has read some bytes, or set the position.
    read: bool,
    /// Where its last read, or setting of the position, left off, even if there was nothing to read.
    left_at: Option<u64>,
    /// Somebody else has moved the position in between.
    shared: bool,
    file: Option<FileId>,
}

/// The guest has read from a file that is read by others too: whose the position is, nobody can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shared;

impl StreamUse {
    /// As it was in the image, of a file whose position has been set from there.
    pub(crate) fn restored(file: &StreamFile, fd: impl AsFd, position: u64) -> Self {
        let mut stream = StreamUse {
            wrote: file.wrote,
            read: file.read,
            left_at: file.read.then_some(position),
            shared: false,
            file: file_id(fd),
        };
        stream.tell_others();
        stream
    }

    /// The guest is about to read at the position, or to set it.
    pub(crate) fn before_read(&mut self, fd: impl AsFd) {
        if self.left_at.is_some()
            && let Ok(now) = tell(fd)
        {
            self.shared |= self.moved(now);
        }
    }

    /// It has read so many bytes.
    pub(crate) fn after_read(&mut self, fd: impl AsFd, bytes: usize) {
        self.read |= bytes > 0;
        self.left(fd);
    }

    /// It has set the position.
    pub(crate) fn after_seek(&mut self, fd: impl AsFd) {
        self.read = true;
        self.left(fd);
    }

    /// It has written. `readable`: the same open file may be a stream that is read, which has been moved with it.
    pub(crate) fn after_write(&mut self, fd: impl AsFd, readable: bool) {
        if !self.wrote || readable {
            self.wrote = true;
            self.left(fd);
        }
    }

    fn left(&mut self, fd: impl AsFd) {
        self.left_at = tell(&fd).ok();
        self.file = self.file.or_else(|| file_id(fd));
        self.tell_others();
    }

    fn tell_others(&mut self) {
        if let Some(file) = self.file {
            let mut all = lock(&BY_GUESTS);
            let others = all.entry(file).or_default();
            others.wrote |= self.wrote;
            if self.read {
                others.left_at = self.left_at;
            }
        }
    }

    /// Whether somebody else than the guests of this process has moved the position, which is `now`.
    fn moved(&self, now: u64) -> bool {
        let by_guests = || self.file.and_then(|file| by_guests(file).left_at);
        self.left_at.is_some_and(|left| left != now) && by_guests() != Some(now)
    }

    /// What an image holds of the stream; nothing if the position is not the guest's, nor was another guest's.
    ///
    /// # Errors
    /// [`Shared`].
    pub(crate) fn save(
        &self,
        fd: impl AsFd,
        stat: &Stat,
        position: u64,
    ) -> Result<Option<StreamFile>, Shared> {
        let others = file_id(fd).map(by_guests).unwrap_or_default();
        let wrote = self.wrote || others.wrote;
        let shared = self.shared || self.moved(position);
        if self.read && !self.wrote && shared {
            return Err(Shared);
        }
        let read = self.read && !shared || others.left_at == Some(position);
        Ok((read || wrote).then_some(StreamFile {
            device: stat.device,
            inode: stat.inode,
            size: stat.size,
            modified: stat.modified,
            offset: position,
            read,
            wrote,
        }))
    }
}

impl StreamFile {
    /// Where a restore puts the position of the file that is this stream now; nowhere else than the host has it, if
    /// it is not the file it was, or begins anew.
    ///
    /// What was written is never written over: a file that has changed since is appended to.
    pub(crate) fn position(&self, now: &Stat) -> Option<u64> {
        let size = now.size;
        let same_time = same_time(now.modified, self.modified);
        let same_file = now.id() == (self.device, self.inode);
        let known = same_file || size == self.size && same_time;
        if !known || size < self.offset {
            return None;
        }
        let unchanged = size == self.size && (self.offset == size || same_time);
        Some(if self.wrote && !unchanged { size } else { self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    fn stat(file: &File) -> Stat {
        wayfarer_files::linux::stat_of(&fstat(file).unwrap())
    }

    fn saved(stream: &StreamUse, file: &mut File) -> Result<Option<StreamFile>, Shared> {
        let position = file.stream_position().unwrap();
        stream.save(&*file, &stat(file), position)
    }

    fn read(stream: &mut StreamUse, file: &mut File, bytes: usize) {
        stream.before_read(&*file);
        let read = file.read(&mut vec![0; bytes]).unwrap();
        stream.after_read(&*file, read);
    }

    #[test]
    fn a_position_that_the_guest_did_not_use_is_not_its_own() {
        let mut file = file(b"0123456789");
        let mut stream = StreamUse::default();
        assert_eq!(saved(&stream, &mut file), Ok(None));
        // The host has read ahead, and the guest finds nothing.
        file.seek(SeekFrom::End(0)).unwrap();
        read(&mut stream, &mut file, 5);
        assert_eq!(saved(&stream, &mut file), Ok(None));
        file.rewind().unwrap();
        assert_eq!(saved(&stream, &mut file), Ok(None), "somebody else has moved it");
    }

    #[test]
    fn a_file_that_others_read_between_the_guests_reads_is_refused() {
        let mut file = file(b"0123456789");
        let mut stream = StreamUse::default();
        read(&mut stream, &mut file, 2);
        read(&mut stream, &mut file, 2);
        assert_eq!(saved(&stream, &mut file).unwrap().unwrap().offset, 4);
        file.seek(SeekFrom::Start(7)).unwrap();
        assert_eq!(saved(&stream, &mut file), Err(Shared), "after its last read");
        read(&mut stream, &mut file, 1);
        assert_eq!(saved(&stream, &mut file), Err(Shared), "before it");
    }

    #[test]
    fn the_next_guest_reads_on_where_one_that_is_gone_left_off() {
        let mut file = file(b"0123456789");
        let id = file_id(&file).unwrap();
        let mut stream = StreamUse::default();
        read(&mut stream, &mut file, 4);
        let positions = stream_positions();
        assert_eq!(positions.iter().find(|p| p.file == id).unwrap().position, 4);
        file.rewind().unwrap();
        let mut builder = crate::WasiBuilder::new();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file).into();
        // SAFETY: the file outlives the context.
        unsafe { builder.stdio(fd, fd, fd) };
        let ctx = builder.build().unwrap();
        ctx.take_up_streams(&[StreamPosition { file: (id.0, id.1 + 1, id.2), position: 3 }]);
        assert_eq!(file.stream_position().unwrap(), 0, "another file");
        ctx.take_up_streams(&positions);
        assert_eq!(file.stream_position().unwrap(), 4);
    }

    #[test]
    fn several_guests_may_read_one_file() {
        let mut file = file(b"0123456789");
        let (mut one, mut other) = (StreamUse::default(), StreamUse::default());
        read(&mut one, &mut file, 2);
        read(&mut other, &mut file, 3);
        read(&mut one, &mut file, 1);
        for stream in [&one, &other] {
            assert_eq!(saved(stream, &mut file).unwrap().unwrap().offset, 6);
        }
        // One that is made later, while the others may be gone: the position is none of the host's.
        let later = StreamUse::default();
        assert_eq!(saved(&later, &mut file).unwrap().unwrap().offset, 6);
        file.seek(SeekFrom::Start(7)).unwrap();
        assert_eq!(saved(&one, &mut file), Err(Shared));
        assert_eq!(saved(&later, &mut file), Ok(None));
    }

    #[test]
    fn what_was_written_is_not_written_over() {
        let mut file = file(b"start\n");
        file.seek(SeekFrom::End(0)).unwrap();
        let mut stream = StreamUse::default();
        file.write_all(b"guest\n").unwrap();
        stream.after_write(&file, false);
        let image = saved(&stream, &mut file).unwrap().unwrap();
        let position = |file: &File| image.position(&stat(file));
        assert_eq!(position(&file), Some(12));
        file.write_all(b"other\n").unwrap();
        assert_eq!(position(&file), Some(18), "appended to");
        file.set_len(3).unwrap();
        assert_eq!(position(&file), None, "begun anew");
        let another = self::file(b"0123456789ab");
        assert_eq!(position(&another), None);
    }

    #[test]
    fn a_position_in_the_middle_of_an_unchanged_file_comes_back() {
        let mut file = file(b"0123456789");
        file.write_all(b"ab").unwrap();
        let mut stream = StreamUse::default();
        stream.after_write(&file, false);
        let image = saved(&stream, &mut file).unwrap().unwrap();
        assert_eq!(image.position(&stat(&file)), Some(2));
        let later = stat(&file);
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5)).unwrap();
        assert_eq!(image.position(&later), Some(2));
        assert_eq!(image.position(&stat(&file)), Some(10), "changed in place");
    }
}
