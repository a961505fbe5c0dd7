//! What an image holds of the files.

use super::content::{CHUNK, Content};
use super::directory::MemoryDirectory;
use super::tree::{Data, Inode, Node, Tree};
use super::walk::LONGEST_NAME;
use super::{LARGEST_LIMIT, MemoryFiles};
use crate::{Directory, Errno, Kind, OpenOptions, Opened};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;

/// All files that have a name, with the directories that guests begin at. What is open and has no name is for others to keep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilesRecord {
    /// What the files may take together.
    pub(super) limit: u64,
    /// Number of the next file.
    pub(super) next: u64,
    /// Directories that guests begin at.
    pub(super) roots: Vec<Inode>,
    /// In ascending order of their numbers.
    pub(super) files: Vec<FileRecord>,
    /// Content, no two alike.
    pub(super) chunks: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) inode: Inode,
    accessed: u64,
    modified: u64,
    changed: u64,
    pub(super) data: DataRecord,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum DataRecord {
    /// Length; which chunk of the content is which one of the record; others are zeros.
    File { len: u64, chunks: Vec<(u64, u32)> },
    /// By name.
    Directory { entries: Vec<(Bytes, Inode)> },
    /// Its target.
    Symlink(Bytes),
}

/// Bytes that are encoded as a whole, and not cloned on the way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Bytes(Arc<Vec<u8>>);

impl Bytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl FileRecord {
    /// Times of access and modification.
    pub(super) fn times(&self) -> (u64, u64) {
        (self.accessed, self.modified)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(Arc::new(bytes.to_vec()))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Out of the bytes that are there: nothing is allocated for what a hostile record only says that it has.
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// What is not the same elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which of the directories that guests begin at.
    pub root: usize,
    /// Path below it.
    pub path: Vec<u8>,
    /// What is different.
    pub what: String,
}

impl FilesRecord {
    /// The files as they are, and which directories guests begin at; nothing if these are not all in the same file system in
    /// memory.
    pub fn save(roots: &[Arc<dyn Directory>]) -> Option<FilesRecord> {
        let directories: Option<Vec<&MemoryDirectory>> =
            roots.iter().map(|root| root.as_any().downcast_ref::<MemoryDirectory>()).collect();
        let directories = directories?;
        let files = directories.first()?.files().clone();
        if !directories.iter().all(|directory| directory.files().is(&files)) {
            return None;
        }
        let tree = files.tree();
        let (mut chunks, mut numbers) = (Vec::new(), HashMap::new());
        let mut number = |bytes: &Arc<Vec<u8>>| {
            *numbers.entry(Bytes(Arc::clone(bytes))).or_insert_with(|| {
                chunks.push(Bytes(Arc::clone(bytes)));
                chunks.len() as u32 - 1
            })
        };
        let mut named: Vec<(&Inode, &Node)> = tree.nodes.iter().filter(|(_, node)| node.links > 0).collect();
        named.sort_by_key(|(inode, _)| **inode);
        let files = named.into_iter().map(|(inode, node)| FileRecord {
            inode: *inode,
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
            data: match &node.data {
                Data::File(content) => DataRecord::File {
                    len: content.len,
                    chunks: content.chunks.iter().map(|(nth, bytes)| (*nth, number(bytes))).collect(),
                },
                Data::Directory { entries, .. } => DataRecord::Directory {
                    entries: entries.iter().map(|(name, inode)| (name[..].into(), *inode)).collect(),
                },
                Data::Symlink(target) => DataRecord::Symlink(target[..].into()),
            },
        });
        let files = files.collect();
        let roots = directories.iter().map(|directory| directory.inode()).collect();
        Some(FilesRecord { limit: tree.space.limit, next: tree.next, roots, files, chunks })
    }

    /// How many directories guests begin at.
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// How many files there are, directories and links among them, and the bytes of their content that travel.
    pub fn size(&self) -> (usize, u64) {
        (self.files.len(), self.chunks.iter().map(|chunk| chunk.0.len() as u64).sum())
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn check(&self) -> Result<(), String> {
        self.tree().map(|_| ())
    }

    /// Makes all files again; gives the directories that guests begin at.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn restore(&self) -> Result<Vec<Arc<dyn Directory>>, String> {
        let mut tree = self.tree()?;
        self.roots.iter().for_each(|root| tree.opened(*root));
        let files = MemoryFiles(Arc::new(std::sync::Mutex::new(tree)));
        let root = |inode: &Inode| -> Arc<dyn Directory> {
            Arc::new(MemoryDirectory::counted(files.clone(), *inode))
        };
        Ok(self.roots.iter().map(root).collect())
    }

