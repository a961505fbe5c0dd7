//! Stable points of random control flow, compared with what the definitions say when they are followed to the letter:
//! one instruction at a time, on a graph of instructions, until nothing changes.

use std::collections::BTreeMap;
use std::fmt::Write;
use wasmparser::{Operator, OperatorsReader};
use wayfarer_module::{Module, PointKind, parse, stable_points};

/// xorshift64*: the same programs in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Writes some statements that leave the operand stack as it was. `depth` is the number of labels around them.
fn statements(random: &mut Random, locals: usize, depth: usize, out: &mut String) {
    for _ in 0..1 + random.below(4) {
        let local = random.below(locals);
        let label = random.below(depth);
        match random.below(if depth > 6 { 10 } else { 16 }) {
            0 | 1 => write!(out, "(drop (local.get {local}))"),
            2 | 3 => write!(out, "(local.set {local} (i32.const 1))"),
            4 => write!(out, "(drop (local.tee {local} (i32.const 1)))"),
            5 | 6 => write!(out, "(call $f)"),
            7 => write!(out, "(br_if {label} (local.get {local}))"),
            8 => write!(out, "(br_table {label} {} {label} (local.get {local}))", random.below(depth)),
            9 => match random.below(6) {
                0 => write!(out, "(br {label})"),
                1 => write!(out, "(return)"),
                2 => write!(out, "(unreachable)"),
                3 => write!(out, "(return_call $f)"),
                _ => write!(out, "(call_indirect (i32.const 0))"),
            },
            construct => {
                let open = ["(block ", "(loop ", "(loop ", "(if (local.get 0) (then "][construct % 4];
                out.push_str(open);
                statements(random, locals, depth + 1, out);
                if open.starts_with("(if") {
                    out.push(')');
                    if random.below(2) == 0 {
                        out.push_str("(else ");
                        statements(random, locals, depth + 1, out);
                        out.push(')');
                    }
                }
                write!(out, ")")
            }
        }
        .unwrap();
    }
}

/// Where control can go from each instruction (an index of instructions), the function's end being nowhere.
fn successors(ops: &[(Operator<'_>, u64)]) -> Vec<Vec<usize>> {
    // For each control instruction, its `else` and `end`.
    let (mut else_of, mut end_of) = (vec![None; ops.len()], vec![ops.len() - 1; ops.len()]);
    let mut open = Vec::new();
    for (index, (op, _)) in ops.iter().enumerate() {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(index),
            Operator::Else => else_of[*open.last().unwrap()] = Some(index),
            Operator::End if index + 1 < ops.len() => end_of[open.pop().unwrap()] = index,
            _ => {}
        }
    }

    let mut result = Vec::new();
    for (index, (op, _)) in ops.iter().enumerate() {
        let target =
            |depth: u32| match open.len().checked_sub(1 + depth as usize).map(|frame: usize| open[frame]) {
                Some(frame) if matches!(ops[frame].0, Operator::Loop { .. }) => frame,
                Some(frame) => end_of[frame],
                None => ops.len() - 1,
            };
        result.push(match op {
            Operator::Br { relative_depth } => vec![target(*relative_depth)],
            Operator::BrIf { relative_depth } => vec![target(*relative_depth), index + 1],
            Operator::BrTable { targets } => targets
                .targets()
                .map(|depth| target(depth.unwrap()))
                .chain([target(targets.default())])
                .collect(),
            Operator::Return | Operator::Unreachable | Operator::ReturnCall { .. } => vec![],
            Operator::If { .. } => vec![index + 1, else_of[index].map_or(end_of[index], |other| other + 1)],
            Operator::Else => vec![end_of[*open.last().unwrap()]],
            Operator::End if index + 1 == ops.len() => vec![],
            _ => vec![index + 1],
        });
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(index),
            Operator::End => drop(open.pop()),
            _ => {}
        }
    }
    result
}

/// The points of `func` except the entry, each with the locals live there.
fn expected(module: &Module, func: u32, num_locals: usize) -> BTreeMap<(u32, PointKind), Vec<bool>> {
    let mut reader = module.body_reader(func);
    for _ in 0..reader.read_var_u32().unwrap() {
        reader.read_var_u32().unwrap();
        reader.read::<wasmparser::ValType>().unwrap();
    }
    let ops: Vec<_> = OperatorsReader::new(reader).into_iter_with_offsets().map(Result::unwrap).collect();
    let next = successors(&ops);

    let mut reachable = vec![false; ops.len()];
    let mut work = vec![0];
    while let Some(index) = work.pop() {
        if !std::mem::replace(&mut reachable[index], true) {
            work.extend(&next[index]);
        }
    }

    let mut live_in = vec![vec![false; num_locals]; ops.len()];
    let live_out = |live_in: &[Vec<bool>], index: usize| -> Vec<bool> {
        (0..num_locals).map(|local| next[index].iter().any(|&next| live_in[next][local])).collect()
    };
    loop {
        let mut changed = false;
        for index in (0..ops.len()).rev() {
            let mut live = live_out(&live_in, index);
            match ops[index].0 {
                Operator::LocalGet { local_index } => live[local_index as usize] = true,
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    live[local_index as usize] = false;
                }
                _ => {}
            }
            changed |= live != live_in[index];
            live_in[index] = live;
        }
        if !changed {
            break;
        }
    }

    let mut points = BTreeMap::new();
    for (index, (op, offset)) in ops.iter().enumerate().filter(|(index, _)| reachable[*index]) {
        let mut add = |kind, live| points.insert((*offset as u32 - module.code_start as u32, kind), live);
        match op {
            Operator::Loop { .. } => drop(add(PointKind::Loop, live_in[index].clone())),
            Operator::ReturnCall { .. } => drop(add(PointKind::BeforeCall, live_in[index].clone())),
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                add(PointKind::BeforeCall, live_in[index].clone());
                add(PointKind::Call, live_out(&live_in, index));
            }
            _ => {}
        }
    }
    points
}

#[test]
fn random_control_flow() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut num_points, mut num_live, mut num_dead) = (0, 0, 0);
    for _ in 0..400 {
        let num_locals = [1, 3, 8, 63, 64, 65, 130][random.below(7)];
        let mut text = String::from("(module (table 1 funcref) (func $f) (func (param i32) (local");
        text.push_str(&" i32".repeat(num_locals - 1));
        text.push(')');
        for _ in 0..4 {
            statements(&mut random, num_locals, 1, &mut text);
        }
        text.push_str("))");

        let module = parse(wat::parse_str(&text).unwrap().into()).unwrap();
        let points = stable_points(&module, 1).unwrap();
        let actual: BTreeMap<_, _> = points
            .points
            .iter()
            .filter(|point| point.kind != PointKind::Entry)
            .map(|point| ((point.offset, point.kind), point.live.to_vec()))
            .collect();
        assert_eq!(actual, expected(&module, 1, num_locals), "{text}");

        num_points += actual.len();
        num_live += actual.values().flatten().filter(|live| **live).count();
        num_dead += actual.values().flatten().filter(|live| !**live).count();
    }
    // The programs are not all trivial.
    assert!(num_points > 2_000 && num_live > 2_000 && num_dead > 2_000, "{num_points} {num_live} {num_dead}");
}
