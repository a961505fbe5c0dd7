//! What it costs to know a guest's streams, and to record its WASI calls: CPython, compiled, writing and reading files. Programs
//! of their own, as their users start them, in turns.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use wayfarer_bench::statistics::median;
use wayfarer_bench::{Error, artifacts};

const USAGE: &str = "usage: hooks FOLDER [ROUNDS]\n  FOLDER  has iwasm and wamrc";

/// Measured rounds, if nobody says. Differences of a percent drown in those between two runs.
const ROUNDS: usize = 21;

/// CPython's functions that open and close streams; the module has no names.
const MAP: &str = "--stdio-map=fopen=11412,fdopen=11400,fclose=11406";
const NONE: &str = "--stdio-map=none";

/// What hooks may cost.
const GOAL: f64 = 1.01;

/// A way to run it.
struct Kind {
    name: &'static str,
    code: PathBuf,
    map: &'static str,
    record: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hooks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().ok_or(USAGE)?);
    let rounds = match words.next() {
        None => ROUNDS,
        Some(word) => word.parse().ok().filter(|&rounds| rounds > 0).ok_or(USAGE)?,
    };
    let python = artifacts::cpython()?;
    let code = |name: &str, map: &str| compiled(&folder.join("wamrc"), &python, name, map);
    let (plain, hooked) = (code("python-plain.aot", NONE)?, code("python-hooked.aot", MAP)?);
    let kinds = [
        Kind { name: "without hooks", code: plain.clone(), map: NONE, record: false },
        Kind { name: "with hooks", code: hooked.clone(), map: MAP, record: false },
        Kind { name: "with hooks and --record", code: hooked, map: MAP, record: true },
        // How far two runs of the same are apart.
        Kind { name: "without hooks, again", code: plain, map: NONE, record: false },
    ];
    let scratch = tempfile::tempdir()?;
    std::fs::write(scratch.path().join("files.py"), include_str!("../../programs/files.py"))?;
    let mut times = kinds.each_ref().map(|_| Vec::new());
    let mut printed = None;
    // The first one fills the caches, and is not counted.
    for round in 0..=rounds {
        for nth in 0..kinds.len() {
            // Nobody is always behind the same one.
            let nth = (nth + round) % kinds.len();
            let (time, output) = kinds[nth].run(&folder.join("iwasm"), scratch.path())?;
            if *printed.get_or_insert_with(|| output.clone()) != output {
                return Err(format!("{}: it has printed {output:?}", kinds[nth].name).into());
            }
            if round > 0 {
                times[nth].push(time.as_secs_f64());
            }
        }
    }
    println!("CPython, compiled, with files: CPU time of {rounds} rounds, relative to that without hooks");
    println!("{:26}{:>10}{:>10}{:>10}{:>10}", "", "median", "least", "ratio", "of least");
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let mut ratios = Vec::new();
    for (kind, of) in kinds.iter().zip(&times) {
        let ratio = median(of.iter().zip(&times[0]).map(|(time, plain)| time / plain).collect());
        let (ratio, middle) = (ratio.unwrap_or(f64::NAN), median(of.clone()).unwrap_or(f64::NAN));
        let of_least = least(of) / least(&times[0]);
        println!("{:26}{middle:>9.3}s{:>9.3}s{ratio:>10.4}{of_least:>10.4}", kind.name, least(of));
        ratios.push(ratio);
    }
    let said = if ratios[1] <= GOAL { "PASS" } else { "over" };
    println!("{said}  hooks: {:.4} (goal {GOAL})", ratios[1]);
    Ok(())
}

/// CPython's code, made if it is not there or older than its compiler.
fn compiled(wamrc: &Path, python: &Path, name: &str, map: &str) -> Result<PathBuf, Error> {
    let path = artifacts::build().join(name);
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified());
    if time(&path).is_ok_and(|made| time(wamrc).is_ok_and(|tool| tool < made)) {
        return Ok(path);
    }
    let status = Command::new(wamrc).arg(map).arg("-o").arg(&path).arg(python).stdout(Stdio::null()).status()?;
    if status.success() { Ok(path) } else { Err(format!("{}: {status}", wamrc.display()).into()) }
}

impl Kind {
    /// CPU time, and what it prints.
    fn run(&self, iwasm: &Path, scratch: &Path) -> Result<(Duration, String), Error> {
        let mut command = Command::new(iwasm);
        command.arg(self.map).arg(format!("--map-dir=/::{}", scratch.display()));
        let record = scratch.join("calls.log");
        let _ = std::fs::remove_file(&record);
        if self.record {
            command.arg(format!("--record={}", record.display()));
        }
        command.arg(&self.code).arg("/files.py").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = String::new();
        let mut stdout = child.stdout.take().ok_or("no output")?;
        std::io::Read::read_to_string(&mut stdout, &mut output)?;
        let (status, time) = ended(child.id())?;
        match status.success() {
            true => Ok((time, output)),
            false => Err(format!("{}: {status}: {output}", self.name).into()),
        }
    }
}

/// Waits for a child; how it ended, and its CPU time (see getrusage(2)).
fn ended(child: u32) -> Result<(ExitStatus, Duration), Error> {
    let mut status = 0;
    // SAFETY: all zeros is a value of this type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes to two locals.
    if unsafe { libc::wait4(child as libc::pid_t, &raw mut status, 0, &raw mut usage) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok((ExitStatus::from_raw(status), of(usage.ru_utime) + of(usage.ru_stime)))
}
