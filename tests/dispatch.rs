//! Machine code of the interpreter's instructions: each hands over to the next by a jump. One that called it would use up the
//! host's stack with every instruction, and only when a program is run for long would anybody notice.
//!
//! Where calls in tail position are not relied upon (`crates/interp/build.rs`), and with debug assertions, a loop dispatches, and
//! there is nothing to look at.

#![cfg(not(debug_assertions))]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many functions there are at least: most handlers are generic.
const AT_LEAST: usize = 1000;

/// Handlers that end the run, and so dispatch to nothing.
const LAST: [&str; 2] = ["finish", "unreachable"];

/// Where the interpreter's handlers are.
const PATH: &str = "wayfarer_interp::exec::";

/// An architecture's instructions, as objdump writes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Machine {
    X86,
    Arm,
}

/// What an instruction does to the flow of control.
#[derive(PartialEq, Eq, Debug)]
enum Flow<'a> {
    /// A call of what only the machine knows.
    CallsAny,
    /// A call of a function.
    Calls(&'a str),
    /// A jump to where only the machine knows.
    JumpsAnywhere,
    /// A jump.
    Jumps(&'a str),
    Other,
}

impl Machine {
    fn flow(self, instruction: &str) -> Flow<'_> {
        let (name, operand) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let operand = operand.trim();
        // `1b0170 <name+0x10>`
        let target = || operand.split_once('<').map_or("", |(_, name)| name.trim_end_matches('>'));
        match (self, name) {
            // An address that the linker filled in is that of a function of another library.
            (Machine::X86, "call" | "callq") if operand.starts_with('*') && !operand.contains("(%rip)") => {
                Flow::CallsAny
            }
            (Machine::X86, "call" | "callq") => Flow::Calls(target()),
            (Machine::X86, "jmp" | "jmpq" | "notrack") if operand.contains('*') => Flow::JumpsAnywhere,
            (Machine::X86, _) if name.starts_with('j') => Flow::Jumps(target()),
            (Machine::Arm, "blr" | "blraa" | "blraaz") => Flow::CallsAny,
            (Machine::Arm, "bl") => Flow::Calls(target()),
            (Machine::Arm, "br" | "braa" | "braaz") => Flow::JumpsAnywhere,
            (Machine::Arm, "b") => Flow::Jumps(target()),
            _ => Flow::Other,
        }
    }
}

/// A handler's name in front of hashes, arguments and offsets: `vector::shuffle`.
fn handler_name(symbol: &str) -> Option<&str> {
    let (_, path) = symbol.split_once(PATH)?;
    let (module, rest) = path.split_once("::")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&path[..module.len() + 2 + end])
}

/// Functions in the interpreter's modules of handlers, with their instructions; several may have one name.
fn functions(listing: &str) -> Vec<(&str, Vec<String>)> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    let mut current = None;
    for line in listing.lines() {
        if let Some((_, symbol)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            current = handler_name(symbol);
            found.extend(current.map(|name| (name, Vec::new())));
        } else if let (Some(_), Some((_, body))) = (current, found.last_mut()) {
            if let Some((_, instruction)) = line.split_once(":\t") {
                body.push(instruction.to_owned());
            } else if ["R_AARCH64_CALL26\t", "R_AARCH64_JUMP26\t"].iter().any(|kind| line.contains(kind))
                && let (Some(last), Some((_, target))) = (body.last_mut(), line.rsplit_once('\t'))
            {
                // In an object that is not linked yet, this is where the instruction above leads to.
                let name = last.split_whitespace().next().unwrap_or_default();
                *last = format!("{name}\t0 <{target}>");
            }
        }
    }
    found
}

/// What is wrong with a listing of the interpreter's machine code.
fn faults(listing: &str, machine: Machine) -> Vec<String> {
    let names: BTreeSet<String> =
        wayfarer_interp::handlers().map(|(module, name)| format!("{module}::{name}")).collect();
    let mut faults = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, body) in functions(listing) {
        if !names.contains(name) {
            continue;
        }
        *counts.entry(name).or_default() += 1;
        let is_handler = |symbol: &str| handler_name(symbol).is_some_and(|name| names.contains(name));
        let mut hands_over = LAST.iter().any(|last| name.ends_with(last));
        for instruction in &body {
            match machine.flow(instruction) {
                Flow::CallsAny => faults.push(format!("{name} dispatches by `{instruction}`")),
                Flow::Calls(symbol) if is_handler(symbol) => {
                    faults.push(format!("{name} calls a handler: `{instruction}`"));
                }
                Flow::JumpsAnywhere => hands_over = true,
                Flow::Jumps(symbol) if is_handler(symbol) => {
                    // To another one, not within itself.
                    hands_over |= handler_name(symbol) != Some(name);
                }
                _ => {}
            }
        }
        if !hands_over {
            faults.push(format!("{name} jumps nowhere:\n    {}", body.join("\n    ")));
        }
    }
    let total: usize = counts.values().sum();
    if total < AT_LEAST {
        faults.push(format!("only {total} handlers were found: {counts:?}"));
    }
    let missing = names.iter().filter(|name| !counts.contains_key(name.as_str()));
    faults.extend(missing.map(|name| format!("{name} was not found")));
    faults
}

