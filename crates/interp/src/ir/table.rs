//! The table: every form of instruction, and its operands in the order in which they lie behind the handler's address.
//!
//! Forms with type parameters are several: an operand may be in a slot, in an accumulator or an immediate. Operands lie as C
//! lays out structures, so an order that leaves no gaps saves words. A result comes first: the translator may still change
//! it. What handlers do with them is in `exec`, in the file that the headings name.

use super::operand::*;
use super::{Instruction, Kind};
use std::mem::offset_of;
use wayfarer_runtime::TypeId;

/// Defines forms: `Name<type parameters> "mnemonic" { operand: role, ... }`.
macro_rules! instructions {
    ($(
        $(#[$meta:meta])*
        $form:ident $(<$($place:ident),*>)? $mnemonic:literal { $($operand:ident: $role:ty),* $(,)? }
    )*) => {
        /// A form of instruction.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Form {
            $($form),*
        }

        impl Form {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Form] = &[$(Form::$form),*];

            /// What listings call it; empty where they say what it computes instead.
            pub(crate) fn mnemonic(self) -> &'static str {
                match self {
                    $(Form::$form => $mnemonic),*
                }
            }

            /// Names of its operands.
            pub(crate) const fn operand_names(self) -> &'static [&'static str] {
                match self {
                    $(Form::$form => &[$(stringify!($operand)),*]),*
                }
            }
        }

        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Debug)]
            #[repr(C)]
            pub(crate) struct $form $(<$($place),*>)? {
                $(pub(crate) $operand: $role),*
            }

            // SAFETY: `repr(C)`; no operand has an alignment of more than 8.
            unsafe impl $(<$($place: Operand),*>)? Instruction for $form $(<$($place),*>)? {
                const FORM: Form = Form::$form;
                const OPERANDS: &'static [(Kind, usize)] = {
                    assert!(align_of::<Self>() <= align_of::<u64>());
                    &[$((<$role as Operand>::KIND, offset_of!(Self, $operand))),*]
                };
                #[inline(always)]
                #[allow(unused_variables)] // some have no operands
                fn write(self, to: &mut [u8]) {
                    $(self.$operand.write(&mut to[offset_of!(Self, $operand)..]);)*
                }
            }
        )*
    };
}

