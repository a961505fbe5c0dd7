//! Content from elsewhere: a directory of the host's, a tar file, or the host itself.

use super::MemoryFiles;
use super::content::Content;
use super::directory::MemoryDirectory;
use super::tree::{Data, Inode, Tree};
use super::walk::{Follow, LONGEST_NAME, walk};
use crate::Errno;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Why something can't be read into memory.
#[derive(Debug)]
pub struct FillError {
    /// What it is of.
    pub path: PathBuf,
    /// The failure.
    pub source: io::Error,
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read `{}` into memory: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for FillError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What a file of the host's is known by: device and inode.
type HostId = (u64, u64);

/// Files of the host's that have been read: what has several names, or lies in several of a guest's directories, is one file.
#[derive(Default, Debug)]
pub struct Known(HashMap<HostId, Inode>);

/// Times of last access and modification.
type Times = (u64, u64);

fn failed(path: &Path) -> impl Fn(io::Error) -> FillError + use<> {
    let path = path.to_owned();
    move |source| FillError { path: path.clone(), source }
}

impl MemoryFiles {
    /// A directory for a guest, with all that is in one of the host's (see [`MemoryDirectory::fill_from_directory`]). One that has been
    /// read already is the same again.
    ///
    /// # Errors
    /// [`FillError`], which names what cannot be read, or has no room any more.
    pub fn directory_of(&self, host: &Path, known: &mut Known) -> Result<MemoryDirectory, FillError> {
        let metadata = std::fs::metadata(host).map_err(failed(host))?;
        if let Some(inode) = host_id(&metadata).and_then(|id| known.0.get(&id).copied()) {
            let mut tree = self.tree();
            // Whatever happens to its name.
            tree.node_mut(inode).map_err(|errno| failed(host)(errno.into()))?.links += 1;
            tree.opened(inode);
            drop(tree);
            return Ok(MemoryDirectory::counted(self.clone(), inode));
        }
        let root = self.add_root().map_err(|errno| failed(host)(errno.into()))?;
        root.fill_from_directory(host, known)?;
        Ok(root)
    }
}

impl MemoryDirectory {
    /// Adds all that is in a directory of the host's: files, directories and links, with their times. Pipes, sockets and devices are
    /// left out.
    ///
    /// # Errors
    /// [`FillError`], which names what cannot be read, or has no room any more.
    pub fn fill_from_directory(&self, host: &Path, known: &mut Known) -> Result<(), FillError> {
        let metadata = std::fs::metadata(host).map_err(failed(host))?;
        if let Some(id) = host_id(&metadata) {
            known.0.insert(id, self.inode());
        }
        let mut left = vec![(host.to_owned(), self.inode(), times(&metadata))];
        let mut directories = Vec::new();
        while let Some((from, into, own_times)) = left.pop() {
            for entry in std::fs::read_dir(&from).map_err(failed(&from))? {
                let entry = entry.map_err(failed(&from))?;
                let path = entry.path();
                let metadata = std::fs::symlink_metadata(&path).map_err(failed(&path))?;
                let name = bytes_of(&entry.file_name()).ok_or(Errno::IlSeq.into()).map_err(failed(&path))?;
                let id = host_id(&metadata);
                let there = id.and_then(|id| known.0.get(&id).copied());
                let (added, is_new) = match there {
                    Some(inode) => (Some(self.add_name(into, &name, inode)), false),
                    None => (self.add_host(into, &name, &path, &metadata).transpose(), true),
                };
                let Some(inode) = added.transpose().map_err(failed(&path))? else { continue };
                if let Some(id) = id {
                    known.0.insert(id, inode);
                }
                if metadata.is_dir() && is_new {
                    left.push((path, inode, times(&metadata)));
                }
            }
            directories.push((into, own_times));
        }
        // When nothing is put into them any more.
        let mut tree = self.files().tree();
        directories.into_iter().for_each(|(inode, times)| set_times(&mut tree, inode, times));
        Ok(())
    }

