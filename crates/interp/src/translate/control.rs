//! Blocks, branches and returns.

use super::numeric::nonzero;
use super::stack::{Entry, Place, Src, acc_of};
use super::{Label, Other, Translator, value_type};
use crate::code::{Site, Word};
use crate::exec::arith::{AddBranchOps, Branches};
use crate::exec::control;
use crate::ir::{
    self, Acc, AddBranch, Bits64, Br, Branch, Distance, Imm, Instruction, Nop, Op, Return, Return0,
    ReturnConst, ReturnMany, Slot, SlotCount, TargetCount, Unreachable,
};
use wasmparser::{BlockType, BrTable, Operator};
use wayfarer_module::{FuncType, ValType};

/// What opened a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockKind {
    /// The function itself; branches to it return.
    Function,
    Block,
    Loop,
    /// `if`, until its `else`; the label to go to if the condition is false.
    If(usize),
}

/// An open block.
pub(super) struct Block {
    kind: BlockKind,
    /// Where branches to it go.
    label: usize,
    ty: FuncType,
    /// Operand stack entries below its parameters.
    len: usize,
    /// Slot of its first parameter or result.
    height: u32,
    /// Whether it is a loop, or there is one in it.
    loops: bool,
}

impl Block {
    /// Types that a branch to it carries.
    fn carries(&self) -> &[ValType] {
        if self.kind == BlockKind::Loop { &self.ty.params } else { &self.ty.results }
    }
}

