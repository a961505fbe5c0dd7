//! Numeric instructions, comparisons and `select`.

use super::control::{Compare, Compared, Step};
use super::stack::{Entry, Place, Src};
use super::{Other, Sum, Translator};
use crate::exec::arith::{self, AddBranchOps, BinaryOps, BranchOps, Table, UnaryOps, UnaryTable};
use crate::exec::num::{self as n};
use crate::ir::{Binary, BinaryOfImm, Imm, Select, SelectV128, Unary};
use wasmparser::Operator;
use wayfarer_module::ValType;

/// Where an instruction found its two operands.
enum Operands {
    SrcImm(Src, Imm),
    ImmSrc,
    Srcs(Src, Src),
}

/// A branch on an i32: compared with the immediate 0.
pub(super) fn nonzero(src: Src) -> Compare {
    let branches = Table::<n::I32Ne>::BRANCH;
    let compared = match src {
        Src::Slot(x) => Compared::Si(&branches.si, x, Imm(0)),
        Src::Acc(x) => Compared::Ai(&branches.ai, x, Imm(0)),
    };
    let step = Some((src.slot(), Other::Imm(Imm(0)), Table::<n::I32Ne>::ADD_BRANCH));
    Compare { compared, negated: false, step }
}

/// `float_...`: instructions whose NaNs the specification leaves open; deterministic mode has its own.
macro_rules! instructions {
    ($self:ident, $op:ident;
     compare32 { $($d:ident;)* }
     compare { $($c:ident $ct:ident;)* }
     binary { $($b:ident $bt:ident;)* }
     unary { $($u:ident $ut:ident;)* }
     float_binary { $($fb:ident $fbt:ident;)* }
     float_unary { $($fu:ident $fut:ident;)* }
     root { $($r:ident $rt:ident;)* }) => {
        match $op {
            $(Operator::$d => $self.compare_i32(
                Table::<n::$d>::BINARY, Table::<n::$d>::BRANCH, Table::<n::$d>::ADD_BRANCH),)*
            $(Operator::$c => {
                $self.binary(
                    Table::<n::$c>::BINARY, Some(Table::<n::$c>::BRANCH), ValType::$ct, ValType::I32);
            })*
            $(Operator::$b => {
                $self.binary(Table::<n::$b>::BINARY, None, ValType::$bt, ValType::$bt);
            })*
            $(Operator::$u => $self.unary(UnaryTable::<n::$u>::UNARY, ValType::$ut),)*
            $(Operator::$fb => {
                let ops = match $self.module.deterministic {
                    true => Table::<n::Canonical<n::$fb>>::BINARY,
                    false => Table::<n::$fb>::BINARY,
                };
                $self.binary(ops, None, ValType::$fbt, ValType::$fbt);
            })*
            $(Operator::$fu => {
                let ops = match $self.module.deterministic {
                    true => UnaryTable::<n::Canonical<n::$fu>>::UNARY,
                    false => UnaryTable::<n::$fu>::UNARY,
                };
                $self.unary(ops, ValType::$fut);
            })*
            $(Operator::$r => {
                let ops = match $self.module.deterministic {
                    true => UnaryTable::<n::Canonical<n::Hidden<n::$r>>>::UNARY,
                    false => UnaryTable::<n::$r>::UNARY,
                };
                $self.unary(ops, ValType::$rt);
            })*
            Operator::I32And => {
                $self.binary(
                    Table::<n::I32And>::BINARY, Some(Table::<n::I32And>::BRANCH), ValType::I32, ValType::I32);
            }
            Operator::I32Add => $self.add_i32(),
            Operator::I32Eqz => $self.eqz(),
            Operator::I64Eqz => {
                $self.push(ValType::I64, Place::Const(0));
                $self.binary(
                    Table::<n::I64Eq>::BINARY, Some(Table::<n::I64Eq>::BRANCH), ValType::I64, ValType::I32);
            }
            Operator::Select | Operator::TypedSelect { .. } => $self.select(),
            _ => return false,
        }
    };
}

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn numeric(&mut self, op: &Operator<'_>) -> bool {
        instructions! {
            self, op;
            compare32 {
                I32Eq; I32Ne; I32LtS; I32LtU; I32GtS; I32GtU; I32LeS; I32LeU; I32GeS; I32GeU;
            }
            compare {
                I64Eq I64; I64Ne I64; I64LtS I64; I64LtU I64; I64GtS I64; I64GtU I64;
                I64LeS I64; I64LeU I64; I64GeS I64; I64GeU I64;
                F32Eq F32; F32Ne F32; F32Lt F32; F32Gt F32; F32Le F32; F32Ge F32;
                F64Eq F64; F64Ne F64; F64Lt F64; F64Gt F64; F64Le F64; F64Ge F64;
            }
            binary {
                I32Sub I32; I32Mul I32; I32DivS I32; I32DivU I32; I32RemS I32; I32RemU I32;
                I32Or I32; I32Xor I32; I32Shl I32; I32ShrS I32; I32ShrU I32; I32Rotl I32; I32Rotr I32;
                I64Add I64; I64Sub I64; I64Mul I64; I64DivS I64; I64DivU I64; I64RemS I64; I64RemU I64;
                I64And I64; I64Or I64; I64Xor I64; I64Shl I64; I64ShrS I64; I64ShrU I64; I64Rotl I64; I64Rotr I64;
                F32Copysign F32; F64Copysign F64;
            }
            unary {
                I32Clz I32; I32Ctz I32; I32Popcnt I32; I32Extend8S I32; I32Extend16S I32; I32WrapI64 I32;
                I64Clz I64; I64Ctz I64; I64Popcnt I64; I64Extend8S I64; I64Extend16S I64; I64Extend32S I64;
                I64ExtendI32S I64; I64ExtendI32U I64;
                F32Abs F32; F32Neg F32; F64Abs F64; F64Neg F64;
                F32ConvertI32S F32; F32ConvertI32U F32; F32ConvertI64S F32; F32ConvertI64U F32;
                F64ConvertI32S F64; F64ConvertI32U F64; F64ConvertI64S F64; F64ConvertI64U F64;
                I32ReinterpretF32 I32; I64ReinterpretF64 I64; F32ReinterpretI32 F32; F64ReinterpretI64 F64;
                I32TruncF32S I32; I32TruncF32U I32; I32TruncF64S I32; I32TruncF64U I32;
                I64TruncF32S I64; I64TruncF32U I64; I64TruncF64S I64; I64TruncF64U I64;
                I32TruncSatF32S I32; I32TruncSatF32U I32; I32TruncSatF64S I32; I32TruncSatF64U I32;
                I64TruncSatF32S I64; I64TruncSatF32U I64; I64TruncSatF64S I64; I64TruncSatF64U I64;
                RefIsNull I32;
            }
            float_binary {
                F32Add F32; F32Sub F32; F32Mul F32; F32Div F32; F32Min F32; F32Max F32;
                F64Add F64; F64Sub F64; F64Mul F64; F64Div F64; F64Min F64; F64Max F64;
            }
            float_unary {
                F32Ceil F32; F32Floor F32; F32Trunc F32; F32Nearest F32;
                F64Ceil F64; F64Floor F64; F64Trunc F64; F64Nearest F64;
                F32DemoteF64 F32; F64PromoteF32 F64;
            }
            root { F32Sqrt F32; F64Sqrt F64; }
        }
        true
    }

    /// An instruction with two operands of type `ty`.
    fn binary(
        &mut self,
        ops: &BinaryOps,
        branch: Option<&'static BranchOps>,
        ty: ValType,
        out: ValType,
    ) -> Operands {
        let mut b = self.pop();
        let mut a = self.pop();
        let is_const = |entry: Entry| matches!(entry.place, Place::Const(_));
        if ops.commutes && is_const(a) && !is_const(b) {
            std::mem::swap(&mut a, &mut b);
        }
        let imm_b = self.as_imm(b);
        let imm_a = if imm_b.is_some() { None } else { self.as_imm(a) };
        // Constants that are not immediates are written to their slots first: that changes what accumulators hold.
        if is_const(b) && imm_b.is_none() {
            self.slot(b);
        }
        if is_const(a) && imm_a.is_none() {
            self.slot(a);
        }
        let before = self.acc;
        let (x, y) = (self.settled_src(a), self.settled_src(b));
        debug_assert!(a.ty == ty && b.ty == ty, "validated operand types");
        let compared = match (imm_a, imm_b) {
            (_, Some(y)) => match x {
                Src::Slot(x) => {
                    self.result_in_acc(ops.si, out, |result| Binary { result, x, y });
                    branch.map(|b| Compared::Si(&b.si, x, y))
                }
                Src::Acc(x) => {
                    self.result_in_acc(ops.ai, out, |result| Binary { result, x, y });
                    branch.map(|b| Compared::Ai(&b.ai, x, y))
                }
            },
            (Some(x), None) => {
                match y {
                    Src::Slot(y) => self.result_in_acc(ops.is, out, |result| BinaryOfImm { result, y, x }),
                    Src::Acc(y) => self.result_in_acc(ops.ia, out, |result| BinaryOfImm { result, y, x }),
                }
                None
            }
            (None, None) => match (x, y) {
                (Src::Slot(x), Src::Slot(y)) => {
                    self.result_in_acc(ops.ss, out, |result| Binary { result, x, y });
                    branch.map(|b| Compared::Ss(&b.ss, x, y))
                }
                (Src::Acc(x), y) => {
                    let y = y.slot();
                    self.result_in_acc(ops.as_, out, |result| Binary { result, x, y });
                    branch.map(|b| Compared::As(&b.as_, x, y))
                }
                (Src::Slot(x), Src::Acc(y)) => {
                    self.result_in_acc(ops.sa, out, |result| Binary { result, x, y });
                    branch.map(|b| Compared::Sa(&b.sa, x, y))
                }
            },
        };
        if let (Some(compared), Some(last)) = (compared, &mut self.last) {
            last.compare = Some(Compare { compared, negated: false, step: None });
            last.acc = before;
        }
        match (imm_a, imm_b) {
            (_, Some(imm)) => Operands::SrcImm(x, imm),
            (Some(_), None) => Operands::ImmSrc,
            (None, None) => Operands::Srcs(x, y),
        }
    }

    /// A comparison of i32, which may find itself behind an addition, at the end of a loop.
    fn compare_i32(
        &mut self,
        ops: &BinaryOps,
        branch: &'static BranchOps,
        behind_add: &'static AddBranchOps,
    ) {
        let (first, second) = match self.binary(ops, Some(branch), ValType::I32, ValType::I32) {
            Operands::SrcImm(first, imm) => (first, Other::Imm(imm)),
            Operands::Srcs(first, Src::Slot(second)) => (first, Other::Slot(second)),
            _ => return,
        };
        if let Some(compare) = self.last.as_mut().and_then(|last| last.compare.as_mut()) {
            compare.step = Some((first.slot(), second, behind_add));
        }
    }

    /// `i32.add`, which a load, or a branch at the end of a loop, may absorb.
    fn add_i32(&mut self) {
        let (first, second) = match self.binary(Table::<n::I32Add>::BINARY, None, ValType::I32, ValType::I32)
        {
            Operands::SrcImm(first, imm) => (first, Other::Imm(imm)),
            Operands::Srcs(first @ Src::Slot(_), second @ Src::Acc(_)) => (second, Other::Slot(first.slot())),
            Operands::Srcs(first, second) => (first, Other::Slot(second.slot())),
            // Only if both were constants: nothing worth absorbing.
            Operands::ImmSrc => return,
        };
        let end = self.code.here();
        if let Some(last) = &mut self.last {
            last.sum = Some(Sum { first, second });
            if let Other::Imm(imm) = second {
                self.step = Some(Step { start: last.start, end, slot: last.slot, first, imm });
            }
        }
    }

    fn unary(&mut self, ops: &UnaryOps, out: ValType) {
        let x = self.pop();
        match self.src(x) {
            Src::Slot(x) => self.result_in_acc(ops.s, out, |result| Unary { result, x }),
            Src::Acc(x) => self.result_in_acc(ops.a, out, |result| Unary { result, x }),
        }
    }

    /// `i32.eqz`: of a comparison, it is the comparison turned round.
    fn eqz(&mut self) {
        let top = self.stack.last().copied();
        let compared = self.last.take().filter(|last| {
            last.compare.is_some() && top.is_some_and(|e| e.place == Place::Temp && e.slot == last.slot)
        });
        self.push(ValType::I32, Place::Const(0));
        self.binary(Table::<n::I32Eq>::BINARY, Some(Table::<n::I32Eq>::BRANCH), ValType::I32, ValType::I32);
        if let (Some(before), Some(last)) = (compared, &mut self.last)
            && let Some(compare) = before.compare
        {
            last.start = before.start;
            last.acc = before.acc;
            last.compare = Some(Compare { negated: !compare.negated, ..compare });
        }
    }

    fn select(&mut self) {
        let (c, b, a) = (self.pop(), self.pop(), self.pop());
        let ty = a.ty;
        // Constants first: writing them changes what the accumulators hold.
        let (x, y) = (self.slot(a), self.slot(b));
        let (wide_x, wide_y) = (x.wide(), y.wide());
        match (self.src(c), ty) {
            (Src::Slot(condition), ValType::V128) => self.result(arith::op::select_v128(), ty, |result| {
                SelectV128 { result: result.wide(), x: wide_x, y: wide_y, condition }
            }),
            (Src::Acc(condition), ValType::V128) => self.result(arith::op::select_v128(), ty, |result| {
                SelectV128 { result: result.wide(), x: wide_x, y: wide_y, condition }
            }),
            (Src::Slot(condition), _) => {
                self.result(arith::op::select(), ty, |result| Select { result, x, y, condition });
            }
            (Src::Acc(condition), _) => {
                self.result(arith::op::select(), ty, |result| Select { result, x, y, condition });
            }
        }
    }
}
