//! Compiling while the program runs: it starts at once, what is hot is compiled beside it, nobody notices.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::checkpoint::{alphabet, send};
use crate::compiled::HELLO;
use crate::support::{
    Folder, Ran, built, command, handles_requests, how_often, iwasm_command, run, until, wait,
};

/// `iwasm --llvm-jit`, with a cache of the test's own.
fn jit(folder: &Folder, args: &[&str]) -> Command {
    built();
    let mut command = iwasm_command([&["--llvm-jit"], args].concat());
    command.env("WAYFARER_CACHE", folder.at("cache"));
    command
}

/// Calls a small function in a loop, and gives a number that depends on all calls.
const HOT: &str = r#"(module
    (func $step (param i32) (result i32)
        (i32.xor (i32.mul (local.get 0) (i32.const 1664525)) (i32.shr_u (local.get 0) (i32.const 3))))
    (func $run (export "run") (param i32) (result i32) (local i32)
        (local.set 1 (i32.const 1))
        (loop
            (local.set 1 (i32.add (i32.const 1013904223) (call $step (local.get 1))))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)))"#;

/// More rounds of it than are interpreted before there is code, even on a busy machine.
const LONG: &str = "1000000000";

/// What that gives.
fn hot_result(rounds: &str) -> String {
    let rounds: u32 = rounds.parse().unwrap();
    let step = |x: u32| x.wrapping_mul(1664525) ^ x >> 3;
    let result = (0..rounds).fold(1u32, |x, _| step(x).wrapping_add(1013904223));
    format!("{result:#x}:i32\n")
}

/// Files of the cache.
fn entries(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.at("cache")) else { return Vec::new() };
    entries.map(|e| e.unwrap().path()).collect()
}

#[test]
fn what_is_hot_is_compiled() {
    let folder = Folder::new();
    let wasm = folder.module("hot.wasm", HOT);
    let child = jit(&folder, &["-v=4", "--enable-linux-perf", "-f", "run", &wasm, LONG]).spawn().unwrap();
    let map = format!("/tmp/perf-{}.map", child.id());
    let ran = wait(child);
    let told = fs::read_to_string(&map).unwrap_or_default();
    let _ = fs::remove_file(map);
    assert!(ran.stdout.ends_with(&hot_result(LONG)), "{ran:?}");
    assert!(ran.stdout.contains("jit: the loop at"), "{ran:?}");
    for name in [" step", " run", " run (from loop at "] {
        assert!(told.lines().any(|line| line.contains(name)), "{name}: {told}");
    }
    // Nothing is compiled that is not hot, and nothing at all if nobody asked.
    let cold = run(jit(&folder, &["-v=4", "-f", "run", &wasm, "1000"]));
    assert!(cold.stdout.ends_with(&hot_result("1000")) && !cold.stdout.contains("compiled in"), "{cold:?}");
    let interpreted = run(iwasm_command(["-v=4", "-f", "run", &wasm, "100000"]));
    assert_eq!(interpreted.stdout, hot_result("100000"));
}

