//! `wamrc`: its options and what it says.

use crate::compiled::{HELLO, compile, wamrc};
use crate::support::{Folder, Ran, iwasm};

/// The strings of LLVM's in a file, of which features of processors are some.
fn contains(path: &str, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

const USAGE: &str = "Usage: wamrc [OPTION...] -o OUTPUT FILE\n";

/// The command line was not accepted; it says why, and where there is help.
#[track_caller]
fn expect_usage(ran: &Ran, why: &str) {
    ran.expect(&format!("wamrc: {why}\n{USAGE}Try `wamrc --help`.\n"), 1);
}

#[test]
fn help() {
    for word in ["--help", "-h"] {
        let help = wamrc([word]);
        assert!(help.stdout.starts_with(USAGE) && help.stdout.contains("\n  --help, -h "), "{help:?}");
        assert_eq!((help.stderr.as_str(), help.status), ("", Some(0)));
    }
    let nothing = wamrc::<&str>([]);
    assert_eq!((nothing.stdout, nothing.status), (wamrc(["--help"]).stdout, Some(1)));
}

#[test]
fn versions_and_lists() {
    let version = wamrc(["--version"]);
    assert!(version.stdout.starts_with("wamrc 2.4.3\n"), "{version:?}");
    assert_eq!(version.status, Some(0));
    let llvm = wamrc(["--llvm-version"]);
    assert!(llvm.stdout.starts_with("LLVM 19."), "{llvm:?}");
    assert_eq!(llvm.status, Some(0));
    for (words, part) in [
        (&["--target=help"][..], "  s390x\n"),
        (&["--target=help"], "  aarch64v8.2\n"),
        (&["--target-abi=help"], "  riscv64: lp64d"),
        (&["--target=x86_64", "--cpu=help"], "  haswell\n"),
        (&["--target=s390x", "--cpu-features=+help"], "  vector\n"),
    ] {
        let list = wamrc(words);
        assert!(list.stdout.contains(part), "{list:?}");
        assert_eq!((list.stderr.as_str(), list.status), ("", Some(1)));
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let out = folder.text("out.aot");
    for (words, why) in [
        (&[&*hello][..], "-o OUTPUT is missing"),
        (&["-o", &out], "the name of the FILE to compile is missing"),
        (&["--nonsense", "-o", &out, &hello], "there is no option `--nonsense`"),
        (&["--opt-level=fast", "-o", &out, &hello], "--opt-level=fast: expected a level, 0 to 3"),
    ] {
        expect_usage(&wamrc(words), why);
    }
    let format = wamrc(["--format=x", "-o", &out, &hello]);
    assert!(format.stdout.starts_with(&format!("Invalid format x.\n{USAGE}")), "{format:?}");
    assert_eq!(format.status, Some(1));
    wamrc(["-o", &hello, &hello]).expect("Error: input file and output file are the same\n", 255);
    let here = folder.path().to_str().unwrap();
    for (file, message, advice) in [
        (
            "/no/such.wasm",
            "Read file to buffer failed: open file /no/such.wasm failed.",
            "/no/such.wasm: No such file or directory",
        ),
        (here, "Read file to buffer failed: read file content failed.", "Is a directory"),
        (
            &folder.write("hello.wat", "(module)"),
            "Invalid wasm file: magic header not detected",
            "hello.wat: it is WebAssembly's text format: make a module of it with `wat2wasm`",
        ),
        (
            &folder.write("bad.wasm", b"\0asm\x02\0\0\0"),
            "WASM module load failed: unknown binary version",
            "bad.wasm: it has version 2 of the binary format",
        ),
        (
            &folder.write("component.wasm", b"\0asm\x0d\0\x01\0"),
            "WASM module load failed: unknown binary version",
            "component.wasm: it is a component",
        ),
        (
            &folder.module("memory64.wasm", "(module (memory i64 1))"),
            "WASM module load failed: invalid limits flags (64-bit memories are not implemented)",
            "memory64.wasm: it needs 64-bit memories (memory64), which is not implemented here",
        ),
    ] {
        let refused = wamrc(["-o", &out, file]);
        refused.expect(&format!("{message}\n"), 1);
        assert!(refused.stderr.starts_with("wamrc: ") && refused.stderr.contains(advice), "{refused:?}");
    }
    wamrc(["--xip", "-o", &out, &hello])
        .expect("Error: --xip: code cannot be run in place, it is relocated when loaded\n", 1);
    for (option, why) in [
        ("--target=xtensa", "there is no target xtensa"),
        ("--target=x86_64-apple-darwin", "Linux only"),
        ("--cpu=nonsense", "nonsense is not a processor"),
        ("--cpu-features=+nonsense", "+nonsense: expected"),
        ("--mllvm=-nonsense", "Unknown command line argument '-nonsense'"),
        ("--target-abi=gnu", "goes with --target"),
        ("--target=thumbv7em", "there is no target thumbv7em: the runtime needs a 64-bit machine with Linux"),
        ("--use-prof-file=/no/such", "--use-prof-file=/no/such: No such file or directory"),
    ] {
        let ran = wamrc([option, "-o", &out, &hello]);
        assert!(ran.stdout.starts_with("Error: ") && ran.stdout.contains(why), "{ran:?}");
        assert_eq!(ran.status, Some(1));
    }
    let nowhere = wamrc(["-o", "/no/such/folder/x.aot", &hello]);
    assert!(nowhere.stdout.starts_with("Error: /no/such/folder/x.aot: "), "{nowhere:?}");
    assert!(!folder.at("out.aot").exists(), "nothing was written");
}

#[test]
fn notes_about_what_has_no_effect() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let out = folder.text("out.aot");
    let done = format!("Compile success, file {out} was generated.\n");
    let segue = "note: --enable-segue has no effect: memory is not accessed by segment registers\n";
    wamrc(["--enable-segue=i32.load", "-o", &out, &hello]).expect(&format!("{segue}{done}"), 0);
    wamrc(["-v=1", "--enable-segue", "-o", &out, &hello]).expect(&done, 0);
    wamrc(["--enable-tail-call", "--enable-simd", "--stack-bounds-checks=1", "-o", &out, &hello])
        .expect(&done, 0);
    let profile = format!("--use-prof-file={hello}");
    let profiles = "note: --use-prof-file has no effect: profiles are not used\n";
    wamrc([&*profile, "-o", &out, &hello]).expect(&format!("{profiles}{done}"), 0);
    let after = "note: ignored, as options come before FILE: --opt-level=0 b.wasm\n";
    wamrc(["-o", &out, &hello, "--opt-level=0", "b.wasm"]).expect(&format!("{after}{done}"), 0);
    let large = wamrc(["--target=x86_64", "--size-level=0", "-o", &out, &hello]);
    assert!(large.stdout.starts_with("note: --size-level=0 has no effect"), "{large:?}");
    let usage = wamrc(["-v=3", "-o", &out, &hello]);
    assert!(usage.stdout.contains("time ") && usage.stdout.contains(" MiB\n"), "{usage:?}");
}

#[test]
fn proposals_that_are_switched_off() {
    let folder = Folder::new();
    let simd =
        "(module (func (export \"f\") (result i32) (i32x4.extract_lane 0 (v128.const i32x4 7 0 0 0))))";
    let bulk =
        "(module (memory 1) (func (export \"f\") (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))))";
    let refs = "(module (func (export \"f\") (result externref) (ref.null extern)))";
    let options = [("--disable-simd", simd), ("--disable-bulk-memory", bulk), ("--disable-ref-types", refs)];
    for (option, _) in options {
        for (other, text) in options {
            let file = folder.module("a.wasm", text);
            let ran = wamrc([option, "-o", &folder.text("a.aot"), &file]);
            if option == other {
                assert!(ran.stdout.starts_with("WASM module load failed: "), "{ran:?}");
                assert!(ran.stdout.contains(option), "{ran:?}");
                assert_eq!(ran.status, Some(1));
            } else {
                assert_eq!(ran.status, Some(0), "{ran:?}");
            }
        }
    }
}

#[test]
fn options_change_what_comes_out() {
    let folder = Folder::new();
    let wasm = folder.module(
        "sum.wasm",
        r#"(module (memory (export "memory") 1)
            (func (export "sum") (param $n i32) (result i32) (local $sum i32)
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (i32.load (i32.shl (local.get $n) (i32.const 2)))))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $sum)))"#,
    );
    let bytes = |options: &[&str]| std::fs::read(compile(&wasm, options)).unwrap();
    let plain = bytes(&["--target=x86_64"]);
    assert_eq!(bytes(&["--target=x86_64", "--threads=1"]), plain, "threads change nothing");
    for option in [
        "--opt-level=0",
        "--bounds-checks=1",
        "--cpu=haswell",
        "--cpu-features=+avx2",
        "--no-checkpoint",
        "--precise-stable-points",
        "--no-continuations",
        "--target-abi=musl",
        "--mllvm=-force-vector-width=2",
    ] {
        assert_ne!(bytes(&["--target=x86_64", option]), plain, "{option}");
    }
    assert!(bytes(&["--target=x86_64", "--no-continuations"]).len() < plain.len());
    assert_eq!(bytes(&["--target=aarch64v8.1"]), bytes(&["--target=aarch64"]), "WAMR's name of it");
    let aot = compile(&wasm, &["--target=x86_64", "--cpu-features=+avx2"]);
    assert!(contains(&aot, "avx2") && contains(&aot, "sse4.2"), "what it implies is required as well");

    // An .aot file has its module in it.
    let again = folder.text("again.aot");
    assert_eq!(wamrc(["--target=x86_64", "-o", &again, &aot]).status, Some(0));
    assert_eq!(std::fs::read(&again).unwrap(), plain);
}

#[test]
fn formats() {
    let folder = Folder::new();
    let hello = folder.module("hello.wasm", HELLO);
    let out = folder.text("out");
    let compile = |format: &str| {
        let ran = wamrc([&format!("--format={format}"), "-o", &out, &hello]);
        ran.expect(&format!("Compile success, file {out} was generated.\n"), 0);
        std::fs::read(&out).unwrap()
    };
    assert!(compile("object").starts_with(b"\x7fELF"));
    let plain = String::from_utf8(compile("llvmir-unopt")).unwrap();
    let optimized = String::from_utf8(compile("llvmir-opt")).unwrap();
    assert!(plain.contains("define ") && optimized.contains("define ") && plain != optimized);
    compile("aot");
    iwasm([&*out]).expect("hello\n", 3);
}
