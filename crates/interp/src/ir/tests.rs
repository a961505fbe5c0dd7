//! What is encoded is what handlers and listings read.

use super::*;
use crate::code::Word;
use crate::exec::{arith, call, control, memory, num, vector};
use crate::translate::emit::{Code, has_result};
use std::fmt::Debug;
use wayfarer_runtime::TypeId;

/// Encodes an instruction behind another, and reads it as a handler does.
fn round_trip<I: Instruction + PartialEq + Debug>(op: Op<I>, operands: I) -> Vec<(&'static str, Value)> {
    let mut code = Code::new(true);
    code.emit(control::op::nop(), Nop {});
    let word = code.emit(op, operands);
    let (words, listed) = code.finish();
    assert_eq!(word, Word(1));
    assert_eq!(words.len(), 1 + I::WORDS);
    assert_eq!(words[1], op.first_word());
    assert_eq!(
        listed.iter().map(|i| (i.word, i.info.form())).collect::<Vec<_>>(),
        [(Word(0), Form::Nop), (Word(1), I::FORM)]
    );
    // SAFETY: it was just encoded there; operands lie behind the handler's address.
    let read = unsafe { *words.as_ptr().add(2).cast::<I>() };
    assert_eq!(read, operands);
    op.info().operands(&words[1..])
}

#[test]
fn what_is_encoded_is_read() {
    let (slot, acc, wide) = (Slot(3), Acc(4), Wide(65534));
    let add = arith::Table::<num::I32Add>::BINARY;
    assert_eq!(
        round_trip(add.as_, Binary { result: Slot(1), x: acc, y: slot }),
        [("result", Value::Slot(Slot(1))), ("x", Value::Acc(Slot(4))), ("y", Value::Slot(slot)),]
    );
    assert_eq!(
        round_trip(add.is, BinaryOfImm { result: Slot(1), y: slot, x: Imm(!0) }),
        [("result", Value::Slot(Slot(1))), ("y", Value::Slot(slot)), ("x", Value::ImmI32(-1)),]
    );
    let wide_add = arith::Table::<num::I64Add>::BINARY;
    let operands = round_trip(wide_add.si, Binary { result: slot, x: slot, y: Imm(!1) });
    assert_eq!(operands[2], ("y", Value::ImmI64(-2)));
    let float_add = arith::Table::<num::F64Add>::BINARY;
    let operands = round_trip(float_add.si, Binary { result: slot, x: slot, y: Imm(0.5f32.to_bits()) });
    assert_eq!(operands[2], ("y", Value::ImmF64(0.5)));
    let branch = AddBranch { result: slot, x: acc, addend: Imm(2), y: Imm(7), target: Distance(-80) };
    assert_eq!(
        round_trip(arith::Table::<num::I32LtS>::ADD_BRANCH.ai[0], branch),
        [
            ("result", Value::Slot(slot)),
            ("x", Value::Acc(Slot(4))),
            ("addend", Value::ImmI32(2)),
            ("y", Value::ImmI32(7)),
            ("target", Value::Distance(Distance(-80))),
        ]
    );
    let store = StoreImm { address: slot, offset: MemOffset(1 << 31), value: Imm(1.5f32.to_bits()) };
    assert_eq!(
        round_trip(memory::Table::<memory::F32Store>::STORE.si, store),
        [
            ("address", Value::Slot(slot)),
            ("offset", Value::MemOffset(1 << 31)),
            ("value", Value::ImmF32(1.5)),
        ]
    );
    let call = CallIndirect {
        index: slot,
        table: TableIdx(9),
        base: Base(5),
        slots: SlotCount(70_000),
        ty: TypeId(11),
    };
    assert_eq!(
        round_trip(call::op::call_indirect(), call),
        [
            ("index", Value::Slot(slot)),
            ("table", Value::TableIdx(TableIdx(9))),
            ("base", Value::Base(Slot(5))),
            ("slots", Value::SlotCount(70_000)),
            ("ty", Value::TypeId(TypeId(11))),
        ]
    );
    let low = Lanes(u64::from_le_bytes([1, 2, 3, 4, 5, 6, 7, 8]));
    let operands =
        round_trip(vector::op::shuffle(), Shuffle { result: wide, x: wide, y: wide, low, high: low });
    assert_eq!(operands[2], ("y", Value::Wide(Slot(65534))));
    assert_eq!(operands[4], ("high", Value::Lanes([1, 2, 3, 4, 5, 6, 7, 8])));
    assert_eq!(round_trip(control::op::ret(), Return0 {}), []);
}

#[test]
fn instructions_are_called_after_what_they_compute() {
    let name = |info: &Info| info.name();
    let lt = arith::Table::<num::I32LtS>::BRANCH;
    assert_eq!(name(lt.ss[0][1].info()), "branch_unless_back i32.lt_s");
    assert_eq!(name(lt.ss[1][0].info()), "branch i32.lt_s");
    assert_eq!(name(arith::Table::<num::F32Add>::BINARY.sa.info()), "f32.add");
    assert_eq!(name(arith::Table::<num::Canonical<num::F32Add>>::BINARY.ss.info()), "f32.add canonical");
    assert_eq!(name(control::op::ret_value::<Slot, f32>().info()), "return f32");
    assert_eq!(name(control::op::br_table::<Acc>().info()), "br_table");
}

#[test]
fn every_form_can_be_listed() {
    for (nth, &form) in Form::ALL.iter().enumerate() {
        assert_eq!(form as usize, nth);
        assert!(form.operand_names().len() <= MAX_OPERANDS, "{form:?}");
    }
}

#[test]
fn only_what_has_a_result_can_be_given_another() {
    assert!(has_result::<CopySlot>() && has_result::<Const128>() && has_result::<Binary<Slot, Imm>>());
    assert!(
        !has_result::<Br>()
            && !has_result::<Store<Slot, Slot>>()
            && !has_result::<Return0>()
            && !has_result::<Call>()
    );
    let mut code = Code::new(false);
    let at = code.emit(crate::exec::copy::op::copy(), CopySlot { result: Slot(1), from: Slot(2) });
    code.set_result(at, Slot(700));
    let (words, _) = code.finish();
    let operands = crate::exec::copy::op::copy().info().operands(&words);
    assert_eq!(operands, [("result", Value::Slot(Slot(700))), ("from", Value::Slot(Slot(2)))]);
}
