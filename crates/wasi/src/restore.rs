//! Making a saved WASI state again.

use crate::back_end::BackEnd;
use crate::beside::{ContentBeside, Nothing};
use crate::ctx::WasiCtx;
use crate::file_choice::{ByPrefix, FileChoice};
use crate::locks::LockError;
use crate::resources::{FormatError, Record, Restoring};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a WASI state can't be restored. The context is as it was.
#[derive(Debug)]
pub enum RestoreError {
    /// The bytes are no WASI record, or of another version.
    Format(String),
    /// The guest used a preopened directory that this process does not give it.
    MissingPreopen {
        /// Its name for the guest.
        guest_name: String,
    },
    /// A file or directory that the guest has open could not be opened.
    Open {
        /// Descriptor number.
        fd: u32,
        /// Path below the preopen.
        path: String,
        /// The preopen's name for the guest.
        preopen: String,
        /// The failure.
        source: io::Error,
    },
    /// A file that the guest has open is not the one it was.
    Differs {
        /// Descriptor number.
        fd: u32,
        /// Path below the preopen.
        path: String,
        /// The preopen's name for the guest.
        preopen: String,
        /// What is different.
        what: String,
    },
    /// The guest has a standard stream open that this process does not have.
    MissingStream {
        /// 0, 1 or 2.
        stream: u8,
    },
    /// The guest's files are in the image, and those that it is to see here are not the same.
    Files {
        /// Which file system it is to see.
        back_end: BackEnd,
        /// Path below the preopen.
        path: String,
        /// The preopen's name for the guest.
        preopen: String,
        /// What is different.
        what: String,
    },
    /// A lock on a file that the guest had cannot be taken again.
    Lock {
        /// Descriptor number.
        fd: u32,
        /// Why not.
        source: LockError,
    },
    /// A file that the image carries cannot be put where it was, or another one is there.
    Carried {
        /// Path below the preopen.
        path: String,
        /// The preopen's name for the guest.
        preopen: String,
        /// Why not.
        what: String,
    },
    /// A file that has grown cannot be cut off.
    Truncate {
        /// Path below its preopen.
        path: String,
        /// The failure.
        source: io::Error,
    },
    /// A system call failed.
    Io {
        /// Descriptor number.
        fd: u32,
        /// What was being done.
        what: &'static str,
        /// The failure.
        source: io::Error,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Format(what) => f.write_str(what),
            RestoreError::MissingPreopen { guest_name } => {
                write!(
                    f,
                    "the program uses the preopened directory `{guest_name}`, which was not given to it here"
                )
            }
            RestoreError::Open { fd, path, preopen, source } => {
                write!(f, "descriptor {fd}: cannot open `{path}` in `{preopen}` again: {source}")
            }
            RestoreError::Differs { fd, path, preopen, what } => {
                write!(f, "descriptor {fd}: `{path}` in `{preopen}` is not the file it was: {what}")
            }
            RestoreError::MissingStream { stream } => {
                write!(f, "the program uses standard stream {stream}, which this process does not have")
            }
            RestoreError::Files { back_end, path, preopen, what } => {
                write!(
                    f,
                    "the program's files are in the image, and the directories of `{back_end}` do not have them: `{path}` in `{preopen}`: {what}"
                )
            }
            RestoreError::Lock { fd, source } => {
                write!(f, "descriptor {fd}: its file was locked, and cannot be again: {source}")
            }
            RestoreError::Carried { path, preopen, what } => {
                write!(f, "the image carries `{path}` in `{preopen}`: {what}")
            }
            RestoreError::Truncate { path, source } => write!(f, "cannot cut off `{path}`: {source}"),
            RestoreError::Io { fd, what, source } => write!(f, "descriptor {fd}: {what}: {source}"),
        }
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RestoreError::Lock { source, .. } => Some(source),
            RestoreError::Open { source, .. }
            | RestoreError::Truncate { source, .. }
            | RestoreError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<FormatError> for RestoreError {
    fn from(error: FormatError) -> Self {
        RestoreError::Format(error.to_string())
    }
}

/// Choices about what a restore puts up with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestorePolicy {
    /// What becomes of files that are not what they were at the checkpoint, by path.
    pub files: ByPrefix<FileChoice>,
    /// How long a named pipe that the guest writes to is waited for to be opened for reading, if nobody has it so.
    pub reader_limit: Duration,
}

impl Default for RestorePolicy {
    fn default() -> Self {
        RestorePolicy { files: ByPrefix::default(), reader_limit: Duration::from_secs(30) }
    }
}

impl WasiCtx {
    /// Restores what [`save_beside`](Self::save_beside) has saved, and what is beside it. The choices about files are those that the
    /// context was made with ([`restore_files`](crate::WasiBuilder::restore_files)), or else this policy's.
    ///
    /// # Errors
    /// [`RestoreError`], which names what is missing or different. Nothing has changed then.
    pub fn restore_beside(
        &self,
        bytes: &[u8],
        beside: &dyn ContentBeside,
        policy: &RestorePolicy,
    ) -> Result<(), RestoreError> {
        match &self.restore_files {
            Some(files) => {
                let policy = RestorePolicy { files: files.clone(), ..RestorePolicy::default() };
                self.put(bytes, &Restoring { policy: &policy, beside })
            }
            None => self.put(bytes, &Restoring { policy, beside }),
        }
    }

    /// Restores what [`save`](Self::save) has saved, as the context was made to, or by the default [`RestorePolicy`].
    ///
    /// # Errors
    /// [`RestoreError`], which names what is missing or different. Nothing has changed then.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.restore_beside(bytes, &Nothing, &RestorePolicy::default())
    }

    /// Replaces this context's state by a saved one: arguments, environment, clocks and descriptors become
    /// the saved ones. Preopened directories are those of this context with the same guest names, wherever
    /// the host has them; standard streams, pipes and terminals are this process's.
    ///
    /// If the guest's files are in the image, so are its directories, and those of this context are not used; unless
    /// [`back_end`](crate::WasiBuilder::back_end) says whose files it is to see, and they are not those in memory. These must then have the
    /// same content, but for what the image's policy is to carry: that is put there.
    ///
    /// A standard stream that is a regular file keeps the position the host gave it, unless it is the very
    /// file it was and the guest had used it. Nothing that is in such a file is written over.
    ///
    /// # Errors
    /// [`RestoreError`], which names what is missing or different. Nothing has changed then.
    pub fn restore_with(&self, bytes: &[u8], policy: &RestorePolicy) -> Result<(), RestoreError> {
        self.put(bytes, &policy.into())
    }

    fn put(&self, bytes: &[u8], restoring: &Restoring<'_>) -> Result<(), RestoreError> {
        let record = Record::decode(bytes)?;
        let ready = record.restore(self, restoring)?;
        ready.into_iter().for_each(|put| put());
        Ok(())
    }
}
