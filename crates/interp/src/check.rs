//! A translation verified, and held against the stable points that it must have: for fuzzing and tests.

use crate::code::{Elsewhere, FuncCode, InterpModule, Offset, Site};
use crate::ir::verify;
use crate::translate::{self, Untranslatable};
use std::sync::Arc;
use wayfarer_module::{Module, PointKind, StablePoint, stable_points_where};
use wayfarer_runtime::TypeId;

/// Stable points of one function that are looked at: what they hold grows with the locals and with the stack.
const MAX_POINTS: usize = 1000;

/// Translates and verifies all functions of a module, and looks up each stable point in the translation.
///
/// # Errors
/// The first contradiction found. A function with too many slots to be translated is none.
#[doc(hidden)]
pub fn check_translation(module: &Arc<Module>) -> Result<(), String> {
    let types: Vec<TypeId> = (0..module.types.len() as u32).map(TypeId).collect();
    let prepared = InterpModule::new(module, &types);
    for index in module.defined_funcs() {
        check_func(prepared.func(index)).map_err(|why| format!("function {}: {why}", index.0))?;
    }
    Ok(())
}

fn check_func(func: &FuncCode) -> Result<(), String> {
    let module = &func.module().module;
    let translated = match func.translated() {
        Ok(translated) => translated,
        Err(Untranslatable::TooManySlots) => return Ok(()),
        Err(why) => return Err(format!("was not translated: {why}")),
    };
    let (again, listed) = translate::listing(func.module(), func.index).map_err(|why| why.to_string())?;
    if again.code != translated.code {
        return Err("another translation of it differs".to_owned());
    }
    verify::check(func.module(), translated, &listed)?;
    let mut count = 0;
    let points = stable_points_where(module, func.index.0, |_, _| {
        count += 1;
        count <= MAX_POINTS
    })
    .map_err(|e| e.to_string())?;
    let local_slots: u32 = points.locals.iter().map(|ty| ty.slots()).sum();
    if local_slots != translated.local_slots || translated.frame_slots < local_slots {
        return Err(format!("has {local_slots} slots of locals, not {}", translated.local_slots));
    }
    // No two loops begin at the same instruction, and no two calls are the same.
    let in_order = translated.loops.is_sorted_by(|a, b| a.offset < b.offset && a.word < b.word)
        && translated.calls.is_sorted_by(|a, b| a.offset < b.offset && a.return_word <= b.word);
    if !in_order {
        return Err("its sites are not in order".to_owned());
    }
    for point in &points.points {
        let place = || format!("{:?} at {}", point.kind, point.offset);
        if point.kind == PointKind::Entry {
            continue;
        }
        let site = translated
            .site(point.kind, Offset(point.offset))
            .ok_or_else(|| format!("{} has no site", place()))?;
        check_site(site, point, translated.code.len(), translated.frame_slots, local_slots)
            .map_err(|why| format!("{}: {why}", place()))?;
    }
    Ok(())
}

fn check_site(
    site: &Site,
    point: &StablePoint,
    words: usize,
    frame_slots: u32,
    local_slots: u32,
) -> Result<(), String> {
    if site.word.0 as usize >= words || site.return_word.0 as usize > words {
        return Err(format!("{site:?} is outside of {words} words"));
    }
    let slots: u32 = point.stack.iter().map(|ty| ty.slots()).sum();
    if local_slots + slots > frame_slots {
        return Err(format!("{} operands do not fit in a frame of {frame_slots} slots", point.stack.len()));
    }
    if !site.elsewhere.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(format!("{site:?} is out of order"));
    }
    for &(index, elsewhere) in &site.elsewhere {
        // A site of a call serves `Call`, without the arguments, and `BeforeCall`.
        let Some(ty) = point.stack.get(index as usize) else { continue };
        if let Elsewhere::Local(slot) = elsewhere
            && u32::from(slot.0) + ty.slots() > local_slots
        {
            return Err(format!("operand {index} is in slot {}, which is no local's", slot.0));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_that_open_together_are_told_apart() {
        let wasm = wat::parse_str(
            r#"(module (func (export "f") (param i32)
                (loop $a (loop $b (loop $c
                    (br_if $c (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
                    (br_if $a (local.get 0)))))))"#,
        );
        let module = wayfarer_module::parse(wasm.expect("it is well-formed").into()).expect("it is valid");
        assert_eq!(check_translation(&Arc::new(module)), Ok(()));
    }
}
