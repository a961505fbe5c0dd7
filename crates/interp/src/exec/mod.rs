//! The executor: state, dispatch, and a handler for every instruction of the internal code.

pub(crate) mod arith;
pub(crate) mod atomic;
pub(crate) mod call;
pub(crate) mod control;
pub(crate) mod copy;
pub(crate) mod ctx;
pub(crate) mod dispatch;
mod hop;
pub(crate) mod memory;
pub(crate) mod num;
pub(crate) mod operand;
pub(crate) mod stop;
pub(crate) mod tables;
pub(crate) mod vector;
pub(crate) mod vector_lists;
pub(crate) mod watch;

/// Names of all handlers, by module.
pub(crate) const HANDLERS: [(&str, &[&str]); 9] = [
    ("arith", arith::HANDLERS),
    ("atomic", atomic::HANDLERS),
    ("call", call::HANDLERS),
    ("control", control::HANDLERS),
    ("copy", copy::HANDLERS),
    ("memory", memory::HANDLERS),
    ("tables", tables::HANDLERS),
    ("vector", vector::HANDLERS),
    ("watch", watch::HANDLERS),
];
