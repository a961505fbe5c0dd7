//! Blocks, loops, branches and locals.

use super::Translator;
use crate::error::{Result, internal, unknown};
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, IntValue, PhiValue, PointerValue};
use wasmparser::{BlockType, BrTable, Operator};
use wayfarer_abi::TrapCode;
use wayfarer_module::{FuncType, PointKind, ValType, check_operator};

/// Somewhere branches lead to, and the values they bring.
#[derive(Clone, Debug)]
pub(super) struct Target<'c> {
    pub(super) block: BasicBlock<'c>,
    pub(super) values: Vec<PhiValue<'c>>,
    pub(super) used: bool,
}

/// A block that is open.
#[derive(Debug)]
pub(super) struct Block<'c> {
    pub(super) kind: BlockKind<'c>,
    /// Operands below the block's parameters.
    pub(super) height: usize,
    /// Where it ends. A loop's is only reached by falling through.
    pub(super) end: Target<'c>,
}

/// What kind of block it is.
#[derive(Debug)]
pub(super) enum BlockKind<'c> {
    /// `block`, `else`, or the function's body.
    Block,
    /// `if`, before its `else`: where that starts, and the parameters it starts with.
    If { otherwise: BasicBlock<'c>, params: Vec<BasicValueEnum<'c>> },
    /// `loop`: where it is repeated.
    Loop {
        offset: u32,
        latch: Target<'c>,
        /// Times it may repeat without a poll, if it is strip-mined.
        strip: Option<super::loops::Strip<'c>>,
        /// What its end is told by, in place of its own condition.
        count: Option<super::loops::Count<'c>>,
    },
    /// A block or loop around the loop that a continuation is of. Branches to it, which `end` stands for, leave the
    /// continuation: it goes on at the instruction at this offset.
    Around { offset: u32 },
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates one instruction.
    pub(super) fn operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        if !self.reachable {
            return self.unreachable_operator(operator);
        }
        match operator {
            Operator::Nop => Ok(()),
            Operator::Unreachable => {
                self.trap(TrapCode::Unreachable)?;
                self.reachable = false;
                Ok(())
            }
            Operator::Block { blockty } => self.open_block(*blockty),
            Operator::Loop { blockty } => self.open_loop(*blockty),
            Operator::If { blockty } => self.open_if(*blockty),
            Operator::Else => self.otherwise(),
            Operator::End => self.close(),
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth)?;
                self.reachable = false;
                Ok(())
            }
            Operator::BrIf { relative_depth } => self.branch_if(*relative_depth),
            Operator::BrTable { targets } => self.branch_table(targets),
            Operator::Return => {
                self.branch(self.blocks.len() as u32 - 1)?;
                self.reachable = false;
                Ok(())
            }
            Operator::Drop => self.pop().map(drop),
            Operator::Select | Operator::TypedSelect { .. } => {
                let condition = self.pop_int()?;
                let condition = self.is_true(condition)?;
                let (b, a) = (self.pop()?, self.pop()?);
                let value = self.builder.build_select(condition, a, b, "")?;
                self.push(value);
                Ok(())
            }
            Operator::LocalGet { local_index } => {
                let (ty, place) = self.variable(*local_index)?;
                let value = self.builder.build_load(self.local_type(ty), place, "")?;
                self.push(value);
                Ok(())
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop()?;
                let (_, place) = self.variable(*local_index)?;
                self.builder.build_store(place, value)?;
                Ok(())
            }
            Operator::LocalTee { local_index } => {
                let value = *self.stack.last().ok_or_else(|| internal("the operand stack is empty"))?;
                let (_, place) = self.variable(*local_index)?;
                self.builder.build_store(place, value)?;
                Ok(())
            }
            Operator::Call { function_index } => self.call(*function_index),
            Operator::CallIndirect { type_index, table_index } => {
                self.call_indirect(*type_index, *table_index)
            }
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } if self.leaving.is_some() => {
                self.leave_before_call()
            }
            Operator::ReturnCall { function_index } => self.return_call(*function_index),
            Operator::ReturnCallIndirect { type_index, table_index } => {
                self.return_call_indirect(*type_index, *table_index)
            }
            other => self.plain(other),
        }
    }

    /// In code that is never reached only the nesting matters.
    fn unreachable_operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => self.skipped += 1,
            Operator::Else if self.skipped == 0 => return self.otherwise(),
            Operator::End if self.skipped == 0 => return self.close(),
            Operator::End => self.skipped -= 1,
            // One that is not known might open a block.
            other => {
                let at = self.unit.module.code_start as u64 + u64::from(self.offset);
                check_operator(other, at).map_err(unknown)?;
            }
        }
        Ok(())
    }

    /// Parameters and results of a block.
    pub(super) fn block_type(&self, ty: BlockType) -> Result<FuncType> {
        let of = |results: Box<[ValType]>| FuncType { params: Box::default(), results };
        Ok(match ty {
            BlockType::Empty => of(Box::default()),
            BlockType::Type(ty) => {
                let ty = ValType::from_wasmparser(ty).ok_or_else(|| internal("a block's type"))?;
                of(Box::new([ty]))
            }
            BlockType::FuncType(index) => self.unit.module.types[index as usize].clone(),
        })
    }

    /// A new block for branches that bring values of these types.
    pub(super) fn target(&mut self, name: &str, types: &[ValType]) -> Result<Target<'c>> {
        let block = self.block(name);
        let here = self.builder.get_insert_block();
        self.builder.position_at_end(block);
        let mut values = Vec::with_capacity(types.len());
        for &ty in types {
            values.push(self.builder.build_phi(self.local_type(ty), "")?);
        }
        if let Some(here) = here {
            self.builder.position_at_end(here);
        }
        Ok(Target { block, values, used: false })
    }

    /// Notes a branch from the current block to a target, with the topmost operands.
    pub(super) fn bring(&mut self, target: &Target<'c>) -> Result<()> {
        let here = self.here()?;
        let first = self.stack.len() - target.values.len();
        for (phi, value) in target.values.iter().zip(&self.stack[first..]) {
            phi.add_incoming(&[(value, here)]);
        }
        Ok(())
    }

    /// Goes on at a target: its values replace the operands above `height`.
    pub(super) fn continue_at(&mut self, target: &Target<'c>, height: usize) {
        self.builder.position_at_end(target.block);
        self.stack.truncate(height);
        self.stack.extend(target.values.iter().map(|phi| phi.as_basic_value()));
    }

    fn open_block(&mut self, ty: BlockType) -> Result<()> {
        let ty = self.block_type(ty)?;
        let end = self.target("end", &ty.results)?;
        let height = self.stack.len() - ty.params.len();
        self.blocks.push(Block { kind: BlockKind::Block, height, end });
        Ok(())
    }

    fn open_if(&mut self, ty: BlockType) -> Result<()> {
        let condition = self.pop_int()?;
        let condition = self.is_true(condition)?;
        let ty = self.block_type(ty)?;
        let end = self.target("end", &ty.results)?;
        let height = self.stack.len() - ty.params.len();
        let (then, otherwise) = (self.block("then"), self.block("else"));
        self.builder.build_conditional_branch(condition, then, otherwise)?;
        self.builder.position_at_end(then);
        let params = self.stack[height..].to_vec();
        self.blocks.push(Block { kind: BlockKind::If { otherwise, params }, height, end });
        Ok(())
    }

    fn open_loop(&mut self, ty: BlockType) -> Result<()> {
        let ty = self.block_type(ty)?;
        let height = self.stack.len() - ty.params.len();
        let strip = self.strip(self.offset)?;
        let outer = match &strip {
            // Each strip starts here.
            Some(_) => Some(self.target("strip", &ty.params)?),
            None => None,
        };
        if let Some(outer) = &outer {
            self.bring(outer)?;
            self.builder.build_unconditional_branch(outer.block)?;
            self.continue_at(outer, height);
        }
        if let Some(strip) = &strip {
            strip.start(self)?;
        }
        let count = self.count(self.offset)?;
        if self.is_plain(self.offset) {
            self.plain_loads = Some(Vec::new());
        }
        let header = self.target(&crate::trial::header_name(self.offset), &ty.params)?;
        self.bring(&header)?;
        self.builder.build_unconditional_branch(header.block)?;
        self.continue_at(&header, height);
        let latch = self.target("latch", &ty.params)?;
        let end = self.target("end", &ty.results)?;
        let strip = strip.map(|strip| strip.with_outer(outer));
        self.blocks.push(Block {
            kind: BlockKind::Loop { offset: self.offset, latch, strip, count },
            height,
            end,
        });
        // The header's values get their second source when the latch is built.
        self.loop_headers.push(header);
        Ok(())
    }

    fn otherwise(&mut self) -> Result<()> {
        if self.reachable {
            self.fall_through()?;
        }
        let block = self.blocks.last_mut().ok_or_else(|| internal("else without if"))?;
        let kind = std::mem::replace(&mut block.kind, BlockKind::Block);
        let BlockKind::If { otherwise, params } = kind else {
            return Err(internal("else without if"));
        };
        self.stack.truncate(block.height);
        self.stack.extend(params);
        self.builder.position_at_end(otherwise);
        self.reachable = true;
        Ok(())
    }

    /// Ends the current block with a branch to the end of the innermost one.
    fn fall_through(&mut self) -> Result<()> {
        let at = self.blocks.len() - 1;
        self.blocks[at].end.used = true;
        let end = self.blocks[at].end.clone();
        self.bring(&end)?;
        self.builder.build_unconditional_branch(end.block)?;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if self.reachable {
            self.fall_through()?;
        }
        let block = self.blocks.pop().ok_or_else(|| internal("end without a block"))?;
        let Block { kind, height, mut end } = block;
        match kind {
            BlockKind::Block => {}
            BlockKind::If { otherwise, params } => {
                // Without an `else`, the parameters are the results.
                self.builder.position_at_end(otherwise);
                self.stack.truncate(height);
                self.stack.extend(params);
                self.bring(&end)?;
                self.builder.build_unconditional_branch(end.block)?;
                end.used = true;
            }
            BlockKind::Loop { offset, latch, strip, .. } => {
                let header = self.loop_headers.pop().ok_or_else(|| internal("loop without a header"))?;
                self.stack.truncate(height);
                self.close_loop(offset, &header, &latch, strip.as_ref())?;
            }
            BlockKind::Around { .. } => return Err(internal("a continuation outside its loop")),
        }
        self.finish_block(&end, height)
    }

    /// Goes on behind a block.
    fn finish_block(&mut self, end: &Target<'c>, height: usize) -> Result<()> {
        self.reachable = end.used;
        if end.used {
            self.continue_at(end, height);
        } else {
            self.stack.truncate(height);
            self.discard(end)?;
        }
        Ok(())
    }

    /// A block that nothing leads to.
    pub(super) fn discard(&mut self, target: &Target<'c>) -> Result<()> {
        self.builder.position_at_end(target.block);
        self.builder.build_unreachable()?;
        Ok(())
    }

    /// Builds what a loop's repetition does: a poll, and back.
    fn close_loop(
        &mut self,
        offset: u32,
        header: &Target<'c>,
        latch: &Target<'c>,
        strip: Option<&super::loops::Strip<'c>>,
    ) -> Result<()> {
        if self.is_plain(offset) {
            let carried = self.carried(offset)?;
            self.keep_unused(&carried)?;
        }
        if !latch.used {
            return self.discard(latch);
        }
        let height = self.stack.len();
        self.continue_at(latch, height);
        match strip {
            Some(strip) => {
                if !strip.is_counted() {
                    let block = self.block("strip.end");
                    let left = strip.step(self)?;
                    self.bring(header)?;
                    self.builder.build_conditional_branch(left, header.block, block)?;
                    self.builder.position_at_end(block);
                }
                self.poll(PointKind::Loop, offset)?;
                strip.end(self)?;
                let outer = strip.outer()?;
                self.bring(outer)?;
                self.builder.build_unconditional_branch(outer.block)?;
            }
            None => {
                let precise = self.unit.options.precise;
                if precise || !self.source.shape.loops.get(&offset).is_some_and(|info| info.needs_no_poll()) {
                    self.poll(PointKind::Loop, offset)?;
                }
                self.bring(header)?;
                self.builder.build_unconditional_branch(header.block)?;
            }
        }
        self.stack.truncate(height);
        Ok(())
    }

    /// Variables of the locals that are live at a loop's header.
    fn carried(&self, offset: u32) -> Result<Vec<PointerValue<'c>>> {
        let points = &self.source.points;
        let point = points.find(PointKind::Loop, offset).ok_or_else(|| internal("no such loop"))?;
        let is_live = |local: u32| point.live.get(local as usize) == Some(&true);
        Ok(self.variables.iter().filter(|(local, _)| is_live(**local)).map(|(_, place)| *place).collect())
    }

    /// Where a branch to the block at this depth leads; it is used from now on.
    fn branch_target(&mut self, depth: u32) -> Result<Target<'c>> {
        let at =
            self.blocks.len().checked_sub(depth as usize + 1).ok_or_else(|| internal("a branch's depth"))?;
        let block = &mut self.blocks[at];
        let target = match &mut block.kind {
            BlockKind::Loop { latch, .. } => latch,
            _ => &mut block.end,
        };
        target.used = true;
        Ok(target.clone())
    }

    fn branch(&mut self, depth: u32) -> Result<()> {
        let target = self.branch_target(depth)?;
        self.bring(&target)?;
        self.builder.build_unconditional_branch(target.block)?;
        Ok(())
    }

    fn branch_if(&mut self, depth: u32) -> Result<()> {
        let condition = self.pop_int()?;
        let condition = match self.repeat(depth)? {
            Some(condition) => condition,
            None => self.is_true(condition)?,
        };
        let target = self.branch_target(depth)?;
        self.bring(&target)?;
        let next = self.block("");
        self.builder.build_conditional_branch(condition, target.block, next)?;
        self.builder.position_at_end(next);
        Ok(())
    }

    /// If this is the branch back of a loop that is counted: whether it is taken.
    fn repeat(&mut self, depth: u32) -> Result<Option<IntValue<'c>>> {
        let Some(Block { kind: BlockKind::Loop { strip, count, .. }, .. }) = self.blocks.last() else {
            return Ok(None);
        };
        match (strip.clone(), count.clone()) {
            _ if depth != 0 => Ok(None),
            (Some(strip), _) => strip.repeat(self),
            (None, Some(count)) => count.step(self).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn branch_table(&mut self, targets: &BrTable<'_>) -> Result<()> {
        let index = self.pop_int()?;
        // Each target has one edge: a block of its own that branches on.
        let mut edges: Vec<(u32, BasicBlock<'c>)> = Vec::new();
        let mut edge = |this: &Self, depth: u32| match edges.iter().find(|(d, _)| *d == depth) {
            Some((_, block)) => *block,
            None => {
                let block = this.block("case");
                edges.push((depth, block));
                block
            }
        };
        let default = edge(self, targets.default());
        let mut cases: Vec<(IntValue<'c>, BasicBlock<'c>)> = Vec::with_capacity(targets.len() as usize);
        for (value, depth) in targets.targets().enumerate() {
            let depth = depth.map_err(|e| internal(e.to_string()))?;
            if depth != targets.default() {
                cases.push((self.i32(value as u32), edge(self, depth)));
            }
        }
        self.builder.build_switch(index, default, &cases)?;
        for (depth, block) in edges {
            self.builder.position_at_end(block);
            self.branch(depth)?;
        }
        self.reachable = false;
        Ok(())
    }
}
