//! Compiled code: ahead of time by `wamrc`, and when loaded; what was checkpointed in one is restored in the other.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::checkpoint::alphabet;
use crate::support::{Folder, Ran, built, command, iwasm, iwasm_command, run, wayfarer, wayfarer_command};

/// Prints "hello", ends with status 3.
pub(crate) const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (call $exit (i32.const 3))))"#;

pub(crate) fn wamrc<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    run(wamrc_command(args))
}

pub(crate) fn wamrc_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let program = built().join("wamrc");
    command(&[program.to_str().expect("UTF-8")], args)
}

/// Compiles a file of a folder, `x.wasm`, to `x.aot`.
#[track_caller]
pub(crate) fn compile(wasm: &str, options: &[&str]) -> String {
    let aot = Path::new(wasm).with_extension("aot").to_str().expect("UTF-8").to_owned();
    let ran = wamrc([options, &["-o", &aot, wasm]].concat());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.ends_with(&format!("Compile success, file {aot} was generated.\n")), "{ran:?}");
    aot
}

/// `iwasm`, with a cache of the test's own. Whatever it compiles it compiles when it is loaded: see `jit` for the other way.
pub(crate) fn with_cache<S: AsRef<OsStr>>(folder: &Folder, args: impl IntoIterator<Item = S>) -> Command {
    built();
    let mut command = iwasm_command(args);
    command.env("WAYFARER_CACHE", folder.at("cache")).env("WAYFARER_JIT", "eager");
    command
}

#[test]
fn hello_world() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let aot = compile(&hello, &[]);
    iwasm([&*aot]).expect("hello\n", 3);
    iwasm(["--interp", "--env=A=1", &aot]).expect("hello\n", 3);
    for mode in ["--llvm-jit", "--fast-jit", "--multi-tier-jit"] {
        run(with_cache(&folder, [mode, &hello])).expect("hello\n", 3);
    }
    // Which changes nothing for compiled files.
    run(with_cache(&folder, ["--llvm-jit", &aot])).expect("hello\n", 3);
    // The interpreter runs the module that is in them.
    wayfarer(["disasm", &aot]).expect(&wayfarer(["disasm", &hello]).stdout, 0);
}

#[test]
fn compiled_code_is_listed_with_its_stable_points() {
    let folder = Folder::new();
    let sum = folder.module(
        "sum.wasm",
        r#"(module (import "env" "host" (func $host (param i32)))
            (func $sum (export "add up") (param i32) (result i32) (local i32)
                (loop (call $host (local.get 0))
                    (local.set 1 (i32.add (local.get 1) (local.get 0)))
                    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1))
            (func (export "one") (result i32) (i32.const 1)))"#,
    );
    let aot = compile(&sum, &[]);
    for file in [&sum, &aot] {
        let listed = wayfarer(["disasm", file, "sum", "--native"]);
        assert_eq!((listed.status, listed.stderr.as_str()), (Some(0), ""), "{listed:?}");
        assert!(
            listed.stdout.starts_with("function 1 \"sum\" (i32) -> (i32): compiled by wayfarer "),
            "{listed:?}"
        );
        let kinds: Vec<&str> = (listed.stdout.lines().skip(1))
            .take_while(|line| !line.contains("code, "))
            .map(|line| line.split_once("0x").unwrap().1.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(
            kinds,
            [
                "Entry      local 0 i32",
                "Loop       local 0 i32, local 1 i32",
                "Call       local 0 i32, local 1 i32",
                "BeforeCall local 0 i32, local 1 i32, operand i32"
            ],
            "{listed:?}"
        );
        for part in ["  code, ", "  continuation at 0x", "     0  "] {
            assert!(listed.stdout.contains(part), "{part} in {}", listed.stdout);
        }
        assert!(
            !listed.stdout.contains("(no instruction)") && !listed.stdout.contains("function 2"),
            "{listed:?}"
        );
        let one = wayfarer(["disasm", "--native", file, "one"]);
        assert!(one.stdout.lines().any(|line| line.contains("code, ")), "{one:?}");
    }
    #[cfg(target_arch = "x86_64")]
    assert!(wayfarer(["disasm", "--native", &aot, "one"]).stdout.trim_end().ends_with("retq"));

    // Whoever has no compiler is told where it was looked for.
    let mut command = wayfarer_command(["disasm", &sum, "--native"]);
    command.env("WAYFARER_COMPILER", "/none");
    let why = "there is no compiler: WAYFARER_COMPILER=/none: No such file or directory (os error 2)";
    run(command).expect_error(1, &format!("wayfarer: {sum}: {why}"));
}