    fn tree(&self) -> Result<Tree, String> {
        if self.limit > LARGEST_LIMIT {
            return Err(format!("files may take {} bytes", self.limit));
        }
        if let Some(chunk) = self.chunks.iter().find(|chunk| chunk.0.len() as u64 > CHUNK) {
            return Err(format!("a chunk of a file has {} bytes", chunk.0.len()));
        }
        let mut tree = Tree::new(self.limit);
        tree.next = self.next;
        let mut last = 0;
        for file in &self.files {
            if file.inode <= last || file.inode >= self.next {
                return Err(format!("file number {} is too large or out of order", file.inode));
            }
            last = file.inode;
            tree.nodes.insert(file.inode, self.node(file)?);
        }
        self.link(&mut tree)?;
        tree.space.used = tree.count_space();
        if tree.space.used > self.limit {
            return Err(format!("files take {} bytes, and may take {}", tree.space.used, self.limit));
        }
        Ok(tree)
    }

    fn node(&self, file: &FileRecord) -> Result<Node, String> {
        let inode = file.inode;
        let data = match &file.data {
            DataRecord::File { len, chunks } => {
                let mut content = Content { len: *len, chunks: BTreeMap::new() };
                let mut next = 0;
                for (nth, chunk) in chunks {
                    let bytes = self.chunks.get(*chunk as usize);
                    let bytes = bytes.ok_or(format!("file {inode} has chunk {chunk}, which there is not"))?;
                    let end = nth.checked_mul(CHUNK).and_then(|at| at.checked_add(bytes.0.len() as u64));
                    if *nth < next || *len > i64::MAX as u64 || end.is_none_or(|end| end > *len) {
                        return Err(format!("content of file {inode} is out of order, or beyond its end"));
                    }
                    next = nth + 1;
                    content.chunks.insert(*nth, Arc::clone(&bytes.0));
                }
                Data::File(content)
            }
            DataRecord::Directory { entries } => {
                let mut all = BTreeMap::new();
                for (name, entry) in entries {
                    let name = &name.0[..];
                    let wrong = name.is_empty() || name.len() > LONGEST_NAME || name == b"." || name == b"..";
                    if wrong || name.contains(&b'/') || name.contains(&0) {
                        return Err(format!("directory {inode} has a file without a proper name"));
                    }
                    if all.insert(name.to_vec(), *entry).is_some() {
                        return Err(format!("directory {inode} has two files of one name"));
                    }
                }
                Data::Directory { parent: inode, entries: all }
            }
            DataRecord::Symlink(target) => Data::Symlink(target.0.to_vec()),
        };
        let FileRecord { accessed, modified, changed, .. } = *file;
        Ok(Node { data, links: 0, opens: 0, accessed, modified, changed })
    }

    /// Counts names, and finds out which directory is in which: each in one, and all of them below those that guests begin at.
    fn link(&self, tree: &mut Tree) -> Result<(), String> {
        let names: Vec<(Inode, Inode)> = tree
            .nodes
            .iter()
            .flat_map(|(inode, node)| match &node.data {
                Data::Directory { entries, .. } => entries.values().map(|to| (*inode, *to)).collect(),
                _ => Vec::new(),
            })
            .collect();
        for (from, to) in names {
            let node = tree.node_mut(to).map_err(|_| format!("there is no file {to}"))?;
            node.links += 1;
            if let Data::Directory { parent, .. } = &mut node.data {
                if *parent != to || node.links > 1 || from == to {
                    return Err(format!("directory {to} is in several directories"));
                }
                *parent = from;
            }
        }
        let mut left = Vec::new();
        for root in self.roots.iter().collect::<HashSet<_>>() {
            if !tree.is_directory(*root) {
                return Err(format!("{root} is no directory"));
            }
            tree.node_mut(*root).map_err(|_| "no root")?.links += 1;
            left.push(*root);
        }
        let mut reached: HashSet<Inode> = left.iter().copied().collect();
        while let Some(at) = left.pop() {
            for to in tree.entries(at).ok().into_iter().flat_map(|entries| entries.values()) {
                if reached.insert(*to) {
                    left.push(*to);
                }
            }
        }
        match tree.nodes.keys().find(|inode| !reached.contains(inode)) {
            Some(lost) => Err(format!("no directory leads to file {lost}")),
            None => Ok(()),
        }
    }

