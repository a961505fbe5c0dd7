//! What the host's file systems share, whichever functions they are reached by: slashes at the end of a path, which resolvers take
//! for a lookup of `.`, and times as resolvers are told them.

use crate::{Directory, Errno, Kind, NewTime};
use cap_fs_ext::SystemTimeSpec;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) fn ends_in_slash(path: &[u8]) -> bool {
    path.ends_with(b"/")
}

/// The path without slashes at its end; one, if it consists of nothing else.
pub(crate) fn without_slashes(whole: &[u8]) -> &[u8] {
    let end = whole.iter().rposition(|byte| *byte != b'/').map_or(1.min(whole.len()), |last| last + 1);
    &whole[..end]
}

/// Nothing with a slash behind its name can be unlinked.
///
/// # Errors
/// `ISDIR` or `NOTDIR` if it has one, or what looking it up says.
pub(crate) fn check_unlink(directory: &dyn Directory, name: &[u8]) -> io::Result<()> {
    if !ends_in_slash(name) {
        return Ok(());
    }
    let stat = directory.stat_at(without_slashes(name), false)?;
    Err(if stat.kind == Kind::Directory { Errno::IsDir } else { Errno::NotDir }.into())
}

/// Only a directory can have a slash behind its name.
///
/// # Errors
/// `NOTDIR` if one of them has, and what is renamed is none; or what looking it up says.
pub(crate) fn check_rename(directory: &dyn Directory, from: &[u8], to: &[u8]) -> io::Result<()> {
    if (ends_in_slash(from) || ends_in_slash(to))
        && directory.stat_at(without_slashes(from), false)?.kind != Kind::Directory
    {
        return Err(Errno::NotDir.into());
    }
    Ok(())
}

/// A time to be set; nothing if it stays.
pub(crate) fn new_time(time: NewTime) -> Option<SystemTimeSpec> {
    match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At(nanos) => {
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            Some(SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time)))
        }
    }
}
