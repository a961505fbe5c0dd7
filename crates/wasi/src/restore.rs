//! Making a saved WASI state again.

use crate::ctx::WasiCtx;
use crate::resources::{FormatError, Record};
use std::fmt;
use std::io;

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
            RestoreError::Io { fd, what, source } => write!(f, "descriptor {fd}: {what}: {source}"),
        }
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RestoreError::Open { source, .. } | RestoreError::Io { source, .. } => Some(source),
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
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RestorePolicy {
    /// Open regular files even if they are not what they were at the checkpoint. Right for a program that
    /// went on after the checkpoint and is now taken back to it: it writes the same again, over what it had
    /// written.
    pub accept_changed_files: bool,
}

impl WasiCtx {
    /// [`Self::restore_with`] the default [`RestorePolicy`].
    ///
    /// # Errors
    /// [`RestoreError`], which names what is missing or different. Nothing has changed then.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.restore_with(bytes, &RestorePolicy::default())
    }

    /// Replaces this context's state by a saved one: arguments, environment, clocks and descriptors become
    /// the saved ones. Preopened directories are those of this context with the same guest names, wherever
    /// the host has them; standard streams, pipes and terminals are this process's.
    ///
    /// A standard stream that is a regular file keeps the position the host gave it, unless it is the very
    /// file it was and the guest had used it. Nothing that is in such a file is written over.
    ///
    /// # Errors
    /// [`RestoreError`], which names what is missing or different. Nothing has changed then.
    pub fn restore_with(&self, bytes: &[u8], policy: &RestorePolicy) -> Result<(), RestoreError> {
        let record = Record::decode(bytes)?;
        let ready = record.restore(self, policy)?;
        ready.into_iter().for_each(|put| put());
        Ok(())
    }
}
