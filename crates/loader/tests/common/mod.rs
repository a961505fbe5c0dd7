//! Objects made by LLVM from the sources in `tests/objects`.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use wayfarer_loader::Machine;

/// The machines, with the target triples that clang and llc know.
pub(crate) const TRIPLES: [(Machine, &str); 4] = [
    (Machine::X86_64, "x86_64-unknown-linux-gnu"),
    (Machine::Aarch64, "aarch64-unknown-linux-gnu"),
    (Machine::Riscv64, "riscv64-unknown-linux-gnu"),
    (Machine::S390x, "s390x-unknown-linux-gnu"),
];

pub(crate) fn triple(machine: Machine) -> &'static str {
    TRIPLES.iter().find(|(m, _)| *m == machine).unwrap().1
}

pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(name)
}

/// Runs a program to its end. What it prints is in the panic if it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// Compiles a source file with further options, for a machine.
pub(crate) fn compile(machine: Machine, name: &str, options: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.o");
    let mut command;
    if name.ends_with(".ll") {
        command = Command::new("llc-19");
        command.args(["-O2", "-relocation-model=pic", "-filetype=obj"]);
        command.arg(format!("-mtriple={}", triple(machine)));
        // The extensions of every Linux on this machine.
        if machine == Machine::Riscv64 {
            command.arg("-mattr=+m,+a,+f,+d,+c").arg("-target-abi=lp64d");
        }
    } else {
        command = Command::new("clang-19");
        command.args(["-O2", "-fPIC", "-c", "-fexceptions", "-fvisibility=hidden", "-ffreestanding"]);
        command.args(["-target", triple(machine)]);
    }
    // An assembler takes no options of a compiler.
    if name.ends_with(".s") {
        command = Command::new("clang-19");
        command.args(["-c", "-target", triple(machine)]);
    }
    run(command.args(options).arg(source(name)).arg("-o").arg(&out));
    std::fs::read(out).unwrap()
}