#[test]
fn guests_do_the_same() {
    let guests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests"));
    let folder = Folder::new();
    for name in
        ["br_table", "bulk_memory", "deep_recursion", "floats", "multi_value", "start_function", "tail_calls"]
    {
        let text = std::fs::read_to_string(guests.join(name).with_extension("wat")).unwrap();
        let expected =
            std::fs::read_to_string(guests.join("expected").join(name).with_extension("txt")).unwrap();
        let wasm = folder.module(&format!("{name}.wasm"), &text);
        iwasm([&compile(&wasm, &["--opt-level=1", "--no-continuations"])]).expect(&expected, 0);
        let jit = ["--llvm-jit", "--llvm-jit-opt-level=1", &wasm];
        run(with_cache(&folder, jit)).expect(&expected, 0);
        // While it runs: most of it stays interpreted.
        let mut lazy = with_cache(&folder, ["--llvm-jit", &wasm]);
        lazy.env_remove("WAYFARER_JIT");
        run(lazy).expect(&expected, 0);
    }
}

#[test]
fn functions_results_and_traps() {
    let folder = Folder::new();
    let file = folder.module(
        "f.wasm",
        r#"(module (memory 1)
            (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "two") (param f64) (result f64 v128) (local.get 0) (v128.const i64x2 1 2))
            (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
            (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
            (func (export "spin") (loop (br 0)))
            (func $deep (export "deep") (call $deep)))"#,
    );
    for bounds in ["--bounds-checks=0", "--bounds-checks=1"] {
        let aot = compile(&file, &[bounds]);
        let call = |words: &[&str]| iwasm([&["-f", words[0], &aot], &words[1..]].concat());
        call(&["add", "2", "-3"]).expect("0xffffffff:i32\n", 0);
        call(&["two", "1.5"]).expect("1.5:f64,<0x0000000000000001 0x0000000000000002>:v128\n", 0);
        call(&["div", "0"]).expect("Exception: integer divide by zero\n", 1);
        call(&["load", "65532"]).expect("0x0:i32\n", 0);
        call(&["load", "65533"]).expect("Exception: out of bounds memory access\n", 1);
        call(&["load", "-1"]).expect("Exception: out of bounds memory access\n", 1);
        let deep = call(&["deep"]);
        assert!(deep.stdout.starts_with("Exception: ") && deep.stdout.contains("overflow"), "{deep:?}");
        iwasm(["--timeout=50", "-f", "spin", &aot]).expect("Exception: terminated by user\n", 1);
    }
}

#[test]
fn instantiation_fails_by_the_kind_of_file() {
    let folder = Folder::new();
    let start = folder.module("start.wasm", "(module (start 0) (func unreachable))");
    let expected = "AOT module instantiate failed: Exception: unreachable\n";
    iwasm([&compile(&start, &[])]).expect(expected, 255);
    run(with_cache(&folder, ["--llvm-jit", &start]))
        .expect("WASM module instantiate failed: Exception: unreachable\n", 255);
}

/// Ways to run a program.
const WAYS: [&str; 3] = ["interpreter", "ahead of time", "when loaded"];

