//! A function's code held against what instructions may be: each begins with its handler's address, no operand is out of range,
//! control never leaves the function but by a return, and no branch goes back without a poll.
//!
//! Builds with debug assertions verify each function that they translate.

use super::Form;
use super::operand::{Distance, Slot, Value};
use crate::code::{InterpModule, Site, Translated, Word};
use crate::translate::emit::Listed;
use std::collections::BTreeSet;

/// Checks the code of a function, which consists of the listed instructions.
///
/// # Errors
/// The first that is wrong: with which instruction, and what.
pub(crate) fn check(interp: &InterpModule, translated: &Translated, listed: &[Listed]) -> Result<(), String> {
    let function = Function { interp, translated, starts: listed.iter().map(|i| i.word).collect() };
    let mut end = Word(0);
    for instruction in listed {
        let checked = function.instruction(instruction, end);
        end = checked
            .map_err(|why| format!("word {}: {}: {why}", instruction.word.0, instruction.info.name()))?;
    }
    if end.0 as usize != translated.code.len() {
        return Err(format!("instructions end at word {} of {}", end.0, translated.code.len()));
    }
    match listed.last() {
        Some(last) if !goes_on(last.info.form()) => {}
        _ => return Err("control leaves the code at its end".to_owned()),
    }
    let sites = translated.loops.iter().chain(&translated.calls);
    sites.map(|site| (site, function.site(site))).try_for_each(|(site, checked)| {
        checked.map_err(|why| format!("stable point at offset {}: {why}", site.offset.0))
    })?;
    match translated.ends.iter().find(|(_, word)| !function.starts.contains(word)) {
        Some((offset, word)) => {
            Err(format!("end at offset {}: there is no instruction at word {}", offset.0, word.0))
        }
        None => Ok(()),
    }
}

/// Whether control may go on behind an instruction of this form.
fn goes_on(form: Form) -> bool {
    !matches!(
        form,
        Form::Br
            | Form::BrTable
            | Form::Unreachable
            | Form::Return0
            | Form::Return
            | Form::ReturnConst
            | Form::ReturnMany
            | Form::ReturnCall
            | Form::ReturnCallImport
            | Form::ReturnCallIndirect
    )
}

/// Whether instructions of this form are calls, or wait as calls may, and so are stable points.
fn calls(form: Form) -> bool {
    matches!(
        form,
        Form::Call
            | Form::CallImport
            | Form::CallIndirect
            | Form::ReturnCall
            | Form::ReturnCallImport
            | Form::ReturnCallIndirect
            | Form::AtomicWait32
            | Form::AtomicWait64
    )
}

struct Function<'a> {
    interp: &'a InterpModule,
    translated: &'a Translated,
    /// Where instructions begin.
    starts: BTreeSet<Word>,
}

