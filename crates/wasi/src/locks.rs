//! Locks on files, and on ranges of them, that a host takes for its guest. Preview 1 has none; a host's own functions may.
//!
//! They are the open file's (`F_OFD_SETLK`, flock(2)), not the process's: two guests of one process keep each other out, and no lock
//! is lost when somebody else closes the same file. Linux has two kinds, which know nothing of each other.

use crate::ctx::WasiCtx;
use crate::table::{Descriptor, Table, lock};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Weak};

/// What is to become of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Nobody's.
    Unlocked,
    /// Others may have it shared, too.
    Shared,
    /// Nobody else may have it.
    Exclusive,
}

/// Why a range could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// The guest has no such descriptor, or it is no file of the host's.
    NoFile,
    /// Another has it; which process, as far as can be found out.
    Held(Option<i32>),
    /// The system's.
    Io(io::Error),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::NoFile => f.write_str("it is no file of the host's"),
            LockError::Held(Some(process)) => write!(f, "process {process} holds a lock on it"),
            LockError::Held(None) => f.write_str("another process holds a lock on it"),
            LockError::Io(error) => write!(f, "it cannot be locked: {error}"),
        }
    }
}

impl std::error::Error for LockError {}

/// A lock on a range.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LockRecord {
    pub(crate) fd: u32,
    pub(crate) exclusive: bool,
    pub(crate) start: u64,
    /// Where it ends; `u64::MAX`: nowhere.
    pub(crate) end: u64,
    /// It is of the kind that flock(2) takes: on the file, and on no range.
    pub(crate) whole: bool,
}

/// How records of the first version had it.
#[derive(Serialize, Deserialize)]
pub(crate) struct RangeRecord {
    fd: u32,
    exclusive: bool,
    start: u64,
    end: u64,
}

impl From<RangeRecord> for LockRecord {
    fn from(RangeRecord { fd, exclusive, start, end }: RangeRecord) -> Self {
        LockRecord { fd, exclusive, start, end, whole: false }
    }
}

/// The guest's locks, in the order in which they were taken.
#[derive(Default, Debug)]
pub(crate) struct Locks(Vec<Held>);

#[derive(Clone, Debug)]
struct Held {
    descriptor: Weak<Descriptor>,
    exclusive: bool,
    start: u64,
    end: u64,
    whole: bool,
}

impl Locks {
    /// A range is as `kind` says now, or the whole file, whatever it was.
    fn set(&mut self, descriptor: &Arc<Descriptor>, kind: Lock, start: u64, end: u64, whole: bool) {
        let of = Arc::downgrade(descriptor);
        let cut = |held: Held| -> Vec<Held> {
            if !held.descriptor.ptr_eq(&of) || held.whole != whole {
                // Those of closed files are gone.
                return if held.descriptor.strong_count() > 0 { vec![held] } else { vec![] };
            }
            let before = Held { end: held.end.min(start), ..held.clone() };
            let behind = Held { start: held.start.max(end), ..held };
            [before, behind].into_iter().filter(|held| held.start < held.end).collect()
        };
        self.0 = std::mem::take(&mut self.0).into_iter().flat_map(cut).collect();
        if kind != Lock::Unlocked {
            self.0.push(Held { descriptor: of, exclusive: kind == Lock::Exclusive, start, end, whole });
        }
    }

    /// Those of files that are open, by their numbers.
    pub(crate) fn save(&self, table: &Table) -> Vec<LockRecord> {
        let record = |held: &Held| {
            let descriptor = held.descriptor.upgrade()?;
            let (fd, _) = table.iter().find(|(_, other)| Arc::ptr_eq(other, &descriptor))?;
            let Held { exclusive, start, end, whole, .. } = *held;
            Some(LockRecord { fd, exclusive, start, end, whole })
        };
        self.0.iter().filter_map(record).collect()
    }