#[test]
fn the_next_run_has_the_code_already() {
    let folder = Folder::new();
    let wasm = folder.module("hot.wasm", HOT);
    let load = |options: &[&str]| {
        let ran = run(jit(&folder, &[options, &["-v=4", "-f", "run", &wasm, LONG]].concat()));
        assert!(ran.stdout.ends_with(&hot_result(LONG)), "{ran:?}");
        ran.stdout
    };
    let first = load(&[]);
    assert!(first.contains(".parts: written") && !first.contains("parts used"), "{first}");
    let [entry] = &entries(&folder)[..] else { panic!("one entry") };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
    // Functions that are wanted at the same time are in one part.
    let all = [2, 3].map(|parts| format!(".parts: {parts} parts used"));
    // On a busy machine the first run may have ended before all of it was compiled.
    let has_all = |ran: &String| all.iter().any(|used| ran.contains(used));
    assert!((0..5).map(|_| load(&[])).any(|ran| has_all(&ran)));
    // Other options, another entry.
    assert!(!load(&["--llvm-jit-opt-level=1"]).contains("parts used"));
    assert_eq!(entries(&folder).len(), 2);
    // Damage in the second part: what is before it is used.
    let mut bytes = fs::read(entry).unwrap();
    let at = 48 + 8 + u32::from_le_bytes(*bytes[48..].first_chunk().unwrap()) as usize + 100;
    bytes[at] ^= 1;
    fs::write(entry, bytes).unwrap();
    let damaged = load(&[]);
    assert!(damaged.contains("are damaged") && damaged.contains(".parts: 1 parts used"), "{damaged}");
    // And nothing of a file that others could have written.
    fs::set_permissions(entry, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = load(&[]);
    assert!(refused.contains("only its user can write") && refused.contains("compiled in"), "{refused}");
    // None is wanted.
    let mut without = jit(&folder, &["-v=4", "-f", "run", &wasm, LONG]);
    without.env("WAYFARER_CACHE", "off");
    assert!(!run(without).stdout.contains("cache:"));
}

#[test]
fn the_environment_chooses_the_running_mode() {
    let folder = Folder::new();
    let wasm = folder.module("hot.wasm", HOT);
    let no_compiler = |mode: &str, options: &[&str]| {
        let mut command = iwasm_command([options, &["-f", "run", &wasm, "1000"]].concat());
        command.env("WAYFARER_MODE", mode).env("WAYFARER_COMPILER", "/no/such.so");
        run(command)
    };
    let interpreted = |ran: Ran| ran.expect(&hot_result("1000"), 0);
    let fails = |ran: Ran| {
        assert!(ran.stdout.contains("there is no compiler: WAYFARER_COMPILER=/no/such.so"), "{ran:?}")
    };
    fails(no_compiler("jit", &[]));
    interpreted(no_compiler("interp", &[]));
    // A host that says what it wants gets it, unless somebody insists.
    interpreted(no_compiler("jit", &["--interp"]));
    fails(no_compiler("jit!", &["--interp"]));
    interpreted(no_compiler("interp!", &["--llvm-jit"]));
    let unknown = no_compiler("fast", &[]);
    assert!(
        unknown.stdout.contains("WAYFARER_MODE=fast: expected interp, jit, interp! or jit!"),
        "{unknown:?}"
    );
    assert!(unknown.stdout.ends_with(&hot_result("1000")), "{unknown:?}");
    let mut compiled = jit(&folder, &["-v=4", "-f", "run", &wasm, LONG]);
    compiled.env("WAYFARER_MODE", "interp");
    assert!(run(compiled).stdout.contains("compiled in"));
}

/// A file with all of the code is used at once, whatever is said about when to compile.
#[test]
fn complete_code_is_preferred() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let load = |when: &str| {
        let mut command = jit(&folder, &["-v=4", &hello]);
        command.env("WAYFARER_JIT", when);
        run(command)
    };
    assert!(!load("lazy").stdout.contains(".aot"));
    assert!(load("eager").stdout.contains(".aot: written"));
    let lazy = load("lazy");
    assert!(lazy.stdout.contains(".aot: used") && lazy.stdout.contains("hello\n"), "{lazy:?}");
    let other = load("soon");
    assert!(other.stdout.contains("WAYFARER_JIT=soon: expected lazy or eager"), "{other:?}");
    assert_eq!(other.status, Some(3));
}

/// As many functions as CPython has, and as much code: to compile them takes minutes, longer than this test has.
#[test]
fn a_large_module_starts_at_once() {
    let mut text = HELLO.trim_end().strip_suffix(')').unwrap().to_owned();
    for n in 0..10_000 {
        let _ = write!(text, "(func (param i32) (result i32) (local i32 i32)");
        for k in 0..16 {
            let _ = write!(
                text,
                "(loop (local.set 1 (i32.add (i32.load offset={k} (local.get 2)) (i32.const {n})))
                    (i32.store offset={k} (local.get 1) (local.get 2))
                    (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const {k})))))"
            );
        }
        text.push_str("(local.get 1))");
    }
    text.push(')');
    let folder = Folder::new();
    let wasm = folder.module("large.wasm", &text);
    assert!(fs::metadata(&wasm).unwrap().len() > 4_000_000);
    run(jit(&folder, &[&wasm])).expect("hello\n", 3);
}

/// A function that LLVM needs seconds for, and one that calls it, so that it is hot, and ends the program.
fn slow_to_compile() -> String {
    let mut text = String::from(
        r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func $slow (param i32) (result i32) (local i32)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))"#,
    );
    for n in 0..4000 {
        let _ = write!(
            text,
            "(if (i32.and (local.get 0) (i32.const {})) (then
                (local.set 1 (i32.add (local.get 1) (i32.load offset={} (local.get 1))))
                (i32.store offset={n} (i32.const 8) (local.get 1))))",
            1 << (n % 31),
            4 * n
        );
    }
    text.push_str(
        r#"(local.get 1))
        (func $again (param i32) (loop (drop (call $slow (i32.const 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "_start")
            (call $again (i32.const 2000)) (call $again (i32.const 9000000)) (call $exit (i32.const 7)))
        (func (export "back") (call $again (i32.const 2000)) (call $again (i32.const 9000000))))"#,
    );
    text
}

/// LLVM's destructors would run while other threads are in LLVM: none are registered (`process.cpp`).
#[test]
fn the_compiler_has_no_destructors() {
    let library = built().join("libwayfarer_compiler.so");
    let nm = Command::new("nm").args(["-D", "--undefined-only"]).arg(library).output().expect("binutils");
    let names = String::from_utf8_lossy(&nm.stdout);
    assert!(names.contains(" malloc") && !names.contains("__cxa_atexit"), "{names}");
    assert!(!names.contains("LLVM"), "LLVM is linked statically: {names}");
}

#[test]
fn a_process_may_end_while_it_compiles() {
    let folder = Folder::new();
    let wasm = folder.module("slow.wasm", &slow_to_compile());
    let mut compiling = 0;
    let times = how_often(10, 30, 100);
    for nth in 0.. {
        // On a busy machine, many are over before the compiler has begun.
        if nth >= times && compiling > times / 2 {
            break;
        }
        assert!(nth < 1000, "{compiling} ended while something was compiled");
        // By `exit`, or by returning and giving everything back.
        let (args, status): (&[&str], _) = match nth % 2 {
            0 => (&["-v=4", &wasm], 7),
            _ => (&["-v=4", "-f", "back", &wasm], 0),
        };
        let mut command = jit(&folder, args);
        command.env("WAYFARER_CACHE", "off");
        let ran = run(command);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(status), ""), "run {nth}: {ran:?}");
        let started = ran.stdout.contains("jit: compiler ready");
        compiling += u32::from(started && !ran.stdout.contains("jit: function 1 and"));
    }
}

