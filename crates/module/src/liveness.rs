//! Liveness of locals: backward data flow over the control flow graph.
//!
//! Locals do not influence each other, so they are solved 64 at a time: a set is then one word, and memory stays
//! proportional to the number of blocks whatever the number of locals.

use crate::cfg::{BlockId, Cfg, Event};
use std::collections::BinaryHeap;

/// Locals solved at a time.
pub(crate) const GROUP: usize = u64::BITS as usize;

/// Calls `live_at(point, first, set)` for each point in `cfg` and each group of locals of which one is live there: bit
/// `i` of `set` is local `first + i`.
pub(crate) fn solve(cfg: &Cfg, num_locals: u32, mut live_at: impl FnMut(u32, u32, u64)) {
    let mut flow = Flow::new(cfg);
    for first in (0..num_locals).step_by(GROUP) {
        if flow.solve(first) {
            flow.visit_points(first, &mut live_at);
        }
    }
}

/// Working memory; one word per block in each vector.
struct Flow<'a> {
    cfg: &'a Cfg,
    /// Written in the block.
    defs: Vec<u64>,
    live_in: Vec<u64>,
    live_out: Vec<u64>,
    /// The part of `live_in` that predecessors have not been told of.
    news: Vec<u64>,
    /// Blocks with news; the last in program order comes first, so that news arriving backward arrives in one go.
    work: BinaryHeap<BlockId>,
}

impl<'a> Flow<'a> {
    fn new(cfg: &'a Cfg) -> Flow<'a> {
        let words = || vec![0; cfg.num_blocks()];
        Flow {
            cfg,
            defs: words(),
            live_in: words(),
            live_out: words(),
            news: words(),
            work: BinaryHeap::with_capacity(cfg.num_blocks()),
        }
    }

    /// Computes the fixed point for the locals from `first` on. False if none of them is read anywhere.
    fn solve(&mut self, first: u32) -> bool {
        let mut any = false;
        for block in 0..self.cfg.num_blocks() {
            let (mut uses, mut defs) = (0, 0);
            for &event in self.cfg.events(block as BlockId) {
                match event {
                    Event::Use(local) => {
                        let used = bit(local, first);
                        any |= used != 0;
                        uses |= used & !defs;
                    }
                    Event::Def(local) => defs |= bit(local, first),
                    Event::Point(_) => {}
                }
            }
            self.defs[block] = defs;
            self.live_in[block] = uses;
            self.live_out[block] = 0;
            self.news[block] = uses;
            if uses != 0 {
                self.work.push(block as BlockId);
            }
        }

        while let Some(block) = self.work.pop() {
            let news = std::mem::take(&mut self.news[block as usize]);
            for &pred in self.cfg.preds(block) {
                let pred_index = pred as usize;
                self.live_out[pred_index] |= news;
                let passed_on = news & !self.defs[pred_index] & !self.live_in[pred_index];
                if passed_on != 0 {
                    self.live_in[pred_index] |= passed_on;
                    if self.news[pred_index] == 0 {
                        self.work.push(pred);
                    }
                    self.news[pred_index] |= passed_on;
                }
            }
        }
        any
    }

    /// Reports what is live at each point.
    fn visit_points(&self, first: u32, live_at: &mut impl FnMut(u32, u32, u64)) {
        for block in 0..self.cfg.num_blocks() {
            let mut live = self.live_out[block];
            for &event in self.cfg.events(block as BlockId).iter().rev() {
                match event {
                    Event::Use(local) => live |= bit(local, first),
                    Event::Def(local) => live &= !bit(local, first),
                    Event::Point(point) if live != 0 => live_at(point, first, live),
                    Event::Point(_) => {}
                }
            }
            debug_assert_eq!(live, self.live_in[block]);
        }
    }
}

/// The bit of `local` in the group that starts with `first`; 0 if it is in another.
fn bit(local: u32, first: u32) -> u64 {
    1u64.checked_shl(local.wrapping_sub(first)).unwrap_or(0)
}