    /// Takes locks again, in their order.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub(crate) fn take(records: &[LockRecord], table: &Table) -> Result<Locks, (u32, LockError)> {
        let mut locks = Locks::default();
        for LockRecord { fd, exclusive, start, end, whole } in records {
            let kind = if *exclusive { Lock::Exclusive } else { Lock::Shared };
            let descriptor = table.get(*fd).map_err(|_| (*fd, LockError::NoFile))?;
            let placed = match whole {
                true => locks.place_whole(descriptor, kind),
                false => locks.place(descriptor, kind, *start, *end),
            };
            placed.map_err(|error| (*fd, error))?;
        }
        Ok(locks)
    }

    fn place(
        &mut self,
        descriptor: &Arc<Descriptor>,
        kind: Lock,
        start: u64,
        end: u64,
    ) -> Result<(), LockError> {
        let fd = descriptor.fd().map_err(|_| LockError::NoFile)?;
        place(fd, kind, start, end)?;
        self.set(descriptor, kind, start, end, false);
        Ok(())
    }

    fn place_whole(&mut self, descriptor: &Arc<Descriptor>, kind: Lock) -> Result<(), LockError> {
        let fd = descriptor.fd().map_err(|_| LockError::NoFile)?;
        let of = Arc::downgrade(descriptor);
        let before = self.0.iter().find(|held| held.whole && held.descriptor.ptr_eq(&of)).cloned();
        let error = match place_whole(fd, kind) {
            Ok(()) => {
                self.set(descriptor, kind, 0, u64::MAX, true);
                return Ok(());
            }
            Err(error) => error,
        };
        // One that cannot become another is gone (flock(2)): it is had again, if nobody was faster.
        if let Some(before) = before {
            let kind = if before.exclusive { Lock::Exclusive } else { Lock::Shared };
            if place_whole(fd, kind).is_err() {
                self.set(descriptor, Lock::Unlocked, 0, u64::MAX, true);
            }
        }
        Err(error)
    }
}

impl WasiCtx {
    /// Locks or unlocks `len` bytes of the guest's file `fd` from `start` on, or all from there if `len` is 0. Waits for nobody. The
    /// locks of a guest are in its image, and are taken again, in their order, before it goes on from there.
    ///
    /// # Errors
    /// [`LockError`], in particular that another has it.
    pub fn lock_file(&self, fd: u32, kind: Lock, start: u64, len: u64) -> Result<(), LockError> {
        let descriptor = Arc::clone(self.table().get(fd).map_err(|_| LockError::NoFile)?);
        let end = if len == 0 { u64::MAX } else { start.saturating_add(len) };
        lock(&self.locks).place(&descriptor, kind, start, end)
    }

    /// Locks or unlocks the guest's file `fd` as flock(2) does, which is another kind of lock. Otherwise as [`Self::lock_file`].
    ///
    /// # Errors
    /// [`LockError`], in particular that another has it.
    pub fn lock_whole_file(&self, fd: u32, kind: Lock) -> Result<(), LockError> {
        let descriptor = Arc::clone(self.table().get(fd).map_err(|_| LockError::NoFile)?);
        lock(&self.locks).place_whole(&descriptor, kind)
    }
}

