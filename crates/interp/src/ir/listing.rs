//! The code of a function as text, an instruction a line: for whoever reads what the translator made.

use super::operand::{Distance, Value};
use super::{Form, FuncIdx};
use crate::code::{Elsewhere, FuncCode, InterpModule, Site, Translated, Word};
use crate::translate::emit::Listed;
use crate::translate::{self, Untranslatable};
use std::fmt::Write;
use std::sync::Arc;
use wayfarer_module::Module;
use wayfarer_runtime::TypeId;

/// A module whose functions' code can be listed.
#[derive(Debug)]
pub struct Listings(Box<InterpModule>);

impl Listings {
    /// Of a module. Types of functions are numbered as in the module.
    pub fn new(module: &Arc<Module>) -> Listings {
        let types: Vec<TypeId> = (0..module.types.len() as u32).map(TypeId).collect();
        Listings(InterpModule::new(module, &types))
    }

    /// The code of local function `index`: what the interpreter runs.
    ///
    /// A line begins with the instruction's word in the code, and the offset in the module of the operator that it was made
    /// for: the last, if several became one. Then come its name and its operands: `s3` is a slot of the frame, `s3:4` a pair of
    /// them, `acc(s3)` an accumulator that holds the same as the slot, `@12` the word that a branch goes to. A line before a
    /// loop header or a call says that it is a stable point, and which operands are not in their own slots there.
    ///
    /// # Errors
    /// Why the function cannot be interpreted.
    ///
    /// # Panics
    /// If `index` is out of range or imported.
    pub fn func(&self, index: u32) -> Result<String, String> {
        text(self.0.func(FuncIdx(index))).map_err(|why| why.to_string())
    }
}

fn text(func: &FuncCode) -> Result<String, Untranslatable> {
    let interp = func.module();
    let (translated, listed) = translate::listing(interp, func.index)?;
    let mut text = String::new();
    for instruction in &listed {
        for line in stable_points(&translated, instruction.word) {
            let _ = writeln!(text, "              {line}");
        }
        let offset = instruction.offset.in_module(&interp.module);
        let name = instruction.info.name();
        let operands = operands(interp, &translated.code, instruction).join(" ");
        let line = format!("{:6}  {offset:06x}  {name:<24} {operands}", instruction.word.0);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let (frame, locals) = (translated.frame_slots, translated.local_slots);
    Ok(format!("frame of {frame} slots, {locals} of them for locals\n{text}"))
}

/// What can be captured when the instruction at this word is about to be executed, or has called.
fn stable_points(translated: &Translated, word: Word) -> Vec<String> {
    let describe = |what: &str, site: &Site| {
        let mut line = what.to_owned();
        for (index, elsewhere) in &site.elsewhere {
            let _ = match elsewhere {
                Elsewhere::Local(slot) => write!(line, " operand{index}=s{}", slot.0),
                Elsewhere::Const(bits) => write!(line, " operand{index}={}", bits_text(*bits)),
            };
        }
        line
    };
    let at_loop = translated.loop_at(word).map(|site| describe("loop:", site));
    let at_call = translated.call_at(word).map(|site| describe("call:", site));
    at_loop.into_iter().chain(at_call).collect()
}

fn operands(interp: &InterpModule, code: &[u64], instruction: &Listed) -> Vec<String> {
    let &Listed { word, info, .. } = instruction;
    let target = |distance: Distance| format!("@{}", distance.target(word));
    let mut operands: Vec<String> = Vec::new();
    for (name, value) in info.operands(&code[word.0 as usize..]) {
        let value = match value {
            Value::Slot(slot) | Value::Base(slot) => format!("s{}", slot.0),
            Value::Acc(slot) => format!("acc(s{})", slot.0),
            Value::Wide(slot) => format!("s{}:{}", slot.0, u32::from(slot.0) + 1),
            Value::ImmI32(value) => value.to_string(),
            Value::ImmI64(value) => value.to_string(),
            Value::ImmF32(value) if value.is_nan() => format!("nan:{:#x}", value.to_bits()),
            Value::ImmF32(value) => format!("{value:?}"),
            Value::ImmF64(value) => format!("{value:?}"),
            Value::Bits(bits) => bits_text(u128::from(bits)),
            Value::Lane(lane) => lane.to_string(),
            Value::Lanes(lanes) => lanes.map(|lane| lane.to_string()).join(","),
            Value::SlotCount(count) | Value::MemOffset(count) => count.to_string(),
            Value::Distance(distance) => target(distance),
            Value::TargetCount(_) => {
                let distances = instruction.distances(code);
                distances.iter().map(|&distance| target(distance)).collect::<Vec<_>>().join(",")
            }
            Value::CodePtr(at) => match interp.func_at(at) {
                Some(func) => func.index.0.to_string(),
                None => format!("{at:#x}"),
            },
            Value::FuncIdx(index) => index.0.to_string(),
            Value::TypeId(ty) => ty.0.to_string(),
            Value::TableIdx(index) => index.0.to_string(),
            Value::GlobalIdx(index) => index.0.to_string(),
            Value::DataIdx(index) => index.0.to_string(),
            Value::ElemIdx(index) => index.0.to_string(),
        };
        operands.push(format!("{name}={value}"));
    }
    operands
}

/// Small numbers as such, others as bits.
fn bits_text(bits: u128) -> String {
    if bits < 1 << 16 { bits.to_string() } else { format!("{bits:#x}") }
}

impl Listed {
    /// The distances that follow the instruction: one for each target, that of the default last.
    pub(crate) fn distances(&self, code: &[u64]) -> Vec<Distance> {
        if self.info.form() != Form::BrTable {
            return Vec::new();
        }
        let count =
            self.info.operands(&code[self.word.0 as usize..]).into_iter().find_map(
                |(_, value)| match value {
                    Value::TargetCount(count) => Some(count as usize + 1),
                    _ => None,
                },
            );
        let behind = code.iter().skip(self.word.0 as usize + self.info.words());
        behind.take(count.unwrap_or(0)).map(|&word| Distance(word as i64)).collect()
    }
}
