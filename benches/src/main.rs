//! Runs the same programs on Wayfarer and on other engines and prints how they compare.
//!
//! All engines are in one process and take turns, program by program and round by round, so that whatever else the
//! machine does falls on all of them. What is compared is the CPU time of the call alone: compilation and
//! instantiation are not in it. The exception is the CPython line, which is about start-up: there, loading and
//! translation count.

mod options;
mod report;

use options::Options;
use report::Report;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use wayfarer_bench::engines::{self, Engine};
use wayfarer_bench::measure::{self, Row};
use wayfarer_bench::programs::{CPYTHON, PROGRAMS};
use wayfarer_bench::{Error, artifacts};

fn main() -> ExitCode {
    match Options::from_args(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wayfarer-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let engines = engines::all(&options.engines)?;
    let names: Vec<_> = engines.iter().map(|engine| engine.name()).collect();
    let mut report = Report::new(&names);
    let build = artifacts::programs()?;
    println!("{}", report.header());
    for program in PROGRAMS.iter().filter(|program| options.selects(program.name)) {
        let path = build.join(program.name).with_extension("wasm");
        let row = measure::program(&engines, program.name, &read(&path)?, program.n, options.rounds)
            .map_err(|error| format!("{}: {error}", program.name))?;
        println!("{}", report.add(program.name, row));
    }
    if options.selects(CPYTHON.name) {
        let row = measure_start_up(&engines, &read(&artifacts::cpython()?)?, CPYTHON.args, options.rounds)?;
        println!("{}", report.add(CPYTHON.name, row));
    }
    print!("{}", report.summary());
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Times of a whole WASI command from its bytes to its end, for the engines that can run one.
fn measure_start_up(
    engines: &[Box<dyn Engine>],
    wasm: &[u8],
    args: &[&str],
    rounds: usize,
) -> Result<Row, Error> {
    let mut row = Row::new(engines.len());
    for _ in 0..rounds {
        for (index, engine) in engines.iter().enumerate() {
            let time: Option<Duration> =
                engine.run_command(wasm, args).map_err(|error| format!("{}: {error}", engine.name()))?;
            if let Some(time) = time {
                row.push(index, time);
            }
        }
    }
    Ok(row)
}
