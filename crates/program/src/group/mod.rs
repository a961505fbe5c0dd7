//! Programs that are checkpointed together: processes that stop for each other's images, all or none.
//!
//! They meet in a folder. Each has two files there, named by its process: one that it holds a lock on while it lives, and one that
//! says how far it is. There is no coordinator: who stops has the others stop, and what is decided (that the images are good, or
//! why not) is decided by whoever is first to link a file that all obey.
//!
//! - `member`: those files
//! - `round`: one checkpoint; `take`: a store's part in it

mod member;
mod round;
mod take;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wayfarer_wasi::ChannelEnd;

use self::member::{Members, State};
use self::round::Round;
use super::leave;
use super::lock::Lock;
use super::policy::Policy;

/// Which group a program is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSettings {
    /// The folder that it meets in.
    pub folder: PathBuf,
    /// How many members it has.
    pub size: usize,
}

/// Most members of a group.
pub const MOST_MEMBERS: usize = 1024;

/// How long others are waited for, if nothing is said.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// This process's membership.
static JOINED: Lock<Option<Arc<Group>>> = Lock::new(None);

/// A group that this process is a member of.
pub(crate) struct Group {
    members: Members,
    folder: PathBuf,
}

/// An order of the host's for an image that is of its group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupOrder {
    /// The group.
    pub group: GroupSettings,
    /// How long others are waited for.
    pub limit: Duration,
}

/// Has no effect on who gets it: a member that orders its images itself cannot be asked for one.
const NO_SIGNAL: i32 = 0;

/// Has this process be a member, if the policy says so.
///
/// # Errors
/// Text: why it cannot be.
pub(crate) fn join(policy: &Policy) -> Result<Option<Arc<Group>>, String> {
    let Some(settings) = &policy.group else { return Ok(None) };
    member_of(settings, &policy.path, policy.signal).map(Some)
}

/// This process's membership in the group of an order.
///
/// # Errors
/// Text: why it cannot be a member.
pub(crate) fn join_for(order: &GroupOrder, image: &Path) -> Result<Arc<Group>, String> {
    member_of(&order.group, image, NO_SIGNAL)
}

fn member_of(settings: &GroupSettings, image: &Path, signal: i32) -> Result<Arc<Group>, String> {
    let of_group = |why: String| format!("group {}: {why}", settings.folder.display());
    let mut joined = JOINED.lock();
    if let Some(group) = &*joined {
        return match absolute(&settings.folder) == group.folder {
            true => Ok(group.clone()),
            false => Err(of_group(format!("this process is a member of group {}", group.folder.display()))),
        };
    }
    let members =
        Members::join(&settings.folder, settings.size, &absolute(image), signal).map_err(of_group)?;
    let group = Arc::new(Group { members, folder: absolute(&settings.folder) });
    // SAFETY: the function takes nothing and does not unwind; the library stays, as it handles a signal.
    unsafe { libc::atexit(ended) };
    *joined = Some(group.clone());
    Ok(group)
}

/// This thread is about to fork.
pub(crate) fn before_fork() {
    JOINED.before_fork();
}

/// It has, and this is the parent or the child. Async-signal-safe.
pub(crate) fn after_fork() {
    JOINED.after_fork();
}

/// The process ends by itself: what it has written is on its way, and it will write no more.
extern "C" fn ended() {
    // SAFETY: flushes all streams; what the host has printed comes before its end.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    let Some(joined) = JOINED.try_lock() else { return };
    if let Some(group) = joined.as_ref().filter(|group| group.members.is_here()) {
        let _ = group.members.say(State::Ended, None);
    }
}

impl Group {
    /// Takes part in a checkpoint of all members, with an image that goes to `image`; the others are waited for up to `limit`. `ready` is
    /// what `take` needs, or why this one cannot; `ends` are those that it has of pipes and streams. `take` is called when all stand still,
    /// with where to write the image and the ends of the others. `served` is called as soon as no other asks this one for this checkpoint
    /// any more, when nobody has seen the image yet: who asks because it is there wants another one.
    ///
    /// # Errors
    /// Text: why there is no image, of no member.
    pub(crate) fn checkpoint<T, R>(
        &self,
        image: &Path,
        limit: Duration,
        ready: Result<T, String>,
        ends: Vec<ChannelEnd>,
        take: impl FnOnce(T, &Path, Arc<[ChannelEnd]>) -> Result<R, String>,
        served: impl FnOnce(),
    ) -> Result<R, String> {
        if !self.members.is_here() {
            return Err("this process was forked from a member of the group, and is none itself".to_owned());
        }
        // Before the others are told that this one stands still.
        let ready = ready.and_then(|ready| leave::write_out().map(|()| ready));
        let image = absolute(image);
        let round = Round::begin(&self.members, limit, &image, ends)?;
        let part = part_of(&image);
        let taken = ready
            .and_then(|ready| {
                round.all_stopped()?;
                let taken = take(ready, &part, round.others()?.into())?;
                round.all_written()?;
                Ok(taken)
            })
            .or_else(|why| round.give_up(why));
        served();
        let placed = match &taken {
            Ok(_) => std::fs::rename(&part, &image)
                .map_err(|e| format!("{}: the image is at {}: {e}", image.display(), part.display())),
            Err(_) => {
                let _ = std::fs::remove_file(&part);
                Ok(())
            }
        };
        if taken.is_ok() {
            round.remove_images_of_ended();
        }
        let _ = self.members.say(State::Running, None);
        placed.and(taken)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Where an image is until all are good.
fn part_of(image: &Path) -> PathBuf {
    let mut name = image.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    image.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that somebody makes when he sees the image was forgotten, now and then, on a busy machine.
    #[test]
    fn what_was_asked_for_is_served_before_anybody_sees_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let members = Members::join(&folder.path().join("group"), 1, &image, libc::SIGUSR2).unwrap();
        let group = Group { members, folder: folder.path().to_owned() };
        for good in [true, false] {
            let _ = std::fs::remove_file(&image);
            let mut times = 0;
            let take = |(), part: &Path, _: Arc<[ChannelEnd]>| {
                std::fs::write(part, "it").unwrap();
                if good { Ok(()) } else { Err("no".to_owned()) }
            };
            let served = || {
                assert!(part_of(&image).exists() && !image.exists());
                times += 1;
            };
            let taken = group.checkpoint(&image, DEFAULT_LIMIT, Ok(()), Vec::new(), take, served);
            assert_eq!((taken.is_ok(), image.exists(), times), (good, good, 1));
            assert!(!part_of(&image).exists());
        }
    }
}
