//! What the README, the other documents and the manual pages say to type is typed, as it stands there, and does what they
//! say. A new block is run, or listed here with the reason why not.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Folder, Ran, built, run};

/// The letters that the program of these tests prints; restored, it prints those that were left.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// What becomes of a block.
enum Fate {
    /// It is run in a folder with a program in it, all at once, as if pasted. Each of its commands succeeds; standard output
    /// is this, but for what `wayfarer request` reports in between,
    Prints(&'static str),
    /// or it has this in it.
    Has(&'static [&'static str]),
    /// It is not run.
    Not(&'static str),
}
use Fate::{Has, Not, Prints};

/// Every block: its document, something that only it has, and its fate.
const BLOCKS: &[(&str, &str, Fate)] = &[
    ("README.md", "./your-host app.wasm", Prints(ALPHABET)),
    ("README.md", "static void\nsave(wasm_exec_env_t env)", Not("C: readme.rs compiles and runs it")),
    ("README.md", "make build ", Not("builds and installs: `make test` and tests/install/run do")),
    (
        "README.md",
        "clang-19 --target=wasm32-wasi",
        Prints("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n"),
    ),
    ("README.md", "your host            iwasm", Not("a drawing")),
    (
        "README.md",
        "wamrc -o app.aot app.wasm",
        Has(&["Compile success, file app.aot was generated.\n", "xyz"]),
    ),
    ("docs/checkpoints.md", "iwasm --checkpoint=a.image", Not("three programs: pipeline.rs types it")),
    ("docs/checkpoints.md", "deadlock: thread 0", Not("of another program: waits.rs inspects one")),
    ("docs/checkpoints.md", "iwasm --record=app.log", Not("a transcript: record.rs records and prints")),
    ("docs/image-format.md", "offset 0   header", Not("a drawing")),
    ("packaging/man/iwasm.1", "WAYFARER_CHECKPOINT_EVERY", Not("names of variables")),
    ("packaging/man/iwasm.1", "--restore=app.image", Prints(ALPHABET)),
    (
        "packaging/man/wamrc.1",
        "wamrc --target=aarch64",
        Prints("Compile success, file app.aot was generated.\n"),
    ),
    ("packaging/man/wayfarer.1", "wayfarer inspect", Has(&["checkpoint 1 (signal)", "memory 0: 64 KiB"])),
];

/// The documents in which blocks are looked for.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    for (folder, suffix) in [("docs", "md"), ("packaging/man", "1")] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("it can be listed").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|e| e == suffix)));
    }
    found
}

/// A block, and where it is.
struct Block {
    document: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let document = path.strip_prefix(root).expect("below it").to_str().expect("UTF-8").to_owned();
        let texts = if document.ends_with(".md") { fenced(&text) } else { displayed(&text) };
        found.extend(texts.into_iter().map(|text| Block { document: document.clone(), text }));
    }
    found
}

/// Blocks of Markdown, but for pictures.
fn fenced(markdown: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut is_inside, mut is_picture) = (false, false);
    for line in markdown.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_inside = !is_inside;
            is_picture = language == "mermaid";
            if is_inside && !is_picture {
                found.push(String::new());
            }
        } else if is_inside && !is_picture {
            let block = found.last_mut().expect("begun");
            *block += line;
            block.push('\n');
        }
    }
    assert!(!is_inside, "a block has no end");
    found
}

/// Displays of a manual page, between `.nf` and `.fi`, as they are printed.
fn displayed(page: &str) -> Vec<String> {
    let parts = page.split("\n.nf\n").skip(1).map(|part| part.split("\n.fi\n").next().unwrap_or_default());
    let printed = |part: &str| {
        let mut text = part.lines().filter(|line| !line.starts_with('.')).collect::<Vec<_>>().join("\n");
        for (escape, plain) in [("\\-", "-"), ("\\fI", ""), ("\\fP", ""), ("\\(aq", "'")] {
            text = text.replace(escape, plain);
        }
        assert!(!text.contains('\\'), "an escape that is not known here: {text}");
        text + "\n"
    };
    parts.map(printed).collect()
}

/// What to type: where prompts are shown, what stands behind them, and comments.
fn commands(block: &str) -> String {
    let has_prompts = block.lines().any(|line| line.starts_with("$ "));
    let typed = block.lines().filter_map(|line| match line.strip_prefix("$ ") {
        Some(command) => Some(command),
        None if !has_prompts || line.trim_start().starts_with('#') => Some(line),
        // What is printed.
        None => None,
    });
    typed.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_block_is_run_or_listed() {
    let blocks = blocks();
    assert!(blocks.len() >= BLOCKS.len(), "{} blocks", blocks.len());
    for block in &blocks {
        let fates = BLOCKS.iter().filter(|(d, part, _)| *d == block.document && block.text.contains(part));
        assert_eq!(fates.count(), 1, "{}: what is to become of this?\n{}", block.document, block.text);
    }
    for (document, part, fate) in BLOCKS {
        assert!(!matches!(fate, Not("")), "{document}: {part}: why is it not run?");
        let there = blocks.iter().filter(|b| b.document == *document && b.text.contains(part)).count();
        assert_eq!(there, 1, "{document}: {part}");
    }
}

/// Prints the alphabet, and waits a tenth of a second before each letter: there is time to stop it, whatever runs it.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func (export "_start") (local $printed i32)
        (i32.store (i32.const 80) (i32.const 1)) ;; the monotonic clock
        (i64.store (i32.const 88) (i64.const 100000000))
        (loop $next
            (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 200)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 200)))
            (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
            (local.set $printed (i32.add (local.get $printed) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $printed) (i32.const 26))))))"#;

