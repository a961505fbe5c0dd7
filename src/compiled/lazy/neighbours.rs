//! What is compiled together with a function that is wanted: functions that it calls. Small ones can be inlined then, and
//! those that have no code yet will want some soon.

use wayfarer_module::Module;
use wayfarer_native::Part;

/// Bodies that are no larger (bytes) are worth having beside their callers even if they are compiled already.
const SMALL: usize = 300;

/// No larger function is compiled before it is wanted itself (bytes).
const LARGE: usize = 1000;

/// What neighbours add to a part altogether (bytes). LLVM takes some tens of milliseconds for it.
const LIMIT: usize = 2000;

/// What is wanted, with neighbours. `has` tells which functions there is code of, `never` of which there is to be none.
pub(super) fn part(
    module: &Module,
    mut part: Part,
    has: impl Fn(u32) -> bool,
    never: impl Fn(u32) -> bool,
) -> Part {
    // A loop's function is not called by it, or hardly: its callees are what counts.
    let mut callers: Vec<u32> = part.loops.iter().map(|at| at.func).collect();
    callers.extend(&part.funcs);
    let (mut next, mut total) = (0, 0);
    while let Some(&caller) = callers.get(next) {
        next += 1;
        // A function that has an instruction nobody knows is refused by name when it is compiled.
        for callee in module.callees(caller).unwrap_or_default() {
            let Some(body) = &module.funcs[callee as usize].body else { continue };
            let fits = match body.len() {
                size if size <= SMALL => total + size <= LIMIT,
                size => size <= LARGE && total + size <= LIMIT && !has(callee),
            };
            if fits && !callers.contains(&callee) && !never(callee) {
                total += body.len();
                callers.push(callee);
                part.funcs.push(callee);
            }
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_runtime::Loop;

    #[test]
    fn small_callees_always_others_if_they_have_no_code() {
        let body = |size: usize| "(drop (i32.const 0))".repeat(size / 3);
        let text = format!(
            "(module (import \"m\" \"f\" (func))
                (func (call 0) (call 1) (call 2) (call 3) (call 4))
                (func (call 5)) (func {}) (func {}) (func {}))",
            body(600),
            body(1200),
            body(900),
        );
        let module = wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap();
        let func = || Part { funcs: vec![1], loops: vec![] };
        let looped = Part { funcs: vec![], loops: vec![Loop { func: 1, offset: 7 }] };
        let part = |wanted, has: &[u32]| super::part(&module, wanted, |func| has.contains(&func), |_| false);
        assert_eq!(part(func(), &[]), Part { funcs: vec![1, 2, 3, 5], loops: vec![] });
        assert_eq!(part(func(), &[2, 3, 5]), Part { funcs: vec![1, 2], loops: vec![] });
        assert_eq!(part(looped, &[3]), Part { funcs: vec![2, 5], loops: vec![Loop { func: 1, offset: 7 }] });
        let without = super::part(&module, func(), |_| false, |func| func == 2);
        assert_eq!(without, Part { funcs: vec![1, 3], loops: vec![] });
    }
}
