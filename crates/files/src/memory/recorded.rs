//! The files of a record one by one, for those who make them elsewhere.

use super::content::CHUNK;
use super::record::{DataRecord, FileRecord, FilesRecord};
use super::tree::Inode;
use crate::Sparse;
use std::collections::HashMap;
use std::io::{self, Read};

/// A file of a record.
#[derive(Debug)]
pub struct Recorded<'a> {
    /// Which of the directories that guests begin at.
    pub root: usize,
    /// Path below it; empty for itself.
    pub path: Vec<u8>,
    /// Tells it from all others: those that have it in common are one file.
    pub number: u64,
    /// Time of last access, nanoseconds since 1970.
    pub accessed: u64,
    /// Time of last modification, likewise.
    pub modified: u64,
    /// What it is.
    pub data: RecordedData<'a>,
}

/// What a file of a record is.
#[derive(Debug)]
pub enum RecordedData<'a> {
    /// A regular file.
    File(RecordedContent<'a>),
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Symlink(&'a [u8]),
}

/// The content of a regular file.
#[derive(Clone, Copy, Debug)]
pub struct RecordedContent<'a> {
    record: &'a FilesRecord,
    len: u64,
    chunks: &'a [(u64, u32)],
}

impl RecordedContent<'_> {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.len
    }
}

impl<'a> RecordedContent<'a> {
    /// Reads it from its beginning.
    pub fn reader(self) -> impl Sparse + 'a {
        Reader { content: self, at: 0 }
    }
}

struct Reader<'a> {
    content: RecordedContent<'a>,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let RecordedContent { record, len, chunks } = self.content;
        let (nth, skip) = (self.at / CHUNK, (self.at % CHUNK) as usize);
        let here = (len - self.at).min(CHUNK - skip as u64).min(into.len() as u64) as usize;
        let into = &mut into[..here];
        into.fill(0);
        let found = chunks.binary_search_by_key(&nth, |(nth, _)| *nth);
        if let Some(bytes) = found.ok().and_then(|at| record.chunks.get(chunks[at].1 as usize)) {
            // A chunk may be shorter than the part of the file that it is for: the rest is zeros.
            let bytes = bytes.as_slice().get(skip..).unwrap_or_default();
            let there = bytes.len().min(here);
            into[..there].copy_from_slice(&bytes[..there]);
        }
        self.at += here as u64;
        Ok(here)
    }
}

impl Sparse for Reader<'_> {
    fn skip_zeros(&mut self) -> u64 {
        let RecordedContent { len, chunks, .. } = self.content;
        if !self.at.is_multiple_of(CHUNK) {
            return 0;
        }
        let next = chunks.partition_point(|(nth, _)| *nth < self.at / CHUNK);
        let end = chunks.get(next).map_or(len, |(nth, _)| len.min(nth.saturating_mul(CHUNK)));
        let zeros = end.saturating_sub(self.at);
        self.at += zeros;
        zeros
    }
}

impl FilesRecord {
    /// All files by their names, directories before what is in them. What is checked is taken for granted ([`Self::check`]).
    pub fn files(&self) -> Vec<Recorded<'_>> {
        let by_number: HashMap<Inode, &FileRecord> =
            self.files.iter().map(|file| (file.inode, file)).collect();
        let mut all = Vec::new();
        for (root, inode) in self.roots.iter().enumerate() {
            let mut left = vec![(*inode, Vec::new())];
            while let Some((inode, path)) = left.pop() {
                let Some(file) = by_number.get(&inode) else { continue };
                let data = match &file.data {
                    DataRecord::File { len, chunks } => {
                        RecordedData::File(RecordedContent { record: self, len: *len, chunks })
                    }
                    DataRecord::Symlink(target) => RecordedData::Symlink(target.as_slice()),
                    DataRecord::Directory { entries } => {
                        for (name, inode) in entries {
                            let mut path: Vec<u8> = path.clone();
                            if !path.is_empty() {
                                path.push(b'/');
                            }
                            path.extend_from_slice(name.as_slice());
                            left.push((*inode, path));
                        }
                        RecordedData::Directory
                    }
                };
                let (accessed, modified) = file.times();
                all.push(Recorded { root, path, number: inode, accessed, modified, data });
            }
        }
        all
    }
}
