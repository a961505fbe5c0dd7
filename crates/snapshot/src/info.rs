//! What an image says about its own making.

use serde::{Deserialize, Serialize};

/// Why a checkpoint was taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reason {
    /// The host asked through the C API.
    Api,
    /// A signal asked.
    Signal,
    /// A time interval had passed.
    Timer,
    /// A count of stable points was reached.
    Count,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Reason::Api => "api",
            Reason::Signal => "signal",
            Reason::Timer => "timer",
            Reason::Count => "count",
        })
    }
}

/// Where, when and why an image was made. Restoring needs none of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Identifies the image; random.
    pub id: [u8; 16],
    /// The image this one is relative to. Reserved: the format has no relative images.
    pub parent: Option<[u8; 16]>,
    /// Which checkpoint of its program this is, counted from 1 and on across restores.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub created_unix_ms: u64,
    /// Version of the runtime that wrote the image.
    #[serde(deserialize_with = "crate::codec::string")]
    pub runtime_version: String,
    /// Processor architecture of the writer, as Rust names it (`x86_64`, `aarch64`, `s390x`).
    #[serde(deserialize_with = "crate::codec::string")]
    pub arch: String,
    /// Operating system of the writer, as Rust names it (`linux`).
    #[serde(deserialize_with = "crate::codec::string")]
    pub os: String,
    /// Process id of the writer.
    pub pid: u32,
    /// Why the checkpoint was taken.
    pub reason: Reason,
}

impl Info {
    /// Describes an image made by this process now.
    pub fn now(reason: Reason, sequence: u64) -> Self {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Info {
            id: random_id(),
            parent: None,
            sequence,
            created_unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            runtime_version: env!("CARGO_PKG_VERSION").into(),
            arch: std::env::consts::ARCH.into(),
            os: std::env::consts::OS.into(),
            pid: std::process::id(),
            reason,
        }
    }
}

/// Sixteen random bytes. They identify, they do not protect: without the kernel's generator the hasher's seed will do.
fn random_id() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let mut id = [0; 16];
    // SAFETY: the buffer is valid for its length.
    let n = unsafe { libc::getrandom(id.as_mut_ptr().cast(), id.len(), 0) };
    if n != id.len() as isize {
        for (i, half) in id.chunks_exact_mut(8).enumerate() {
            half.copy_from_slice(&RandomState::new().hash_one((i, std::time::Instant::now())).to_le_bytes());
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_describes_this_process_and_ids_differ() {
        let a = Info::now(Reason::Signal, 3);
        let b = Info::now(Reason::Signal, 3);
        assert_ne!(a.id, b.id);
        assert_eq!((a.pid, a.sequence, a.reason, a.parent), (std::process::id(), 3, Reason::Signal, None));
        assert_eq!(a.arch, std::env::consts::ARCH);
        assert!(a.created_unix_ms > 1_600_000_000_000);
    }
}
