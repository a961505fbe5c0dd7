//! A file of entries, read from its beginning.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::codec::{Decoder, Malformed};
use crate::entry::Entry;
use crate::{BLOCK_HEADER, HEADER, LARGEST_BLOCK, MAGIC, VERSION, block_checksum};

/// What is wrong with a file.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be read.
    Io(io::Error),
    /// It does not begin as such a file does.
    Foreign,
    /// It is of a version that this one does not know.
    Version(u32),
    /// Its header is damaged, or not all there.
    Header,
    /// The last block is not all there: whoever wrote it was ended in the middle of it.
    Torn {
        /// Where that block begins, and what there is of it (bytes).
        at: u64,
        /// What is there of it (bytes).
        bytes: u64,
    },
    /// A block is damaged.
    Damaged {
        /// Where it begins.
        at: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Foreign => f.write_str("not a record of WASI calls"),
            ReadError::Version(version) => {
                write!(f, "a record of version {version}, of which this program knows {VERSION} only")
            }
            ReadError::Header => f.write_str("the header is damaged or not all there"),
            ReadError::Torn { at, bytes } => write!(
                f,
                "it ends in the middle of a block, which begins at byte {at} ({bytes} bytes of it are there): \
                 the program was ended before it was written"
            ),
            ReadError::Damaged { at, why } => write!(f, "the block at byte {at} is damaged: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// Reads entries, one after the other. After an error there are no more.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    program: [u8; 32],
    /// Where the next block begins.
    at: u64,
    /// Its number.
    number: u64,
    entries: std::vec::IntoIter<Entry>,
    done: bool,
}

impl Reader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// What is wrong with its beginning.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Reader::new(BufReader::new(File::open(path)?))
    }
}

/// Fills as much of a buffer as there is.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// `N` bytes of a header, which has them.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut header = [0; HEADER];
        let filled = fill(&mut input, &mut header)?;
        if !header[..filled].starts_with(MAGIC) {
            return Err(ReadError::Foreign);
        }
        let version = u32::from_le_bytes(part(&header, 8));
        if filled >= 12 && version != VERSION {
            return Err(ReadError::Version(version));
        }
        let checksum = u32::from_le_bytes(part(&header, HEADER - 4));
        if filled < HEADER || checksum != crc32fast::hash(&header[..HEADER - 4]) {
            return Err(ReadError::Header);
        }
        let program = part(&header, 12);
        Ok(Reader {
            input,
            program,
            at: HEADER as u64,
            number: 0,
            entries: Vec::new().into_iter(),
            done: false,
        })
    }

    /// SHA-256 of the module that the record is of.
    pub fn program(&self) -> &[u8; 32] {
        &self.program
    }

    /// Where the next block begins.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The content of the next block, if there is one.
    pub(crate) fn block(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let at = self.at;
        let damaged = |why| ReadError::Damaged { at, why };
        let mut header = [0; BLOCK_HEADER];
        match fill(&mut self.input, &mut header)? {
            0 => return Ok(None),
            BLOCK_HEADER => {}
            some => return Err(ReadError::Torn { at, bytes: some as u64 }),
        }
        let number = u64::from_le_bytes(part(&header, 0));
        let len = u32::from_le_bytes(part(&header, 8));
        let checksum = u32::from_le_bytes(part(&header, 12));
        if number != self.number {
            return Err(damaged("it has not the number that follows"));
        }
        if len > LARGEST_BLOCK {
            return Err(damaged("it is longer than blocks are"));
        }
        // Not all at once: what is not there takes no memory.
        let mut content = Vec::new();
        self.input.by_ref().take(len.into()).read_to_end(&mut content)?;
        if content.len() < len as usize {
            return Err(ReadError::Torn { at, bytes: (BLOCK_HEADER + content.len()) as u64 });
        }
        if checksum != block_checksum(number, &content) {
            return Err(damaged("its checksum is wrong"));
        }
        self.at += (BLOCK_HEADER + content.len()) as u64;
        self.number += 1;
        Ok(Some(content))
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let at = self.at;
            let Some(content) = self.block()? else { return Ok(None) };
            let (mut decoder, mut entries) = (Decoder::new(&content), Vec::new());
            let decoded = |Malformed| ReadError::Damaged { at, why: "an entry in it makes no sense" };
            while let Some(entry) = decoder.entry().map_err(decoded)? {
                entries.push(entry);
            }
            self.entries = entries.into_iter();
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}