impl Function<'_> {
    /// Checks an instruction that is to begin at `word`; returns the word behind it.
    fn instruction(&self, instruction: &Listed, word: Word) -> Result<Word, String> {
        let code = &self.translated.code;
        let info = instruction.info;
        if instruction.word != word {
            return Err(format!("the one before ends at word {}", word.0));
        }
        if code.get(word.0 as usize) != Some(&instruction.first_word) {
            return Err("it does not begin with its handler's address".to_owned());
        }
        let distances = instruction.distances(code);
        let end = word.behind(info.words() + distances.len());
        let operands = info.operands(&code[word.0 as usize..]);
        if end.0 as usize > code.len() || operands.len() != info.form().operand_names().len() {
            return Err("it is not all there".to_owned());
        }
        let mut from = 0;
        for &(name, value) in &operands {
            self.operand(value, &mut from, instruction).map_err(|why| format!("{name}: {why}"))?;
        }
        distances.into_iter().try_for_each(|distance| self.branch(distance, instruction))?;
        if calls(info.form()) && self.translated.call_at(word).is_none() {
            return Err("it is no stable point".to_owned());
        }
        Ok(end)
    }

    /// Checks an operand; `from` is the slot that was named last.
    fn operand(&self, value: Value, from: &mut u32, instruction: &Listed) -> Result<(), String> {
        let module = &*self.interp.module;
        let in_range = |index: u32, count: usize, what: &str| {
            if (index as usize) < count { Ok(()) } else { Err(format!("there is no {what} {index}")) }
        };
        let mut slots = |Slot(first): Slot, count: u32| {
            *from = u32::from(first);
            self.slots(*from, count)
        };
        match value {
            Value::Slot(slot) | Value::Acc(slot) => slots(slot, 1),
            Value::Wide(slot) => slots(slot, 2),
            Value::Base(slot) => slots(slot, 0),
            Value::SlotCount(count) => self.slots(*from, count),
            Value::Distance(distance) => self.branch(distance, instruction),
            Value::CodePtr(at) => match self.interp.func_at(at) {
                Some(_) => Ok(()),
                None => Err(format!("there is no function at {at:#x}")),
            },
            Value::FuncIdx(index) => in_range(index.0, module.funcs.len(), "function"),
            Value::TypeId(ty) if self.interp.types.contains(&ty) => Ok(()),
            Value::TypeId(ty) => Err(format!("{ty:?} is no type of the module")),
            Value::TableIdx(index) => in_range(index.0, module.tables.len(), "table"),
            Value::GlobalIdx(index) => in_range(index.0, module.globals.len(), "global"),
            Value::DataIdx(index) => in_range(index.0, module.datas.len(), "data segment"),
            Value::ElemIdx(index) => in_range(index.0, module.elems.len(), "element segment"),
            Value::Lane(lane) => in_range(u32::from(lane), 16, "lane"),
            Value::Lanes(lanes) => {
                lanes.iter().try_for_each(|&lane| in_range(u32::from(lane), 32, "lane of two vectors"))
            }
            // Any value is one.
            Value::ImmI32(_)
            | Value::ImmI64(_)
            | Value::ImmF32(_)
            | Value::ImmF64(_)
            | Value::Bits(_)
            | Value::MemOffset(_) => Ok(()),
            // The distances are looked at one by one.
            Value::TargetCount(_) => Ok(()),
        }
    }

    fn slots(&self, first: u32, count: u32) -> Result<(), String> {
        let frame = self.translated.frame_slots;
        match first.checked_add(count) {
            Some(end) if end <= frame => Ok(()),
            _ => Err(format!("{count} slots from {first} are not in a frame of {frame}")),
        }
    }

    fn branch(&self, distance: Distance, instruction: &Listed) -> Result<(), String> {
        let target = distance.target(instruction.word);
        let start = u32::try_from(target).ok().map(Word).filter(|at| self.starts.contains(at));
        let Some(start) = start.filter(|_| distance.0 % 8 == 0) else {
            return Err(format!("it goes to word {target}, where no instruction begins"));
        };
        let back = start <= instruction.word;
        if back != instruction.info.polls() {
            return Err(format!(
                "it goes to word {target}, and {} there",
                if back { "never polls" } else { "polls" }
            ));
        }
        if back && self.translated.loop_at(start).is_none() {
            return Err(format!("it goes back to word {target}, which is no loop header"));
        }
        Ok(())
    }

    fn site(&self, site: &Site) -> Result<(), String> {
        match [site.word, site.return_word].iter().find(|&&word| !self.is_start_or_end(word)) {
            Some(word) => Err(format!("there is no instruction at word {}", word.0)),
            None => Ok(()),
        }
    }

    /// Nothing is behind a call that does not come back.
    fn is_start_or_end(&self, word: Word) -> bool {
        self.starts.contains(&word) || word.0 as usize == self.translated.code.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::FuncIdx;
    use crate::translate;
    use std::sync::Arc;
    use wayfarer_runtime::TypeId;

    const MODULE: &str = r#"(module
        (func $callee (param i32))
        (func (param i32 i32) (local v128)
            (loop $again
                (call $callee (local.get 0))
                (br_if $again (i32.lt_s (local.get 0) (local.get 1))))
            (local.set 2 (v128.not (local.get 2)))))"#;

    /// What is found once the translation was changed.
    fn found(change: impl FnOnce(&mut Translated, &mut Vec<Listed>)) -> String {
        let wasm = wat::parse_str(MODULE).expect("it is well-formed");
        let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
        let types: Vec<TypeId> = (0..module.types.len() as u32).map(TypeId).collect();
        let interp = InterpModule::new(&module, &types);
        let (mut translated, mut listed) =
            translate::listing(&interp, FuncIdx(1)).expect("it can be translated");
        change(&mut translated, &mut listed);
        check(&interp, &translated, &listed).err().unwrap_or_default()
    }

    /// What is found once an operand begins with other bytes.
    fn with_operand(form: Form, operand: &str, bytes: &[u8]) -> String {
        found(|translated, listed| {
            let of_form = listed.iter().find(|i| i.info.form() == form).expect("an instruction of this form");
            let names = form.operand_names();
            let nth = names.iter().position(|&name| name == operand).expect("it has this operand");
            let at = usize::from(of_form.info.places[nth]);
            let word = &mut translated.code[of_form.word.0 as usize + at / 8];
            let mut old = word.to_ne_bytes();
            old[at % 8..][..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(old);
        })
    }

    #[test]
    fn operands_out_of_range_are_found() {
        let slot = |n: u16| n.to_ne_bytes();
        for (form, operand, bytes, expected) in [
            (Form::Branch, "y", &slot(999)[..], "y: 1 slots from 999 are not in a frame of"),
            (Form::UnaryV128, "result", &slot(5), "result: 2 slots from 5 are not in a frame of 6"),
            (Form::Call, "base", &slot(7), "base: 0 slots from 7 are not in a frame of 6"),
            (Form::Call, "func", &8u64.to_ne_bytes(), "func: there is no function at 0x8"),
            (Form::Branch, "target", &8i64.to_ne_bytes(), "where no instruction begins"),
            (Form::Branch, "target", &(-8001i64).to_ne_bytes(), "where no instruction begins"),
            (Form::Branch, "target", &24i64.to_ne_bytes(), "and polls there"),
            (Form::Branch, "target", &0i64.to_ne_bytes(), "which is no loop header"),
        ] {
            let found = with_operand(form, operand, bytes);
            assert!(found.contains(expected), "{form:?} {operand}: {found}");
        }
    }

    #[test]
    fn what_is_not_as_listed_is_found() {
        assert_eq!(found(|_, _| ()), "");
        let others = |found: String, expected: &str| assert!(found.contains(expected), "{found}");
        others(found(|t, _| t.code[0] = 0), "it does not begin with its handler's address");
        others(found(|t, _| t.calls = Box::default()), "it is no stable point");
        others(found(|t, _| t.loops = Box::default()), "which is no loop header");
        others(found(|t, _| t.calls[0].return_word = Word(1)), "there is no instruction at word 1");
        others(found(|t, _| t.ends[0].1 = Word(1)), "there is no instruction at word 1");
        others(found(|_, listed| listed[1].word = Word(1)), "the one before ends at word");
        others(found(|_, listed| listed.truncate(1)), "instructions end at word 2 of");
        others(
            found(|t, listed| {
                let last = listed.pop().expect("it returns");
                t.code = t.code[..last.word.0 as usize].into();
            }),
            "control leaves the code at its end",
        );
    }
}
