//! The operand stack at translation time. Every entry has a slot of its own (its height's), but a `local.get` or a
//! constant need not be copied there: the entry just remembers where its value is.

use super::Translator;
use crate::code::Elsewhere;
use crate::exec::copy;
use crate::ir::imm::imm;
use crate::ir::{Acc, Bits32, Bits64, Const32, Const64, Const128, CopySlot, CopySlots, Imm, LocalIdx, Slot};
use wayfarer_module::ValType;

/// Below this depth `local.get` is not copied. It bounds the search for copies to make before a local changes.
const MAX_ALIAS_DEPTH: usize = 64;

/// Where an entry's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the entry's slot.
    Temp,
    /// In the slot of this local, which has not changed since.
    Local(LocalIdx),
    /// Nowhere: it is this constant.
    Const(u128),
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) ty: ValType,
    /// Its own slot.
    pub(super) slot: Slot,
    pub(super) place: Place,
}

/// Where an instruction takes an operand from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Src {
    /// This slot.
    Slot(Slot),
    /// The accumulator of the operand's kind.
    Acc(Acc),
}

impl Src {
    /// The slot in either case.
    pub(super) fn slot(self) -> Slot {
        match self {
            Src::Slot(slot) => slot,
            Src::Acc(acc) => acc.slot(),
        }
    }
}

/// Which accumulator a type uses: 0 integers and references, 1 f32, 2 f64; v128 has none.
pub(super) fn acc_of(ty: ValType) -> Option<usize> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::FuncRef | ValType::ExternRef => Some(0),
        ValType::F32 => Some(1),
        ValType::F64 => Some(2),
        ValType::V128 => None,
    }
}

