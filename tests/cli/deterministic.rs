//! Deterministic mode: a program prints the same bytes however it is run, and goes on in no other mode.

#[allow(dead_code, reason = "shared with the engines' own test")]
#[path = "../../crates/native/tests/deterministic/module.rs"]
mod module;

use crate::checkpoint::alphabet;
use crate::compiled::{compile, with_cache};
use crate::support::{Folder, iwasm, iwasm_command, run};
use module::{Args, DOUBLES, SINGLES};
use std::fmt::Write;
use std::process::Command;

/// Prints what all functions give of all pairs of operands, three times: so often that they are hot.
fn program() -> String {
    let cases = module::cases();
    let mut text = String::from(
        "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))",
    );
    let mut data = |at: usize, bytes: &[u8]| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        write!(text, "(data (i32.const {at}) \"{bytes}\")").unwrap();
    };
    data(1024, &SINGLES.map(u32::to_le_bytes).concat());
    data(2048, &DOUBLES.map(u64::to_le_bytes).concat());
    let load = |n: &str| {
        [
            format!("(f32.load offset=1024 (i32.shl (local.get ${n}) (i32.const 2)))"),
            format!("(f64.load offset=2048 (i32.shl (local.get ${n}) (i32.const 3)))"),
        ]
    };
    let ([a, c], [b, d]) = (load("i"), load("j"));
    let mut calls = String::new();
    for n in 0..cases.len() {
        write!(calls, "(i64.store offset={} (i32.const 0) (call $t{n} {a} {b} {c} {d}))", 65536 + 8 * n)
            .unwrap();
    }
    let (len, count) = (8 * cases.len(), SINGLES.len());
    write!(
        text,
        "(func (export \"_start\") (local $i i32) (local $j i32) (local $round i32)
            (loop $again
                (local.set $i (i32.const 0))
                (loop $each
                    (local.set $j (i32.const 0))
                    (loop $other
                        (call $put {a} {b} {c} {d})
                        {calls}
                        (i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const {len}))
                        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                        (br_if $other (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1)))
                            (i32.const {count}))))
                    (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                        (i32.const {count}))))
                (br_if $again (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1)))
                    (i32.const 3)))))"
    )
    .unwrap();
    module::text(&cases, &text)
}

/// What it prints.
fn expected() -> Vec<u8> {
    let cases = module::cases();
    let mut bytes = Vec::new();
    for (a, c) in SINGLES.into_iter().zip(DOUBLES) {
        for (b, d) in SINGLES.into_iter().zip(DOUBLES) {
            let args = Args { a, b, c, d };
            bytes.extend(cases.iter().flat_map(|case| (case.expected)(args).to_le_bytes()));
        }
    }
    bytes.repeat(3)
}

fn output(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_same_bytes_however_it_is_run() {
    let folder = Folder::new();
    let wasm = folder.module("nans.wasm", &program());
    let expected = expected();
    let check = |how: &str, command: Command| assert!(output(command) == expected, "{how}");
    check("interpreter", iwasm_command(["--deterministic", &wasm]));
    let mut by_variable = iwasm_command([&wasm]);
    by_variable.env("WAYFARER_DETERMINISTIC", "1");
    check("interpreter, by the variable", by_variable);
    for level in ["1", "3"] {
        let level = format!("--llvm-jit-opt-level={level}");
        let words = ["--deterministic", "--llvm-jit", &level, &wasm];
        check(&format!("compiled when loaded, {level}"), with_cache(&folder, words));
        // Out of the cache, now.
        check(&format!("out of the cache, {level}"), with_cache(&folder, words));
        let mut lazy = with_cache(&folder, words);
        lazy.env_remove("WAYFARER_JIT").env("WAYFARER_CACHE", folder.at(&level));
        check(&format!("compiled while it runs, {level}"), lazy);
    }
    for levels in [["--opt-level=0", "--size-level=3"], ["--opt-level=3", "--size-level=0"]] {
        let aot = compile(&wasm, &["--deterministic", levels[0], levels[1]]);
        check(&format!("ahead of time, {levels:?}"), iwasm_command([&aot]));
        check(&format!("ahead of time, {levels:?}, asked for"), iwasm_command(["--deterministic", &aot]));
    }
    // The cache knows the two apart.
    let other = output(with_cache(&folder, ["--llvm-jit", &wasm]));
    assert!(other.len() == expected.len() && other != expected);
}

#[test]
fn code_for_the_other_mode_is_refused() {
    let folder = Folder::new();
    let wasm = folder.module("guest.wasm", &alphabet(1));
    let aot = compile(&wasm, &[]);
    iwasm(["--deterministic", &aot]).expect(
        "AOT module load failed: the code is not for deterministic mode, compile it with wamrc --deterministic\n",
        255,
    );
    let mut unknown = iwasm_command([&wasm]);
    unknown.env("WAYFARER_DETERMINISTIC", "yes");
    run(unknown).expect("WASM module load failed: WAYFARER_DETERMINISTIC=yes: expected 0 or 1\n", 255);
    let mut off = iwasm_command([&aot]);
    off.env("WAYFARER_DETERMINISTIC", "0");
    run(off).expect("abcdefghijklmnopqrstuvwxyz", 26);
}

#[test]
fn an_image_goes_on_in_its_own_mode_only() {
    let folder = Folder::new();
    let wasm = folder.module("guest.wasm", &alphabet(10));
    let aot = compile(&wasm, &["--deterministic", "--precise-stable-points"]);
    let image = folder.text("the.image");
    let (checkpoint, restore) = (format!("--checkpoint={image}"), format!("--restore={image}"));
    let stop = |mode: &[&str], file: &str| {
        let words = [mode, &[&checkpoint, "--checkpoint-at=50", "--checkpoint-then=exit", file]].concat();
        let ran = iwasm(words);
        assert_eq!(ran.status, Some(86), "{ran:?}");
        ran.stdout
    };
    let refused = |ran: crate::support::Ran, why: &str| {
        ran.expect_error(1, why);
    };
    for file in [&wasm, &aot] {
        let first = stop(&["--deterministic"], file);
        refused(iwasm([&restore, &wasm]), "the image was taken in deterministic mode");
        for (mode, file) in [(&["--deterministic"][..], &wasm), (&[], &aot)] {
            let second = iwasm([mode, &[&restore, file]].concat());
            assert_eq!((first.clone() + &second.stdout, second.status), (('a'..='z').collect(), Some(26)));
        }
    }
    stop(&[], &wasm);
    let why = "the image was not taken in deterministic mode";
    refused(iwasm(["--deterministic", &restore, &wasm]), why);
    refused(iwasm([&restore, &aot]), why);
}