#[test]
fn what_was_stopped_in_one_goes_on_in_all() {
    let folder = Folder::new();
    let wasm = folder.module("guest.wasm", &alphabet(10));
    // Their polls are counted as the interpreter counts.
    let aot = compile(&wasm, &["--precise-stable-points"]);
    let image = folder.text("the.image");
    let run_by = |way: &str, options: &[&str]| {
        let file: &[&str] = match way {
            "interpreter" => &[&wasm],
            "ahead of time" => &[&aot],
            _ => &["--llvm-jit", &wasm],
        };
        run(with_cache(&folder, [options, file].concat()))
    };
    let (checkpoint, restore) = (format!("--checkpoint={image}"), format!("--restore={image}"));
    for from in WAYS {
        for at in ["1", "2", "20"] {
            let at = format!("--checkpoint-at={at}");
            let first = run_by(from, &[&checkpoint, &at, "--checkpoint-then=exit"]);
            assert_eq!((first.status, first.stderr.as_str()), (Some(86), ""), "{from} {at} {first:?}");
            for to in WAYS {
                let second = run_by(to, &[&restore]);
                assert_eq!((second.status, second.stderr.as_str()), (Some(26), ""), "{from} to {to}, {at}");
                let all = format!("{}{}", first.stdout, second.stdout);
                assert_eq!(all, "abcdefghijklmnopqrstuvwxyz", "{from} to {to}, {at}");
            }
        }
    }
    // Of another program.
    let other = folder.module("other.wasm", &alphabet(11));
    iwasm([&*restore, &compile(&other, &[])]).expect_error(1, "the image is of another module");
}

#[test]
fn variables_are_heeded_by_compiled_programs() {
    let folder = Folder::new();
    let aot = compile(&folder.module("guest.wasm", &alphabet(10)), &["--precise-stable-points"]);
    let image = folder.text("the.image");
    let mut first = iwasm_command([&*aot]);
    first.env("WAYFARER_CHECKPOINT", &image).env("WAYFARER_CHECKPOINT_AT", "37");
    first.env("WAYFARER_CHECKPOINT_THEN", "exit");
    let first = run(first);
    assert_eq!(first.status, Some(86), "{first:?}");
    let mut second = iwasm_command([&*aot]);
    second.env("WAYFARER_RESTORE", &image);
    run(second).expect(&"abcdefghijklmnopqrstuvwxyz"[first.stdout.len()..], 26);
}

#[test]
fn code_without_checkpoints() {
    let folder = Folder::new();
    let wasm = folder.module("guest.wasm", &alphabet(10));
    let image = folder.text("the.image");
    let stopped =
        iwasm([&*format!("--checkpoint={image}"), "--checkpoint-at=57", "--checkpoint-then=exit", &wasm]);
    let aot = compile(&wasm, &["--no-checkpoint"]);
    iwasm([&*aot]).expect("abcdefghijklmnopqrstuvwxyz", 26);
    iwasm([&*format!("--checkpoint={}", folder.text("no.image")), &aot]).expect(
        "AOT module instantiate failed: the module was compiled with --no-checkpoint, it cannot be stopped\n",
        255,
    );
    // It can be where another goes on.
    iwasm([&*format!("--restore={image}"), &aot])
        .expect(&"abcdefghijklmnopqrstuvwxyz"[stopped.stdout.len()..], 26);
}

#[test]
fn files_that_are_refused() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let upstream =
        iwasm([folder.write("upstream.aot", b"\0aot\x06\0\0\0\0\0\0\0\x40\0\0\0\x02\0\0\0\x01\0\0\0")]);
    assert!(upstream.stdout.starts_with("AOT module load failed: "), "{upstream:?}");
    assert!(upstream.stdout.contains("upstream WAMR (version 6)") && upstream.stdout.contains("wamrc -o"));
    assert_eq!(upstream.status, Some(255));

    let bytes = std::fs::read(compile(&hello, &[])).unwrap();
    for (at, part) in [(9, "AOT file"), (bytes.len() / 2, "damaged"), (bytes.len() - 20, "damaged")] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let damaged = iwasm([folder.write("damaged.aot", bytes)]);
        assert!(damaged.stdout.starts_with("AOT module load failed: "), "{damaged:?}");
        assert!(damaged.stdout.contains(part), "{at}: {damaged:?}");
        assert_eq!(damaged.status, Some(255));
    }
    let cut = iwasm([folder.write("cut.aot", &bytes[..bytes.len() - 8])]);
    assert!(cut.stdout.starts_with("AOT module load failed: truncated AOT file"), "{cut:?}");
}

