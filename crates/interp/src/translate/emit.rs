//! Writing instructions.

use crate::code::{Offset, Word};
use crate::ir::{Distance, Info, Instruction, Kind, Op, Slot};

/// Code under construction.
pub(crate) struct Code {
    words: Vec<u64>,
    /// What was written, if that is asked for.
    pub(crate) listed: Option<Vec<Listed>>,
    /// The operator that instructions are written for.
    pub(crate) offset: Offset,
}

/// An instruction that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// Its first word.
    pub(crate) word: Word,
    /// What it began with when it was written: its handler's address.
    pub(crate) first_word: u64,
    pub(crate) info: &'static Info,
    /// The operator that it was written for: the last, if several became one.
    pub(crate) offset: Offset,
}

impl Code {
    /// None yet; `listing`: it is to remember what instructions it has.
    pub(crate) fn new(listing: bool) -> Code {
        Code { words: Vec::new(), listed: listing.then(Vec::new), offset: Offset(0) }
    }

    /// Position of the next instruction.
    pub(crate) fn here(&self) -> Word {
        Word(self.words.len() as u32)
    }

    /// Takes back what is behind this position.
    pub(crate) fn take_back(&mut self, to: Word) {
        self.words.truncate(to.0 as usize);
        if let Some(listed) = &mut self.listed {
            while listed.pop_if(|last| last.word >= to).is_some() {}
        }
    }

    /// Writes an instruction; returns its position.
    pub(crate) fn emit<I: Instruction>(&mut self, op: Op<I>, operands: I) -> Word {
        let (word, start) = (self.here(), self.words.len());
        self.words.resize(start + I::WORDS, 0);
        self.words[start] = op.first_word();
        operands.write(bytes(&mut self.words[start + 1..]));
        if let Some(listed) = &mut self.listed {
            listed.push(Listed { word, first_word: op.first_word(), info: op.info(), offset: self.offset });
        }
        word
    }

    /// Writes how far a branch goes, behind an instruction that has several.
    pub(crate) fn distance(&mut self, distance: Distance) -> Word {
        let word = self.here();
        self.words.push(distance.0 as u64);
        word
    }

    /// Changes how far the branch goes that has its distance in this word.
    pub(crate) fn set_distance(&mut self, word: Word, distance: Distance) {
        self.words[word.0 as usize] = distance.0 as u64;
    }

    /// Changes the result of the instruction at `at`, which has one ([`has_result`]): it is its first operand.
    pub(crate) fn set_result(&mut self, at: Word, slot: Slot) {
        let [low, high] = slot.0.to_ne_bytes();
        let operands = at.0 as usize + 1;
        bytes(&mut self.words[operands..operands + 1])[..2].copy_from_slice(&[low, high]);
    }

    /// The code.
    pub(crate) fn finish(self) -> (Box<[u64]>, Vec<Listed>) {
        (self.words.into(), self.listed.unwrap_or_default())
    }
}

/// Whether instructions of this form have a result, so that [`Code::set_result`] can change it.
pub(crate) const fn has_result<I: Instruction>() -> bool {
    matches!(I::OPERANDS, [(Kind::Slot | Kind::Wide, 0), ..])
        && matches!(I::FORM.operand_names()[0].as_bytes(), b"result")
}

/// Words as the bytes that they are in memory.
fn bytes(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: any eight bytes are a word, and the other way round; bytes need no alignment.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}