/// Disassembles a file.
fn listing(objdump: &str, file: &Path) -> String {
    let output = Command::new(objdump)
        .args(["--disassemble", "--reloc", "--demangle", "--no-show-raw-insn"])
        .arg(file)
        .output()
        .unwrap_or_else(|e| panic!("{objdump}, of Debian's binutils: {e}"));
    assert!(output.status.success(), "{objdump}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn check(objdump: &str, file: &Path, machine: Machine) {
    let faults = faults(&listing(objdump, file), machine);
    assert!(faults.is_empty(), "{}:\n{}", file.display(), faults.join("\n"));
}

/// The shared library that was built with this test.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_handler_of_the_library_calls_the_next() {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    check("objdump", &deps.join("libiwasm.so"), Machine::X86);
}

/// Optimized as in a release (scripts/cross/cargo.toml).
#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "builds for aarch64: scripts/cross/test.sh has it done"]
fn no_handler_for_aarch64_calls_the_next() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    // What is there after the other tests' build, and with their features.
    let mut build = Command::new(root.join("scripts/cross/build.sh"));
    let output = build.args(["aarch64", "spec"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let deps = target.join("cross/aarch64-unknown-linux-gnu/cross/deps");
    // Of several, for other features or compilers, the one of now.
    let of_interpreter = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libwayfarer_interp-") && name.ends_with(".rlib")
    };
    let built = std::fs::read_dir(&deps).unwrap().map(|entry| entry.unwrap().path()).filter(of_interpreter);
    let newest = built.max_by_key(|path| path.metadata().and_then(|of| of.modified()).unwrap());
    check("aarch64-linux-gnu-objdump", &newest.expect("it was built"), Machine::Arm);
}

#[test]
fn faults_are_found() {
    let jumps = format!("0010 <{PATH}copy::copy>:\n 10:\tmov    %r9,%r8\n 13:\tjmp    *(%rdi)\n");
    let of = |listing: &str, machine| {
        let mut faults = faults(listing, machine);
        faults.retain(|fault| !fault.ends_with("not found") && !fault.starts_with("only "));
        faults
    };
    assert!(of(&jumps, Machine::X86).is_empty());
    assert_eq!(of(&jumps.replace("jmp ", "call"), Machine::X86).len(), 2, "calls, and jumps nowhere");
    let direct = jumps.replace("mov    %r9,%r8", &format!("call   20 <{PATH}copy::copy2>"));
    assert_eq!(
        of(&direct, Machine::X86),
        [format!("copy::copy calls a handler: `call   20 <{PATH}copy::copy2>`")]
    );
    // Arguments of a generic handler, and hashes, are no part of its name.
    let generic = jumps.replace("copy::copy>", "arith::unary::<wayfarer_interp::exec::num::I32Clz>>");
    assert!(of(&generic, Machine::X86).is_empty());
    assert_eq!(handler_name(&format!("{PATH}copy::copy2::h01")), Some("copy::copy2"));

    let arm = format!("0010 <{PATH}copy::copy>:\n 10:\tldr\tx8, [x0]\n 13:\tbr\tx8\n");
    assert!(of(&arm, Machine::Arm).is_empty());
    assert_eq!(of(&arm.replace("br\t", "blr\t"), Machine::Arm).len(), 2);
    let unlinked = |kind: &str, target: &str| {
        arm.replace("ldr\tx8, [x0]", &format!("{kind}\t0 <{PATH}copy::copy>\n\t\t\t10: {target}"))
    };
    let calls = unlinked("bl", "R_AARCH64_CALL26\tmemcpy");
    assert!(of(&calls, Machine::Arm).is_empty());
    let calls = unlinked("bl", &format!("R_AARCH64_CALL26\t{PATH}copy::copy2"));
    assert_eq!(of(&calls, Machine::Arm).len(), 1);

    let none = faults("", Machine::X86);
    assert!(none[0].starts_with("only 0 handlers"), "{none:?}");
    assert!(none.contains(&"vector::shuffle was not found".to_owned()), "{none:?}");
}