/// How nice threads of a process are: of the first, and of those that compile.
fn niceness(process: u32) -> (Option<i32>, Vec<i32>) {
    // man 5 proc: the 19th field, which is the 17th behind the name.
    let nice = |stat: &str| stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse::<i32>().ok();
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    let stats: Vec<_> = stats.collect();
    let first = stats.iter().find(|stat| stat.starts_with(&format!("{process} ")));
    let compilers = stats.iter().filter(|stat| stat.contains("(wasm compiler)"));
    (first.and_then(|stat| nice(stat)), compilers.filter_map(|stat| nice(stat)).collect())
}

#[test]
fn threads_that_compile_are_nicer_than_the_program_however_nice_it_is() {
    let folder = Folder::new();
    let wasm = folder.module("slow.wasm", &slow_to_compile());
    built();
    for program in [0, 7, 19] {
        let iwasm = env!("CARGO_BIN_EXE_iwasm");
        let level = program.to_string();
        let mut command = command(&["nice", "-n", &level, iwasm], ["--llvm-jit", &wasm]);
        let mut child = command.env("WAYFARER_CACHE", "off").spawn().unwrap();
        let mut found = Vec::new();
        until(|| {
            // What these tests run under may be nice, too.
            let (first, compilers) = niceness(child.id());
            if let Some(first) = first.filter(|_| !compilers.is_empty()) {
                found = compilers.into_iter().map(|nice| (first, nice)).collect();
            }
            // A thread begins as nice as what started it.
            found.iter().any(|&(first, nice)| nice > first || first == 19)
                || child.try_wait().unwrap().is_some()
        });
        let _ = child.kill();
        let _ = child.wait();
        let expected = |&(first, nice): &(i32, i32)| first >= program && nice == (first + 2).min(19);
        assert!(found.iter().any(expected), "{program}: {found:?}");
    }
}

#[test]
fn what_was_stopped_in_one_goes_on_in_the_other() {
    let folder = Folder::new();
    // Letters that take some time each.
    let wasm = folder.module("guest.wasm", &alphabet(60_000_000));
    let image = folder.text("the.image");
    let (checkpoint, restore) = (format!("--checkpoint={image}"), format!("--restore={image}"));
    let mut output = String::new();
    let mut stopped = [0, 0];
    for nth in 0.. {
        let mut args = vec![&*checkpoint, "--checkpoint-then=exit"];
        if nth > 0 {
            args.push(&restore);
        }
        // The last ones run to their end.
        let compiled = nth % 2 == 0 || nth > 12;
        let mut command = match compiled {
            true => jit(&folder, &[&args[..], &[&*wasm]].concat()),
            false => iwasm_command([&args[..], &[&*wasm]].concat()),
        };
        command.env("WAYFARER_CACHE", "off");
        let mut child = command.spawn().unwrap();
        until(|| handles_requests(&child) || child.try_wait().unwrap().is_some());
        // The first one soon: compiled, it may have all of it done in a moment.
        std::thread::sleep(std::time::Duration::from_millis(5 + 30 * nth));
        if nth <= 12 {
            send(&child, libc::SIGUSR2);
        }
        let Ran { stdout, stderr, status } = wait(child);
        output += &stdout;
        match status {
            Some(86) => stopped[usize::from(compiled)] += 1,
            _ => {
                assert_eq!(status, Some(26), "{nth}: {stderr}");
                break;
            }
        }
    }
    assert_eq!(output, "abcdefghijklmnopqrstuvwxyz", "{stopped:?}");
    assert!(stopped.iter().all(|&times| times > 0), "{stopped:?}");
}

