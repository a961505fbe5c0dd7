//! Files that host sections refer to, written as they are read.

use super::{Packer, Writer, crc_of};
use crate::error::WriteError;
use crate::files::{FileMap, StoredFile, piece_len};
use crate::format::{SectionEntry, SectionKind};
use crate::pages::{CHUNK_SIZE, Chunk, is_zero};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

/// Chunks that are known by their content, so that they are not stored twice: of 256 GiB. Then all are forgotten, so that files may be of
/// any size.
const MOST_KNOWN: usize = 1 << 20;

/// How hard files are compressed if the rest of an image is not: that is for memories, which can be mapped.
const LEVEL: i32 = 1;

/// A file that travels in an image.
#[derive(Clone, Copy)]
pub struct FileSource<'a> {
    /// For messages.
    pub name: &'a str,
    /// Bytes. If it has others when it is read there is no image.
    pub len: u64,
    /// What is in it.
    pub content: &'a dyn FileContent,
}

/// What is in a file.
pub trait FileContent {
    /// Reads it from its beginning.
    ///
    /// # Errors
    /// What its host says.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;
}

impl FileContent for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(&self[..]))
    }
}

impl fmt::Debug for FileSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("name", &self.name).field("len", &self.len).finish_non_exhaustive()
    }
}

/// A data section of files under way.
struct FileWriter {
    map: FileMap,
    section_crc: crc32fast::Hasher,
    raw_len: u64,
    packer: Packer,
    /// Chunks by the hash of what they hold.
    known: HashMap<[u8; 32], u32>,
}

impl<W: Write + ?Sized> Writer<'_, W> {
    /// Writes the data section of all files.
    pub(super) fn files(&mut self, files: &[FileSource<'_>]) -> Result<FileMap, WriteError> {
        self.pad("file data", SectionKind::FileData.alignment())?;
        let offset = self.at;
        let packer = Packer::new(self.level.unwrap_or(LEVEL)).map_err(encode)?;
        let mut to = FileWriter {
            map: FileMap::default(),
            section_crc: crc32fast::Hasher::new(),
            raw_len: 0,
            packer,
            known: HashMap::new(),
        };
        for file in files {
            let stored = self.file(&mut to, file)?;
            to.map.files.push(stored);
        }
        self.sections.push(SectionEntry {
            kind: SectionKind::FileData,
            zstd: true,
            ancillary: false,
            index: 0,
            crc32: to.section_crc.finalize(),
            offset,
            stored_len: self.at - offset,
            raw_len: to.raw_len,
        });
        Ok(to.map)
    }

    fn file(&mut self, to: &mut FileWriter, file: &FileSource<'_>) -> Result<StoredFile, WriteError> {
        let failed = |source| WriteError::File { name: file.name.to_owned(), source };
        let changed = || failed(io::Error::other("somebody else writes to it"));
        let mut stored = StoredFile { len: file.len, runs: Vec::new() };
        let mut from = file.content.open().map_err(failed)?;
        let mut piece = vec![0; CHUNK_SIZE];
        for nth in 0..file.len.div_ceil(CHUNK_SIZE as u64) {
            let piece = &mut piece[..piece_len(file.len, nth)];
            from.read_exact(piece).map_err(|e| match e.kind() {
                ErrorKind::UnexpectedEof => changed(),
                _ => failed(e),
            })?;
            stored.push(if is_zero(piece) { None } else { Some(self.chunk(to, piece)?) });
            self.advance(piece.len());
        }
        let more = loop {
            match from.read(&mut [0]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(failed)?,
            }
        };
        if more == 0 { Ok(stored) } else { Err(changed()) }
    }

    /// The number of the chunk that holds these bytes, which is written if there is none.
    fn chunk(&mut self, to: &mut FileWriter, bytes: &[u8]) -> Result<u32, WriteError> {
        let hash = Sha256::digest(bytes).into();
        if let Some(known) = to.known.get(&hash) {
            return Ok(*known);
        }
        let number = u32::try_from(to.map.chunks.len()).map_err(|_| WriteError::TooLarge {
            section: "file map".into(),
            len: to.map.chunks.len() as u64,
            max: u64::from(u32::MAX),
        })?;
        let stored = to.packer.pack(&[bytes], bytes.len()).map_err(encode)?.unwrap_or(bytes);
        let crc32 = crc_of(std::iter::once(stored));
        to.section_crc.combine(&crc32fast::Hasher::new_with_initial_len(crc32, stored.len() as u64));
        // A chunk is `CHUNK_SIZE` bytes at most.
        to.map.chunks.push(Chunk { stored_len: stored.len() as u32, crc32 });
        to.raw_len += bytes.len() as u64;
        self.put("file data", &[stored])?;
        if to.known.len() == MOST_KNOWN {
            to.known.clear();
        }
        to.known.insert(hash, number);
        Ok(number)
    }
}

fn encode(error: io::Error) -> WriteError {
    WriteError::Encode { section: "file data".into(), why: error.to_string() }
}
