//! Compiling CPython: 26 MB of WebAssembly, in a process of its own, so that its peak memory is known.

use crate::size::Sizes;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use wayfarer_bench::engines::wayfarer::compiled::{checkpointable, plain};
use wayfarer_bench::{Error, artifacts, cpu_time};
use wayfarer_compiler::Options;

const THREADS: usize = 2;

pub(crate) fn run() -> Result<(), Error> {
    let file = artifacts::cpython()?;
    println!("\npython: compiling CPython, {} bytes, {THREADS} threads", std::fs::metadata(&file)?.len());
    for kind in ["checkpointable", "plain"] {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--compile")
            .args([file.as_os_str(), kind.as_ref(), THREADS.to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()?;
        println!("{kind}:");
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            println!("  {}", line?);
        }
        println!("  peak memory {} MiB", peak_memory(child.id())? >> 20);
    }
    Ok(())
}

/// Waits for a child and gives the most memory it had, in bytes (ru_maxrss, see getrusage(2)).
fn peak_memory(child: u32) -> Result<u64, Error> {
    let mut status = 0;
    // SAFETY: all zeros is a value of this type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes to two locals.
    if unsafe { libc::wait4(child as libc::pid_t, &raw mut status, 0, &raw mut usage) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if status != 0 {
        return Err(format!("the compiler's process ended with status {status:#x}").into());
    }
    Ok(usage.ru_maxrss as u64 * 1024)
}

/// What the child does: compiles a file and prints how long that took and how large the code is.
pub(crate) fn compile(file: &Path, kind: &str, threads: &str) -> Result<(), Error> {
    let options = if kind == "plain" { plain() } else { checkpointable() };
    let options = Options { threads: threads.parse()?, ..options };
    let wasm = std::fs::read(file)?;
    let start = Instant::now();
    let module = wayfarer_module::parse(wasm.into())?;
    println!("parsed in {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let (output, cpu) = cpu_time::of(|| wayfarer_compiler::compile(&module, &options, &|_, _| {}));
    let output = output?;
    println!("compiled in {:.1} s, {:.1} s of CPU time", start.elapsed().as_secs_f64(), cpu.as_secs_f64());
    println!("functions: {} bytes", Sizes::of(&output.code)?);
    println!("continuations: {} bytes", Sizes::of(&output.continuations)?);
    Ok(())
}
