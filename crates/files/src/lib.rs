//! File systems that guests see, behind one interface.
//!
//! A guest's directory is a [`Directory`]; what it opens there is a [`File`] or another [`Directory`]. Paths are bytes, begin at the
//! directory they are given to, and cannot lead out of it: such a path is [`Errno::NotCapable`]. Rights, descriptor numbers and
//! guest memory are not known here; what preview 1 makes of them is written once, in `wayfarer-wasi`, for all of these:
//!
//! | module | file system |
//! |---|---|
//! | `linux` | the host's, by `openat2` and what else Linux has |
//! | [`portable`] | the host's, by what every system has |
//! | [`memory`] | one of its own in memory, whose content travels in images |
//!
//! All of them are to answer with the same error numbers; `crates/wasi/tests` runs the same tests with each.

mod buffers;
mod copy;
mod errno;
mod host_paths;
mod interface;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod memory;
pub mod portable;

pub use buffers::{Buffer, Buffers};
pub use copy::{Sparse, fill, same_content};
pub use errno::Errno;
pub use interface::{
    Advice, Directory, Entry, File, Kind, NewTime, Open, OpenOptions, Opened, Stat, timestamp,
};
