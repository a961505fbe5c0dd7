//! Traps: why a guest stopped, and WAMR's text for each.

use std::borrow::Cow;
use std::fmt;

/// A trap that the specification or the runtime itself defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TrapCode {
    /// `unreachable` was executed.
    Unreachable,
    /// Load, store or bulk operation outside linear memory.
    MemoryOutOfBounds,
    /// Table access outside the table.
    TableOutOfBounds,
    /// `i32.div_s` of the minimum by -1, or a float out of range for `trunc`.
    IntegerOverflow,
    /// Division or remainder by zero.
    IntegerDivideByZero,
    /// `trunc` of a NaN.
    InvalidConversion,
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch,
    /// `call_indirect` beyond the end of the table.
    UndefinedElement,
    /// `call_indirect` of a null element.
    UninitializedElement,
    /// The operand or frame stack is exhausted.
    StackOverflow,
    /// A function needs more slots than the interpreter's instructions can address.
    TooManySlots,
    /// Stopped by the host.
    Terminated,
}

impl TrapCode {
    /// WAMR's text, without the `Exception: ` prefix.
    pub const fn text(self) -> &'static str {
        match self {
            TrapCode::Unreachable => "unreachable",
            TrapCode::MemoryOutOfBounds => "out of bounds memory access",
            TrapCode::TableOutOfBounds => "out of bounds table access",
            TrapCode::IntegerOverflow => "integer overflow",
            TrapCode::IntegerDivideByZero => "integer divide by zero",
            TrapCode::InvalidConversion => "invalid conversion to integer",
            TrapCode::IndirectCallTypeMismatch => "indirect call type mismatch",
            TrapCode::UndefinedElement => "undefined element",
            TrapCode::UninitializedElement => "uninitialized element",
            TrapCode::StackOverflow => "wasm operand stack overflow",
            TrapCode::TooManySlots => "fast interpreter offset overflow",
            TrapCode::Terminated => "terminated by user",
        }
    }
}

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