    /// What another file system lacks, or has otherwise, of these files; `roots` are its directories in their order. What it has
    /// beside them does not matter, nor do times; nor those files that are not `wanted`, by root and path.
    ///
    /// # Errors
    /// What its host says.
    pub fn compare(
        &self,
        roots: &[&dyn Directory],
        wanted: impl Fn(usize, &[u8]) -> bool,
    ) -> io::Result<Option<Difference>> {
        let files: HashMap<Inode, &FileRecord> = self.files.iter().map(|file| (file.inode, file)).collect();
        for (nth, (inode, root)) in self.roots.iter().zip(roots).enumerate() {
            let mut left = vec![(*inode, Vec::new())];
            while let Some((inode, path)) = left.pop() {
                let Some(file) = files.get(&inode) else { continue };
                if wanted(nth, &path)
                    && let Some(what) = self.compare_one(file, &path, *root)?
                {
                    return Ok(Some(Difference { root: nth, path, what }));
                }
                if let DataRecord::Directory { entries } = &file.data {
                    for (name, inode) in entries {
                        let mut path = path.clone();
                        if !path.is_empty() {
                            path.push(b'/');
                        }
                        path.extend_from_slice(&name.0);
                        left.push((*inode, path));
                    }
                }
            }
        }
        Ok(None)
    }

    fn compare_one(
        &self,
        file: &FileRecord,
        path: &[u8],
        root: &dyn Directory,
    ) -> io::Result<Option<String>> {
        let path = if path.is_empty() { b"." } else { path };
        let stat = match root.stat_at(path, false) {
            Ok(stat) => stat,
            Err(e) if Errno::from(&e) == Errno::NoEnt => return Ok(Some("it is not there".into())),
            Err(e) => return Err(e),
        };
        let (kind, called) = match &file.data {
            DataRecord::File { .. } => (Kind::Regular, "regular file"),
            DataRecord::Directory { .. } => (Kind::Directory, "directory"),
            DataRecord::Symlink(_) => (Kind::Symlink, "symbolic link"),
        };
        if stat.kind != kind {
            return Ok(Some(format!("it is no {called}")));
        }
        match &file.data {
            DataRecord::File { len, .. } if stat.size != *len => {
                Ok(Some(format!("it has {} bytes, it had {len}", stat.size)))
            }
            DataRecord::File { chunks, len } => {
                let options = OpenOptions { read: true, ..OpenOptions::default() };
                let Opened::File(opened) = root.open(path, &options)? else {
                    return Ok(Some("it is no regular file".into()));
                };
                let mut content = opened.content()?;
                let same = self.same_content(*len, chunks, &mut *content)?;
                Ok((!same).then(|| "its content is another".into()))
            }
            DataRecord::Symlink(target) => {
                let same = root.read_link(path)? == **target.0;
                Ok((!same).then(|| "it leads elsewhere".into()))
            }
            DataRecord::Directory { .. } => Ok(None),
        }
    }

    fn same_content(&self, len: u64, chunks: &[(u64, u32)], other: &mut dyn Read) -> io::Result<bool> {
        let mut chunks = chunks.iter().peekable();
        for nth in 0..len.div_ceil(CHUNK) {
            let mut expected = vec![0; (len - nth * CHUNK).min(CHUNK) as usize];
            if let Some((_, chunk)) = chunks.next_if(|(at, _)| *at == nth)
                && let Some(bytes) = self.chunks.get(*chunk as usize)
            {
                expected[..bytes.0.len()].copy_from_slice(&bytes.0);
            }
            let mut found = vec![0; expected.len()];
            match other.read_exact(&mut found) {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read?,
            }
            if found != expected {
                return Ok(false);
            }
        }
        Ok(other.read(&mut [0])? == 0)
    }
}
