//! Traps: why a guest stopped, and WAMR's text for each.

use std::borrow::Cow;
use std::fmt;
pub use wayfarer_abi::TrapCode;

/// Why a call into the guest did not return.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trap {
    /// A defined trap.
    Code(TrapCode),
    /// An exception raised by a host function, with its text.
    Host(Cow<'static, str>),
    /// The guest ended itself (`proc_exit`) with this status.
    Exit(u32),
    /// A checkpoint was taken with the order to stop afterwards.
    Stopped,
}

impl Trap {
    /// A trap raised by a host function.
    pub fn host(text: impl Into<Cow<'static, str>>) -> Trap {
        Trap::Host(text.into())
    }
}

impl From<TrapCode> for Trap {
    fn from(code: TrapCode) -> Trap {
        Trap::Code(code)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::Code(code) => f.write_str(code.text()),
            Trap::Host(text) => f.write_str(text),
            Trap::Exit(_) => f.write_str("wasi proc exit"),
            Trap::Stopped => f.write_str("stopped by checkpoint"),
        }
    }
}

impl std::error::Error for Trap {}
