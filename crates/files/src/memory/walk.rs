//! Where paths lead.

use super::tree::{Data, Inode, Tree};
use crate::Errno;

/// Longest name, path and chain of links, as on Linux.
pub(super) const LONGEST_NAME: usize = 255;
pub(super) const LONGEST_PATH: usize = 4095;
const MOST_LINKS: u32 = 40;

/// What happens to a link in the last component.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Follow {
    /// Nothing: the name itself is meant.
    Never,
    /// It is followed if there is a slash behind it.
    Slash,
    Always,
}

/// The last component of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Last {
    Name(Vec<u8>),
    Dot,
    DotDot,
}

/// Where a path leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct End {
    /// The directory that the last component is looked up in.
    pub(super) parent: Inode,
    pub(super) last: Last,
    /// What is there, if anything is.
    pub(super) found: Option<Inode>,
    /// Whether there is a slash behind it: it has to be a directory.
    pub(super) slash: bool,
}

impl End {
    /// What is there.
    ///
    /// # Errors
    /// `NOENT`; `NOTDIR` if it has to be a directory.
    pub(super) fn existing(&self, tree: &Tree) -> Result<Inode, Errno> {
        let found = self.found.ok_or(Errno::NoEnt)?;
        if self.slash && !tree.is_directory(found) {
            return Err(Errno::NotDir);
        }
        Ok(found)
    }

    /// A name that is still free.
    ///
    /// # Errors
    /// `EXIST`.
    pub(super) fn free(&self) -> Result<&[u8], Errno> {
        match (&self.last, self.found) {
            (Last::Name(name), None) => Ok(name),
            _ => Err(Errno::Exist),
        }
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
}

/// Follows `path` from `root`, beneath which it has to stay.
///
/// # Errors
/// `NOTCAPABLE` for one that leads out; `NOENT`, `NOTDIR`, `LOOP`, `NAMETOOLONG`.
pub(super) fn walk(tree: &Tree, root: Inode, path: &[u8], follow: Follow) -> Result<End, Errno> {
    if path.len() > LONGEST_PATH {
        return Err(Errno::NameTooLong);
    }
    if path.first() == Some(&b'/') {
        return Err(Errno::NotCapable);
    }
    let mut left: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
    let mut slash = path.ends_with(b"/");
    let (mut at, mut links) = (root, 0);
    while let Some(component) = left.pop() {
        let is_last = left.is_empty();
        let entries = tree.entries(at)?;
        let found = match &component[..] {
            b"." => {
                if is_last {
                    return Ok(End { parent: at, last: Last::Dot, found: Some(at), slash });
                }
                continue;
            }
            b".." => {
                if at == root {
                    return Err(Errno::NotCapable);
                }
                at = tree.parent(at)?;
                if is_last {
                    return Ok(End { parent: at, last: Last::DotDot, found: Some(at), slash });
                }
                continue;
            }
            name if name.len() > LONGEST_NAME => return Err(Errno::NameTooLong),
            name => entries.get(name).copied(),
        };
        let end = |found| End { parent: at, last: Last::Name(component.clone()), found, slash };
        let Some(inode) = found else {
            return if is_last { Ok(end(None)) } else { Err(Errno::NoEnt) };
        };
        let followed = !is_last || follow == Follow::Always || follow == Follow::Slash && slash;
        match &tree.node(inode)?.data {
            Data::Symlink(target) if followed => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::Loop);
                }
                if target.first() == Some(&b'/') {
                    return Err(Errno::NotCapable);
                }
                if is_last {
                    slash |= target.ends_with(b"/");
                }
                left.extend(components(target).rev().map(<[u8]>::to_vec));
                if left.is_empty() {
                    return Err(Errno::NoEnt);
                }
            }
            _ if is_last => return Ok(end(Some(inode))),
            Data::Directory { .. } => at = inode,
            _ => return Err(Errno::NotDir),
        }
    }
    Err(Errno::NoEnt)
}