#[test]
fn other_machines() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    for arch in ["x86_64", "aarch64", "riscv64", "s390x"] {
        let ran = iwasm([compile(&hello, &[&format!("--target={arch}")])]);
        if arch == std::env::consts::ARCH {
            ran.expect("hello\n", 3);
        } else {
            let expected = format!(
                "AOT module load failed: invalid target type, expected {} but got {arch}\n",
                std::env::consts::ARCH
            );
            ran.expect(&expected, 255);
        }
    }
}

/// A processor's feature that there is nowhere: Intel's successor of x86-64.
#[test]
#[cfg(target_arch = "x86_64")]
fn processors_that_lack_something() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let ran = iwasm([compile(&hello, &["--target=x86_64", "--cpu-features=+egpr"])]);
    assert!(
        ran.stdout.starts_with("AOT module load failed: the code needs the processor feature egpr"),
        "{ran:?}"
    );
    assert_eq!(ran.status, Some(255));
}

/// Runs the first argument through `wasm_c_api.h`: as loaded, and once more from what serializing gives. Its function
/// `answer` gives the status.
const HOST: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wasm_c_api.h"
#include "wasm_export.h"

static int
answer(wasm_store_t *store, wasm_module_t *module)
{
    wasm_instance_t *instance = wasm_instance_new(store, module, NULL, NULL);
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_val_t value = WASM_INIT_VAL;
    wasm_val_vec_t args = WASM_EMPTY_VEC, results = { 1, &value, 1, sizeof(wasm_val_t), NULL };
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &args, &results);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    return trap ? -1 : value.of.i32;
}

int
main(int argc, char **argv)
{
    wasm_byte_vec_t file, again;
    FILE *f = fopen(argv[argc - 1], "rb");
    fseek(f, 0, SEEK_END);
    wasm_byte_vec_new_uninitialized(&file, (size_t)ftell(f));
    rewind(f);
    if (fread(file.data, 1, file.size, f) != file.size)
        return 2;
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    printf("%d %s\n", get_package_type((uint8_t *)file.data, file.size),
           wasm_runtime_get_file_package_version((uint8_t *)file.data, file.size)
                   == wasm_runtime_get_current_package_version(get_package_type((uint8_t *)file.data, file.size))
               ? "current" : "not current");
    printf("%d\n", wasm_runtime_is_xip_file((uint8_t *)file.data, file.size));
    wasm_module_t *module = wasm_module_new(store, &file);
    if (!module)
        return 3;
    printf("%d\n", answer(store, module));
    wasm_module_serialize(module, &again);
    printf("%s\n", again.size == file.size && !memcmp(again.data, file.data, file.size) ? "same" : "not same");
    wasm_module_t *second = wasm_module_deserialize(store, &again);
    printf("%d\n", answer(store, second));
    printf("%d\n", wasm_module_validate(store, &file));

    char error[128];
    wasm_module_delete(second);
    wasm_module_delete(module);

    struct WASMModuleCommon *plain =
        wasm_runtime_load((uint8_t *)file.data, file.size, error, sizeof(error));
    wasm_module_inst_t inst = wasm_runtime_instantiate(plain, 8192, 0, error, sizeof(error));
    printf("%d %d %d %d\n", wasm_runtime_get_module_package_type(plain),
           wasm_runtime_get_module_package_version(plain)
               == wasm_runtime_get_file_package_version((uint8_t *)file.data, file.size),
           wasm_runtime_get_running_mode(inst), wasm_runtime_set_running_mode(inst, Mode_Interp));
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(plain);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}
"#;