/// Loads the same module several times and another, runs them, is forked, and gives them back while they are compiled.
const HOST: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "wasm_export.h"

struct file { uint8_t *bytes; uint32_t size; };

static struct file
read_file(const char *path)
{
    struct file file;
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    file.size = (uint32_t)ftell(f);
    file.bytes = malloc(file.size);
    rewind(f);
    if (fread(file.bytes, 1, file.size, f) != file.size)
        exit(2);
    fclose(f);
    return file;
}

static uint32_t
call(wasm_module_inst_t inst, const char *name, uint32_t arg)
{
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 65536);
    uint32_t value = arg;
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), name[0] == 'r', &value)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        exit(3);
    }
    wasm_runtime_destroy_exec_env(env);
    return value;
}

static void *
in_thread(void *module)
{
    char error[128];
    wasm_runtime_init_thread_env();
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 65536, 0, error, sizeof(error));
    uint32_t value = call(inst, "run", 3000000);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_destroy_thread_env();
    return (void *)(uintptr_t)value;
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 1;
    struct file hot = read_file(argv[1]), slow = read_file(argv[2]);
    char error[128];
    for (int round = 0; round < 5; round++) {
        RuntimeInitArgs args;
        memset(&args, 0, sizeof(args));
        args.mem_alloc_type = Alloc_With_System_Allocator;
        args.running_mode = Mode_LLVM_JIT;
        if (!wasm_runtime_full_init(&args))
            return 4;
        wasm_module_t modules[3];
        wasm_module_inst_t insts[3];
        for (int i = 0; i < 3; i++) {
            struct file *file = i < 2 ? &hot : &slow;
            modules[i] = wasm_runtime_load(file->bytes, file->size, error, sizeof(error));
            insts[i] = modules[i] ? wasm_runtime_instantiate(modules[i], 65536, 0, error, sizeof(error)) : NULL;
            if (!insts[i])
                return fprintf(stderr, "%s\n", error), 5;
        }
        call(insts[2], "back", 0);
        uint32_t expected = call(insts[0], "run", 3000000);
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, in_thread, modules[1]);
        for (int i = 0; i < 10; i++) {
            pid_t child = fork();
            if (child == 0) {
                alarm(30);
                _exit(call(insts[0], "run", 3000000) == expected && call(insts[1], "run", 3000000) == expected
                          ? 42 : 43);
            }
            int status;
            if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
                return fprintf(stderr, "child: %x\n", status), 6;
        }
        for (int i = 0; i < 2; i++) {
            void *value;
            pthread_join(threads[i], &value);
            if ((uint32_t)(uintptr_t)value != expected)
                return 7;
        }
        for (int i = 0; i < 3; i++) {
            wasm_runtime_deinstantiate(insts[i]);
            wasm_runtime_unload(modules[i]);
        }
        wasm_runtime_destroy();
        printf("%u\n", expected);
    }
    return 0;
}
"#;

#[test]
fn hosts_fork_and_unload_while_it_compiles() {
    let folder = Folder::new();
    let source = folder.write("host.c", HOST);
    let library = built().join("libiwasm.so");
    std::os::unix::fs::symlink(&library, folder.at("libiwasm.so.2")).unwrap();
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-o", &folder.text("host"), &source, "-pthread"])
        .arg(&library)
        .status();
    assert!(compiled.expect("a C compiler").success());
    let (hot, slow) = (folder.module("hot.wasm", HOT), folder.module("slow.wasm", &slow_to_compile()));
    let mut host = command(&[&folder.text("host")], [hot, slow]);
    host.env("LD_LIBRARY_PATH", folder.path()).env("WAYFARER_CACHE", "off");
    let value = hot_result("3000000");
    let value = u32::from_str_radix(value.trim_start_matches("0x").trim_end_matches(":i32\n"), 16).unwrap();
    run(host).expect(&format!("{value}\n").repeat(5), 0);
}

/// Several processes share a cache, and end at any time.
#[test]
fn processes_share_the_cache() {
    let folder = Folder::new();
    let wasm = folder.module("hot.wasm", HOT);
    for _ in 0..3 {
        let start = || jit(&folder, &["-f", "run", &wasm, "300000000"]).spawn().unwrap();
        let children: Vec<_> = (0..4).map(|_| start()).collect();
        let expected = hot_result("300000000");
        for (nth, mut child) in children.into_iter().enumerate() {
            if nth == 3 {
                child.kill().unwrap();
                child.wait().unwrap();
            } else {
                wait(child).expect(&expected, 0);
            }
        }
    }
    let used = || run(jit(&folder, &["-v=4", "-f", "run", &wasm, LONG])).stdout;
    until(|| [2, 3].iter().any(|parts| used().contains(&format!(".parts: {parts} parts used"))));
    assert_eq!(entries(&folder).len(), 1);
}
