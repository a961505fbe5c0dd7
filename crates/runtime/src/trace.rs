//! Call stacks of traps, for messages.

use crate::instance::Instance;

/// More frames of a trap are not kept: a recursion without end has hundreds of thousands.
pub const MOST_TRACED: usize = 256;

/// A function that was running when a trap ended it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceFrame {
    /// Whose function it was. It lives as long as the store.
    pub instance: *const Instance,
    /// Function index.
    pub func: u32,
    /// Byte of the module at which the instruction begins that trapped, or that called; 0 if that is not known.
    pub offset: u32,
}

// SAFETY: the instance can be used by several threads.
unsafe impl Send for TraceFrame {}
