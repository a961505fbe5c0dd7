//! `iwasm` but for its checkpoint options.

use std::process::Command;

use crate::support::{Folder, Ran, iwasm, iwasm_command, run_with_input};

/// Functions to call with `-f`.
const FUNCTIONS: &str = r#"(module
    (memory 1)
    (table 2 funcref)
    (elem (i32.const 0) $nothing)
    (func $nothing (export "nothing"))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "i64") (param i64) (result i64) (local.get 0))
    (func (export "f32") (param f32) (result f32) (local.get 0))
    (func (export "f64") (param f64) (result f64) (local.get 0))
    (func (export "v128") (param v128) (result v128) (local.get 0))
    (func (export "ref") (param i32) (result funcref) (table.get (local.get 0)))
    (func (export "extern") (param externref) (result externref) (local.get 0))
    (func (export "two words") (result i32 i64) (i32.const -1) (i64.const 16))
    (func (export "unreachable") unreachable)
    (func (export "spin") (loop (br 0)))
    (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 7))
            (else (call $deep (i32.sub (local.get 0) (i32.const 1)))))))"#;

/// Prints "hello", ends with status 3.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (call $exit (i32.const 3))))"#;

/// Writes its arguments or environment, each ended by a NUL: sizes to 0 and 4, pointers to 1024, strings to 2048.
fn strings_of(what: &str) -> String {
    format!(
        r#"(module
    (import "wasi_snapshot_preview1" "{what}_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "{what}_get" (func $get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (drop (call $get (i32.const 1024) (i32.const 2048)))
        (i32.store (i32.const 8) (i32.const 2048))
        (i32.store (i32.const 12) (i32.load (i32.const 4)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"#
    )
}

/// Prints the file `f` in the first preopened directory, and that directory's name, six bytes long.
const READER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "f")
    (data (i32.const 16) "\00\04\00\00\64\00\00\00")
    (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
    (func (export "_start")
        (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
        (call $check (call $read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 20)))
        (call $check (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
        (call $check (call $name (i32.const 3) (i32.const 1024) (i32.const 6)))
        (i32.store (i32.const 20) (i32.const 6))
        (call $check (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;

/// First line of the help text.
const USAGE: &str = "Usage: iwasm [OPTION...] FILE [ARGUMENT...]\n";

/// The command line was not accepted; it says why, and where there is help.
#[track_caller]
fn expect_usage(ran: &Ran, why: &str) {
    ran.expect(&format!("iwasm: {why}\n{USAGE}Try `iwasm --help`.\n"), 1);
    assert_eq!(ran.stderr, "");
}

/// What is on standard output is WAMR's; standard error has the rest.
#[track_caller]
fn expect_both(ran: &Ran, stdout: &str, status: i32, stderr: &str) {
    ran.expect(stdout, status);
    assert_eq!(ran.stderr, stderr);
}

fn call(words: &[&str]) -> Ran {
    let folder = Folder::new();
    let file = folder.module("functions.wasm", FUNCTIONS);
    iwasm([&["-f", words[0], &file], &words[1..]].concat())
}

#[test]
fn help() {
    for words in [&["--help"][..], &["-h"], &["--interp", "--help", "x.wasm"]] {
        let help = iwasm(words);
        assert!(help.stdout.starts_with(USAGE) && help.stdout.contains("\n  --help, -h "), "{help:?}");
        assert_eq!((help.stderr.as_str(), help.status), ("", Some(0)));
    }
    // Without a word, there is nothing wrong that could be named.
    let nothing = iwasm::<&str>([]);
    assert_eq!((nothing.stdout, nothing.status), (iwasm(["--help"]).stdout, Some(1)));
}

#[test]
fn what_is_wrong_with_a_command_line_is_named() {
    for (words, why) in [
        ("--nonsense x.wasm", "there is no option `--nonsense`"),
        ("--nonsense=1 x.wasm", "there is no option `--nonsense=1`"),
        ("--checkpont=a x.wasm", "there is no option `--checkpont=a`"),
        ("-v=6 x.wasm", "-v=6: expected a log level, 0 to 5"),
        ("-v=-1 x.wasm", "-v=-1: expected a log level, 0 to 5"),
        ("--stack-size= x.wasm", "--stack-size needs a value: --stack-size=N"),
        ("--stack-size=abc x.wasm", "--stack-size=abc: expected a number of bytes, 4294967295 at most"),
        ("--heap-size=64k x.wasm", "--heap-size=64k: expected a number of bytes, 4294967295 at most"),
        ("--timeout x.wasm", "--timeout needs a value: --timeout=MS"),
        ("--timeout=abc x.wasm", "--timeout=abc: expected a number of milliseconds, or -1 for none"),
        ("--env= x.wasm", "--env needs a value: --env=NAME=VALUE"),
        ("--dir x.wasm", "--dir needs a value: --dir=DIRECTORY"),
        ("--map-dir= x.wasm", "--map-dir needs a value: --map-dir=GUEST::HOST"),
        ("--addr-pool= x.wasm", "--addr-pool needs a value: --addr-pool=A/BITS[,...]"),
        ("--allow-resolve= x.wasm", "--allow-resolve needs a value: --allow-resolve=DOMAIN"),
        ("--native-lib= x.wasm", "--native-lib needs a value: --native-lib=FILE.so"),
        ("--llvm-jit-opt-level=fast x.wasm", "--llvm-jit-opt-level=fast: expected a level, 1 to 3"),
        ("--checkpoint x.wasm", "--checkpoint needs a value: --checkpoint=..."),
        ("--interp=yes x.wasm", "--interp takes no value"),
        ("-f", "-f needs two words after it: -f NAME FILE"),
        ("--function name", "--function needs two words after it: --function NAME FILE"),
        ("--interp", "the name of the FILE to run is missing"),
    ] {
        expect_usage(&iwasm(words.split(' ')), why);
    }
}

#[test]
fn options_of_features_that_are_not_here_are_named() {
    for word in [
        "--module-path=.",
        "--shared-heap-size=1",
        "--gc-heap-size=1",
        "--jit-codecache-size=1",
        "--enable-segue",
        "--enable-segue=i32.load",
        "--disable-bounds-checks",
        "-g=127.0.0.1:1234",
        "--gen-prof-file=x",
    ] {
        let ran = iwasm([word, "x.wasm"]);
        let name = word.split('=').next().unwrap_or_default();
        let start = format!("iwasm: the option `{name}` is not supported: ");
        assert!(ran.stdout.starts_with(&start) && ran.stdout.contains(USAGE), "{ran:?}");
        assert_eq!((ran.stderr.as_str(), ran.status), ("", Some(1)));
    }
}

#[test]
fn lists_end_at_eight() {
    for (flag, what) in [
        ("--dir=.", "dir"),
        ("--map-dir=/::.", "map dir"),
        ("--env=A=B", "env"),
        ("--addr-pool=1.2.3.4/8", "address"),
        ("--allow-resolve=x", "ns lookup"),
        ("--native-lib=x", "native lib"),
    ] {
        iwasm([&[flag; 9][..], &["x.wasm"]].concat()).expect(&format!("Only allow max {what} number 8\n"), 1);
    }
}

#[test]
fn version() {
    let ran = iwasm(["--version", "--whatever-comes-then"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.starts_with("iwasm 2.4.3\n\n"), "{}", ran.stdout);
    for line in [
        "    - Fixed-width SIMD via WASM_ENABLE_SIMD: 1\n",
        "    - Tail call via WASM_ENABLE_TAIL_CALL: 1\n",
        "    - Memory64 via WASM_ENABLE_MEMORY64: 0\n",
        "    - Relaxed SIMD\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}");
    }
}

#[test]
fn a_wasi_program() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    iwasm([&*hello]).expect("hello\n", 3);
    iwasm(["--interp", "--stack-size=4096", "--heap-size=0", "--allow-resolve=*.org", &hello])
        .expect("hello\n", 3);
}

#[test]
fn it_ends_when_nobody_reads() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = iwasm_command([&*hello]);
    command.stdout(writer);
    drop(reader);
    // By SIGPIPE, like any C program.
    assert_eq!(crate::support::run(command).status, None);
}

#[test]
fn arguments_and_environment() {
    let folder = Folder::new();
    let args = folder.module("args.wasm", &strings_of("args"));
    let environ = folder.module("environ.wasm", &strings_of("environ"));
    iwasm([&*args, "one", "--env=no", "-f"]).expect(&format!("{args}\0one\0--env=no\0-f\0"), 0);
    iwasm(["--env=A=1", "--env=B==x y", &environ]).expect("A=1\0B==x y\0", 0);
    iwasm([&*environ]).expect("", 0);
    for entry in ["A", "=1"] {
        let ran = iwasm([&format!("--env={entry}"), &environ]);
        let message =
            format!("Wasm parse env string failed: expect \"key=value\", got \"{entry}\"\nUsage: iwasm ");
        assert!(ran.stdout.starts_with(&message), "{ran:?}");
        assert_eq!(ran.status, Some(1));
    }
}

#[test]
fn directories() {
    let folder = Folder::new();
    let reader = folder.module("reader.wasm", READER);
    std::fs::create_dir(folder.at("folder")).unwrap();
    folder.write("folder/f", "content ");
    let mapped = format!("--map-dir=/guest::{}", folder.text("folder"));
    iwasm([&mapped, &reader]).expect("content /guest", 0);
    let mut own_name = iwasm_command(["--dir=folder", &reader]);
    own_name.current_dir(folder.path());
    crate::support::run(own_name).expect("content folder", 0);
    iwasm([&*reader]).expect("", 8); // EBADF: there is no directory
}

#[test]
fn surroundings_that_cannot_be_made() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    // The messages of the directories end their lines themselves.
    expect_both(
        &iwasm(["--dir=/", "--dir=/no/such", &hello]),
        "error while pre-opening directory /no/such: 2\n\n",
        255,
        "iwasm: --dir=/no/such: No such file or directory\n",
    );
    expect_both(
        &iwasm([&format!("--dir={hello}"), &hello]),
        &format!("error while pre-opening directory {hello}: 20\n\n"),
        255,
        &format!("iwasm: --dir={hello}: Not a directory\n"),
    );
    expect_both(
        &iwasm(["--map-dir=/::/", "--map-dir=a:/tmp", &hello]),
        "error while pre-opening mapped directory: invalid map\n\n",
        255,
        "iwasm: --map-dir=a:/tmp: expected GUEST::HOST\n",
    );
    expect_both(
        &iwasm(["--map-dir=a::/no/such", &hello]),
        "error while pre-opening mapped directory /no/such: 2\n\n",
        255,
        "iwasm: --map-dir=a::/no/such: /no/such: No such file or directory\n",
    );
    iwasm(["--addr-pool=1.2.3.4/8,1.2.3.4", &hello])
        .expect("Invalid address pool entry: 1.2.3.4, must be in the format of ADDRESS/MASK\n", 255);
    iwasm(["--addr-pool=1.2.3.4/x", &hello])
        .expect("Invalid address pool entry: mask must be a number\n", 255);
}

#[test]
fn results() {
    call(&["nothing"]).expect("\n", 0);
    call(&["add", "2", "-3"]).expect("0xffffffff:i32\n", 0);
    call(&["add", "0x10", "010"]).expect("0x18:i32\n", 0);
    call(&["i64", "-2"]).expect("0xfffffffffffffffe:i64\n", 0);
    call(&["f32", "0.1"]).expect("0.1:f32\n", 0);
    call(&["f64", "1e10"]).expect("1e+10:f64\n", 0);
    call(&["f64", "nan"]).expect("nan:f64\n", 0);
    call(&["v128", "1\\0xff"]).expect("<0x0000000000000001 0x00000000000000ff>:v128\n", 0);
    call(&["ref", "0"]).expect("0:ref.func\n", 0);
    call(&["ref", "1"]).expect("func:ref.null\n", 0);
    call(&["extern", "null"]).expect("extern:ref.null\n", 0);
    call(&["extern", "0x123"]).expect("0x123:ref.extern\n", 0);
    call(&["two words"]).expect("0xffffffff:i32,0x10:i64\n", 0);
}

#[test]
fn wrong_arguments() {
    call(&["add", "1"]).expect("Exception: invalid input argument count\n", 1);
    call(&["add", "1", "2", "3"]).expect("Exception: invalid input argument count\n", 1);
    call(&["add", "1", "two"]).expect("Exception: invalid input argument 1: two\n", 1);
    call(&["add", "", "2"]).expect("Exception: invalid input argument 0\n", 1);
    call(&["gone"]).expect("Exception: lookup function gone failed\n", 1);
}

/// On standard error: what is on standard output does not depend on the engine.
#[test]
fn a_trap_names_the_functions_that_were_running() {
    let names = |ran: &Ran| {
        let lines = ran.stderr.lines().filter(|line| line.starts_with('#'));
        lines.map(|line| line.split(" - ").nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let folder = Folder::new();
    let text = r#"(module
        (func $inner (unreachable))
        (func $outer (export "go") (call $inner) (call $inner))
        (func (export "none")))"#;
    let file = folder.module("stack.wasm", text);
    let ran = iwasm(["-f", "go", &file]);
    ran.expect("Exception: unreachable\n", 1);
    assert_eq!(names(&ran), ["inner", "outer"], "{}", ran.stderr);
    assert!(ran.stderr.starts_with("\n#00: 0x"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(" - outer\n\n"), "{}", ran.stderr);

    let fine = iwasm(["-f", "none", &file]);
    assert_eq!((fine.stderr.as_str(), fine.status), ("", Some(0)));
    // An exception that is no trap has no call stack, not even an old one.
    let missing = iwasm(["-f", "gone", &file]);
    missing.expect("Exception: lookup function gone failed\n", 1);
    assert_eq!(names(&missing), [""; 0], "{}", missing.stderr);
}

#[test]
fn traps() {
    call(&["unreachable"]).expect("Exception: unreachable\n", 1);
    let folder = Folder::new();
    let file = folder.module("functions.wasm", FUNCTIONS);
    // A stack is never smaller than 8 MiB, and this needs at least two slots of 8 bytes a call.
    iwasm(["--stack-size=4096", "-f", "deep", &file, "1000000"])
        .expect("Exception: wasm operand stack overflow\n", 1);
    iwasm(["--stack-size=268435456", "-f", "deep", &file, "1000000"]).expect("0x7:i32\n", 0);
    // WAMR's text, and whose doing it was.
    let ran = iwasm(["--timeout=50", "-f", "spin", &file]);
    let (stack, said) = ran.stderr.rsplit_once("\n\n").expect("a call stack");
    assert!(stack.starts_with("\n#00: 0x") && stack.ends_with(" - spin"), "{ran:?}");
    assert_eq!(said, "iwasm: the time was up: the program was stopped after 50 ms (--timeout)\n");
    assert_eq!((ran.stdout.as_str(), ran.status), ("Exception: terminated by user\n", Some(1)));
    expect_both(&iwasm(["--timeout=60000", "-f", "nothing", &file]), "\n", 0, "");
    let ran = iwasm(["--timeout=60000", "-f", "unreachable", &file]);
    ran.expect("Exception: unreachable\n", 1);
    assert!(!ran.stderr.contains("the time was up"), "{ran:?}");
}

#[test]
fn programs_with_main() {
    let folder = Folder::new();
    // The result is not passed on.
    let plain = folder.module("plain.wasm", r#"(module (func (export "main") (result i32) (i32.const 5)))"#);
    iwasm([&*plain]).expect("", 0);
    // Traps unless it was given two arguments, the second of them "x".
    let with_args = folder.module(
        "args.wasm",
        r#"(module (memory (export "memory") 1 10)
            (func (export "__main_argc_argv") (param i32 i32) (result i32)
                (if (i32.ne (local.get 0) (i32.const 2)) (then unreachable))
                (if (i32.ne (i32.load16_u (i32.load offset=4 (local.get 1))) (i32.const 0x78)) (then unreachable))
                (drop (memory.grow (i32.const 0)))
                (i32.const 1)))"#,
    );
    iwasm(["--heap-size=8192", &with_args, "x"]).expect("", 0);
    iwasm(["--heap-size=8192", &with_args, "y"]).expect("Exception: unreachable\n", 1);
    iwasm(["--heap-size=8192", &with_args]).expect("Exception: unreachable\n", 1);
    let no_room = iwasm([&*with_args, "x"]);
    assert!(no_room.stdout.ends_with("Exception: allocate memory failed\n"), "{no_room:?}");
    assert_eq!(no_room.status, Some(1));
    let none = folder.module("none.wasm", "(module)");
    iwasm([&*none]).expect(
        "Exception: lookup the entry point symbol (like _start, main, _main, __main_argc_argv) failed\n",
        1,
    );
}

#[test]
fn files_that_are_no_programs() {
    let folder = Folder::new();
    expect_both(
        &iwasm(["/no/such.wasm"]),
        "Read file to buffer failed: open file /no/such.wasm failed.\n",
        255,
        "iwasm: /no/such.wasm: No such file or directory\n",
    );
    let path = folder.path().to_str().unwrap();
    expect_both(
        &iwasm([path]),
        "Read file to buffer failed: read file content failed.\n",
        255,
        &format!("iwasm: {path} is a directory; the name of a file in it is needed\n"),
    );
    let text = folder.write("text", "#!/bin/sh\n");
    iwasm([&*text]).expect("WASM module load failed: magic header not detected\n", 255);
    let module = folder.write("module.wat", ";; hello\n(module)\n");
    expect_both(
        &iwasm([&*module]),
        "WASM module load failed: magic header not detected\n",
        255,
        &format!(
            "iwasm: {module}: it is WebAssembly's text format: make a module of it with `wat2wasm`, and run that\n"
        ),
    );
    // There is a warning about allocating nothing as well.
    let empty = iwasm(["-v=1", &folder.write("empty", "")]);
    empty.expect("WASM module load failed: unexpected end\n", 255);
    assert!(empty.stderr.ends_with("/empty: the file is empty\n"), "{empty:?}");
    for (name, bytes, stdout, part) in [
        (
            "component.wasm",
            b"\0asm\x0d\0\x01\0".to_vec(),
            "unknown binary version",
            "component.wasm: it is a component (version 13), and only modules can be run",
        ),
        (
            "exceptions.wasm",
            wat::parse_str("(module (tag))").unwrap(),
            "invalid section id (exceptions are not implemented)",
            "exceptions.wasm: it needs exception handling, which is not implemented here",
        ),
        (
            "memory64.wasm",
            wat::parse_str("(module (memory i64 1))").unwrap(),
            "invalid limits flags (64-bit memories are not implemented)",
            "memory64.wasm: it needs 64-bit memories (memory64), which is not implemented here",
        ),
    ] {
        let refused = iwasm([folder.write(name, bytes)]);
        refused.expect(&format!("WASM module load failed: {stdout}\n"), 255);
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let version = folder.write("version", b"\0asm\x02\0\0\0");
    iwasm([&*version]).expect("WASM module load failed: unknown binary version\n", 255);
    let compiled = iwasm([folder.write("aot", b"\0aot\x06\0\0\0")]);
    assert!(compiled.stdout.starts_with("AOT module load failed: "), "{compiled:?}");
    assert_eq!(compiled.status, Some(255));
    let start = folder.module("start.wasm", "(module (start 0) (func unreachable))");
    iwasm([&*start]).expect("WASM module instantiate failed: Exception: unreachable\n", 255);
}

#[test]
fn log_levels() {
    let folder = Folder::new();
    let file = folder.module(
        "unlinked.wasm",
        r#"(module (import "nowhere" "f" (func $f)) (func (export "call") (call $f)) (func (export "not")))"#,
    );
    let warned = iwasm(["-f", "not", &file]);
    let (line, rest) = warned.stdout.split_once('\n').unwrap();
    assert!(line.ends_with("]: warning: failed to link import function (nowhere, f)"), "{line}");
    assert!(line.starts_with('[') && line.as_bytes()[3] == b':' && line.contains(" - "), "{line}");
    assert_eq!((rest, warned.status), ("\n", Some(0)));
    // The time of day, where the process is.
    let minutes = |line: &str| -> i64 {
        let hours: i64 = line[1..3].parse().unwrap();
        hours * 60 + line[4..6].parse::<i64>().unwrap()
    };
    for zone in ["UTC", "XYZ-5:30"] {
        let date = |command: &mut Command| {
            let output = command.arg("+[%H:%M").env("TZ", zone).output().unwrap();
            minutes(&String::from_utf8(output.stdout).unwrap())
        };
        let mut command = iwasm_command(["-f", "not", &file]);
        command.env("TZ", zone);
        let warned = crate::support::run(command);
        let behind = date(&mut Command::new("date")) - minutes(&warned.stdout);
        assert!((0..5).contains(&behind.rem_euclid(24 * 60)), "{zone}: {warned:?}");
    }
    iwasm(["-v=1", "-f", "not", &file]).expect("\n", 0);
    let exception = "Exception: failed to call unlinked import function (nowhere, f)\n";
    iwasm(["-v=0", "-f", "call", &file]).expect(exception, 1);
    assert_eq!(iwasm(["-v=5", "-f", "not", &file]).status, Some(0));
}

#[test]
fn repl() {
    let folder = Folder::new();
    let file = folder.module("functions.wasm", FUNCTIONS);
    let repl = |input| run_with_input(iwasm_command(["--repl", &file]), input);
    const PROMPT: &str = "webassembly> ";
    repl("add 1 2\n\n   \nunreachable\nnothing\n__exit__\nadd 1 2\n").expect(
        &format!(
            "{PROMPT}0x3:i32\n{PROMPT}{PROMPT}{PROMPT}Exception: unreachable\n{PROMPT}\n{PROMPT}exit repl mode\n"
        ),
        0,
    );
    repl("two\\words").expect(&format!("{PROMPT}0xffffffff:i32,0x10:i64\n{PROMPT}"), 0);
    repl("gone\n").expect(&format!("{PROMPT}Exception: lookup function gone failed\n{PROMPT}"), 1);
}
