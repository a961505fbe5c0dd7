//! What the members of a group say of themselves: files in their folder.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use wayfarer_wasi::ChannelEnd;

/// How far a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum State {
    Running,
    /// It stands still.
    Stopped,
    /// So it does, and its image is written.
    Written,
    /// Its process has ended by itself.
    Ended,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) process: i32,
    /// Where its image goes.
    pub(super) image: String,
    /// The signal that it is asked by.
    pub(super) signal: i32,
    pub(super) state: State,
    /// The checkpoint that it takes part in, or took part in last; counted from 1.
    pub(super) round: u64,
    pub(super) ends: Vec<ChannelEnd>,
}

impl Member {
    /// Its name, for people.
    pub(super) fn name(&self) -> String {
        let image = Path::new(&self.image).file_name().unwrap_or_default().to_string_lossy();
        format!("member {image} (process {})", self.process)
    }
}

/// The members, as this one sees them.
pub(super) struct Members {
    folder: PathBuf,
    pub(super) size: usize,
    /// The process that has joined.
    process: i32,
    /// What it says of itself. No child touches this: another thread may have had it when it was forked.
    own: Mutex<Member>,
    /// Locked while this process lives. It must not open the file once more: to close that would end the lock.
    _alive: File,
}

/// Held while something is changed that two members could change at once.
pub(super) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Children that were forked meanwhile have the file, too: closing it would not do.
        let _ = self.0.unlock();
    }
}

/// Sets or asks for a lock on all of a file, which is a process's: its children do not have it.
fn lock(file: &File, command: i32) -> io::Result<libc::flock> {
    // SAFETY: zeros are a lock on all of a file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    // SAFETY: the descriptor is open, and the lock is a local.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(lock),
    }
}