instructions! {
    // exec::copy: moving values between slots.

    /// One slot.
    CopySlot "copy" { result: Slot, from: Slot }
    /// Two slots at once; a v128 is two neighbouring ones.
    CopySlots "copy" { result: Slot, from: Slot, result2: Slot, from2: Slot }
    /// A constant, zero-extended.
    Const32 "const" { result: Slot, value: Bits32 }
    /// A constant.
    Const64 "const" { result: Slot, value: Bits64 }
    /// A constant v128.
    Const128 "const" { result: Wide, low: Bits64, high: Bits64 }

    // exec::control: branches and returns.

    /// Branches always.
    Br "br" { target: Distance }
    /// Branches by an index.
    BrTable<X> "br_table" { index: X, targets: TargetCount }
    /// Does nothing.
    Nop "nop" { }
    /// Traps.
    Unreachable "unreachable" { }
    /// Returns nothing.
    Return0 "return" { }
    /// Returns a scalar.
    Return<X> "return" { value: X }
    /// Returns an integer or a reference given in full.
    ReturnConst "return" { value: Bits64 }
    /// Returns what is in several slots.
    ReturnMany "return" { first: Slot, slots: SlotCount }

    // exec::arith: numbers.

    /// Two operands, of which an immediate is the second.
    Binary<X, Y> "" { result: Slot, x: X, y: Y }
    /// Two operands, of which an immediate is the first.
    BinaryOfImm<Y> "" { result: Slot, y: Y, x: Imm }
    /// One operand.
    Unary<X> "" { result: Slot, x: X }
    /// `select` of a scalar.
    Select<C> "select" { result: Slot, x: Slot, y: Slot, condition: C }
    /// `select` of a v128.
    SelectV128<C> "select" { result: Wide, x: Wide, y: Wide, condition: C }
    /// Branches on what an instruction with two operands gives.
    Branch<X, Y> "branch" { x: X, y: Y, target: Distance }
    /// Adds to an i32, and branches back on what an instruction gives of the sum and `y`: what loops end with.
    AddBranch<X, Y> "add_branch" { result: Slot, x: X, addend: Imm, y: Y, target: Distance }

    // exec::memory: guest memory.

    /// A load.
    Load<X> "" { result: Slot, address: X, offset: MemOffset }
    /// A load whose address is a sum.
    LoadSum<X, Y> "add" { result: Slot, address: X, offset: MemOffset, addend: Y }
    /// A store.
    Store<X, V> "" { value: V, address: X, offset: MemOffset }
    /// A store of an immediate.
    StoreImm<X> "" { address: X, offset: MemOffset, value: Imm }
    /// `memory.size`
    MemorySize "memory.size" { result: Slot }
    /// `memory.grow`
    MemoryGrow "memory.grow" { result: Slot, delta: Slot }
    /// `memory.copy`
    MemoryCopy "memory.copy" { to: Slot, from: Slot, size: Slot }
    /// `memory.fill`
    MemoryFill "memory.fill" { to: Slot, value: Slot, size: Slot }
    /// `memory.init`
    MemoryInit "memory.init" { to: Slot, from: Slot, size: Slot, segment: DataIdx }
    /// `data.drop`
    DataDrop "data.drop" { segment: DataIdx }

    // exec::atomic: atomic accesses to guest memory.

    /// An atomic load.
    AtomicLoad "" { result: Slot, address: Slot, offset: MemOffset }
    /// An atomic store.
    AtomicStore "" { value: Slot, address: Slot, offset: MemOffset }
    /// An atomic read-modify-write.
    AtomicRmw "" { result: Slot, address: Slot, offset: MemOffset, value: Slot }
    /// An atomic compare-and-exchange.
    AtomicCmpxchg "" { result: Slot, address: Slot, offset: MemOffset, expected: Slot, value: Slot }
    /// `atomic.fence`
    AtomicFence "atomic.fence" { }
    /// `memory.atomic.notify`
    AtomicNotify "memory.atomic.notify" { result: Slot, address: Slot, offset: MemOffset, count: Slot }
    /// `memory.atomic.wait32`: a stable point, as a call is.
    AtomicWait32 "memory.atomic.wait32" {
        result: Slot, address: Slot, offset: MemOffset, expected: Slot, timeout: Slot,
    }
    /// `memory.atomic.wait64`
    AtomicWait64 "memory.atomic.wait64" {
        result: Slot, address: Slot, offset: MemOffset, expected: Slot, timeout: Slot,
    }

    // exec::tables: globals, tables and references.

    /// `global.get` of a scalar.
    GlobalGet "global.get" { result: Slot, global: GlobalIdx }
    /// `global.get` of a v128.
    GlobalGetV128 "global.get" { result: Wide, global: GlobalIdx }
    /// `global.set` of a scalar.
    GlobalSet<X> "global.set" { value: X, global: GlobalIdx }
    /// `global.set` of a constant.
    GlobalSetConst "global.set" { global: GlobalIdx, value: Bits64 }
    /// `global.set` of a v128.
    GlobalSetV128 "global.set" { value: Wide, global: GlobalIdx }
    /// `ref.func`
    RefFunc "ref.func" { result: Slot, func: FuncIdx }
    /// `table.get`
    TableGet "table.get" { result: Slot, index: Slot, table: TableIdx }
    /// `table.set`
    TableSet "table.set" { value: Slot, index: Slot, table: TableIdx }
    /// `table.size`
    TableSize "table.size" { result: Slot, table: TableIdx }
    /// `table.grow`
    TableGrow "table.grow" { result: Slot, value: Slot, count: Slot, table: TableIdx }
    /// `table.fill`
    TableFill "table.fill" { to: Slot, value: Slot, count: Slot, table: TableIdx }
    /// `table.copy`
    TableCopy "table.copy" { to: Slot, from: Slot, count: Slot, to_table: TableIdx, from_table: TableIdx }
    /// `table.init`
    TableInit "table.init" { to: Slot, from: Slot, count: Slot, table: TableIdx, segment: ElemIdx }
    /// `elem.drop`
    ElemDrop "elem.drop" { segment: ElemIdx }

    // exec::call: calls. The callee's frame begins at `base`, where its arguments are; results are put there too.

    /// A call of a function of the same module.
    Call "call" { func: CodePtr, base: Base }
    /// A call of an imported function; `slots`: of its arguments or results, whichever are more.
    CallImport "call" { func: FuncIdx, base: Base, slots: SlotCount }
    /// A call of a table's element; `slots` as for an imported function.
    CallIndirect "call_indirect" { index: Slot, table: TableIdx, base: Base, slots: SlotCount, ty: TypeId }
    /// Like `call`; the frame is replaced.
    ReturnCall "return_call" { func: CodePtr, base: Base, args: SlotCount }
    /// Like `call`; the frame is replaced.
    ReturnCallImport "return_call" { func: FuncIdx, base: Base, args: SlotCount, results: SlotCount }
    /// Like `call_indirect`; the frame is replaced.
    ReturnCallIndirect "return_call_indirect" {
        index: Slot, table: TableIdx, base: Base, args: SlotCount, results: SlotCount, ty: TypeId,
    }

    // exec::vector: vectors.

    /// Vector to vector.
    UnaryV128 "" { result: Wide, x: Wide }
    /// Two vectors to one.
    BinaryV128 "" { result: Wide, x: Wide, y: Wide }
    /// `v128.bitselect`
    Bitselect "v128.bitselect" { result: Wide, x: Wide, y: Wide, mask: Wide }
    /// Vector and i32 to vector.
    Shift "" { result: Wide, x: Wide, count: Slot }
    /// Vector to i32.
    Test "" { result: Slot, x: Wide }
    /// Scalar to vector.
    Splat "" { result: Wide, x: Slot }
    /// Vector and lane to scalar.
    Extract "" { result: Slot, x: Wide, lane: Lane }
    /// Vector, scalar and lane to vector.
    Replace "" { result: Wide, x: Wide, value: Slot, lane: Lane }
    /// `i8x16.shuffle`
    Shuffle "i8x16.shuffle" { result: Wide, x: Wide, y: Wide, low: Lanes, high: Lanes }
    /// Bytes of memory to vector.
    LoadV128 "" { result: Wide, address: Slot, offset: MemOffset }
    /// `v128.store`
    StoreV128 "v128.store" { value: Wide, address: Slot, offset: MemOffset }
    /// Bytes of memory into a lane.
    LoadLane "" { result: Wide, address: Slot, offset: MemOffset, x: Wide, lane: Lane }
    /// A lane to bytes of memory.
    StoreLane "" { value: Wide, address: Slot, offset: MemOffset, lane: Lane }
}
