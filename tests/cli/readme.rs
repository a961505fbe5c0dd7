//! The README promises what there is.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::process::Command;

use iwasm::capi::unsupported::UNSUPPORTED;
use wayfarer_program::policy::Setting;

use crate::checkpoint::alphabet;
use crate::compiled::wamrc;
use crate::support::{Folder, Ran, built, command, iwasm, run, wayfarer};

const README: &str = include_str!("../../README.md");

/// The text between a heading and the next one of the same or a higher level.
fn section(heading: &str) -> &'static str {
    let start = README.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let body = &README[start + heading.len() + 2..];
    let level = heading.chars().take_while(|&c| c == '#').count();
    let next = body.match_indices("\n#").find(|(at, _)| {
        body[at + 1..].chars().take_while(|&c| c == '#').count() <= level && !body[..*at].ends_with("```")
    });
    &body[..next.map_or(body.len(), |(at, _)| at)]
}

/// Words that begin with this, up to a character that no name has.
fn words(text: &'static str, start: &str) -> BTreeSet<&'static str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
        .filter(|w| w.starts_with(start))
        .collect()
}

#[test]
fn functions_that_are_not_done_are_listed() {
    let listed = words(section("### WAMR's C API"), "wasm_");
    let listed: BTreeSet<_> =
        listed.into_iter().filter(|w| !["wasm_export", "wasm_c_api"].contains(w)).collect();
    assert_eq!(listed, UNSUPPORTED.iter().map(|(name, _)| *name).collect());
}

#[test]
fn functions_of_ours_are_those_of_the_header() {
    let header = include_str!("../../include/wayfarer.h");
    let declared = header.split('(').filter_map(|before| before.rsplit([' ', '*', '\n']).next());
    let declared: BTreeSet<_> =
        declared.filter(|w| w.starts_with("wayfarer_") && !w.ends_with("_t)")).collect();
    assert_eq!(words(section("### Ours: `wayfarer.h`"), "wayfarer_"), declared);
}

#[test]
fn options_are_those_of_the_help() {
    let table: BTreeSet<_> = section("## Commands")
        .split("\n| option of `wamrc` | |\n")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `-"))
        .flat_map(|line| words(line.split(" | ").next().unwrap_or_default(), "-"))
        .collect();
    let help = iwasm(["--help"]).stdout;
    let help: BTreeSet<&str> = words(help.leak(), "-");
    assert_eq!(table, help);
}

#[test]
fn options_of_wamrc_are_in_its_help() {
    let listed =
        section("## Commands").split("\n| option of `wamrc` | |\n").nth(1).expect("a table of its own");
    let listed = words(listed.split("\n\n").next().unwrap_or_default(), "--");
    assert!(listed.contains("--no-checkpoint"), "{listed:?}");
    let help = wamrc(["--help"]).stdout;
    // The line under the head is none.
    for option in listed.into_iter().filter(|w| w.contains(char::is_alphabetic)) {
        assert!(help.contains(&format!("\n  {option}")), "{option}");
    }
}

#[test]
fn commands_of_wayfarer_are_those_of_its_help() {
    let help = wayfarer(["--help"]).stdout;
    for word in [
        "inspect",
        "log",
        "verify",
        "request",
        "--json",
        "--path",
        "--fd",
        "--thread",
        "--function",
        "--signal",
        "--wait",
        "--timeout",
    ] {
        assert!(help.contains(word), "{word}");
        assert!(
            section("## Commands").lines().any(|l| l.starts_with("| `wayfarer ") && l.contains(word)),
            "{word}"
        );
    }
}

#[test]
fn variables_are_those_that_are_read() {
    let listed = words(section("## Environment"), "WAYFARER_");
    let read = Setting::ALL.iter().map(|s| s.variable());
    assert_eq!(
        listed,
        read.chain(iwasm::compiled::VARIABLES)
            .chain([iwasm::deterministic::VARIABLE, iwasm::stdio::VARIABLE, iwasm::files::VARIABLE])
            .collect()
    );
}

/// Around the example: includes before it, and this after it.
const MAIN: &str = r#"
int
main(int argc, char **argv)
{
    static NativeSymbol natives[] = { { "save", (void *)save, "()", NULL } };
    static uint8_t bytes[65536];
    char error[128];
    FILE *file = fopen(argv[argc - 1], "rb");
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof(bytes), file);
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("host", natives, 1))
        return 2;
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof(error));
    if (!module)
        return 3;
    return run(module) ? 0 : 1;
}
"#;

