//! Why objects cannot be loaded.

use crate::Machine;
use std::fmt;

/// Why objects cannot be loaded. Objects are counted from 0, in the order they were given.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no object.
    Empty,
    /// This program runs on a machine there is no loader for.
    Host(&'static str),
    /// An object is not a 64-bit relocatable ELF file, or one that is damaged.
    Malformed {
        /// The object.
        object: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An object is for another machine.
    Machine {
        /// The object.
        object: usize,
        /// The machine that was asked for.
        expected: Machine,
        /// The object's `e_machine`.
        found: u16,
    },
    /// An object has something that this loader does not support.
    Unsupported {
        /// The object.
        object: usize,
        /// What it is.
        what: String,
    },
    /// A name is defined by several objects.
    Duplicate {
        /// The name.
        symbol: String,
        /// The object with the first definition.
        first: usize,
        /// The object with the second.
        second: usize,
    },
    /// A name is used that no object defines, and that is not among those the runtime gives to compiled code.
    Undefined {
        /// The name.
        symbol: String,
        /// The object that uses it.
        object: usize,
    },
    /// A relocation cannot be applied.
    Relocation {
        /// The object.
        object: usize,
        /// Name of the section to be patched.
        section: String,
        /// Where in the section, in bytes.
        offset: u64,
        /// The relocation's name in the ELF supplement: `R_X86_64_PC32`.
        kind: String,
        /// The symbol it refers to; the section's name if it refers to a section.
        symbol: String,
        /// What is wrong.
        why: Fault,
    },
    /// Unwind tables that libgcc would stumble over.
    Unwind {
        /// Offset in the tables of all objects together, in bytes.
        offset: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// Code and data together exceed what machine code of the small code model can address.
    TooLarge {
        /// Bytes needed.
        size: u64,
    },
    /// The system refused memory, or the protection asked for.
    Memory {
        /// The call that failed.
        doing: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Why a relocation cannot be applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The value does not fit the field.
    Overflow {
        /// The value.
        value: i64,
        /// Bits the field has for it.
        bits: u32,
    },
    /// The value is not a multiple of what the field counts in.
    Misaligned {
        /// The value.
        value: i64,
        /// What it has to be a multiple of.
        unit: u64,
    },
    /// The field does not lie in the section.
    OutsideSection,
    /// This loader does not know the relocation.
    Unsupported,
    /// The relocation takes no addend, or none but the one of its instruction's form.
    Addend(i64),
    /// The second of a pair of relocations has no first.
    Unpaired,
    /// The symbol is in a section that is not loaded.
    NotLoaded,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Overflow { value, bits } => write!(f, "{value:#x} does not fit {bits} bits"),
            Fault::Misaligned { value, unit } => write!(f, "{value:#x} is not a multiple of {unit}"),
            Fault::OutsideSection => f.write_str("it lies outside the section"),
            Fault::Unsupported => f.write_str("it is not supported"),
            Fault::Addend(addend) => write!(f, "its addend {addend} is not supported"),
            Fault::Unpaired => f.write_str("the relocation it goes with is missing"),
            Fault::NotLoaded => f.write_str("the symbol's section is not loaded"),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Empty => f.write_str("there is no object to load"),
            LoadError::Host(arch) => write!(f, "compiled code cannot be loaded on {arch}"),
            LoadError::Malformed { object, why } => write!(f, "object {object} is malformed: {why}"),
            LoadError::Machine { object, expected, found } => {
                write!(f, "object {object} is for ELF machine {found}, not for {expected}")
            }
            LoadError::Unsupported { object, what } => write!(f, "object {object} has {what}: not supported"),
            LoadError::Duplicate { symbol, first, second } => {
                write!(f, "symbol {symbol} is defined by object {first} and by object {second}")
            }
            LoadError::Undefined { symbol, object } => {
                write!(f, "object {object} uses symbol {symbol}, which nothing defines")
            }
            LoadError::Relocation { object, section, offset, kind, symbol, why } => {
                write!(f, "object {object}: {kind} at {section}+{offset:#x} against {symbol}: {why}")
            }
            LoadError::Unwind { offset, why } => write!(f, "unwind tables at {offset:#x}: {why}"),
            LoadError::TooLarge { size } => write!(f, "{size} bytes of code and data are too many"),
            LoadError::Memory { doing, source } => write!(f, "memory for code: {doing}: {source}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Memory { source, .. } => Some(source),
            _ => None,
        }
    }
}
