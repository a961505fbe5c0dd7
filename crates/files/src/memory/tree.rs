//! Files, directories and links, by number.

use super::content::{Content, Space};
use crate::{Errno, Kind, NewTime, Stat};
use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

/// Number of a file; never used again.
pub(super) type Inode = u64;

/// What `stat` says the files are on: no file system of the host's.
pub(super) const DEVICE: u64 = 0x7761_7966;

/// Space that a file takes beside its content, and a name beside its bytes.
const NODE: u64 = 192;
const NAME: u64 = 64;

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// What a file is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    File(Content),
    Directory {
        /// Itself, for one that is in no other.
        parent: Inode,
        entries: BTreeMap<Vec<u8>, Inode>,
    },
    Symlink(Vec<u8>),
}

/// A file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) data: Data,
    /// Names that it has; one more for a directory that is a guest's.
    pub(super) links: u64,
    /// Handles that are open.
    pub(super) opens: u64,
    pub(super) accessed: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
}

impl Node {
    pub(super) fn new(data: Data, time: u64) -> Self {
        Node { data, links: 0, opens: 0, accessed: time, modified: time, changed: time }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.data {
            Data::File(_) => Kind::Regular,
            Data::Directory { .. } => Kind::Directory,
            Data::Symlink(_) => Kind::Symlink,
        }
    }

    fn size(&self) -> u64 {
        match &self.data {
            Data::File(content) => content.len,
            Data::Directory { entries, .. } => entries.len() as u64,
            Data::Symlink(target) => target.len() as u64,
        }
    }

    fn space(&self) -> u64 {
        NODE + match &self.data {
            Data::File(content) => content.held(),
            Data::Directory { .. } => 0,
            Data::Symlink(target) => target.len() as u64,
        }
    }

    fn touch(&mut self) {
        self.modified = now();
        self.changed = self.modified;
    }
}

/// All files.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: HashMap<Inode, Node>,
    pub(super) next: Inode,
    pub(super) space: Space,
}

impl Tree {
    pub(super) fn new(limit: u64) -> Self {
        Tree { nodes: HashMap::new(), next: 1, space: Space { used: 0, limit } }
    }