/// Counts to 9, asking for a checkpoint after 4.
const GUEST: &str = r#"(module
    (import "host" "save" (func $save))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\000")
    (func (export "_start") (local $n i32)
        (loop $next
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
            (if (i32.eq (local.get $n) (i32.const 4)) (then (call $save)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (i32.store8 (i32.const 8) (i32.add (i32.const 0x30) (local.get $n)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 10))))))"#;

#[test]
fn the_example_in_c_works() {
    let example =
        README.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let folder = Folder::new();
    let includes = ["<stdio.h>", "<unistd.h>", "\"wasm_export.h\"", "\"wayfarer.h\""];
    let includes: String = includes.iter().map(|i| format!("#include {i}\n")).collect();
    compile(&folder, "host", &(includes + example + MAIN));

    let guest = folder.module("guest.wasm", GUEST);
    let host = || -> Ran {
        let mut host = Command::new(folder.at("host"));
        host.arg(&guest).current_dir(folder.path()).env("LD_LIBRARY_PATH", folder.path());
        host.output().unwrap().into()
    };
    host().expect("0123456789", 0);
    assert!(folder.at("app.image").exists());
    host().expect("56789", 0);
}

/// Compiles a host, and puts the library where it finds it.
fn compile(folder: &Folder, name: &str, source: &str) {
    let source = folder.write(&format!("{name}.c"), source);
    let library = std::env::current_exe().unwrap().with_file_name("libiwasm.so");
    symlink(&library, folder.at("libiwasm.so.2")).unwrap();
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-o", &folder.text(name), &source])
        .arg(&library)
        .status();
    assert!(compiled.expect("a C compiler").success());
}

/// A host as there are many.
const HOST: &str = r#"
#include <stdio.h>
#include "wasm_export.h"
int
main(int argc, char **argv)
{
    static uint8_t bytes[65536];
    char error[128];
    FILE *file = fopen(argv[argc - 1], "rb");
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof(bytes), file);
    if (!wasm_runtime_init())
        return 2;
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof(error));
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 65536, 0, error, sizeof(error));
    wasm_application_execute_main(inst, 0, NULL);
    return (int)wasm_runtime_get_wasi_exit_code(inst);
}
"#;

/// A program that prints letters, long enough to be found at work: `app.wasm`.
fn long_program(folder: &Folder) {
    folder.module("app.wasm", &alphabet(20_000_000));
}

/// Runs commands as they are written, in a folder, with the programs in the path.
fn shell(folder: &Folder, commands: &str) -> Ran {
    let path = std::env::var("PATH").unwrap();
    let mut shell = command(&["sh", "-ec"], [commands]);
    shell.env("PATH", format!("{}:{path}", built().display()));
    shell.env("LD_LIBRARY_PATH", folder.path()).current_dir(folder.path());
    run(shell)
}

/// The commands of the block that holds this text.
fn block_with(text: &str) -> String {
    let block = README.split("```").find(|block| block.contains(text)).expect("a block of commands");
    let lines: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(lines.len() > 2, "{block}");
    lines.join("\n")
}

#[test]
fn the_first_commands_work_as_they_are_written() {
    let folder = Folder::new();
    compile(&folder, "your-host", HOST);
    long_program(&folder);
    let ran = shell(&folder, &block_with("./your-host app.wasm &"));
    assert_eq!(ran.status, Some(26), "{ran:?}");
    let letters: String = ran.stdout.lines().map(|line| line.split("app.image: ").next().unwrap()).collect();
    assert_eq!(letters, "abcdefghijklmnopqrstuvwxyz", "{ran:?}");
    assert!(ran.stdout.contains("app.image: checkpoint 1 of process "), "{ran:?}");
}

#[test]
fn the_manual_pages_example_works_as_it_is_written() {
    let page = include_str!("../../packaging/man/wayfarer.1").split(".SH EXAMPLES").nth(1).unwrap();
    let lines = page.lines().skip_while(|line| *line != ".RS").skip(1).take_while(|line| *line != ".RE");
    let commands: Vec<String> = lines.map(|line| line.replace('\\', "")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let folder = Folder::new();
    long_program(&folder);
    let ran = shell(&folder, &(commands.join("\n") + "\nkill -KILL $!"));
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("checkpoint 1 (signal)"), "{ran:?}");
}
