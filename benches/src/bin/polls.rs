//! What the checkpoint machinery costs while nobody asks for a checkpoint: the interpreter as it ships, which looks at
//! the request word at every loop header and function entry, against one that is built without.
//!
//! Cargo does not link both into one binary, so this one is built twice. For each program and round it starts itself,
//! the other, and itself again, each to run the program once and to say how much CPU time that took. The mean of the
//! two runs around the other stands against it, so a steady drift of the machine's speed cancels out; the quotient of
//! the two says how well this machine can be measured at all.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use wayfarer_bench::engines::{Engine, Wayfarer};
use wayfarer_bench::programs::{CPYTHON, PROGRAMS};
use wayfarer_bench::statistics::{geometric_mean, median};
use wayfarer_bench::{Error, affinity, artifacts};

const USAGE: &str = "usage: polls --without BINARY [--rounds N] [PROGRAM...]

  --without BINARY  this program, built with --features no-polls
  --rounds N        rounds of three runs of each program (default 7)
  PROGRAM           run programs whose names contain this (default all)

What it starts itself with, to run a program once:

  --call FILE N     export `run` of a module
  --start FILE      a WASI command, with CPython's arguments";

/// What a binary calls itself.
const KIND: &str = if cfg!(feature = "no-polls") { "without-polls" } else { "with-polls" };

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--call", file, n] => call(file.as_ref(), n),
        ["--start", file] => start(file.as_ref()),
        _ => Options::from_args(&args).and_then(|options| compare(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("polls: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(file: &Path, n: &str) -> Result<(), Error> {
    let (result, time) = Wayfarer::interpreter().load("", &std::fs::read(file)?)?.run(n.parse()?)?;
    println!("{}", Run { result, time }.to_line(KIND));
    Ok(())
}

fn start(file: &Path) -> Result<(), Error> {
    let time = Wayfarer::interpreter().run_command(&std::fs::read(file)?, CPYTHON.args)?;
    let time = time.ok_or("no WASI")?;
    println!("{}", Run { result: 0, time }.to_line(KIND));
    Ok(())
}

/// One run, as a child tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    result: i32,
    time: Duration,
}

impl Run {
    fn to_line(self, kind: &str) -> String {
        format!("{kind} {} {}", self.result, self.time.as_nanos())
    }

    /// `None` if the line is something else, or of a binary of another kind.
    fn from_line(line: &str, kind: &str) -> Option<Run> {
        let mut words = line.split_whitespace();
        words.next().filter(|&word| word == kind)?;
        let result = words.next()?.parse().ok()?;
        let time = Duration::from_nanos(words.next()?.parse().ok()?);
        Some(Run { result, time })
    }
}

#[derive(Debug)]
struct Options {
    without: PathBuf,
    rounds: usize,
    programs: Vec<String>,
}

impl Options {
    fn from_args(args: &[&str]) -> Result<Options, Error> {
        let mut without = None;
        let mut rounds = 7;
        let mut programs = Vec::new();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
            match arg {
                "--without" => without = Some(PathBuf::from(value()?)),
                "--rounds" => rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
                _ if arg.starts_with('-') => return Err(USAGE.into()),
                _ => programs.push(arg.to_owned()),
            }
        }
        if rounds == 0 {
            return Err("--rounds must be at least 1".into());
        }
        Ok(Options { without: without.ok_or(USAGE)?, rounds, programs })
    }

    fn selects(&self, program: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|part| program.contains(part))
    }
}

fn compare(options: &Options) -> Result<(), Error> {
    if cfg!(feature = "no-polls") {
        return Err("this binary is the one without polls; the other one compares".into());
    }
    let binaries = Binaries { with: std::env::current_exe()?, without: options.without.clone() };
    let mut runs = Vec::new();
    let build = artifacts::programs()?;
    for program in PROGRAMS.iter().filter(|program| options.selects(program.name)) {
        let file = build.join(program.name).with_extension("wasm");
        runs.push((program.name, vec!["--call".into(), file, program.n.to_string().into()]));
    }
    if options.selects(CPYTHON.name) {
        runs.push((CPYTHON.name, vec!["--start".into(), artifacts::cpython()?]));
    }
    match affinity::stay_on_one_core() {
        Ok(core) => println!("on core {core}; {} rounds", options.rounds),
        Err(error) => println!("on any core ({error}); {} rounds", options.rounds),
    }
    println!(
        "{:16}{:>14}{:>14}{:>10}{:>12}",
        "median CPU time", "with polls", "without", "ratio", "with/with"
    );
    let mut rows = Vec::new();
    for (name, args) in runs {
        let row = binaries.measure(&args, options.rounds).map_err(|error| format!("{name}: {error}"))?;
        let [with, without] = [row.with, row.without].map(|seconds| seconds * 1e3);
        println!("{name:16}{with:>12.1}ms{without:>12.1}ms{:>10.3}{:>12.3}", row.cost, row.noise);
        rows.push((name, row));
    }
    print!("{}", summary(&rows));
    Ok(())
}