#[test]
fn hosts_in_c() {
    let folder = Folder::new();
    // The two headers call different things `wasm_module_t`.
    let host = HOST.replace("#include \"wasm_export.h\"\n", DECLARATIONS);
    let source = folder.write("host.c", host);
    let library = built().join("libiwasm.so");
    std::os::unix::fs::symlink(&library, folder.at("libiwasm.so.2")).unwrap();
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-o", &folder.text("host"), &source])
        .arg(&library)
        .status();
    assert!(compiled.expect("a C compiler").success());
    let wasm = folder.module("a.wasm", r#"(module (func (export "answer") (result i32) (i32.const 42)))"#);
    for (file, expected) in [
        (&wasm, "0 current\n0\n42\nsame\n42\n1\n0 1 1 1\n"),
        (&compile(&wasm, &[]), "1 current\n0\n42\nsame\n42\n1\n1 1 0 1\n"),
    ] {
        let mut host = Command::new(folder.at("host"));
        host.arg(file).env("LD_LIBRARY_PATH", folder.path());
        let ran: Ran = host.output().unwrap().into();
        ran.expect(expected, 0);
    }
}

/// What the host uses of `wasm_export.h`.
const DECLARATIONS: &str = r#"
#include <stdint.h>
struct WASMModuleCommon;
typedef struct WASMModuleInstanceCommon *wasm_module_inst_t;
enum { Mode_Interp = 1 };
int get_package_type(const uint8_t *, uint32_t);
uint32_t wasm_runtime_get_file_package_version(const uint8_t *, uint32_t);
uint32_t wasm_runtime_get_current_package_version(int);
bool wasm_runtime_is_xip_file(const uint8_t *, uint32_t);
struct WASMModuleCommon *wasm_runtime_load(uint8_t *, uint32_t, char *, uint32_t);
void wasm_runtime_unload(struct WASMModuleCommon *);
wasm_module_inst_t wasm_runtime_instantiate(struct WASMModuleCommon *, uint32_t, uint32_t, char *, uint32_t);
void wasm_runtime_deinstantiate(wasm_module_inst_t);
int wasm_runtime_get_module_package_type(struct WASMModuleCommon *);
uint32_t wasm_runtime_get_module_package_version(struct WASMModuleCommon *);
int wasm_runtime_get_running_mode(wasm_module_inst_t);
bool wasm_runtime_set_running_mode(wasm_module_inst_t, int);
"#;

#[test]
fn tables_of_jumps_at_every_level() {
    let folder = Folder::new();
    let wasm = folder.module(
        "jumps.wasm",
        "(module (func (export \"f\") (param i32) (result i32)
            (block (block (block (block (br_table 0 1 2 3 (local.get 0)))
                (return (i32.const 10))) (return (i32.const 21))) (return (i32.const 35))) (i32.const 4)))",
    );
    for size_level in ["0", "1", "2", "3"] {
        for opt_level in ["0", "1", "2", "3"] {
            let aot = folder.text("jumps.aot");
            let levels = [format!("--opt-level={opt_level}"), format!("--size-level={size_level}")];
            let ran = wamrc([&*levels[0], &levels[1], "-o", &aot, &wasm]);
            assert_eq!(ran.status, Some(0), "{levels:?}: {ran:?}");
            iwasm(["-f", "f", &aot, "2"]).expect("0x23:i32\n", 0);
        }
        let level = format!("--llvm-jit-size-level={}", size_level.replace('0', "1"));
        run(with_cache(&folder, ["--llvm-jit", &level, "-f", "f", &wasm, "1"])).expect("0x15:i32\n", 0);
    }
}
