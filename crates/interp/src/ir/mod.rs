//! The interpreter's instructions, declared once.
//!
//! An instruction in code is a word with the address of its handler, and its operands in the words behind. [`table`] says
//! which operands each form of instruction has, and in which order; the rest comes from there:
//!
//! - a structure of each form's name, which lies in code as it lies in memory: the translator encodes it (`translate::emit`),
//!   and a handler reads its fields ([`State::operands`](crate::exec::dispatch::State::operands));
//! - [`Info`], for whoever looks at code without running it: names and roles of the operands ([`operand`]), which
//!   [`listing`] prints and [`verify`] checks.
//!
//! What ties a form to a handler is [`Op`]: `handlers!` makes one of each handler, of the form whose operands that reads, and the
//! translator writes no other operands behind it. A generic handler has one for each instruction and each place of operands.
//!
//! To add an instruction: its form in [`table`], if none of those there will do; its handler in `exec`, with `handlers!`; then
//! `translate` encodes it. What the compiler does not ask for are cases in [`verify`], if control does not go on behind it or it
//! is a call, and a line in `tests/golden/interp`.

pub(crate) mod imm;
pub(crate) mod listing;
pub(crate) mod name;
pub(crate) mod operand;
pub(crate) mod table;
pub(crate) mod verify;

use crate::exec::dispatch::Handler;
use name::{Name, Named};
use operand::{Ty, Value};
use std::marker::PhantomData;
use table::Form;

pub(crate) use operand::*;
pub(crate) use table::*;

/// Operands that a form has at most.
const MAX_OPERANDS: usize = 6;

/// A form of instruction: operands as they lie in code.
///
/// # Safety
/// `repr(C)`, with nothing in it but [`Operand`]s, and aligned to 8 bytes at most: so that any words are a value of the type.
pub(crate) unsafe trait Instruction: Copy {
    /// Which one it is.
    const FORM: Form;
    /// Role of each operand, and its place in bytes behind the handler's address.
    const OPERANDS: &'static [(Kind, usize)];
    /// Words of the whole instruction.
    const WORDS: usize = 1 + size_of::<Self>().div_ceil(size_of::<u64>());
    /// The word, from the beginning of the instruction, that says how far its branch goes.
    const DISTANCE_WORD: Option<usize> = distance_word(Self::OPERANDS);
    /// Writes the operands to the words behind the handler's address.
    fn write(self, to: &mut [u8]);
}

const fn distance_word(operands: &[(Kind, usize)]) -> Option<usize> {
    let mut nth = 0;
    while nth < operands.len() {
        if matches!(operands[nth].0, Kind::Distance) {
            return Some(1 + operands[nth].1 / size_of::<u64>());
        }
        nth += 1;
    }
    None
}

/// An instruction that can be encoded: a handler that reads operands of form `I`.
pub(crate) struct Op<I> {
    handler: Handler,
    info: &'static Info,
    form: PhantomData<fn(I)>,
}

impl<I> Clone for Op<I> {
    fn clone(&self) -> Op<I> {
        *self
    }
}

impl<I> Copy for Op<I> {}

impl<I: Instruction> Op<I> {
    /// Of a handler, and what is known of it.
    pub(crate) const fn new(handler: Handler, info: &'static Info) -> Op<I> {
        assert!(info.form as u8 == I::FORM as u8, "it is of another form");
        Op { handler, info, form: PhantomData }
    }

    /// The first word of the instruction.
    pub(crate) fn first_word(self) -> u64 {
        self.handler as usize as u64
    }

    /// What it is.
    pub(crate) const fn info(self) -> &'static Info {
        self.info
    }
}

/// What is known of an instruction.
///
/// There is one for each handler. It has no addresses, which the dynamic linker would have to fill in whenever a program starts.
#[derive(Debug)]
pub(crate) struct Info {
    form: Form,
    words: u8,
    kinds: [Kind; MAX_OPERANDS],
    /// Where the operands begin, in bytes from the beginning of the instruction.
    places: [u8; MAX_OPERANDS],
    /// Of what a generic handler computes; may be empty.
    op: Name<28>,
    /// As [`Named::CANONICAL`].
    canonical: bool,
    /// Type of immediates.
    ty: Ty,
    /// Names of a generic handler's constants that are true.
    flags: Name<12>,
}

/// A type argument of a handler, in so far as an instruction is called after it.
pub(crate) struct Argument {
    name: &'static str,
    canonical: bool,
    ty: Ty,
}

impl Argument {
    /// Of a type.
    pub(crate) const fn of<T: Named + ?Sized>() -> Argument {
        Argument { name: T::NAME, canonical: T::CANONICAL, ty: T::TY }
    }
}

impl Info {
    /// Of a handler with these type arguments and constants, which reads operands of form `I`.
    pub(crate) const fn new<I: Instruction>(arguments: &[Argument], flags: &[(&str, bool)]) -> Info {
        let mut kinds = [Kind::None; MAX_OPERANDS];
        let mut places = [0; MAX_OPERANDS];
        let mut nth = 0;
        while nth < I::OPERANDS.len() {
            kinds[nth] = I::OPERANDS[nth].0;
            places[nth] = (size_of::<Handler>() + I::OPERANDS[nth].1) as u8;
            nth += 1;
        }
        let mut named = Argument { name: "", canonical: false, ty: Ty::I32 };
        let mut nth = arguments.len();
        // The first that has a name.
        while nth > 0 {
            nth -= 1;
            if !arguments[nth].name.is_empty() {
                let Argument { name, canonical, ty } = arguments[nth];
                named = Argument { name, canonical, ty };
            }
        }
        Info {
            form: I::FORM,
            words: I::WORDS as u8,
            kinds,
            places,
            op: Name::of(named.name),
            canonical: named.canonical,
            ty: named.ty,
            flags: Name::joined(flags),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Words without the distances that may follow.
    pub(crate) fn words(&self) -> usize {
        usize::from(self.words)
    }

    /// Whether it branches back, to a loop header where it polls.
    pub(crate) fn polls(&self) -> bool {
        self.form == Form::AddBranch || self.flags.as_str().split_whitespace().any(|flag| flag == "BACK")
    }

    /// The operands of the instruction that `code` begins with, and their names; up to the first that is not all there.
    pub(crate) fn operands(&self, code: &[u64]) -> Vec<(&'static str, Value)> {
        let bytes: Vec<u8> = code.iter().take(self.words()).flat_map(|word| word.to_ne_bytes()).collect();
        let places = self.kinds.iter().zip(self.places);
        let values = places.map_while(|(kind, place)| kind.read(bytes.get(usize::from(place)..)?, self.ty));
        self.form.operand_names().iter().copied().zip(values).collect()
    }

    /// What it is called: its form, the handler's constants, and what it computes.
    pub(crate) fn name(&self) -> String {
        let mut name = self.form.mnemonic().to_owned();
        for flag in self.flags.as_str().split_whitespace() {
            name.push('_');
            name.push_str(&flag.to_lowercase());
        }
        let op = name::in_wasm(self.op.as_str());
        let canonical = if self.canonical { "canonical" } else { "" };
        let parts = [&*name, &*op, canonical].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
