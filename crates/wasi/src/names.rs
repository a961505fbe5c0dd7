//! What guests call what is behind their descriptors.

use crate::WasiCtx;
use crate::table::Origin;
use std::sync::Arc;

impl WasiCtx {
    /// The guest's path of a descriptor: the name of a preopened directory, and from there what it was opened by. Standard streams
    /// and sockets have names in angle brackets. `None` if there is no descriptor of this number.
    pub fn descriptor_path(&self, fd: u32) -> Option<Vec<u8>> {
        let descriptor = Arc::clone(self.table().get(fd).ok()?);
        let preopen = |index: usize| {
            self.preopens().get(index).map(|preopen| preopen.guest_name.clone()).unwrap_or_default()
        };
        Some(match &descriptor.origin {
            Origin::Stdio(0) => b"<stdin>".to_vec(),
            Origin::Stdio(1) => b"<stdout>".to_vec(),
            Origin::Stdio(_) => b"<stderr>".to_vec(),
            Origin::Socket => b"<socket>".to_vec(),
            Origin::Preopen(index) => preopen(*index),
            Origin::Path(opened) | Origin::Carried(opened) => {
                let mut path = preopen(opened.preopen);
                if !path.ends_with(b"/") {
                    path.push(b'/');
                }
                path.extend_from_slice(&opened.path);
                path
            }
        })
    }
}
