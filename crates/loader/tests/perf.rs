//! perf itself shows the names of functions that were loaded, and their instructions.

mod common;

use common::{compile, run};
use std::path::Path;
use std::process::Command;
use wayfarer_loader::{Code, Machine, PerfMode};

/// Set where perf runs one of the tests below: the file is for perf to remove, or who started it.
const UNDER_PERF: &str = "WAYFARER_TEST_UNDER_PERF";

/// Spends its time in loaded code.
fn spin(mode: PerfMode, file: &str) {
    let mut code = Code::load(&[&compile(Machine::host().unwrap(), "spin.c", &[])]).unwrap();
    code.announce(mode, false, |symbol| Some(format!("guest_{symbol}"))).unwrap();
    let file = file.replace("PID", &std::process::id().to_string());
    if std::env::var_os(UNDER_PERF).is_none() {
        std::fs::remove_file(file).unwrap();
        return;
    }
    // SAFETY: the type of `spin`.
    let spin: unsafe extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(code.symbol("spin").unwrap()) };
    // SAFETY: as above.
    std::hint::black_box(unsafe { spin(300_000_000) });
}

#[test]
fn target_map() {
    spin(PerfMode::Map, "/tmp/perf-PID.map");
}

#[test]
fn target_jitdump() {
    spin(PerfMode::JitDump, "/tmp/jit-PID.dump");
}

/// Runs a test of this file under `perf record`, into `dir/recorded`. Returns its process's number.
fn record(dir: &Path, test: &str) -> String {
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-N", "-k", "mono", "-e", "cpu-clock", "-o", "recorded", "--"]);
    perf.args(["sh", "-c", "echo $$ > pid; exec \"$@\"", "sh"]);
    perf.arg(std::env::current_exe().unwrap()).args(["--exact", test]);
    run(perf.current_dir(dir).env(UNDER_PERF, "1"));
    std::fs::read_to_string(dir.join("pid")).unwrap().trim().to_owned()
}

/// Where most of the time went, by perf's report.
fn hottest(dir: &Path, file: &str) -> String {
    let mut perf = Command::new("perf");
    let text = run(perf.args(["report", "--stdio", "-i", file]).current_dir(dir));
    let first = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty());
    first.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn perf_knows_names_by_the_map() {
    let dir = tempfile::tempdir().unwrap();
    let pid = record(dir.path(), "target_map");
    let hottest = hottest(dir.path(), "recorded");
    std::fs::remove_file(format!("/tmp/perf-{pid}.map")).unwrap();
    assert!(hottest.contains("guest_spin"), "{hottest}");
}

#[test]
fn perf_knows_names_and_code_by_jitdump() {
    let dir = tempfile::tempdir().unwrap();
    let pid = record(dir.path(), "target_jitdump");
    run(Command::new("perf")
        .args(["inject", "-j", "-i", "recorded", "-o", "injected"])
        .current_dir(dir.path()));
    let dump = format!("/tmp/jit-{pid}.dump");
    let hottest = hottest(dir.path(), "injected");
    let annotate = ["annotate", "--stdio", "-i", "injected", "-s", "guest_spin"];
    let annotated = run(Command::new("perf").args(annotate).current_dir(dir.path()));
    std::fs::remove_file(dump).unwrap();
    // One of each function, next to the dump.
    for made in 0..3 {
        std::fs::remove_file(format!("/tmp/jitted-{pid}-{made}.so")).unwrap();
    }
    assert!(hottest.contains("guest_spin"), "{hottest}");
    #[cfg(target_arch = "x86_64")]
    assert!(annotated.contains("imul"), "{annotated}");
    assert!(annotated.contains("<guest_spin>"), "{annotated}");
}
