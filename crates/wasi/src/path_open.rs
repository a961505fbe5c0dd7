//! What `path_open` was asked for, as far as descriptors keep it.

use crate::abi::fdflags;
use crate::ctx::WasiCtx;
use serde_json::{Value, json};

/// All that `path_open` was given for a descriptor, wherever that is numbered now and whatever became of the file's name.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PathOpen {
    /// The preopened directory that the path begins at, by its name for the guest.
    pub preopen: Vec<u8>,
    /// Descriptor of the directory that was given.
    pub dir: u32,
    /// Path of that directory from the preopened one; empty if it is that.
    pub parent: Vec<u8>,
    /// Path from the directory, as it was given.
    pub path: Vec<u8>,
    /// `lookupflags`.
    pub lookup: u32,
    /// `oflags`.
    pub oflags: u16,
    /// `fdflags`.
    pub fdflags: u16,
    /// Rights that were asked for, for the descriptor and for what is opened in it.
    pub rights: u64,
    /// See [`Self::rights`].
    pub inheriting: u64,
}

impl PathOpen {
    /// For people. Bytes that are no UTF-8 are shown with replacement characters.
    pub fn describe(&self) -> Value {
        json!({
            "preopen": String::from_utf8_lossy(&self.preopen),
            "preopen_path": String::from_utf8_lossy(&join(&self.parent, &self.path)),
            "dir": self.dir,
            "path": String::from_utf8_lossy(&self.path),
            "lookup": names(self.lookup, &["symlink_follow"]),
            "oflags": names(self.oflags.into(), &["creat", "directory", "excl", "trunc"]),
            "fdflags": names(self.fdflags.into(), &fdflags::NAMES),
            "rights": format!("{:#x}", self.rights),
            "rights_inheriting": format!("{:#x}", self.inheriting),
        })
    }
}

/// Names of the bits that are set.
pub(crate) fn names(bits: u32, names: &[&'static str]) -> Vec<&'static str> {
    let set = names.iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0);
    set.map(|(_, name)| *name).collect()
}

/// A path below a directory.
pub(crate) fn join(parent: &[u8], path: &[u8]) -> Vec<u8> {
    let mut full = parent.to_vec();
    if !full.is_empty() {
        full.push(b'/');
    }
    full.extend_from_slice(path);
    full
}

impl WasiCtx {
    /// What `path_open` was given for a descriptor; `None` if there is none of this number, or it came to be otherwise.
    pub fn path_open_of(&self, fd: u32) -> Option<PathOpen> {
        self.table().get(fd).ok()?.origin.opened()?.asked.get().map(|asked| (**asked).clone())
    }

    /// Notes what `path_open` was given for a descriptor that comes from an image which says it elsewhere, with neither the preopened
    /// directory nor the path from there. Where it is known already, nothing changes.
    pub fn note_path_open(&self, fd: u32, asked: PathOpen) {
        let preopens = self.preopens();
        let table = self.table();
        let Ok(descriptor) = table.get(fd) else { return };
        if let Some(opened) = descriptor.origin.opened() {
            let preopen = preopens.get(opened.preopen).map(|preopen| preopen.guest_name.clone());
            let parent =
                opened.path.strip_suffix(&asked.path[..]).and_then(|parent| parent.strip_suffix(b"/"));
            let parent = parent.map(<[u8]>::to_vec).unwrap_or_default();
            let asked = PathOpen { preopen: preopen.unwrap_or_default(), parent, ..asked };
            let _ = opened.asked.set(Box::new(asked));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_described_by_names() {
        let asked = PathOpen {
            preopen: b"/data".to_vec(),
            dir: 4,
            parent: b"d".to_vec(),
            path: b"f".to_vec(),
            lookup: 1,
            oflags: 9,
            fdflags: 17,
            rights: 2,
            inheriting: 0,
        };
        let expected = json!({
            "preopen": "/data", "preopen_path": "d/f", "dir": 4, "path": "f",
            "lookup": ["symlink_follow"], "oflags": ["creat", "trunc"], "fdflags": ["append", "sync"],
            "rights": "0x2", "rights_inheriting": "0x0",
        });
        assert_eq!(asked.describe(), expected);
    }

    #[test]
    fn a_path_in_a_preopened_directory_has_no_parent() {
        assert_eq!((join(b"", b"f"), join(b"d/e", b"../f")), (b"f".to_vec(), b"d/e/../f".to_vec()));
    }
}
