//! Which loops get continuations. Ideally all do that may run long: then a frame that goes on in one is interpreted for no
//! more than what is behind that loop.

use crate::function;
use wayfarer_module::{Module, PointKind, stable_points_where};

/// The continuations of a function are together no larger than the function this often, besides those of loops that are
/// in no other. It takes deep nests to reach that: a loop is in the continuations of all loops around it.
const LIMIT: usize = 4;

/// What a value counts (bytes) that is loaded when a continuation is entered.
const VALUE: usize = 4;

/// The loops of a function of this size (bytes) that get continuations, by offset, and about how large each is.
pub(crate) fn of(module: &Module, func: u32, size: usize) -> Vec<(u32, usize)> {
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
    // Then the small ones: one that has none is soon over if those in it have one.
    loops.sort_by_key(|found| (!found.outermost, found.size, found.offset));
    let mut total = 0;
    let fits = |found: &function::LongLoop| {
        total += found.size;
        found.outermost || total <= LIMIT * size
    };
    let mut chosen: Vec<_> =
        loops.into_iter().take_while(fits).map(|found| (found.offset, found.size)).collect();
    chosen.sort_unstable();
    chosen
}