    /// Adds another name of what is there.
    fn add_name(&self, into: Inode, name: &[u8], inode: Inode) -> io::Result<Inode> {
        self.files().tree().enter(into, name, inode)?;
        Ok(inode)
    }

    /// Adds a file of the host's; none that cannot be in memory.
    fn add_host(
        &self,
        into: Inode,
        name: &[u8],
        path: &Path,
        metadata: &Metadata,
    ) -> io::Result<Option<Inode>> {
        let kind = metadata.file_type();
        let inode = if kind.is_dir() {
            let data = Data::Directory { parent: into, entries: Default::default() };
            self.files().tree().create(into, name, data)?
        } else if kind.is_symlink() {
            let target = std::fs::read_link(path)?;
            let target = bytes_of(target.as_os_str()).ok_or(Errno::IlSeq)?;
            self.files().tree().create(into, name, Data::Symlink(target))?
        } else if kind.is_file() {
            let inode = self.files().tree().create(into, name, Data::File(Content::default()))?;
            self.copy(inode, &mut File::open(path)?)?;
            inode
        } else {
            return Ok(None);
        };
        set_times(&mut self.files().tree(), inode, times(metadata));
        Ok(Some(inode))
    }

    /// Replaces a file's content. What is zero takes no space, a whole chunk at a time.
    fn copy(&self, inode: Inode, from: &mut dyn Read) -> io::Result<()> {
        let mut tree = self.files().tree();
        let (content, space) = tree.content(inode)?;
        content.set_len(0, space)?;
        drop(tree);
        let mut buffer = vec![0; super::content::CHUNK as usize];
        let mut at = 0;
        loop {
            let mut filled = 0;
            while filled < buffer.len() {
                match from.read(&mut buffer[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            if filled == 0 {
                return Ok(());
            }
            let part = &buffer[..filled];
            let mut tree = self.files().tree();
            let (content, space) = tree.content(inode)?;
            if part.iter().all(|byte| *byte == 0) {
                content.set_len(at + filled as u64, space)?;
            } else if content.write_slice(at, part, space)? < filled {
                return Err(Errno::NoSpc.into());
            }
            at += filled as u64;
        }
    }

    /// Adds all that is in a tar file: files, directories and links. Directories that it does not name are made; what is there
    /// already, and no directory, is replaced. Pipes and devices are left out.
    ///
    /// # Errors
    /// [`FillError`], which names what cannot be read, leads out of the directory, or has no room any more.
    pub fn fill_from_tar(&self, tar: impl Read) -> Result<(), FillError> {
        let mut archive = tar::Archive::new(tar);
        let whole = |source| FillError { path: "tar file".into(), source };
        let mut directories = Vec::new();
        for entry in archive.entries().map_err(whole)? {
            let mut entry = entry.map_err(whole)?;
            let path = entry.path_bytes().into_owned();
            let shown = PathBuf::from(String::from_utf8_lossy(&path).into_owned());
            let added = self.add_from_tar(&path, &mut entry);
            let added = added.map_err(|source| FillError { path: shown, source })?;
            if let Some(inode) = added {
                let time = entry.header().mtime().unwrap_or(0).saturating_mul(1_000_000_000);
                directories.push((inode, (time, time)));
            }
        }
        let mut tree = self.files().tree();
        directories.into_iter().for_each(|(inode, times)| set_times(&mut tree, inode, times));
        Ok(())
    }

    fn add_from_tar(&self, path: &[u8], entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Option<Inode>> {
        use tar::EntryType as Type;
        let kind = entry.header().entry_type();
        let target = || entry.link_name_bytes().map(|name| name.into_owned()).ok_or(Errno::Inval);
        Ok(Some(match kind {
            Type::Directory => self.add_directories(path)?,
            Type::Regular | Type::Continuous | Type::GNUSparse => {
                let inode = self.put(path, Data::File(Content::default()))?;
                self.copy(inode, entry)?;
                inode
            }
            Type::Symlink => {
                let target = target()?;
                self.put(path, Data::Symlink(target))?
            }
            Type::Link => {
                let target = target()?;
                let (parent, name) = self.place(path)?;
                let mut tree = self.files().tree();
                let end = walk(&tree, self.inode(), relative(&target), Follow::Never)?;
                let inode = end.existing(&tree)?;
                if tree.is_directory(inode) {
                    return Err(Errno::Perm.into());
                }
                if tree.entries(parent)?.contains_key(&name) {
                    tree.remove(parent, &name)?;
                }
                tree.enter(parent, &name, inode)?;
                inode
            }
            _ => return Ok(None),
        }))
    }

    /// Makes a file with this content, and the directories it is in; replaces one that is there.
    ///
    /// # Errors
    /// [`Errno::NoSpc`], [`Errno::IsDir`], [`Errno::NotDir`]; [`Errno::NotCapable`] for a path that leads out.
    pub fn add_file(&self, path: &[u8], content: &[u8]) -> Result<(), Errno> {
        let inode = self.put(path, Data::File(Content::default()))?;
        self.copy(inode, &mut &content[..]).map_err(Errno::from)
    }

    /// Makes a directory, and those it is in.
    ///
    /// # Errors
    /// As [`Self::add_file`].
    pub fn add_directory(&self, path: &[u8]) -> Result<(), Errno> {
        self.add_directories(path).map(|_| ())
    }

    /// A file with no name yet replaces what the path leads to, or gets the path as its name.
    fn put(&self, path: &[u8], data: Data) -> Result<Inode, Errno> {
        let (parent, name) = self.place(path)?;
        let mut tree = self.files().tree();
        if let Some(there) = tree.entries(parent)?.get(&name).copied() {
            if tree.is_directory(there) {
                return Err(Errno::IsDir);
            }
            tree.remove(parent, &name)?;
        }
        tree.create(parent, &name, data)
    }

    /// The directory that a path's last component is in, which is made if need be, and that component.
    fn place(&self, path: &[u8]) -> Result<(Inode, Vec<u8>), Errno> {
        let path = relative(path);
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let (parent, name) = match path[..end].iter().rposition(|byte| *byte == b'/') {
            Some(at) => path[..end].split_at(at),
            None => (&b""[..], &path[..end]),
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        if name.is_empty() || name == b"." || name == b".." || name.contains(&0) || name.len() > LONGEST_NAME
        {
            return Err(Errno::Inval);
        }
        Ok((self.add_directories(parent)?, name.to_vec()))
    }

    fn add_directories(&self, path: &[u8]) -> Result<Inode, Errno> {
        let mut tree = self.files().tree();
        let mut at = self.inode();
        for component in relative(path).split(|byte| *byte == b'/') {
            at = match component {
                b"" | b"." => at,
                b".." => return Err(Errno::NotCapable),
                name if name.len() > LONGEST_NAME || name.contains(&0) => return Err(Errno::Inval),
                name => match tree.entries(at)?.get(name).copied() {
                    Some(there) if tree.is_directory(there) => there,
                    Some(_) => return Err(Errno::NotDir),
                    None => {
                        let data = Data::Directory { parent: at, entries: Default::default() };
                        tree.create(at, name, data)?
                    }
                },
            };
        }
        Ok(at)
    }
}

/// Without slashes in front: paths begin at the directory.
fn relative(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    &path[start..]
}

fn set_times(tree: &mut Tree, inode: Inode, (accessed, modified): Times) {
    if let Ok(node) = tree.node_mut(inode) {
        (node.accessed, node.modified) = (accessed, modified);
    }
}

fn times(metadata: &Metadata) -> Times {
    let nanos = |time: io::Result<std::time::SystemTime>| {
        let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    };
    (nanos(metadata.accessed()), nanos(metadata.modified()))
}

#[cfg(unix)]
fn host_id(metadata: &Metadata) -> Option<HostId> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn host_id(_: &Metadata) -> Option<HostId> {
    None
}

#[cfg(unix)]
fn bytes_of(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec())
}

#[cfg(not(unix))]
fn bytes_of(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    Some(name.to_str()?.replace('\\', "/").into_bytes())
}
