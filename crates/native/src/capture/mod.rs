//! Compiled frames as [`RawFrame`](wayfarer_runtime::RawFrame)s: each writes a record of itself while the stack is unwound by
//! force, and the records are read once the run was left.

mod area;
mod unwind;

pub(crate) use area::Area;
pub(crate) use unwind::{CFA_BIAS, Context, Exception, capture};
