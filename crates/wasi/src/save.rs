//! Saving the WASI state of an instance whose threads stand still.

use crate::ctx::WasiCtx;
use crate::resources::{LARGEST, Record};
use std::fmt;
use std::io;

/// How a restore is to know a regular file again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Identity {
    /// By size and time of modification: fast; a copy on another machine must keep the time (`cp -p`, `rsync
    /// -a`).
    #[default]
    SizeAndTime,
    /// By size and SHA-256 of the content: reads every open file at each checkpoint.
    Content,
}

/// Choices about what an image holds of open files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavePolicy {
    /// How files are known again.
    pub identity: Identity,
    /// Files without a name (unlinked while open) of up to this many bytes travel in the image; larger ones
    /// are a [`SaveError::Unlinked`]. 0 refuses all that have content.
    pub carry_up_to: u64,
    /// All of them together: more is a [`SaveError::TooLarge`]. A restore takes records of up to 1 GiB.
    pub carry_altogether: u64,
}

impl Default for SavePolicy {
    fn default() -> Self {
        SavePolicy { identity: Identity::default(), carry_up_to: 64 << 20, carry_altogether: 768 << 20 }
    }
}

/// Why an instance's WASI state can't be saved. Nothing has changed; the program can go on.
#[derive(Debug)]
pub enum SaveError {
    /// The guest has a socket open, and connections do not fit in an image.
    Socket {
        /// Descriptor number.
        fd: u32,
    },
    /// The guest has a named pipe open, whose other end is another process.
    Pipe {
        /// Descriptor number.
        fd: u32,
        /// Path below its preopen.
        path: String,
    },
    /// The file has no name any more, and is too large to travel in the image; or it is a directory.
    Unlinked {
        /// Descriptor number.
        fd: u32,
        /// Path it was opened by.
        path: String,
        /// Its size, bytes.
        size: u64,
    },
    /// The file still has a name, but none that leads there from a preopen.
    OutOfReach {
        /// Descriptor number.
        fd: u32,
        /// Path it was opened by.
        path: String,
    },
    /// Standard input is a file that the guest reads, and others with it: whose its position is, nobody can tell.
    SharedStream {
        /// Descriptor number.
        fd: u32,
    },
    /// All that would travel in the image is more than a restore takes.
    TooLarge {
        /// Bytes.
        size: u64,
    },
    /// A system call failed.
    Io {
        /// Descriptor number.
        fd: u32,
        /// What it is.
        what: String,
        /// The failure.
        source: io::Error,
    },
    /// The record could not be encoded.
    Encode(String),
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaveError::Socket { fd } => write!(f, "descriptor {fd} is a socket, which an image cannot hold"),
            SaveError::Pipe { fd, path } => {
                write!(f, "descriptor {fd} is the named pipe `{path}`, which an image cannot hold")
            }
            SaveError::Unlinked { fd, path, size } => write!(
                f,
                "descriptor {fd}: `{path}` was unlinked while open, and cannot be carried in the image ({size} bytes)"
            ),
            SaveError::OutOfReach { fd, path } => {
                write!(
                    f,
                    "descriptor {fd}: file `{path}` was moved to where no preopened directory leads, or has only another name left, which is not known"
                )
            }
            SaveError::SharedStream { fd } => write!(
                f,
                "descriptor {fd} is a file that the program reads, and the host or another process with it: their parts can't be told apart"
            ),
            SaveError::TooLarge { size } => {
                write!(
                    f,
                    "the files without a name that would be carried in the image are too large altogether ({size} bytes)"
                )
            }
            SaveError::Io { fd, what, source } => write!(f, "descriptor {fd}: {what}: {source}"),
            SaveError::Encode(what) => write!(f, "WASI record: {what}"),
        }
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SaveError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl WasiCtx {
    /// Saves everything that WASI adds to an instance, with the default [`SavePolicy`].
    ///
    /// No thread of the instance may be inside a WASI call that goes on.
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save(&self) -> Result<Vec<u8>, SaveError> {
        self.save_with(&SavePolicy::default())
    }

    /// Saves everything that WASI adds to an instance.
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save_with(&self, policy: &SavePolicy) -> Result<Vec<u8>, SaveError> {
        let record = Record::save(self, policy)?;
        let bytes = record.encode().map_err(SaveError::Encode)?;
        match bytes.len() {
            size if size > LARGEST => Err(SaveError::TooLarge { size: size as u64 }),
            _ => Ok(bytes),
        }
    }
}