struct Binaries {
    with: PathBuf,
    without: PathBuf,
}

impl Binaries {
    fn measure(&self, args: &[PathBuf], rounds: usize) -> Result<Row, Error> {
        let rounds: Vec<Round> = (0..rounds).map(|_| self.round(args)).collect::<Result<_, _>>()?;
        Ok(Row::of(&rounds))
    }

    fn round(&self, args: &[PathBuf]) -> Result<Round, Error> {
        let first = run(&self.with, "with-polls", args)?;
        let without = run(&self.without, "without-polls", args)?;
        let second = run(&self.with, "with-polls", args)?;
        if [first.result, second.result] != [without.result; 2] {
            return Err(format!("returns {} with polls, {} without", first.result, without.result).into());
        }
        Ok([first, without, second].map(|run| run.time.as_secs_f64()))
    }
}

fn run(binary: &Path, kind: &str, args: &[PathBuf]) -> Result<Run, Error> {
    let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", binary.display());
    let output = Command::new(binary).args(args).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status).into());
    }
    let line = String::from_utf8_lossy(&output.stdout);
    Run::from_line(&line, kind).ok_or_else(|| failed(&format!("is not {kind}: it says {line:?}")).into())
}

/// Seconds with polls, without, and with them again.
type Round = [f64; 3];

/// Figures of one program.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Median seconds.
    with: f64,
    without: f64,
    /// Time with polls relative to time without: the median over the rounds.
    cost: f64,
    /// Second time with polls relative to the first: the median over the rounds.
    noise: f64,
}

impl Row {
    fn of(rounds: &[Round]) -> Row {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect()).unwrap_or(f64::NAN);
        Row {
            with: of(|[first, _, second]| (first + second) / 2.0),
            without: of(|[_, without, _]| *without),
            cost: of(|[first, without, second]| (first + second) / 2.0 / without),
            noise: of(|[first, _, second]| second / first),
        }
    }
}

fn summary(rows: &[(&str, Row)]) -> String {
    let values = |value: fn(&Row) -> f64| rows.iter().map(|(_, row)| value(row)).collect::<Vec<_>>();
    let Some((worst, row)) = rows.iter().max_by(|a, b| a.1.cost.total_cmp(&b.1.cost)) else {
        return "no such program\n".to_owned();
    };
    let noise = values(|row| row.noise);
    format!(
        "time with polls, relative to time without: geometric mean {:.3}, most {:.3} ({worst}), {} programs\n\
         time with polls, relative to itself:       geometric mean {:.3}, {:.3} to {:.3}\n",
        geometric_mean(&values(|row| row.cost)),
        row.cost,
        rows.len(),
        geometric_mean(&noise),
        noise.iter().copied().fold(f64::INFINITY, f64::min),
        noise.iter().copied().fold(0.0, f64::max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_survives_its_line_but_not_the_other_kind() {
        let run = Run { result: -7, time: Duration::from_nanos(1_234_567_890_123) };
        assert_eq!(Run::from_line(&(run.to_line("with-polls") + "\n"), "with-polls"), Some(run));
        assert_eq!(Run::from_line(&run.to_line("with-polls"), "without-polls"), None);
        assert_eq!(Run::from_line("with-polls 1", "with-polls"), None);
    }

    #[test]
    fn a_steady_drift_cancels_out() {
        let row = Row::of(&[[1.0, 1.0, 1.2], [2.0, 2.0, 2.4], [3.3, 3.0, 3.3]]);
        assert!((row.cost - 1.1).abs() < 1e-12);
        assert!((row.noise - 1.2).abs() < 1e-12);
        assert_eq!(row.without, 2.0);
        let text = summary(&[("one", row), ("two", Row { cost: 1.0, noise: 0.9, ..row })]);
        assert!(text.contains("geometric mean 1.049, most 1.100 (one), 2 programs"), "{text}");
        assert!(text.contains("0.900 to 1.200"), "{text}");
    }

    #[test]
    fn options() {
        let options = Options::from_args(&["--without", "x", "--rounds", "3", "fib"]).unwrap();
        assert_eq!((options.without.to_str(), options.rounds), (Some("x"), 3));
        assert!(options.selects("fib") && !options.selects("sieve"));
        for bad in [&[][..], &["--without"], &["--without", "x", "--rounds", "0"], &["--what"]] {
            assert!(Options::from_args(bad).is_err(), "{bad:?}");
        }
    }
}
