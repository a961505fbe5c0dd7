//! Open directories.

use super::content::Content;
use super::tree::{DEVICE, Data, Inode, Tree};
use super::walk::{End, Follow, Last, walk};
use super::{MemoryFile, MemoryFiles};
use crate::{Directory, Entry, Errno, File, Kind, NewTime, Open, OpenOptions, Opened, Stat};
use std::any::Any;
use std::io;
use std::sync::Arc;

/// A directory in memory.
#[derive(Debug)]
pub struct MemoryDirectory {
    files: MemoryFiles,
    inode: Inode,
}

impl MemoryDirectory {
    /// A handle that `tree` has counted.
    pub(super) fn counted(files: MemoryFiles, inode: Inode) -> Self {
        MemoryDirectory { files, inode }
    }

    pub(super) fn inode(&self) -> Inode {
        self.inode
    }

    pub(super) fn files(&self) -> &MemoryFiles {
        &self.files
    }

    fn walk(&self, tree: &Tree, path: &[u8], follow: Follow) -> Result<End, Errno> {
        walk(tree, self.inode, path, follow)
    }

    /// What a path is to be opened as: a file of this number, or a directory.
    fn find(&self, tree: &mut Tree, path: &[u8], options: &OpenOptions) -> Result<Inode, Errno> {
        if options.directory && (options.create || options.exclusive || options.truncate) {
            return Err(Errno::Inval);
        }
        let follow = match (options.create && options.exclusive, options.follow, options.create) {
            (true, _, _) | (_, false, true) => Follow::Never,
            (_, true, _) => Follow::Always,
            (_, false, false) => Follow::Slash,
        };
        let end = self.walk(tree, path, follow)?;
        let found = if options.create {
            if end.slash {
                return Err(Errno::IsDir);
            }
            match (&end.last, end.found) {
                (_, Some(_)) if options.exclusive => return Err(Errno::Exist),
                (_, Some(found)) => found,
                (Last::Name(name), None) => {
                    return tree.create(end.parent, name, Data::File(Content::default()));
                }
                _ => return Err(Errno::NoEnt),
            }
        } else {
            end.existing(tree)?
        };
        match tree.node(found)?.kind() {
            Kind::Directory if options.create || options.write || options.truncate => Err(Errno::IsDir),
            Kind::Directory => Ok(found),
            _ if options.directory => Err(Errno::NotDir),
            Kind::Symlink => Err(Errno::Loop),
            _ => {
                if options.truncate {
                    let (content, space) = tree.content(found)?;
                    content.set_len(0, space)?;
                    tree.written(found);
                }
                Ok(found)
            }
        }
    }

    /// A name that is to be removed.
    fn removable(end: &End, dot: Errno, dots: Errno) -> Result<(&[u8], Inode), Errno> {
        match (&end.last, end.found) {
            (Last::Dot, _) => Err(dot),
            (Last::DotDot, _) => Err(dots),
            (Last::Name(name), Some(found)) => Ok((name, found)),
            (Last::Name(_), None) => Err(Errno::NoEnt),
        }
    }

    fn other<'a>(&self, other: &'a dyn Directory) -> Result<&'a MemoryDirectory, Errno> {
        let other = other.as_any().downcast_ref::<MemoryDirectory>();
        other.filter(|other| other.files.is(&self.files)).ok_or(Errno::XDev)
    }
}

impl Drop for MemoryDirectory {
    fn drop(&mut self) {
        self.files.tree().closed(self.inode);
    }
}

