//! Writing instructions.

use crate::exec::dispatch::Handler;

/// Code under construction.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) words: Vec<u64>,
    /// For each instruction of the module that became code, one behind its last word and its offset; if asked for.
    pub(crate) marks: Option<Vec<(usize, u32)>>,
}

impl Code {
    /// Position of the next instruction, in words.
    pub(crate) fn here(&self) -> usize {
        self.words.len()
    }

    /// Takes back what is behind this position.
    pub(crate) fn take_back(&mut self, to: usize) {
        self.words.truncate(to);
        if let Some(marks) = &mut self.marks {
            marks.retain(|&(end, _)| end <= to);
        }
    }

    /// The instruction of the module at this offset was written.
    pub(crate) fn mark(&mut self, offset: u32) {
        if let Some(marks) = &mut self.marks
            && marks.last().map_or(0, |&(end, _)| end) < self.words.len()
        {
            marks.push((self.words.len(), offset));
        }
    }

    /// Starts an instruction; returns its position.
    pub(crate) fn op(&mut self, handler: Handler) -> usize {
        self.words.push(handler as usize as u64);
        self.words.len() - 1
    }

    /// A word of four 16-bit operands.
    pub(crate) fn slots(&mut self, a: u16, b: u16, c: u16, d: u16) {
        self.words.push(slots(a, b, c, d));
    }

    /// A word of two 16-bit operands and a 32-bit one.
    pub(crate) fn slots_imm(&mut self, a: u16, b: u16, imm: u32) {
        self.words.push(slots_imm(a, b, imm));
    }

    /// A word of two 32-bit operands.
    pub(crate) fn pair(&mut self, a: u32, b: u32) {
        let [a, b] = [a.to_ne_bytes(), b.to_ne_bytes()];
        self.words.push(u64::from_ne_bytes([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]));
    }

    /// A word.
    pub(crate) fn word(&mut self, w: u64) {
        self.words.push(w);
    }

    /// Changes the first 16-bit operand (the result slot) of the instruction at `at`.
    pub(crate) fn set_result(&mut self, at: usize, slot: u16) {
        let mut bytes = self.words[at + 1].to_ne_bytes();
        bytes[..2].copy_from_slice(&slot.to_ne_bytes());
        self.words[at + 1] = u64::from_ne_bytes(bytes);
    }
}

/// Operands lie in memory in the order of the arguments, whatever the host's byte order: handlers read them at byte
/// offsets.
fn slots(a: u16, b: u16, c: u16, d: u16) -> u64 {
    let [a, b, c, d] = [a, b, c, d].map(u16::to_ne_bytes);
    u64::from_ne_bytes([a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]])
}

/// See [`slots`].
pub(crate) fn slots_imm(a: u16, b: u16, imm: u32) -> u64 {
    let ([a, b], imm) = ([a, b].map(u16::to_ne_bytes), imm.to_ne_bytes());
    u64::from_ne_bytes([a[0], a[1], b[0], b[1], imm[0], imm[1], imm[2], imm[3]])
}

/// A word of three slots.
pub(crate) fn slots_word(a: u16, b: u16, c: u16) -> u64 {
    slots(a, b, c, 0)
}