/// A host as there are many, which knows nothing of checkpoints.
const HOST: &str = r#"
#include <stdio.h>
#include "wasm_export.h"

int
main(int argc, char **argv)
{
    static uint8_t bytes[1 << 16];
    char error[1024] = "";
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    uint32_t size = file ? (uint32_t)fread(bytes, 1, sizeof(bytes), file) : 0;
    wasm_module_t module;
    wasm_module_inst_t inst;
    if (!wasm_runtime_init() || !(module = wasm_runtime_load(bytes, size, error, sizeof(error)))
        || !(inst = wasm_runtime_instantiate(module, 65536, 0, error, sizeof(error)))) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    return wasm_application_execute_main(inst, 0, NULL) ? 0 : 1;
}
"#;

/// A folder with the programs in `bin`, `your-host`, and `app.wasm`.
fn place() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.at("bin")).unwrap();
    for program in ["iwasm", "wayfarer", "wamrc"] {
        symlink(built().join(program), folder.at("bin").join(program)).unwrap();
    }
    folder.module("app.wasm", PROGRAM);
    let library = std::env::current_exe().unwrap().with_file_name("libiwasm.so");
    symlink(&library, folder.at("libiwasm.so.2")).unwrap();
    let source = folder.write("host.c", HOST);
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-o", &folder.text("your-host"), &source])
        .arg(&library)
        .status();
    assert!(compiled.expect("a C compiler").success());
    folder
}

fn type_in(folder: &Folder, script: &str) -> Ran {
    let path = format!("{}:{}", folder.text("bin"), std::env::var("PATH").unwrap_or_default());
    // What is started beside is waited for, so that nothing is left behind; its own status is its own matter.
    let script = format!("set -e\n{script}\nwait || true\n");
    let mut command = crate::support::command(&["bash", "-c"], [script]);
    command.current_dir(folder.path()).env("PATH", path).env("LD_LIBRARY_PATH", folder.path());
    run(command)
}

/// What was printed but for the line of `wayfarer request --wait`, which comes between two letters, or before the first.
fn without_report(printed: &str) -> String {
    match printed.split_once("app.image: checkpoint 1 of process ") {
        Some((before, rest)) => before.to_owned() + rest.split_once('\n').map_or("", |(_, after)| after),
        None => printed.to_owned(),
    }
}

#[test]
fn what_is_to_be_typed_works() {
    for block in blocks() {
        let fate = BLOCKS.iter().find(|(d, part, _)| *d == block.document && block.text.contains(part));
        let Some((document, _, fate)) = fate else { continue };
        let script = commands(&block.text);
        let ran = match fate {
            Not(_) => continue,
            Prints(_) | Has(_) => type_in(&place(), &script),
        };
        assert_eq!(ran.status, Some(0), "{document}:\n{script}\n{ran:?}");
        match fate {
            Prints(text) => {
                assert_eq!(&without_report(&ran.stdout), text, "{document}:\n{script}\n{ran:?}");
            }
            Has(parts) => {
                for part in *parts {
                    assert!(ran.stdout.contains(part), "{part}: {document}:\n{script}\n{ran:?}");
                }
            }
            Not(_) => {}
        }
    }
}

#[test]
fn what_is_typed_is_what_is_shown() {
    assert_eq!(commands("$ a &\n$ b   # c\n    # more\nprinted\n"), "a &\nb   # c\n    # more");
    assert_eq!(commands("a\nb\n"), "a\nb");
    assert_eq!(without_report("abapp.image: checkpoint 1 of process 7, 8 bytes\ncd"), "abcd");
    assert_eq!(without_report("app.aot\n"), "app.aot\n");
    assert_eq!(fenced("x\n```\na\n```\n```c\nb\nc\n```\n"), ["a\n", "b\nc\n"]);
    assert_eq!(displayed(".B x\n.nf\n.RS\na \\-\\-b=\\fIC\\fP\n.RE\n.fi\n.SH y\n"), ["a --b=C\n"]);
}

#[test]
fn a_command_that_fails_is_noticed() {
    let folder = Folder::new();
    std::fs::create_dir(folder.at("bin")).unwrap();
    assert_ne!(type_in(&folder, "true\nfalse\ntrue").status, Some(0));
    assert_eq!(type_in(&folder, "false &\ntrue").status, Some(0));
}
