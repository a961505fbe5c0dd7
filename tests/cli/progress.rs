//! The bar while a whole module is compiled: there at once if somebody looks, and gone afterwards.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};

use crate::compiled::wamrc_command;
use crate::support::{Folder, built, iwasm_command};

/// A module that takes a while to compile: many functions, in several parts.
fn large() -> String {
    let function = "(func (param i32 i32) (result i32) (local i32)\n".to_owned()
        + &"(local.set 2 (i32.add (i32.mul (local.get 2) (local.get 0)) (i32.rotl (local.get 1) (local.get 2))))\n"
            .repeat(40)
        + "(local.get 2))\n";
    format!("(module {} (func (export \"f\")))", function.repeat(1500))
}

/// Runs a program with a terminal for its standard error: what it wrote there.
fn on_a_terminal(mut command: Command) -> String {
    let (mut ours, mut its) = (0, 0);
    // SAFETY: two places for the descriptors; no name, settings or size are asked for.
    let made = unsafe {
        libc::openpty(&raw mut ours, &raw mut its, std::ptr::null_mut(), std::ptr::null(), std::ptr::null())
    };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: new, and nobody else's.
    let (mut ours, its) = unsafe { (File::from_raw_fd(ours), Stdio::from_raw_fd(its)) };
    let mut child = command.stderr(its).spawn().expect("the program was built");
    // Only the child has the other end now.
    drop(command);
    let mut written = Vec::new();
    let mut bytes = [0; 4096];
    // The end of a terminal that nobody has open is an error.
    while let Ok(n @ 1..) = ours.read(&mut bytes) {
        written.extend_from_slice(&bytes[..n]);
    }
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(written).expect("UTF-8")
}

#[track_caller]
fn expect_bar(written: &str) {
    let empty = format!("\rcompiling [{}]  0 %, 0:00 so far", " ".repeat(30));
    assert!(written.starts_with(&empty), "it is there at once: {written:?}");
    assert!(written.ends_with("\r\x1b[K"), "it goes: {written:?}");
}

#[test]
fn while_wamrc_compiles() {
    let folder = Folder::new();
    let module = folder.module("large.wasm", &large());
    let words = ["--threads=1", "-o", &folder.text("large.aot"), &module];
    let written = on_a_terminal(wamrc_command(words));
    expect_bar(&written);
    assert!(written.contains("# "), "it fills: {written:?}");
    assert!(written.contains(" %, about 0:0"), "it says how long the rest takes: {written:?}");
    // Nobody looks here.
    assert_eq!(crate::support::run(wamrc_command(words)).stderr, "");
}

#[test]
fn while_iwasm_compiles_a_module_that_it_loads() {
    let folder = Folder::new();
    let module = folder.module("large.wasm", &large());
    built();
    let command = |jit: &str| {
        let mut command = iwasm_command(["--llvm-jit", "-f", "f", &module]);
        command.env("WAYFARER_CACHE", "off").env("WAYFARER_JIT", jit);
        command
    };
    expect_bar(&on_a_terminal(command("eager")));
    assert_eq!(crate::support::run(command("eager")).stderr, "");
    // What is compiled while it runs keeps nobody waiting.
    assert_eq!(on_a_terminal(command("lazy")), "");
}
