//! Which file system a guest's directories are of.

use crate::builder::InitError;
use crate::ctx::Preopen;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use wayfarer_files::linux::LinuxDirectory;
use wayfarer_files::memory::{DEFAULT_LIMIT, FillError, Known, MemoryFiles};
use wayfarer_files::portable::PortableDirectory;

/// Whose files a guest sees. Standard streams, sockets and clocks are the host's with any of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackEnd {
    /// The host's, as Linux has them.
    Linux,
    /// The host's, by what every system has.
    Portable,
    /// A file system in memory that travels in images. Preopened directories are read into it when an instance is made; what the
    /// guest changes stays there.
    Memory,
}

impl BackEnd {
    /// All of them.
    pub const ALL: [BackEnd; 3] = [BackEnd::Linux, BackEnd::Portable, BackEnd::Memory];

    /// What flags and variables call it.
    pub fn name(self) -> &'static str {
        match self {
            BackEnd::Linux => "linux",
            BackEnd::Portable => "portable",
            BackEnd::Memory => "memory",
        }
    }
}

impl fmt::Display for BackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no back end has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownBackEnd(String);

impl fmt::Display for UnknownBackEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = BackEnd::ALL.map(BackEnd::name).join(", ");
        write!(f, "there is no WASI implementation `{}`: it is one of {names}", self.0)
    }
}

impl std::error::Error for UnknownBackEnd {}

impl FromStr for BackEnd {
    type Err = UnknownBackEnd;

    fn from_str(name: &str) -> Result<Self, UnknownBackEnd> {
        let found = BackEnd::ALL.into_iter().find(|back_end| back_end.name() == name);
        found.ok_or_else(|| UnknownBackEnd(name.to_owned()))
    }
}

/// Makes preopened directories, one after the other.
pub(crate) enum Preopener {
    Linux,
    Portable,
    Memory {
        files: MemoryFiles,
        /// What has been read already.
        known: Known,
    },
}

/// Why a directory can't be preopened.
pub(crate) enum PreopenError {
    /// The host's `errno`.
    Open(i32),
    /// It can't be read.
    Fill(FillError),
}

impl PreopenError {
    /// The error of a builder: for one that can't be opened, what `unopened` makes of the number.
    pub(crate) fn init(self, unopened: impl FnOnce(i32) -> InitError) -> InitError {
        match self {
            PreopenError::Open(errno) => unopened(errno),
            PreopenError::Fill(error) => InitError::Environment(error.to_string()),
        }
    }
}

impl Preopener {
    pub(crate) fn new(back_end: BackEnd, limit: Option<u64>) -> Self {
        match back_end {
            BackEnd::Linux => Preopener::Linux,
            BackEnd::Portable => Preopener::Portable,
            BackEnd::Memory => Preopener::Memory {
                files: MemoryFiles::new(limit.unwrap_or(DEFAULT_LIMIT)),
                known: Known::default(),
            },
        }
    }

    /// The directory `host` for a guest that calls it `guest`. A file instead of a directory is taken for a tar file in memory.
    pub(crate) fn preopen(&mut self, guest: &[u8], host: &[u8]) -> Result<Preopen, PreopenError> {
        let number = |e: std::io::Error| PreopenError::Open(e.raw_os_error().unwrap_or(libc::EINVAL));
        let path = std::fs::canonicalize(Path::new(OsStr::from_bytes(host))).map_err(number)?;
        let dir: Arc<dyn wayfarer_files::Directory> = match self {
            Preopener::Linux => Arc::new(LinuxDirectory::open_host(&path).map_err(number)?),
            Preopener::Portable => Arc::new(PortableDirectory::open_host(&path).map_err(number)?),
            Preopener::Memory { files, known } => {
                let full = |errno: wayfarer_files::Errno| {
                    PreopenError::Fill(FillError { path: path.clone(), source: errno.into() })
                };
                if path.is_file() {
                    let root = files.add_root().map_err(full)?;
                    let tar = File::open(&path).map_err(number)?;
                    root.fill_from_tar(std::io::BufReader::new(tar))
                        .map_err(|e| PreopenError::Fill(within(&path, e)))?;
                    Arc::new(root)
                } else {
                    // Opened first: what is no directory has the same error as with Linux's.
                    LinuxDirectory::open_host(&path).map_err(number)?;
                    Arc::new(files.directory_of(&path, known).map_err(PreopenError::Fill)?)
                }
            }
        };
        Ok(Preopen { guest_name: guest.to_vec(), dir })
    }
}

/// An error of a file in a tar file.
fn within(tar: &Path, error: FillError) -> FillError {
    let mut path: PathBuf = tar.to_owned();
    path.push(error.path);
    FillError { path, source: error.source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_and_other_names_are_refused_with_a_list_of_them() {
        for back_end in BackEnd::ALL {
            assert_eq!(back_end.name().parse(), Ok(back_end));
        }
        let text = "windows".parse::<BackEnd>().unwrap_err().to_string();
        assert_eq!(text, "there is no WASI implementation `windows`: it is one of linux, portable, memory");
    }
}
