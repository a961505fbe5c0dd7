//! Traps with a code, and WAMR's text for each.

/// A trap that the specification or the runtime itself defines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    /// The native stack, which compiled code runs on, is exhausted.
    NativeStackOverflow,
    /// A function needs more slots than the interpreter's instructions can address.
    TooManySlots,
    /// Stopped by the host.
    Terminated,
    /// An atomic access to an address that is no multiple of its size.
    UnalignedAtomic,
    /// A wait in a memory that is not shared.
    ExpectedSharedMemory,
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
            TrapCode::NativeStackOverflow => "native stack overflow",
            TrapCode::TooManySlots => "fast interpreter offset overflow",
            TrapCode::Terminated => "terminated by user",
            TrapCode::UnalignedAtomic => "unaligned atomic",
            TrapCode::ExpectedSharedMemory => "expected shared memory",
        }
    }

    /// All of them; each at the index of its number.
    pub const ALL: [TrapCode; 15] = [
        TrapCode::Unreachable,
        TrapCode::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds,
        TrapCode::IntegerOverflow,
        TrapCode::IntegerDivideByZero,
        TrapCode::InvalidConversion,
        TrapCode::IndirectCallTypeMismatch,
        TrapCode::UndefinedElement,
        TrapCode::UninitializedElement,
        TrapCode::StackOverflow,
        TrapCode::NativeStackOverflow,
        TrapCode::TooManySlots,
        TrapCode::Terminated,
        TrapCode::UnalignedAtomic,
        TrapCode::ExpectedSharedMemory,
    ];

    /// The code with this number.
    pub fn from_number(number: u32) -> Option<TrapCode> {
        TrapCode::ALL.get(number as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::TrapCode;

    #[test]
    fn numbers_are_places_in_the_list() {
        for (at, code) in TrapCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, at);
            assert_eq!(TrapCode::from_number(at as u32), Some(code));
        }
        assert_eq!(TrapCode::from_number(TrapCode::ALL.len() as u32), None);
    }
}
