//! Which loops get continuations. Ideally all do that may run long: then a frame that goes on in one is interpreted for no
//! more than what is behind that loop.

use crate::function::LongLoop;

/// The continuations of a function are together no larger than the function this often. It takes deep nests to reach that:
/// a loop is in the continuations of all loops around it. Loops that are in no other have one in any case.
const LIMIT: usize = 4;

/// What a value counts (bytes) that is loaded when a continuation is entered.
const VALUE: usize = 4;

/// Those of a function's loops that get continuations, by offset. `size`: the function's, in bytes.
pub(crate) fn choose(mut loops: Vec<LongLoop>, size: usize) -> Vec<u32> {
    let weight = |found: &LongLoop| found.size + VALUE * found.values;
    // The small ones first: one that has none is soon over if those in it have one.
    loops.sort_by_key(|found| (!found.outermost, weight(found), found.offset));
    let mut total = 0;
    let fits = |found: &LongLoop| {
        total += weight(found);
        found.outermost || total <= LIMIT * size
    };
    let mut chosen: Vec<u32> = loops.into_iter().take_while(fits).map(|found| found.offset).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest(depth: u32, size: usize) -> Vec<LongLoop> {
        let nth =
            |nth| LongLoop { offset: nth, size: size - 2 * nth as usize, values: 0, outermost: nth == 0 };
        (0..depth).map(nth).collect()
    }

    #[test]
    fn ordinary_nests_have_all() {
        assert_eq!(choose(nest(4, 1000), 1000), [0, 1, 2, 3]);
        assert_eq!(choose(Vec::new(), 1000), []);
    }

    #[test]
    fn deep_nests_have_the_outermost_and_the_smallest() {
        assert_eq!(choose(nest(100, 1000), 1100), [0, 96, 97, 98, 99]);
    }

    #[test]
    fn outermost_loops_always_have_one() {
        let mut loops = nest(1, 1000);
        loops.extend((5..9).map(|offset| LongLoop { offset, size: 1000, values: 2000, outermost: true }));
        loops.push(LongLoop { offset: 10, size: 2, values: 0, outermost: false });
        assert_eq!(choose(loops, 1000), [0, 5, 6, 7, 8]);
    }
}
