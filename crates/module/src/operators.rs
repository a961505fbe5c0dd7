//! Which instructions there are. What looks at instructions one by one, and lets those pass that are none of its business, asks
//! here whether it knows them all: one that it does not might be a branch.

use std::fmt;
use wasmparser::Operator;

/// An instruction that nothing here knows. Validation refuses a module that has it, unless `FEATURES` admits more than there
/// is code for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownOperator {
    /// Its name, in the parser's spelling.
    pub name: &'static str,
    /// Where it is: byte offset in the module.
    pub offset: u64,
}

impl fmt::Display for UnknownOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown instruction {} at {:#x}", self.name, self.offset)
    }
}

impl std::error::Error for UnknownOperator {}

/// Whether the instructions of a proposal are known, by the parser's name for it.
const fn is_known(proposal: &str) -> bool {
    matches!(
        proposal.as_bytes(),
        b"mvp"
            | b"sign_extension"
            | b"saturating_float_to_int"
            | b"bulk_memory"
            | b"reference_types"
            | b"tail_call"
            | b"simd"
            | b"threads"
    )
}

macro_rules! operators {
    ($(@$proposal:ident $op:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        /// The instruction's name, and whether it is known.
        fn describe(operator: &Operator<'_>) -> (&'static str, bool) {
            match operator {
                $(Operator::$op { .. } => (stringify!($op), const { is_known(stringify!($proposal)) }),)*
                _ => ("of a newer parser", false),
            }
        }
    };
}
wasmparser::for_each_operator!(operators);

/// Checks that an instruction, at this byte offset in the module, is one that everything here knows.
///
/// # Errors
/// [`UnknownOperator`].
pub fn check_operator(operator: &Operator<'_>, offset: u64) -> Result<(), UnknownOperator> {
    match describe(operator) {
        (_, true) => Ok(()),
        (name, false) => Err(UnknownOperator { name, offset }),
    }
}

/// The error about an instruction that something does not know, although it should.
pub fn unknown_operator(operator: &Operator<'_>, offset: u64) -> UnknownOperator {
    UnknownOperator { name: describe(operator).0, offset }
}

#[cfg(test)]
mod tests {
    use super::is_known;
    use crate::FEATURES;

    /// Whether a module may have instructions of a proposal.
    macro_rules! admitted {
        (mvp) => {
            true
        };
        ($proposal:ident) => {
            FEATURES.$proposal()
        };
    }

    macro_rules! proposals {
        ($(@$proposal:ident $op:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
            [$((stringify!($proposal), admitted!($proposal))),*]
        };
    }

    #[test]
    fn what_is_admitted_is_known() {
        let proposals = wasmparser::for_each_operator!(proposals);
        assert!(proposals.len() > 600);
        for (proposal, admitted) in proposals {
            assert_eq!(is_known(proposal), admitted, "{proposal}");
        }
    }
}