impl Members {
    /// Has this process be a member.
    ///
    /// # Errors
    /// The group has all its members, or the folder cannot be used.
    pub(super) fn join(folder: &Path, size: usize, image: &Path, signal: i32) -> Result<Members, String> {
        let failed = |e: io::Error| e.to_string();
        fs::create_dir_all(folder).map_err(failed)?;
        let held = hold(folder).map_err(failed)?;
        let process = std::process::id() as i32;
        let alive = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(format!("{process}.lock")))
            .map_err(failed)?;
        lock(&alive, libc::F_SETLK).map_err(failed)?;
        let own = Member {
            process,
            image: image.to_string_lossy().into_owned(),
            signal,
            state: State::Running,
            round: 0,
            ends: ChannelEnd::of_process(),
        };
        let members =
            Members { folder: folder.to_owned(), size, process, own: Mutex::new(own), _alive: alive };
        members.make_room(&held)?;
        members.say(State::Running, None).map_err(failed)?;
        Ok(members)
    }

    /// Takes those out who have died, and all if nobody lives, if there are too many: they are of an earlier run.
    fn make_room(&self, _held: &Held) -> Result<(), String> {
        let others = self.others().map_err(|e| e.to_string())?;
        if others.len() < self.size {
            return Ok(());
        }
        let (alive, gone): (Vec<_>, Vec<_>) = others.into_iter().partition(|member| self.is_alive(member));
        for member in gone.iter().filter(|member| alive.is_empty() || member.state != State::Ended) {
            let _ = fs::remove_file(self.place(member.process, "json"));
            let _ = fs::remove_file(self.place(member.process, "lock"));
        }
        if alive.is_empty() {
            for round in 0..=gone.iter().map(|member| member.round).max().unwrap_or(0) + 1 {
                let _ = fs::remove_file(self.decision_place(round));
            }
        }
        match self.others().map_err(|e| e.to_string())?.len() {
            left if left < self.size => Ok(()),
            _ => Err(format!("it has its {} members already", self.size)),
        }
    }

    fn own(&self) -> MutexGuard<'_, Member> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, process: i32, what: &str) -> PathBuf {
        self.folder.join(format!("{process}.{what}"))
    }

    fn decision_place(&self, round: u64) -> PathBuf {
        self.folder.join(format!("decision.{round}"))
    }

    /// Whether this is the process that has joined, and no child of it.
    pub(super) fn is_here(&self) -> bool {
        self.process == std::process::id() as i32
    }

    /// The checkpoint that this member took part in last.
    pub(super) fn last_round(&self) -> u64 {
        self.own().round
    }

    /// Lets no other member change what this one does.
    pub(super) fn hold(&self) -> io::Result<Held> {
        hold(&self.folder)
    }

    /// Where its next image goes: what it says from now on has that.
    pub(super) fn set_image(&self, image: &Path) {
        self.own().image = image.to_string_lossy().into_owned();
    }

    /// Says how far this member is; in which checkpoint and with which ends, if that is news.
    pub(super) fn say(&self, state: State, news: Option<(u64, Vec<ChannelEnd>)>) -> io::Result<()> {
        let mut own = self.own();
        own.state = state;
        if let Some((round, ends)) = news {
            (own.round, own.ends) = (round, ends);
        }
        self.put(&serde_json::to_vec(&*own)?, &self.place(own.process, "json"))
    }

    /// Puts a file there as a whole.
    fn put(&self, bytes: &[u8], place: &Path) -> io::Result<()> {
        let new = self.new_file(bytes)?;
        fs::rename(new, place)
    }

    fn new_file(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
        let number = NUMBER.replace(NUMBER.get() + 1);
        let new = self.folder.join(format!("new.{}.{number}", std::process::id()));
        fs::write(&new, bytes)?;
        Ok(new)
    }

    /// What the other members say.
    pub(super) fn others(&self) -> io::Result<Vec<Member>> {
        let mut members = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // One that is just taken out is none.
            let Ok(bytes) = fs::read(&path) else { continue };
            let member: Member = serde_json::from_slice(&bytes)
                .map_err(|e| io::Error::other(format!("{}: {e}", path.display())))?;
            if member.process != self.process {
                members.push(member);
            }
        }
        members.sort_by_key(|member| member.process);
        Ok(members)
    }

    /// Whether another member's process lives.
    pub(super) fn is_alive(&self, member: &Member) -> bool {
        let file = File::options().write(true).open(self.place(member.process, "lock"));
        file.and_then(|file| lock(&file, libc::F_GETLK)).is_ok_and(|lock| lock.l_type != libc::F_UNLCK as i16)
    }

    /// What was decided of a checkpoint, if anything: nothing, or why it is none.
    pub(super) fn decision(&self, round: u64) -> Option<Result<(), String>> {
        let text = fs::read_to_string(self.decision_place(round)).ok()?;
        Some(if text.is_empty() { Ok(()) } else { Err(text) })
    }

    /// Decides it, unless another was first: what was decided.
    pub(super) fn decide(&self, round: u64, decision: &Result<(), String>) -> Result<(), String> {
        let text = decision.as_ref().err().map_or("", |why| why.as_str());
        let linked = self.new_file(text.as_bytes()).and_then(|new| {
            let linked = fs::hard_link(&new, self.decision_place(round));
            fs::remove_file(new)?;
            linked
        });
        match (self.decision(round), linked) {
            (Some(decision), _) => decision,
            (None, Err(e)) => Err(format!("group {}: {e}", self.folder.display())),
            (None, Ok(())) => Err("the group's folder was changed by somebody else".to_owned()),
        }
    }
}

fn hold(folder: &Path) -> io::Result<Held> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            locked => return locked.map(|()| Held(file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a child that was forked while another thread changed what its process says of itself, nobody gives the lock back.
    #[test]
    fn a_child_waits_for_nobody_to_find_out_that_it_is_no_member() {
        let folder = tempfile::tempdir().unwrap();
        let members = Members::join(folder.path(), 1, Path::new("image"), libc::SIGUSR2).unwrap();
        let held = members.own();
        assert!(members.is_here() && members.others().unwrap().is_empty());
        drop(held);
        assert_eq!(members.last_round(), 0);
    }
}
