//! Which entries somebody wants to see.

use crate::entry::{Call, Entry, Happened, tidy};

/// What calls have to be like. What is no call is shown only if nothing is asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// About a file of this path, or below it.
    pub path: Option<Vec<u8>>,
    /// Given this descriptor, or giving it.
    pub fd: Option<u32>,
    /// Made by this thread.
    pub thread: Option<u64>,
    /// Of this function.
    pub function: Option<String>,
}

impl Filter {
    /// Whether an entry is what is asked for.
    pub fn passes(&self, entry: &Entry) -> bool {
        match &entry.happened {
            Happened::Call(call) => self.passes_call(call),
            _ => *self == Filter::default(),
        }
    }

    fn passes_call(&self, call: &Call) -> bool {
        self.thread.is_none_or(|thread| thread == call.thread)
            && self.function.as_ref().is_none_or(|function| *function == call.function)
            && self.fd.is_none_or(|fd| call.descriptors().any(|of| of == fd))
            && self.path.as_ref().is_none_or(|path| {
                let path = tidy(path, b"");
                call.paths().iter().any(|of| is_below(of, &path))
            })
    }
}

/// Whether a path is this one or below it, component by component.
fn is_below(path: &[u8], top: &[u8]) -> bool {
    let rest = path.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || top.is_empty() || top.ends_with(b"/") || rest[0] == b'/')
}
