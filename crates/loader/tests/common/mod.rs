//! Objects made by LLVM from the sources in `tests/objects`.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use wayfarer_loader::{Code, Machine};

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

/// A function of loaded code.
macro_rules! function {
    ($code:expr, $name:literal: fn($($parameter:ty),*) $(-> $result:ty)?) => {{
        let address = $code.symbol($name).unwrap_or_else(|| panic!("{} is defined", $name));
        // SAFETY: the source says that the function has this type.
        unsafe { std::mem::transmute::<*const u8, unsafe extern "C" fn($($parameter),*) $(-> $result)?>(address) }
    }};
}

/// Calls everything that calls.c has.
pub(crate) fn check_calls(code: &Code) {
    let call_other = function!(code, "call_other": fn(i32, i32) -> i32);
    let call_table = function!(code, "call_table": fn(i32, i32, i32) -> i32);
    let call_unary = function!(code, "call_unary": fn(i32, i32) -> i32);
    let count = function!(code, "count": fn() -> i32);
    let bss = function!(code, "bss": fn(i32, i32) -> i32);
    let choose = function!(code, "choose": fn(i32, i32) -> i32);
    let polynomial = function!(code, "polynomial": fn(f64) -> f64);
    let single = function!(code, "single": fn(f32) -> f32);
    let library = function!(code, "library": fn(f64) -> f64);
    let copies = function!(code, "copies": fn(*mut u8, *const u8, usize) -> i32);
    let often = function!(code, "often": fn(i32) -> i32);
    // SAFETY: functions of calls.c, with arguments it expects.
    unsafe {
        assert_eq!(call_other(1, 2), 203);
        assert_eq!([0, 1, 2].map(|which| call_table(which, 7, 3)), [110, 4, 45]);
        assert_eq!([0, 1, 2].map(|which| call_unary(which, 5)), [10, 15, 105]);
        assert_eq!([count(), count()], [42, 43]);
        assert_eq!([bss(6, 5), bss(6, 7), bss(999, 1)], [6, 5013, 2]);
        let chosen: Vec<i32> = (0..8).map(|x| choose(x, 46)).collect();
        assert_eq!(chosen, [57, 598, 29, 46 ^ 19, 2, 247, 368, -1]);
        assert_eq!(polynomial(2.0), (3.25 * 2.0 + 1.0e100) * 2.0 - std::f64::consts::E);
        assert_eq!(single(2.0), 2.0 * 1.5 + 0.1f32);
        assert_eq!(library(-2.25), -2.5);
        let mut to = [0; 100];
        let from: [u8; 100] = std::array::from_fn(|i| i as u8);
        assert_eq!(copies(to.as_mut_ptr(), from.as_ptr(), 100), 0);
        assert_eq!(to, from);
        assert_eq!([often(3), often(-10)], [3, 630]);
    }
}