impl Translator<'_> {
    /// Pushes an entry and reserves its slot.
    pub(super) fn push(&mut self, ty: ValType, place: Place) -> Slot {
        let slot = Slot(self.height as u16);
        self.height += ty.slots();
        self.max_height = self.max_height.max(self.height);
        if let Place::Local(local) = place {
            self.aliases[local.0 as usize] += 1;
        }
        self.stack.push(Entry { ty, slot, place });
        slot
    }

    /// Pops an entry.
    pub(super) fn pop(&mut self) -> Entry {
        let Some(entry) = self.stack.pop() else {
            // Validation rules it out; a function cannot be worth a panic.
            debug_assert!(false, "operand stack underflow");
            return Entry { ty: ValType::I32, slot: Slot(0), place: Place::Const(0) };
        };
        self.height = u32::from(entry.slot.0);
        if let Place::Local(local) = entry.place {
            self.aliases[local.0 as usize] -= 1;
        }
        entry
    }

    /// Drops entries until `len` are left.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.stack.len() > len {
            self.pop();
        }
    }

    /// `local.get`.
    pub(super) fn local_get(&mut self, local: LocalIdx) {
        let ty = self.locals[local.0 as usize];
        if self.stack.len() < MAX_ALIAS_DEPTH {
            self.push(ty, Place::Local(local));
        } else {
            let slot = self.push(ty, Place::Temp);
            self.copy_slots(slot, self.local_slots[local.0 as usize], ty);
        }
    }

    /// `local.set`, and `local.tee` up to pushing the value again.
    pub(super) fn local_set(&mut self, local: LocalIdx) -> Entry {
        let entry = self.pop();
        let to = self.local_slots[local.0 as usize];
        if self.aliases[local.0 as usize] > 0 {
            self.unalias(|place| place == Place::Local(local));
        }
        match entry.place {
            Place::Local(from) if from == local => {}
            Place::Temp if self.last.as_ref().is_some_and(|last| last.slot == entry.slot) => {
                self.redirect_last(to);
            }
            Place::Temp => self.copy_slots(to, entry.slot, entry.ty),
            Place::Local(from) => self.copy_slots(to, self.local_slots[from.0 as usize], entry.ty),
            Place::Const(bits) => self.set_const(to, entry.ty, bits),
        }
        entry
    }

    /// Lets the last instruction write its result to `to` instead.
    fn redirect_last(&mut self, to: Slot) {
        let Some(last) = self.last.take() else { return };
        self.code.set_result(last.result_at, to);
        if let Some(step) = self.step.as_mut().filter(|step| step.start == last.result_at) {
            step.slot = to;
        }
        for acc in &mut self.acc {
            if *acc == Some(to) {
                *acc = None;
            }
            if *acc == Some(last.slot) {
                *acc = Some(to);
            }
        }
    }

    /// Moves entries whose place says so into their own slots.
    fn unalias(&mut self, which: impl Fn(Place) -> bool) {
        for index in 0..self.stack.len().min(MAX_ALIAS_DEPTH) {
            if which(self.stack[index].place) {
                self.settle(index);
            }
        }
    }

    /// Moves all entries that still live in locals into their own slots: what every control structure starts with, so
    /// that all paths through it agree on where they are.
    pub(super) fn settle_locals(&mut self) {
        self.unalias(|place| matches!(place, Place::Local(_)));
    }

    /// Moves the entry at `index` into its own slot.
    pub(super) fn settle(&mut self, index: usize) {
        let entry = self.stack[index];
        self.write_own(entry);
        if let Place::Local(local) = entry.place {
            self.aliases[local.0 as usize] -= 1;
        }
        self.stack[index].place = Place::Temp;
    }

    /// Moves the top `count` entries into their own slots, two with one instruction where possible.
    pub(super) fn settle_top(&mut self, count: usize) {
        let first = self.stack.len() - count;
        let mut pending: Option<(Slot, Slot)> = None;
        for index in first..self.stack.len() {
            let entry = self.stack[index];
            match entry.place {
                Place::Local(local) if entry.ty != ValType::V128 => {
                    let from = self.local_slots[local.0 as usize];
                    self.aliases[local.0 as usize] -= 1;
                    self.stack[index].place = Place::Temp;
                    pending = match pending {
                        Some((to, other)) => {
                            self.copy_pair((to, other), (entry.slot, from));
                            None
                        }
                        None => Some((entry.slot, from)),
                    };
                }
                Place::Temp => {}
                _ => self.settle(index),
            }
        }
        if let Some((to, from)) = pending {
            self.copy_slots(to, from, ValType::I64);
        }
    }

    /// Writes an entry's value to its own slot, without remembering it.
    pub(super) fn write_own(&mut self, entry: Entry) {
        self.write_to(entry, entry.slot);
    }

    /// Writes an entry's value to the slot `to`.
    pub(super) fn write_to(&mut self, entry: Entry, to: Slot) {
        match entry.place {
            Place::Temp if entry.slot == to => {}
            Place::Temp => self.copy_slots(to, entry.slot, entry.ty),
            Place::Local(local) => self.copy_slots(to, self.local_slots[local.0 as usize], entry.ty),
            Place::Const(bits) => self.set_const(to, entry.ty, bits),
        }
    }

    /// Copies a value of type `ty` between slots.
    pub(super) fn copy_slots(&mut self, to: Slot, from: Slot, ty: ValType) {
        if ty == ValType::V128 {
            return self.copy_pair((to, from), (to.following(), from.following()));
        }
        self.code.emit(copy::op::copy(), CopySlot { result: to, from });
        self.overwritten(to);
    }

    fn copy_pair(&mut self, (result, from): (Slot, Slot), (result2, from2): (Slot, Slot)) {
        self.code.emit(copy::op::copy2(), CopySlots { result, from, result2, from2 });
        self.overwritten(result);
        self.overwritten(result2);
    }

    /// Writes a constant to a slot.
    pub(super) fn set_const(&mut self, result: Slot, ty: ValType, bits: u128) {
        if ty == ValType::V128 {
            let (low, high) = (Bits64(bits as u64), Bits64((bits >> 64) as u64));
            self.code.emit(copy::op::const128(), Const128 { result: result.wide(), low, high });
            self.overwritten(result.following());
        } else if let Ok(small) = u32::try_from(bits) {
            self.code.emit(copy::op::const32(), Const32 { result, value: Bits32(small) });
        } else {
            self.code.emit(copy::op::const64(), Const64 { result, value: Bits64(bits as u64) });
        }
        self.overwritten(result);
    }

    /// Notes that a slot got another value than an accumulator may have of it, by an instruction whose result cannot be
    /// redirected.
    pub(super) fn overwritten(&mut self, slot: Slot) {
        for acc in &mut self.acc {
            if *acc == Some(slot) {
                *acc = None;
            }
        }
        self.last = None;
    }

    /// Where an instruction finds a popped entry; a constant is written to the entry's slot first.
    pub(super) fn src(&mut self, entry: Entry) -> Src {
        let slot = match entry.place {
            Place::Temp => entry.slot,
            Place::Local(local) => self.local_slots[local.0 as usize],
            Place::Const(bits) => {
                self.set_const(entry.slot, entry.ty, bits);
                entry.slot
            }
        };
        match acc_of(entry.ty) {
            Some(kind) if self.acc[kind] == Some(slot) => Src::Acc(Acc(slot.0)),
            _ => Src::Slot(slot),
        }
    }

    /// The slot where an instruction finds a popped entry.
    pub(super) fn slot(&mut self, entry: Entry) -> Slot {
        self.src(entry).slot()
    }

    /// A popped entry as an immediate operand, if it is a constant that fits.
    pub(super) fn as_imm(&self, entry: Entry) -> Option<Imm> {
        match entry.place {
            Place::Const(bits) => imm(entry.ty, bits),
            _ => None,
        }
    }

    /// Entries (from the bottom) whose values are not in their own slots.
    pub(super) fn elsewhere(&self, entries: &[Entry]) -> Box<[(u32, Elsewhere)]> {
        entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| match entry.place {
                Place::Temp => None,
                Place::Local(local) => {
                    Some((index as u32, Elsewhere::Local(self.local_slots[local.0 as usize])))
                }
                Place::Const(bits) => Some((index as u32, Elsewhere::Const(bits))),
            })
            .collect()
    }
}
