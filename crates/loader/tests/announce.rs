//! Tools learn the names of what was loaded.

mod common;

use common::{compile, run};
use std::process::Command;
use wayfarer_loader::{Code, Function, Machine, PerfMode};

fn load() -> Code {
    Code::load(&[&compile(Machine::host().unwrap(), "spin.c", &[])]).unwrap()
}

/// As a Wasm module's name section would have it, with something that must not get into a line.
fn name(symbol: &str) -> Option<String> {
    (symbol == "f7").then(|| "guest::seven\n(int)".into())
}

/// Removes the file with this process's number, of a test before or after.
fn remove(path: &str) {
    if let Err(e) = std::fs::remove_file(path) {
        assert_eq!(e.kind(), std::io::ErrorKind::NotFound);
    }
}

fn function<'c>(code: &'c Code, name: &str) -> &'c Function {
    code.symbols().find(|f| f.name == name).unwrap()
}

#[test]
fn perf_map() {
    let path = format!("/tmp/perf-{}.map", std::process::id());
    remove(&path);
    let mut code = load();
    code.announce(PerfMode::Map, false, name).unwrap();
    let mut other = load();
    other.announce(PerfMode::Map, false, |_| None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    remove(&path);
    let line = |f: &Function, name: &str| format!("{:x} {:x} {name}", f.address, f.size);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    for expected in [
        line(function(&code, "spin"), "spin"),
        line(function(&code, "f7"), "guest::seven?(int)"),
        line(function(&other, "f7"), "f7"),
    ] {
        assert!(lines.contains(&&*expected), "{expected} in {text}");
    }

    // Nothing of somebody else's is written to.
    let victim = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(victim.path(), &path).unwrap();
    let error = code.announce(PerfMode::Map, false, name).unwrap_err();
    remove(&path);
    assert!(error.to_string().contains(&path), "{error}");
    assert_eq!(victim.path().metadata().unwrap().len(), 0);
    code.announce(PerfMode::Off, false, name).unwrap();
    assert!(!std::path::Path::new(&path).exists());
}

/// Reads a file by the format's specification.
#[test]
fn jitdump() {
    let path = format!("/tmp/jit-{}.dump", std::process::id());
    remove(&path);
    let mut code = load();
    code.announce(PerfMode::JitDump, false, name).unwrap();
    let mut other = load();
    other.announce(PerfMode::JitDump, false, |_| None).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    remove(&path);
    let u32_at = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!([u32_at(0), u32_at(4), u32_at(8)], [0x4a69_5444, 1, 40]);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(u32_at(12), 62);
    assert_eq!(u32_at(20), std::process::id());
    let mut found = Vec::new();
    let mut at = 40;
    let mut last = u64_at(24);
    while at < bytes.len() {
        let size = u32_at(at + 4) as usize;
        assert_eq!(u32_at(at), 0, "code is loaded");
        assert!(u64_at(at + 8) >= last, "time goes on");
        last = u64_at(at + 8);
        assert_eq!(u32_at(at + 16), std::process::id());
        let (address, len) = (u64_at(at + 32) as usize, u64_at(at + 40) as usize);
        assert_eq!((u64_at(at + 24) as usize, u64_at(at + 48)), (address, found.len() as u64));
        let name = bytes[at + 56..].split(|&b| b == 0).next().unwrap();
        assert_eq!(size, 56 + name.len() + 1 + len);
        // SAFETY: the code is alive.
        let there = unsafe { std::slice::from_raw_parts(address as *const u8, len) };
        assert_eq!(&bytes[at + size - len..at + size], there);
        found.push(Function { name: String::from_utf8(name.to_vec()).unwrap(), address, size: len });
        at += size;
    }
    assert_eq!(found.len(), 6);
    for expected in [function(&code, "spin"), function(&other, "f8")] {
        assert!(found.contains(expected), "{expected:?} in {found:?}");
    }
    assert!(found.iter().any(|f| f.name == "guest::seven?(int)"));
    let marked = std::fs::read_to_string("/proc/self/maps").unwrap();
    let marked = marked.lines().any(|l| l.contains(" r-xp ") && l.contains(&path));
    assert!(marked, "perf sees the file by its being mapped");
}

extern "C" fn callback(x: i32) -> i32 {
    x + 100
}

/// What gdb runs below. Alone it is a test that announced code runs.
#[test]
fn gdb_target() {
    let mut first = load();
    let mut code = load();
    first.announce(PerfMode::Off, true, |s| Some(format!("gone_{s}"))).unwrap();
    code.announce(PerfMode::Off, true, |s| Some(format!("guest_{s}"))).unwrap();
    // From the list's middle, its end, and again.
    let third = {
        let mut third = load();
        third.announce(PerfMode::Off, true, |_| None).unwrap();
        third.announce(PerfMode::Off, true, |_| None).unwrap();
        third
    };
    drop(first);
    // SAFETY: the type of `f7`.
    let f7: unsafe extern "C" fn(extern "C" fn(i32) -> i32, i32) -> i32 =
        unsafe { std::mem::transmute(code.symbol("f7").unwrap()) };
    // SAFETY: as above.
    assert_eq!(unsafe { f7(callback, 4) }, 4 * 2 + 100 + 1 + 10);
    drop(third);
    drop(code);
}

#[test]
fn gdb_stops_in_loaded_code_and_walks_its_stack() {
    let program = std::env::current_exe().unwrap();
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set breakpoint pending on", "-ex", "set debuginfod enabled off"]);
    gdb.args(["-ex", "break guest_f8", "-ex", "run", "-ex", "bt", "-ex", "info symbol $pc"]);
    // Names of code that is gone are gone.
    gdb.args(["-ex", "info address gone_f8", "-ex", "kill"]);
    gdb.arg("--args").arg(program).args(["--exact", "gdb_target", "--test-threads=1"]);
    let text = run(gdb.stdin(std::process::Stdio::null()));
    let frames: Vec<&str> = text.lines().filter(|l| l.starts_with('#')).collect();
    assert!(frames.len() > 3, "{text}");
    assert!(frames[0].contains("guest_f8 ()"), "{text}");
    assert!(frames[1].contains("guest_f7 ()"), "{text}");
    assert!(frames[2].contains("gdb_target"), "the stack is walked through: {text}");
    assert!(text.contains("guest_f8 in section .text"), "{text}");
    assert!(!text.contains("Symbol \"gone_f8\" is"), "{text}");
}