fn place_whole(fd: BorrowedFd<'_>, kind: Lock) -> Result<(), LockError> {
    let operation = match kind {
        Lock::Unlocked => libc::LOCK_UN,
        Lock::Shared => libc::LOCK_SH,
        Lock::Exclusive => libc::LOCK_EX,
    };
    // SAFETY: the descriptor is open.
    if unsafe { libc::flock(fd.as_raw_fd(), operation | libc::LOCK_NB) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock {
        return Err(LockError::Held(holder(fd, true)));
    }
    Err(LockError::Io(error))
}

fn place(fd: BorrowedFd<'_>, kind: Lock, start: u64, end: u64) -> Result<(), LockError> {
    let invalid = || LockError::Io(io::ErrorKind::InvalidInput.into());
    // SAFETY: zeros are a lock.
    let mut range: libc::flock64 = unsafe { std::mem::zeroed() };
    range.l_type = match kind {
        Lock::Unlocked => libc::F_UNLCK,
        Lock::Shared => libc::F_RDLCK,
        Lock::Exclusive => libc::F_WRLCK,
    } as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = i64::try_from(start).map_err(|_| invalid())?;
    range.l_len = if end == u64::MAX { 0 } else { i64::try_from(end - start).map_err(|_| invalid())? };
    // SAFETY: the descriptor is open, and the range a local, here and below.
    let rc = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) };
    let error = match rc {
        -1 => io::Error::last_os_error(),
        _ => return Ok(()),
    };
    if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) {
        return Err(LockError::Io(error));
    }
    // SAFETY: as above.
    let rc = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) };
    let known = (rc != -1 && range.l_pid > 0).then_some(range.l_pid);
    Err(LockError::Held(known.or_else(|| holder(fd, false))))
}

/// A process that has a lock of an open file's on this one: the kernel does not say which, but for each of them what it has.
fn holder(fd: BorrowedFd<'_>, whole: bool) -> Option<i32> {
    let file = rustix::fs::fstat(fd).ok()?;
    let inode = format!(":{} ", file.st_ino);
    let own = fd.as_raw_fd().to_string();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(all) = std::fs::read_dir(process.path().join("fdinfo")) else { continue };
        for one in all.flatten() {
            let this = number == std::process::id() as i32 && one.file_name().to_str() == Some(&own);
            let says = |line: &str| {
                line.starts_with("lock:") && line.contains(&inode) && line.contains("FLOCK") == whole
            };
            if !this && std::fs::read_to_string(one.path()).is_ok_and(|info| info.lines().any(says)) {
                return Some(number);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{HostHandle, Origin};

    fn file() -> Arc<Descriptor> {
        let file = tempfile::tempfile().unwrap();
        Arc::new(Descriptor::inspect(HostHandle::Owned(file), Origin::Socket).unwrap())
    }

    #[test]
    fn a_range_is_what_was_said_of_it_last() {
        let (a, b) = (file(), file());
        let mut table = Table::default();
        table.put(3, a.clone());
        table.put(4, b.clone());
        let mut locks = Locks::default();
        let mut says = |of, kind, start, end| {
            locks.place(of, kind, start, end).unwrap();
            let saved = locks.save(&table).into_iter();
            saved.map(|l| (l.fd, l.exclusive, l.start, l.end)).collect::<Vec<_>>()
        };
        assert_eq!(says(&a, Lock::Exclusive, 10, 20), [(3, true, 10, 20)]);
        assert_eq!(says(&b, Lock::Shared, 0, u64::MAX), [(3, true, 10, 20), (4, false, 0, u64::MAX)]);
        let cut = [(3, true, 10, 12), (3, true, 15, 20), (4, false, 0, u64::MAX)];
        assert_eq!(says(&a, Lock::Unlocked, 12, 15), cut);
        let covered = [(4, false, 0, u64::MAX), (3, false, 5, 30)];
        assert_eq!(says(&a, Lock::Shared, 5, 30), covered);
        assert_eq!(says(&b, Lock::Unlocked, 0, u64::MAX), [(3, false, 5, 30)]);
        locks.place_whole(&a, Lock::Shared).unwrap();
        locks.place_whole(&a, Lock::Exclusive).unwrap();
        let both = |locks: &Locks| {
            let saved = locks.save(&table).into_iter();
            saved.map(|lock| (lock.exclusive, lock.start, lock.whole)).collect::<Vec<_>>()
        };
        assert_eq!(both(&locks), [(false, 5, false), (true, 0, true)]);
        locks.place(&a, Lock::Unlocked, 0, u64::MAX).unwrap();
        assert_eq!(both(&locks), [(true, 0, true)], "they know nothing of each other");
        drop((table.remove(3), a));
        assert_eq!(locks.save(&table), []);
    }
}
