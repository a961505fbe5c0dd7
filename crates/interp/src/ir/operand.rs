//! What instructions are made of: a type for each role that a number plays in one.

use crate::code::Word;
pub(crate) use wayfarer_module::FuncIdx;
use wayfarer_runtime::TypeId;

/// The role of an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// There is no operand: a place in an array that is not used.
    None,
    Slot,
    Acc,
    Wide,
    Base,
    SlotCount,
    Imm,
    Bits32,
    Bits64,
    Lane,
    Lanes,
    MemOffset,
    Distance,
    TargetCount,
    CodePtr,
    FuncIdx,
    TypeId,
    TableIdx,
    GlobalIdx,
    DataIdx,
    ElemIdx,
}

/// An operand, as it lies in an instruction.
///
/// # Safety
/// Any bytes must be a value of the type.
pub(crate) unsafe trait Operand: Copy {
    /// Its role.
    const KIND: Kind;
    /// Writes it to the first bytes of `to`.
    fn write(self, to: &mut [u8]);
}

/// Defines operands: numbers in the host's byte order.
macro_rules! operands {
    ($($(#[$meta:meta])* $name:ident($int:ty);)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
            #[repr(transparent)]
            pub(crate) struct $name(pub(crate) $int);

            // SAFETY: an integer.
            unsafe impl Operand for $name {
                const KIND: Kind = Kind::$name;
                #[inline(always)]
                fn write(self, to: &mut [u8]) {
                    to[..size_of::<$int>()].copy_from_slice(&self.0.to_ne_bytes());
                }
            }
        )*
    };
}

operands! {
    /// A slot of the frame.
    Slot(u16);
    /// The accumulator of the operand's type, which holds the same as this slot.
    Acc(u16);
    /// Two neighbouring slots of the frame, by the first: where a v128 is.
    Wide(u16);
    /// Where a callee's frame begins: one of the caller's slots, or the first behind them.
    Base(u16);
    /// How many slots, from the slot or base that was named last.
    SlotCount(u32);
    /// A scalar of the instruction's type: see [`super::imm`].
    Imm(u32);
    /// What a slot is to hold, zero-extended.
    Bits32(u32);
    /// What a slot is to hold.
    Bits64(u64);
    /// A lane of a v128.
    Lane(u16);
    /// Eight lanes of two v128, a byte each, the first in the lowest.
    Lanes(u64);
    /// The constant part of an address in guest memory.
    MemOffset(u32);
    /// Where a branch goes: bytes from the beginning of the instruction.
    Distance(i64);
    /// How many distances follow the instruction, not counting the last, which is the default.
    TargetCount(u32);
    /// Address of a function's [`FuncCode`](crate::code::FuncCode).
    CodePtr(u64);
    /// A table of the module.
    TableIdx(u32);
    /// A global of the module.
    GlobalIdx(u32);
    /// A data segment of the module.
    DataIdx(u32);
    /// An element segment of the module.
    ElemIdx(u32);
}

// SAFETY: an integer.
unsafe impl Operand for FuncIdx {
    const KIND: Kind = Kind::FuncIdx;
    #[inline(always)]
    fn write(self, to: &mut [u8]) {
        to[..4].copy_from_slice(&self.0.to_ne_bytes());
    }
}

// SAFETY: an integer.
unsafe impl Operand for TypeId {
    const KIND: Kind = Kind::TypeId;
    #[inline(always)]
    fn write(self, to: &mut [u8]) {
        to[..4].copy_from_slice(&self.0.to_ne_bytes());
    }
}

impl Slot {
    /// The pair that begins here.
    pub(crate) fn wide(self) -> Wide {
        Wide(self.0)
    }

    /// The slot behind.
    pub(crate) fn following(self) -> Slot {
        Slot(self.0 + 1)
    }
}

impl Acc {
    /// The slot that holds the same.
    pub(crate) fn slot(self) -> Slot {
        Slot(self.0)
    }
}

impl Distance {
    /// Not known yet.
    pub(crate) const PENDING: Distance = Distance(0);

    /// From one word of the code to another.
    pub(crate) fn between(from: Word, to: Word) -> Distance {
        Distance((i64::from(to.0) - i64::from(from.0)) * 8)
    }

    /// The word that a branch goes to whose instruction begins at `word`; it may be outside of the code.
    pub(crate) fn target(self, word: Word) -> i64 {
        i64::from(word.0) + self.0 / 8
    }
}

/// A local of a function. No instruction names one: they name slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LocalIdx(pub(crate) u32);

/// Type of an instruction's immediates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Ty {
    I32,
    I64,
    F32,
    F64,
}

/// An operand that was read from code: for whoever looks at instructions without running them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Value {
    Slot(Slot),
    Acc(Slot),
    Wide(Slot),
    Base(Slot),
    SlotCount(u32),
    ImmI32(i32),
    ImmI64(i64),
    ImmF32(f32),
    ImmF64(f64),
    Bits(u64),
    Lane(u16),
    Lanes([u8; 8]),
    MemOffset(u32),
    Distance(Distance),
    TargetCount(u32),
    CodePtr(u64),
    FuncIdx(FuncIdx),
    TypeId(TypeId),
    TableIdx(TableIdx),
    GlobalIdx(GlobalIdx),
    DataIdx(DataIdx),
    ElemIdx(ElemIdx),
}

impl Kind {
    /// Reads an operand of this role from the first bytes of `from`; `ty` is the type of immediates. `None` if there are too few.
    pub(crate) fn read(self, from: &[u8], ty: Ty) -> Option<Value> {
        let half = || from.first_chunk().map(|b| u16::from_ne_bytes(*b));
        let word = || from.first_chunk().map(|b| u32::from_ne_bytes(*b));
        let double = || from.first_chunk().map(|b| u64::from_ne_bytes(*b));
        Some(match self {
            Kind::None => return None,
            Kind::Slot => Value::Slot(Slot(half()?)),
            Kind::Acc => Value::Acc(Slot(half()?)),
            Kind::Wide => Value::Wide(Slot(half()?)),
            Kind::Base => Value::Base(Slot(half()?)),
            Kind::SlotCount => Value::SlotCount(word()?),
            Kind::Imm => match ty {
                Ty::I32 => Value::ImmI32(word()? as i32),
                Ty::I64 => Value::ImmI64(i64::from(word()? as i32)),
                Ty::F32 => Value::ImmF32(f32::from_bits(word()?)),
                Ty::F64 => Value::ImmF64(f64::from(f32::from_bits(word()?))),
            },
            Kind::Bits32 => Value::Bits(u64::from(word()?)),
            Kind::Bits64 => Value::Bits(double()?),
            Kind::Lane => Value::Lane(half()?),
            Kind::Lanes => Value::Lanes(double()?.to_le_bytes()),
            Kind::MemOffset => Value::MemOffset(word()?),
            Kind::Distance => Value::Distance(Distance(double()? as i64)),
            Kind::TargetCount => Value::TargetCount(word()?),
            Kind::CodePtr => Value::CodePtr(double()?),
            Kind::FuncIdx => Value::FuncIdx(FuncIdx(word()?)),
            Kind::TypeId => Value::TypeId(TypeId(word()?)),
            Kind::TableIdx => Value::TableIdx(TableIdx(word()?)),
            Kind::GlobalIdx => Value::GlobalIdx(GlobalIdx(word()?)),
            Kind::DataIdx => Value::DataIdx(DataIdx(word()?)),
            Kind::ElemIdx => Value::ElemIdx(ElemIdx(word()?)),
        })
    }
}