    /// # Errors
    /// `STALE`, which cannot be as long as numbers come from handles and entries.
    pub(super) fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::Stale)
    }

    pub(super) fn node_mut(&mut self, inode: Inode) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&inode).ok_or(Errno::Stale)
    }

    pub(super) fn is_directory(&self, inode: Inode) -> bool {
        self.nodes.get(&inode).is_some_and(|node| node.kind() == Kind::Directory)
    }

    /// # Errors
    /// `NOTDIR`.
    pub(super) fn entries(&self, inode: Inode) -> Result<&BTreeMap<Vec<u8>, Inode>, Errno> {
        match &self.node(inode)?.data {
            Data::Directory { entries, .. } => Ok(entries),
            _ => Err(Errno::NotDir),
        }
    }

    /// # Errors
    /// `NOTDIR`.
    pub(super) fn parent(&self, inode: Inode) -> Result<Inode, Errno> {
        match self.node(inode)?.data {
            Data::Directory { parent, .. } => Ok(parent),
            _ => Err(Errno::NotDir),
        }
    }

    /// The content of a file, and the space there is.
    ///
    /// # Errors
    /// `ISDIR`, `INVAL`.
    pub(super) fn content(&mut self, inode: Inode) -> Result<(&mut Content, &mut Space), Errno> {
        let node = self.nodes.get_mut(&inode).ok_or(Errno::Stale)?;
        match &mut node.data {
            Data::File(content) => Ok((content, &mut self.space)),
            Data::Directory { .. } => Err(Errno::IsDir),
            Data::Symlink(_) => Err(Errno::Inval),
        }
    }

    pub(super) fn stat(&self, inode: Inode) -> Result<Stat, Errno> {
        let node = self.node(inode)?;
        Ok(Stat {
            device: DEVICE,
            inode,
            kind: node.kind(),
            links: node.links,
            size: node.size(),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    pub(super) fn set_times(
        &mut self,
        inode: Inode,
        accessed: NewTime,
        modified: NewTime,
    ) -> Result<(), Errno> {
        let now = now();
        let node = self.node_mut(inode)?;
        for (time, new) in [(&mut node.accessed, accessed), (&mut node.modified, modified)] {
            match new {
                NewTime::Keep => {}
                NewTime::Now => *time = now,
                NewTime::At(at) => *time = at,
            }
        }
        node.changed = now;
        Ok(())
    }

    /// It has been written to.
    pub(super) fn written(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.touch();
        }
    }

    /// It has been read. As on Linux by default (`relatime`), that is noted once after each change.
    pub(super) fn was_read(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode)
            && node.accessed <= node.modified.max(node.changed)
        {
            node.accessed = now();
        }
    }

    /// A new file that has no name yet, nor a handle.
    ///
    /// # Errors
    /// `NOSPC`.
    pub(super) fn add(&mut self, node: Node) -> Result<Inode, Errno> {
        self.space.take(node.space())?;
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        Ok(inode)
    }

    /// Gives a file a name that is free.
    ///
    /// # Errors
    /// `NOSPC`; `NOENT` in a directory that is gone.
    pub(super) fn enter(&mut self, parent: Inode, name: &[u8], inode: Inode) -> Result<(), Errno> {
        if self.node(parent)?.links == 0 {
            return Err(Errno::NoEnt);
        }
        self.space.take(NAME + name.len() as u64)?;
        let directory = self.node_mut(parent)?;
        directory.touch();
        if let Data::Directory { entries, .. } = &mut directory.data {
            entries.insert(name.to_vec(), inode);
        }
        let node = self.node_mut(inode)?;
        node.links += 1;
        node.changed = now();
        if let Data::Directory { parent: up, .. } = &mut node.data {
            *up = parent;
        }
        Ok(())
    }

    /// Makes a file with a name that is free.
    ///
    /// # Errors
    /// `NOSPC`; `NOENT` in a directory that is gone.
    pub(super) fn create(&mut self, parent: Inode, name: &[u8], data: Data) -> Result<Inode, Errno> {
        let inode = self.add(Node::new(data, now()))?;
        match self.enter(parent, name, inode) {
            Ok(()) => Ok(inode),
            Err(errno) => {
                self.drop_unused(inode);
                Err(errno)
            }
        }
    }

    /// Takes a name away; the file with it, if that was the last and nobody has it open.
    pub(super) fn remove(&mut self, parent: Inode, name: &[u8]) -> Result<(), Errno> {
        let directory = self.node_mut(parent)?;
        let Data::Directory { entries, .. } = &mut directory.data else { return Err(Errno::NotDir) };
        let inode = entries.remove(name).ok_or(Errno::NoEnt)?;
        directory.touch();
        self.space.give(NAME + name.len() as u64);
        let node = self.node_mut(inode)?;
        node.links = node.links.saturating_sub(1);
        node.changed = now();
        self.drop_unused(inode);
        Ok(())
    }

    pub(super) fn opened(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.opens += 1;
        }
    }

    pub(super) fn closed(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.drop_unused(inode);
    }

    fn drop_unused(&mut self, inode: Inode) {
        if self.nodes.get(&inode).is_some_and(|node| node.links == 0 && node.opens == 0)
            && let Some(node) = self.nodes.remove(&inode)
        {
            self.space.give(node.space());
        }
    }

    /// Whether `inode` is `directory` or somewhere below it.
    pub(super) fn is_below(&self, mut inode: Inode, directory: Inode) -> bool {
        loop {
            if inode == directory {
                return true;
            }
            match self.parent(inode) {
                Ok(parent) if parent != inode => inode = parent,
                _ => return false,
            }
        }
    }

    /// A path from `root` to `wanted`.
    pub(super) fn path_between(&self, root: Inode, wanted: Inode) -> Option<Vec<u8>> {
        let mut left = vec![(root, Vec::new())];
        while let Some((at, path)) = left.pop() {
            if at == wanted {
                return Some(if path.is_empty() { b".".to_vec() } else { path });
            }
            for (name, inode) in self.entries(at).ok().into_iter().flatten() {
                if *inode == wanted || self.is_directory(*inode) {
                    let mut path = path.clone();
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(name);
                    left.push((*inode, path));
                }
            }
        }
        None
    }

    /// What all files take, counted anew.
    pub(super) fn count_space(&self) -> u64 {
        let names = self.nodes.values().filter_map(|node| match &node.data {
            Data::Directory { entries, .. } => Some(entries.keys().map(|name| NAME + name.len() as u64)),
            _ => None,
        });
        let nodes = self.nodes.values().map(Node::space);
        names.flatten().chain(nodes).fold(0, u64::saturating_add)
    }
}
