//! Saving the WASI state of an instance whose threads stand still.

use crate::beside::Beside;
use crate::channels::ChannelEnd;
use crate::ctx::WasiCtx;
use crate::file_choice::{ByPrefix, FilePolicy};
use crate::resources::{LARGEST, Record};
use std::fmt;
use std::io;
use std::sync::Arc;

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
    /// What an image holds of open files, by path. If nothing is said, what was said for the image that the instance was restored from
    /// goes on.
    pub files: ByPrefix<FilePolicy>,
    /// Files without a name (unlinked while open) of up to this many bytes travel in the image; larger ones
    /// are a [`SaveError::Unlinked`]. 0 refuses all that have content. Those that [`FilePolicy::Carry`] is for may be larger.
    pub carry_up_to: u64,
    /// All files together that travel in a record: more is a [`SaveError::TooLarge`]. A restore takes records of up to 1 GiB. Those that
    /// go beside it ([`Beside`]) may be as large as they are.
    pub carry_altogether: u64,
    /// Ends of pipes and streams that others have who are saved at the same time, and stand still until all are: what is on its
    /// way from them to this guest travels in its image. `None`: it is saved alone.
    pub together: Option<Arc<[ChannelEnd]>>,
}

impl Default for SavePolicy {
    fn default() -> Self {
        SavePolicy {
            identity: Identity::default(),
            files: ByPrefix::default(),
            carry_up_to: 64 << 20,
            carry_altogether: 768 << 20,
            together: None,
        }
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
    /// A standard stream is a socket that the guest has changed (shut it down, set an option): that of another process would not be
    /// so.
    ChangedStream {
        /// Descriptor number.
        fd: u32,
    },
    /// A guest that is saved at the same time reads the same pipe: whose the bytes are that are on their way, nobody can tell.
    SharedPipe {
        /// Descriptor number.
        fd: u32,
    },
    /// Who has the other end of a stream, the system does not say.
    Obscure {
        /// Descriptor number.
        fd: u32,
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
    /// Two threads wait in the same call, with the same arguments, and have not come equally far: whose is whose, an image cannot say.
    Alike {
        /// Name of the function.
        function: String,
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
            SaveError::ChangedStream { fd } => write!(
                f,
                "descriptor {fd} is a standard stream, and the program has changed the socket that it is: that of another process would not be so"
            ),
            SaveError::SharedPipe { fd } => {
                write!(f, "descriptor {fd} is a pipe that another member of the group reads, too")
            }
            SaveError::Obscure { fd } => {
                write!(f, "descriptor {fd} is a stream, and who has its other end can't be found out")
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
            SaveError::Alike { function } => write!(
                f,
                "two threads are in {function} with the same arguments: how far each has come, an image cannot tell apart"
            ),
            SaveError::TooLarge { size } => {
                write!(
                    f,
                    "the files that would be carried in the image are too large altogether ({size} bytes)"
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

    /// Saves everything that WASI adds to an instance, the content of files that travel among it.
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save_with(&self, policy: &SavePolicy) -> Result<Vec<u8>, SaveError> {
        self.encode(policy, None)
    }

    /// The same, with the content of files beside what this gives: for [`Self::restore_beside`].
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save_beside(&self, policy: &SavePolicy, beside: &mut Beside) -> Result<Vec<u8>, SaveError> {
        self.encode(policy, Some(beside))
    }

    fn encode(&self, policy: &SavePolicy, beside: Option<&mut Beside>) -> Result<Vec<u8>, SaveError> {
        let record = Record::save(self, policy, beside)?;
        let bytes = record.encode().map_err(SaveError::Encode)?;
        match bytes.len() {
            size if size > LARGEST => Err(SaveError::TooLarge { size: size as u64 }),
            _ => Ok(bytes),
        }
    }
}