/// A comparison that a branch can absorb.
#[derive(Clone, Copy)]
pub(super) struct Compare {
    pub(super) compared: Compared,
    pub(super) negated: bool,
    /// What it compares, if those are i32: the first operand's slot, and how to do it behind an addition.
    pub(super) step: Option<(Slot, Other, &'static AddBranchOps)>,
}

/// What a comparison compares, and how to branch on it.
#[derive(Clone, Copy)]
pub(super) enum Compared {
    Ss(&'static Branches<Slot, Slot>, Slot, Slot),
    As(&'static Branches<Acc, Slot>, Acc, Slot),
    Sa(&'static Branches<Slot, Acc>, Slot, Acc),
    Si(&'static Branches<Slot, Imm>, Slot, Imm),
    Ai(&'static Branches<Acc, Imm>, Acc, Imm),
}

/// An `i32.add` of an immediate, for a comparison right behind it and a branch back to absorb.
pub(super) struct Step {
    pub(super) start: Word,
    pub(super) end: Word,
    /// Slot of the result.
    pub(super) slot: Slot,
    pub(super) first: Src,
    pub(super) imm: Imm,
}

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn control(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::Block { blockty } => {
                let ty = self.block_type(blockty);
                self.enter_block(&ty);
                self.open(BlockKind::Block, ty);
            }
            Operator::Loop { blockty } => {
                let ty = self.block_type(blockty);
                self.enter_block(&ty);
                self.open(BlockKind::Loop, ty);
            }
            Operator::If { blockty } => {
                let condition = self.condition();
                let ty = self.block_type(blockty);
                self.enter_block(&ty);
                let otherwise = self.label();
                self.branch_if(condition, false, otherwise, false);
                self.open(BlockKind::If(otherwise), ty);
            }
            Operator::Else => self.otherwise(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.dead = Some(0);
            }
            Operator::BrIf { relative_depth } => self.br_if(relative_depth),
            Operator::BrTable { ref targets } => self.br_table(targets),
            Operator::Return => {
                self.ret();
                self.dead = Some(0);
            }
            Operator::Unreachable => {
                self.code.emit(control::op::unreachable(), Unreachable {});
                self.last = None;
                self.dead = Some(0);
            }
            _ => return false,
        }
        true
    }

    fn block_type(&self, ty: BlockType) -> FuncType {
        match ty {
            BlockType::Empty => FuncType { params: Box::default(), results: Box::default() },
            BlockType::Type(ty) => FuncType { params: Box::default(), results: [value_type(ty)].into() },
            BlockType::FuncType(index) => self.module.types[index as usize].clone(),
        }
    }

    /// Puts parameters and everything that lives in locals in their slots.
    fn enter_block(&mut self, ty: &FuncType) {
        self.settle_top(ty.params.len());
        self.settle_locals();
    }

    /// Opens a block whose parameters are on the stack.
    pub(super) fn open(&mut self, kind: BlockKind, ty: FuncType) {
        let len = self.stack.len() - ty.params.len();
        let height = self.stack.get(len).map_or(self.height, |entry| u32::from(entry.slot.0));
        let label = self.label();
        let loops = kind == BlockKind::Loop;
        if loops {
            self.blocks
                .iter_mut()
                .rev()
                .take_while(|block| !block.loops)
                .for_each(|block| block.loops = true);
            // A loop that opens right inside another gets a place of its own: a stop must say at which one it is.
            let here = self.code.here();
            if self.loops.last().is_some_and(|outer| outer.word == here) {
                self.code.emit(control::op::nop(), Nop {});
            }
            self.bind(label);
            self.forget();
            let word = self.code.here();
            let elsewhere = self.elsewhere(&self.stack);
            self.loops.push(Site { word, return_word: word, offset: self.code.offset, elsewhere });
        }
        self.blocks.push(Block { kind, label, ty, len, height, loops });
    }

    fn otherwise(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        if self.dead.is_none() {
            self.settle_top(block.ty.results.len());
            self.jump(block.label, false);
        }
        self.dead = None;
        if let BlockKind::If(otherwise) = block.kind {
            self.bind(otherwise);
        }
        self.forget();
        self.reset(&block, true);
        self.blocks.push(Block { kind: BlockKind::Block, ..block });
    }

    fn end(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        if block.kind == BlockKind::Function {
            if self.dead.is_none() {
                self.ret();
            }
            return;
        }
        let falls_through = self.dead.take().is_none();
        if falls_through {
            self.settle_top(block.ty.results.len());
        }
        if let BlockKind::If(otherwise) = block.kind {
            self.bind(otherwise);
        }
        if block.kind != BlockKind::Loop {
            self.bind(block.label);
        }
        self.reset(&block, false);
        self.forget();
        if block.loops {
            // Control may come here from compiled code: nothing behind depends on what was before.
            self.step = None;
            self.ends.push((self.code.offset, self.code.here()));
        }
    }

    /// The stack as it is at the start (with the parameters) or at the end (with the results) of a block.
    fn reset(&mut self, block: &Block, start: bool) {
        self.truncate(block.len);
        for &ty in if start { &block.ty.params } else { &block.ty.results } {
            self.push(ty, Place::Temp);
        }
    }

    fn target(&self, depth: u32) -> &Block {
        &self.blocks[self.blocks.len() - 1 - depth as usize]
    }

    /// `br`.
    fn branch(&mut self, depth: u32) {
        let target = self.target(depth);
        let (kind, label) = (target.kind, target.label);
        if kind == BlockKind::Function {
            return self.ret();
        }
        self.move_operands(depth);
        self.jump(label, kind == BlockKind::Loop);
    }

    fn br_if(&mut self, depth: u32) {
        let condition = self.condition();
        let target = self.target(depth);
        let (kind, label) = (target.kind, target.label);
        if kind != BlockKind::Function && !self.must_move(depth) {
            self.branch_if(condition, true, label, kind == BlockKind::Loop);
            return;
        }
        let skip = self.label();
        self.branch_if(condition, false, skip, false);
        let acc = self.acc;
        self.branch(depth);
        self.bind(skip);
        // The only way here is the branch around: it changed nothing.
        self.acc = acc;
        self.last = None;
    }

    fn br_table(&mut self, targets: &BrTable<'_>) {
        let index = self.pop();
        let index = self.src(index);
        let depths: Vec<u32> =
            targets.targets().filter_map(Result::ok).chain(std::iter::once(targets.default())).collect();
        let targets = TargetCount(depths.len() as u32 - 1);
        let start = match index {
            Src::Slot(index) => self.code.emit(control::op::br_table(), ir::BrTable { index, targets }),
            Src::Acc(index) => self.code.emit(control::op::br_table(), ir::BrTable { index, targets }),
        };
        self.last = None;
        // A target that needs more than a jump gets it behind the table.
        let mut stubs: Vec<(u32, usize)> = Vec::new();
        for depth in depths {
            let target = self.target(depth);
            let label =
                if matches!(target.kind, BlockKind::Function | BlockKind::Loop) || self.must_move(depth) {
                    match stubs.iter().find(|(d, _)| *d == depth) {
                        Some((_, label)) => *label,
                        None => {
                            let label = self.label();
                            stubs.push((depth, label));
                            label
                        }
                    }
                } else {
                    target.label
                };
            let at = self.code.distance(Distance::PENDING);
            self.refer(label, start, at);
        }
        for (depth, label) in stubs {
            self.forget();
            self.bind(label);
            self.branch(depth);
        }
        self.dead = Some(0);
    }

    /// Whether a branch has to move the operands it carries.
    fn must_move(&self, depth: u32) -> bool {
        let target = self.target(depth);
        let carried = &self.stack[self.stack.len() - target.carries().len()..];
        let mut slot = target.height;
        carried.iter().any(|entry| {
            let moves = entry.place != Place::Temp || u32::from(entry.slot.0) != slot;
            slot += entry.ty.slots();
            moves
        })
    }

    /// Copies the operands that a branch carries to where the target expects them. The stack stays as it is: the branch
    /// may be conditional.
    fn move_operands(&mut self, depth: u32) {
        let target = self.target(depth);
        let mut to = target.height;
        let first = self.stack.len() - target.carries().len();
        // Targets lie at or below the sources, both ascending, so no copy overwrites a later one's source.
        for index in first..self.stack.len() {
            let entry = self.stack[index];
            self.write_to(entry, Slot(to as u16));
            to += entry.ty.slots();
        }
    }

    /// Returns the operands on top of the stack. The stack stays as it is.
    pub(super) fn ret(&mut self) {
        // The function's own block is already closed at its final return: then nothing else is on the stack.
        let count = self.blocks.first().map_or(self.stack.len(), |function| function.ty.results.len());
        let first = self.stack.len() - count;
        match self.stack[first..] {
            [] => {
                self.code.emit(control::op::ret(), Return0 {});
            }
            [entry] if entry.ty != ValType::V128 => self.ret_one(entry),
            [bottom, ..] => {
                let mut slots = 0;
                for index in first..self.stack.len() {
                    let entry = self.stack[index];
                    self.write_own(entry);
                    slots += entry.ty.slots();
                }
                let returned = ReturnMany { first: bottom.slot, slots: SlotCount(slots) };
                self.code.emit(control::op::ret_many(), returned);
            }
        }
        self.last = None;
    }

    fn ret_one(&mut self, entry: Entry) {
        let kind = acc_of(entry.ty).unwrap_or(0);
        if let Place::Const(bits) = entry.place {
            if kind == 0 {
                self.code.emit(control::op::ret_const(), ReturnConst { value: Bits64(bits as u64) });
                return;
            }
            if let Some(value) = self.as_imm(entry) {
                self.code.emit(control::RETURN_FLOAT_IMM[kind - 1], Return { value });
                return;
            }
        }
        match self.src(entry) {
            Src::Slot(value) => self.code.emit(control::RETURN[kind].slot, Return { value }),
            Src::Acc(value) => self.code.emit(control::RETURN[kind].acc, Return { value }),
        };
    }

    /// Pops an i32 to branch on. If it was just made by a comparison, that instruction is taken back.
    fn condition(&mut self) -> Compare {
        let entry = self.pop();
        if entry.place == Place::Temp
            && let Some(last) = self.last.take_if(|last| last.slot == entry.slot && last.compare.is_some())
            && let Some(compare) = last.compare
        {
            self.code.take_back(last.start);
            self.acc = last.acc;
            return compare;
        }
        nonzero(self.src(entry))
    }

    /// Branches if the condition is `wanted`.
    fn branch_if(&mut self, compare: Compare, wanted: bool, label: usize, back: bool) {
        let polarity = usize::from(wanted != compare.negated);
        if back && self.branch_behind_add(&compare, polarity, label) {
            return;
        }
        let (back, target) = (usize::from(back), Distance::PENDING);
        match compare.compared {
            Compared::Ss(ops, x, y) => self.emit_to(label, ops[polarity][back], Branch { x, y, target }),
            Compared::As(ops, x, y) => self.emit_to(label, ops[polarity][back], Branch { x, y, target }),
            Compared::Sa(ops, x, y) => self.emit_to(label, ops[polarity][back], Branch { x, y, target }),
            Compared::Si(ops, x, y) => self.emit_to(label, ops[polarity][back], Branch { x, y, target }),
            Compared::Ai(ops, x, y) => self.emit_to(label, ops[polarity][back], Branch { x, y, target }),
        }
    }

    /// If the compared value was just made by adding a constant, does both with one instruction.
    fn branch_behind_add(&mut self, compare: &Compare, polarity: usize, label: usize) -> bool {
        let Some((first, second, ops)) = compare.step else { return false };
        let here = self.code.here();
        let Some(step) = self.step.take_if(|step| step.end == here && step.slot == first) else {
            return false;
        };
        self.code.take_back(step.start);
        let (result, addend, target) = (step.slot, step.imm, Distance::PENDING);
        match (step.first, second) {
            (Src::Slot(x), Other::Imm(y)) => {
                self.emit_to(label, ops.si[polarity], AddBranch { result, x, addend, y, target });
            }
            (Src::Slot(x), Other::Slot(y)) => {
                self.emit_to(label, ops.ss[polarity], AddBranch { result, x, addend, y, target });
            }
            (Src::Acc(x), Other::Imm(y)) => {
                self.emit_to(label, ops.ai[polarity], AddBranch { result, x, addend, y, target });
            }
            (Src::Acc(x), Other::Slot(y)) => {
                self.emit_to(label, ops.as_[polarity], AddBranch { result, x, addend, y, target });
            }
        }
        true
    }

    fn jump(&mut self, label: usize, back: bool) {
        let op = if back { control::op::br::<true>() } else { control::op::br::<false>() };
        self.emit_to(label, op, Br { target: Distance::PENDING });
    }

    /// Writes an instruction that branches to a label.
    fn emit_to<I: Instruction>(&mut self, label: usize, op: Op<I>, operands: I) {
        let distance = const { I::DISTANCE_WORD.expect("it branches") };
        let start = self.code.emit(op, operands);
        self.last = None;
        self.refer(label, start, start.behind(distance));
    }

    fn label(&mut self) -> usize {
        self.labels.push(Label::default());
        self.labels.len() - 1
    }

    /// Lets the word at `at`, of the instruction at `start`, be the distance to a label.
    fn refer(&mut self, label: usize, start: Word, at: Word) {
        match self.labels[label].at {
            Some(target) => self.code.set_distance(at, Distance::between(start, target)),
            None => self.labels[label].pending.push((start, at)),
        }
    }

    /// Puts a label here.
    fn bind(&mut self, label: usize) {
        let here = self.code.here();
        self.labels[label].at = Some(here);
        for (start, at) in std::mem::take(&mut self.labels[label].pending) {
            self.code.set_distance(at, Distance::between(start, here));
        }
        self.last = None;
        self.step = None;
    }
}
