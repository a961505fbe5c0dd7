//! Which loops get continuations. Ideally all do that may run long: then a frame that goes on in one is interpreted for no
//! more than what is behind that loop.

use crate::function::{self, LongLoop};
use wayfarer_module::{Module, PointKind, stable_points_where};

/// The continuations of a function are together no larger than the function this often. It takes deep nests to reach that:
/// a loop is in the continuations of all loops around it. Loops that are in no other have one in any case.
const LIMIT: usize = 4;

/// What a value counts (bytes) that is loaded when a continuation is entered.
const VALUE: usize = 4;

/// The loops of a function that get continuations, by offset.
pub(crate) fn of(module: &Module, func: u32) -> Vec<u32> {
    let mut loops = function::long_loops(module, func);
    if loops.is_empty() {
        return Vec::new();
    }
    let points = stable_points_where(module, func, |kind, _| kind == PointKind::Loop);
    // A loop that cannot be reached has no point.
    loops.retain_mut(|found| {
        let Some(point) = points.find(PointKind::Loop, found.offset) else { return false };
        let values = point.live.iter().filter(|live| **live).count() + point.stack.len();
        found.size += VALUE * values;
        true
    });
    let size = module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len());
    // The small ones first: one that has none is soon over if those in it have one.
    loops.sort_by_key(|found| (!found.outermost, found.size, found.offset));
    let mut total = 0;
    let fits = |found: &LongLoop| {
        total += found.size;
        found.outermost || total <= LIMIT * size
    };
    let mut chosen: Vec<u32> = loops.into_iter().take_while(fits).map(|found| found.offset).collect();
    chosen.sort_unstable();
    chosen
}

/// Whether a function has a loop at this offset that control can reach: then there can be a continuation.
pub(crate) fn is_possible(module: &Module, func: u32, offset: u32) -> bool {
    let points = stable_points_where(module, func, |kind, at| kind == PointKind::Loop && at == offset);
    points.find(PointKind::Loop, offset).is_some()
}