impl Open for MemoryDirectory {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.files.tree().stat(self.inode)?)
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        Ok(self.files.tree().set_times(self.inode, accessed, modified)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_append(&self, _: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Directory for MemoryDirectory {
    fn open(&self, path: &[u8], options: &OpenOptions) -> io::Result<Opened> {
        let mut tree = self.files.tree();
        let found = self.find(&mut tree, path, options)?;
        let is_directory = tree.is_directory(found);
        tree.opened(found);
        drop(tree);
        let files = self.files.clone();
        Ok(if is_directory {
            Opened::Directory(Arc::new(MemoryDirectory::counted(files, found)))
        } else {
            Opened::File(Box::new(MemoryFile::counted(files, found, options.append)))
        })
    }

    fn stat_at(&self, path: &[u8], follow: bool) -> io::Result<Stat> {
        let tree = self.files.tree();
        let follow = if follow { Follow::Always } else { Follow::Slash };
        let found = self.walk(&tree, path, follow)?.existing(&tree)?;
        Ok(tree.stat(found)?)
    }

    fn set_times_at(
        &self,
        path: &[u8],
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> io::Result<()> {
        let mut tree = self.files.tree();
        let follow = if follow { Follow::Always } else { Follow::Slash };
        let found = self.walk(&tree, path, follow)?.existing(&tree)?;
        Ok(tree.set_times(found, accessed, modified)?)
    }

    fn create_directory(&self, path: &[u8]) -> io::Result<()> {
        let mut tree = self.files.tree();
        let end = self.walk(&tree, path, Follow::Never)?;
        let data = Data::Directory { parent: end.parent, entries: Default::default() };
        tree.create(end.parent, end.free()?, data)?;
        Ok(())
    }

    fn remove_directory(&self, path: &[u8]) -> io::Result<()> {
        let mut tree = self.files.tree();
        let end = self.walk(&tree, path, Follow::Never)?;
        let (name, found) = Self::removable(&end, Errno::Inval, Errno::NotEmpty)?;
        if !tree.entries(found)?.is_empty() {
            return Err(Errno::NotEmpty.into());
        }
        Ok(tree.remove(end.parent, name)?)
    }

    fn unlink(&self, path: &[u8]) -> io::Result<()> {
        let mut tree = self.files.tree();
        let end = self.walk(&tree, path, Follow::Never)?;
        let (name, found) = Self::removable(&end, Errno::IsDir, Errno::IsDir)?;
        if tree.is_directory(found) {
            return Err(Errno::IsDir.into());
        }
        if end.slash {
            return Err(Errno::NotDir.into());
        }
        Ok(tree.remove(end.parent, name)?)
    }

    fn symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        if target.first() == Some(&b'/') {
            return Err(Errno::NotCapable.into());
        }
        let mut tree = self.files.tree();
        let end = self.walk(&tree, path, Follow::Never)?;
        let name = end.free()?;
        if end.slash {
            return Err(Errno::NoEnt.into());
        }
        if target.len() > super::walk::LONGEST_PATH {
            return Err(Errno::NameTooLong.into());
        }
        tree.create(end.parent, name, Data::Symlink(target.to_vec()))?;
        Ok(())
    }

    fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let tree = self.files.tree();
        let found = self.walk(&tree, path, Follow::Slash)?.existing(&tree)?;
        match &tree.node(found)?.data {
            Data::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::Inval.into()),
        }
    }

    fn link(&self, path: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        let to = self.other(to)?;
        let mut tree = self.files.tree();
        let found = self.walk(&tree, path, Follow::Slash)?.existing(&tree)?;
        let end = to.walk(&tree, name, Follow::Never)?;
        let name = end.free()?;
        if end.slash {
            return Err(Errno::NoEnt.into());
        }
        if tree.is_directory(found) {
            return Err(Errno::Perm.into());
        }
        Ok(tree.enter(end.parent, name, found)?)
    }

    fn rename(&self, path: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        let to = self.other(to)?;
        let mut tree = self.files.tree();
        let from = self.walk(&tree, path, Follow::Never)?;
        let into = to.walk(&tree, name, Follow::Never)?;
        let (Last::Name(old), Last::Name(new)) = (&from.last, &into.last) else {
            return Err(Errno::Busy.into());
        };
        let source = from.found.ok_or(Errno::NoEnt)?;
        let is_directory = tree.is_directory(source);
        if !is_directory && (from.slash || into.slash) {
            return Err(Errno::NotDir.into());
        }
        if is_directory && tree.is_below(into.parent, source) {
            return Err(Errno::Inval.into());
        }
        if let Some(target) = into.found {
            if tree.is_below(from.parent, target) {
                return Err(Errno::NotEmpty.into());
            }
            if target == source {
                return Ok(());
            }
            match (is_directory, tree.is_directory(target)) {
                (true, false) => return Err(Errno::NotDir.into()),
                (false, true) => return Err(Errno::IsDir.into()),
                (true, true) if !tree.entries(target)?.is_empty() => return Err(Errno::NotEmpty.into()),
                _ => tree.remove(into.parent, new)?,
            }
        }
        // It must not go while it has no name.
        tree.opened(source);
        tree.remove(from.parent, old)?;
        let entered = tree.enter(into.parent, new, source);
        if entered.is_err() {
            tree.enter(from.parent, old, source)?;
        }
        tree.closed(source);
        Ok(entered?)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut tree = self.files.tree();
        if tree.node(self.inode)?.links == 0 {
            return Ok(Vec::new());
        }
        tree.was_read(self.inode);
        let dots = [(&b"."[..], self.inode), (b"..", tree.parent(self.inode)?)];
        let entries = tree.entries(self.inode)?.iter().map(|(name, inode)| (&name[..], *inode));
        let entry = |(name, inode): (&[u8], Inode)| {
            let kind = tree.node(inode).map_or(Kind::Unknown, |node| node.kind());
            Entry { name: name.to_vec(), inode, kind }
        };
        Ok(dots.into_iter().chain(entries).map(entry).collect())
    }

    fn path_to(&self, open: &dyn Open) -> Option<Vec<u8>> {
        let stat = open.stat().ok().filter(|stat| stat.device == DEVICE)?;
        self.files.tree().path_between(self.inode, stat.inode)
    }

    fn unnamed(&self, _: &[u8], _: u64) -> io::Result<Box<dyn File>> {
        let mut tree = self.files.tree();
        let inode = tree.add(super::Node::new(Data::File(Content::default()), super::now()))?;
        tree.opened(inode);
        drop(tree);
        Ok(Box::new(MemoryFile::counted(self.files.clone(), inode, false)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
