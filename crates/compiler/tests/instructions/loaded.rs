//! What is compiled at any level, for any architecture, the loader takes: each relocation that LLVM makes is one it knows.

use crate::list;
use crate::support::{features, module};
use object::{Object as _, ObjectSection as _, RelocationFlags};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use wayfarer_compiler::{Bounds, Options, compile_artifact};
use wayfarer_loader::{Code, Machine};

/// The architectures, with a processor each.
const MACHINES: [(Machine, &str, &str); 4] = [
    (Machine::X86_64, "x86_64-unknown-linux-gnu", "x86-64-v3"),
    (Machine::Aarch64, "aarch64-unknown-linux-gnu", "generic"),
    (Machine::Riscv64, "riscv64-unknown-linux-gnu", "generic-rv64"),
    (Machine::S390x, "s390x-unknown-linux-gnu", "z13"),
];

/// What code refers to data and to other code for: tables of jumps and of results, constants of all sizes, calls near, by
/// tables and of the host, loops that are gone on with, traps to unwind from.
fn references() -> String {
    let mut text = String::from(
        "(import \"host\" \"call\" (func $host (param i32 f64) (result f64)))
        (memory 1) (table $t 8 funcref) (elem (i32.const 0) func $jumps $results $floats $vectors)
        (global $g (mut i64) (i64.const 0))",
    );
    // A table of jumps: each arm does something else.
    text += "(func $jumps (param i32) (result i32) (local i32)\n";
    text += &"(block ".repeat(17);
    let labels: String = (0..17).map(|n| format!("{n} ")).collect();
    writeln!(text, "(br_table {labels} (local.get 0))").unwrap();
    for n in 0..16 {
        writeln!(
            text,
            ") (i32.store offset={n}000 (local.get 0) (call $jumps (i32.mul (local.get 0) (i32.const {n}))))
            (local.set 1 (i32.rotl (local.get 1) (i32.load offset={n} (local.get 0))))"
        )
        .unwrap();
        if n % 3 == 0 {
            text += "(return (local.get 1))";
        }
    }
    text += ") (local.get 1))";
    // A table of results.
    text += "(func $results (param i32) (result i32)\n";
    text += &"(block ".repeat(9);
    text += "(br_table 0 1 2 3 4 5 6 7 8 (local.get 0))";
    for n in 0..8 {
        write!(text, ") (return (i32.const {}))", 1_234_567 * (n * n + 3)).unwrap();
    }
    text += ") (i32.const 4))";
    text += "(func $floats (param f64 f32) (result f64)
        (f64.add (f64.mul (local.get 0) (f64.const 1.1)) (f64.promote_f32 (f32.add (local.get 1) (f32.const 2.3)))))
        (func $vectors (param v128) (result v128)
            (i8x16.swizzle (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4))
                (v128.const i8x16 9 8 7 6 5 4 3 2 1 0 15 14 13 12 11 10)))
        (func $pairs (param i64 i64) (result i64 i64 i64) (local.get 1) (local.get 0) (i64.const 0x123456789abcdef0))
        (func $loop (export \"loop\") (param i32 f64) (result f64) (local i64)
            (loop $again
                (local.set 1 (call $host (local.get 0) (local.get 1)))
                (call $pairs (local.get 2) (global.get $g)) (global.set $g) (drop) (local.set 2)
                (local.set 1 (f64.add (local.get 1) (call_indirect $t (param f64 f32) (result f64)
                    (local.get 1) (f32.const 0.7) (i32.and (local.get 0) (i32.const 7)))))
                (i32.store (local.get 0) (i32.div_s (i32.load (local.get 0)) (call $results (local.get 0))))
                (memory.copy (local.get 0) (i32.const 100) (i32.const 200))
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1))";
    format!("(module {text})")
}

/// Compiles a module for a machine and loads its code; names the kinds of relocations that were in it.
fn load(machine: Machine, wat: &str, options: &Options) -> BTreeSet<String> {
    let what = format!("{machine}, {options:?}");
    let artifact =
        compile_artifact(&module(wat), options, &|_, _| ()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let objects: Vec<&[u8]> = artifact.objects.iter().map(|object| &*object.bytes).collect();
    Code::load_for(machine, &objects).unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut kinds = BTreeSet::new();
    for object in objects {
        for section in object::File::parse(object).unwrap().sections() {
            for (_, relocation) in section.relocations() {
                if let RelocationFlags::Elf { r_type } = relocation.flags() {
                    kinds.insert(format!("{r_type:?}"));
                }
            }
        }
    }
    kinds
}

fn all_levels((machine, triple, cpu): (Machine, &str, &str)) {
    let references = references();
    let mut kinds = BTreeSet::new();
    for size_level in 0..=3 {
        for opt_level in 0..=3 {
            let options = Options {
                triple: Some(triple.to_owned()),
                cpu: Some(cpu.to_owned()),
                features: features(triple),
                opt_level,
                size_level,
                ..Options::default()
            };
            kinds.extend(load(machine, &references, &options));
            for other in [
                Options { bounds: Bounds::Explicit, ..options.clone() },
                Options { checkpoints: false, ..options.clone() },
                Options { precise: true, ..options.clone() },
            ] {
                kinds.extend(load(machine, &references, &other));
            }
        }
        // Every instruction, without optimization and with all of it.
        for opt_level in [0, 3] {
            let options = Options {
                triple: Some(triple.to_owned()),
                cpu: Some(cpu.to_owned()),
                features: features(triple),
                opt_level,
                size_level,
                ..Options::default()
            };
            kinds.extend(load(machine, &list::module(), &options));
            if size_level == 3 {
                let deterministic = Options { deterministic: true, ..options };
                kinds.extend(load(machine, &list::module(), &deterministic));
            }
        }
    }
    println!("{machine}: {kinds:?}");
    // Data and code are referred to: the test is about something.
    assert!(kinds.len() >= 3, "{machine}: {kinds:?}");
}

#[test]
fn code_for_x86_64_loads_at_every_level() {
    all_levels(MACHINES[0]);
}

#[test]
fn code_for_aarch64_loads_at_every_level() {
    all_levels(MACHINES[1]);
}

#[test]
fn code_for_riscv64_loads_at_every_level() {
    all_levels(MACHINES[2]);
}

#[test]
fn code_for_s390x_loads_at_every_level() {
    all_levels(MACHINES[3]);
}
