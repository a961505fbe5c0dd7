//! What is logged, as data.

use sha2::{Digest, Sha256};

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When: nanoseconds since 1970. Of a call: when it began.
    pub time: u64,
    /// To which of the process's instances that write to the file: counted from 0 in each process.
    pub instance: u32,
    /// What.
    pub happened: Happened,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happened {
    /// An instance was made: it begins anew, or goes on from an image.
    Begun {
        /// Number of the process.
        pid: u32,
        /// Version of the runtime.
        runtime: String,
        /// Name of the module, if it has one.
        module: String,
        /// SHA-256 of the module.
        sha256: [u8; 32],
        /// The image that it goes on from.
        restored: Option<String>,
        /// Bytes behind the last whole block, which an earlier process left and which were cut off.
        torn: u64,
    },
    /// A call of a WASI function has returned.
    Call(Call),
    /// A checkpoint was taken of the program.
    Checkpoint {
        /// Where its image went.
        image: String,
        /// How many were taken of it by then.
        sequence: u64,
    },
    /// The instance has ended.
    Ended,
}

/// A call of a WASI function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The guest's thread that made it.
    pub thread: u64,
    /// How long it took (nanoseconds); if it was interrupted by a checkpoint, since it was made again.
    pub took: u64,
    /// Name of the function.
    pub function: String,
    /// What it was given, in order.
    pub args: Vec<Arg>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it gave, if it succeeded.
    pub results: Vec<Arg>,
    /// Bytes that it moved.
    pub ranges: Vec<Range>,
}

/// An argument or a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arg {
    /// What WASI calls it.
    pub name: String,
    /// What it was.
    pub value: Value,
}

/// A value of an argument or a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// Flags.
    Bits(u64),
    /// A descriptor, and what it was opened by.
    Descriptor {
        /// Its number.
        fd: u32,
        /// The guest's path of it, if there was a descriptor of that number: from the name of a preopened directory on.
        path: Option<Vec<u8>>,
    },
    /// A path, seen from the descriptor in front of it; a text if there is none.
    Path(Vec<u8>),
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// With an error number of WASI's; 0 is success.
    Errno(u16),
    /// The program ended with this status.
    Exit(u32),
    /// It trapped.
    Trap(String),
}

/// Which way bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To the guest.
    Read,
    /// From the guest.
    Written,
}

/// Bytes that a call moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Which way.
    pub direction: Direction,
    /// Where in the file they begin, if it has positions.
    pub offset: Option<u64>,
    /// How many they are.
    pub len: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// The hash of bytes that come in pieces.
#[derive(Clone, Default, Debug)]
pub struct Hash(Sha256);

impl Hash {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Their SHA-256.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl Call {
    /// The paths that the call was about, complete: of its descriptors, and those it was given.
    pub fn paths(&self) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        let mut directory: Option<&[u8]> = None;
        for arg in self.args.iter().chain(&self.results) {
            match &arg.value {
                Value::Descriptor { path, .. } => {
                    directory = path.as_deref();
                    paths.extend(path.as_deref().map(|path| tidy(path, b"")));
                }
                Value::Path(path) => paths.extend(directory.map(|directory| tidy(directory, path))),
                Value::Number(_) | Value::Signed(_) | Value::Bits(_) => {}
            }
        }
        paths
    }

    /// The descriptors that it was given, or gave.
    pub fn descriptors(&self) -> impl Iterator<Item = u32> {
        self.args.iter().chain(&self.results).filter_map(|arg| match arg.value {
            Value::Descriptor { fd, .. } => Some(fd),
            _ => None,
        })
    }
}

/// A path in a directory, without components that lead nowhere. Where `..` leads, only the file system knows.
pub(crate) fn tidy(directory: &[u8], path: &[u8]) -> Vec<u8> {
    let absolute = directory.first() == Some(&b'/');
    let parts = directory.split(|&b| b == b'/').chain(path.split(|&b| b == b'/'));
    let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty() && *part != b".").collect();
    let path = parts.join(&b'/');
    if absolute { [b"/", &*path].concat() } else { path }
}
