//! Call stacks of traps, for messages.

use crate::instance::LoadedModule;
use std::sync::Arc;

/// More frames of a trap are not kept: a recursion without end has hundreds of thousands.
pub const MOST_TRACED: usize = 256;

/// A function that was running when a trap ended it.
#[derive(Clone, Debug)]
pub struct TraceFrame {
    /// The module whose function it was. (Its instance may be gone when somebody reads this.)
    pub loaded: Arc<LoadedModule>,
    /// Function index.
    pub func: u32,
    /// Byte of the module at which the instruction begins that trapped, or that called; 0 if that is not known.
    pub offset: u32,
}
