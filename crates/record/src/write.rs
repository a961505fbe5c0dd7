//! A file that entries are appended to, block by block.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::codec::Encoder;
use crate::entry::Entry;
use crate::read::{ReadError, Reader};
use crate::{BLOCK_HEADER, HEADER, MAGIC, VERSION, block_checksum};

/// A block that has so many bytes is to be written.
const FULL: usize = 64 << 10;

/// Why there is no file to append to.
#[derive(Debug)]
pub enum OpenError {
    /// It cannot be opened.
    Io(io::Error),
    /// It is no regular file: what is in the way of its reader would be in the way of the program.
    NotAFile,
    /// Another process writes to it.
    Busy,
    /// It is there, and is of another program.
    OfAnotherProgram,
    /// It is there, and something is wrong with it.
    Unusable(ReadError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(error) => error.fmt(f),
            OpenError::NotAFile => f.write_str("not a regular file"),
            OpenError::Busy => f.write_str("another process is writing to it"),
            OpenError::OfAnotherProgram => f.write_str("it is the record of another program"),
            OpenError::Unusable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        OpenError::Io(error)
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        OpenError::Unusable(error)
    }
}

/// Appends entries to a file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Where the next block goes.
    end: u64,
    /// Its number.
    number: u64,
    /// What goes in front of it.
    header: Vec<u8>,
    block: Encoder,
}

impl Writer {
    /// Opens the record of a program, which is made if it is not there. What an earlier process has left of a block at its end
    /// is cut off: how many bytes that were.
    ///
    /// # Errors
    /// Why nothing can be appended to it. Nothing was changed then.
    pub fn open(path: &Path, program: &[u8; 32]) -> Result<(Writer, u64), OpenError> {
        let mut options = OpenOptions::new();
        // A pipe without a reader is not waited for.
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let file = options.open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(OpenError::NotAFile);
        }
        // Of this process, not of its children.
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS => OpenError::Busy,
            e => OpenError::Io(e.into()),
        })?;
        let len = file.metadata()?.len();
        let (mut end, mut number, mut torn, mut header) = (0, 0, 0, Vec::new());
        if len == 0 {
            header.extend_from_slice(MAGIC);
            header.extend_from_slice(&VERSION.to_le_bytes());
            header.extend_from_slice(program);
            header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
            debug_assert_eq!(header.len(), HEADER);
        } else {
            let mut reader = Reader::new(BufReader::new(&file))?;
            if reader.program() != program {
                return Err(OpenError::OfAnotherProgram);
            }
            loop {
                match reader.block() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(ReadError::Torn { bytes, .. }) => {
                        torn = bytes;
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            (end, number) = (reader.at(), reader.number());
        }
        if torn > 0 {
            file.set_len(end)?;
        }
        Ok((Writer { file, end, number, header, block: Encoder::default() }, torn))
    }

    /// Appends an entry. It is in the file when [`Writer::flush`] was called.
    pub fn append(&mut self, entry: &Entry) {
        self.block.entry(entry);
    }

    /// Whether it is time to write what was appended.
    pub fn is_full(&self) -> bool {
        self.block.bytes().len() >= FULL
    }

    /// Whether there are entries that are not in the file.
    pub fn is_behind(&self) -> bool {
        !self.block.bytes().is_empty()
    }

    /// Writes what was appended.
    ///
    /// # Errors
    /// The system's. The file ends with the block before then, as far as that can be had.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        let content = self.block.bytes();
        let mut bytes = Vec::with_capacity(self.header.len() + BLOCK_HEADER + content.len());
        bytes.extend_from_slice(&self.header);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&block_checksum(self.number, content).to_le_bytes());
        bytes.extend_from_slice(content);
        // At once: a process that is killed leaves all of it or nothing, but for a full disk.
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.number += 1;
        self.header.clear();
        self.block.clear();
        Ok(())
    }

    /// [`Writer::flush`], and has it on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }
}
