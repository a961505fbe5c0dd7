//! What deterministic mode costs: programs that compute with floats, with it and without, in both engines.

use std::process::ExitCode;
use wayfarer_bench::engines::{Engine, Wayfarer};
use wayfarer_bench::measure::{self, Row};
use wayfarer_bench::programs::PROGRAMS;
use wayfarer_bench::statistics::geometric_mean;
use wayfarer_bench::{Error, artifacts};

const USAGE: &str = "usage: deterministic [ROUNDS]";

/// The programs that compute with floats.
const FLOATS: [&str; 10] = [
    "atax",
    "floyd_warshall",
    "gemm",
    "jacobi_2d",
    "lu",
    "mandelbrot",
    "matmul",
    "matmul_simd",
    "nbody",
    "two_mm",
];

/// Measured rounds, if nobody says.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("deterministic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let rounds = match std::env::args().nth(1) {
        None => ROUNDS,
        Some(word) => word.parse().ok().filter(|&rounds| rounds > 0).ok_or(USAGE)?,
    };
    let engines = |mode: fn(Wayfarer) -> Wayfarer, of: fn() -> Wayfarer| -> Vec<Box<dyn Engine>> {
        vec![Box::new(mode(of())), Box::new(of())]
    };
    let sets = [
        engines(Wayfarer::deterministic, Wayfarer::compiled),
        engines(Wayfarer::deterministic, Wayfarer::interpreter),
    ];
    let build = artifacts::programs()?;
    println!("deterministic mode: median CPU time, and relative to that without it");
    println!("{:16}{:>11}{:>11}{:>14}{:>11}", "", "compiled", "", "interpreter", "");
    let mut ratios = [Vec::new(), Vec::new()];
    for program in PROGRAMS.iter().filter(|program| FLOATS.contains(&program.name)) {
        let wasm = std::fs::read(build.join(program.name).with_extension("wasm"))?;
        let mut line = format!("{:16}", program.name);
        for (engines, ratios) in sets.iter().zip(&mut ratios) {
            let row: Row = measure::program(engines, program.name, &wasm, program.n, rounds)
                .map_err(|error| format!("{}: {error}", program.name))?;
            let (time, ratio) = (row.median(0).unwrap_or(f64::NAN), row.ratio(0, 1).unwrap_or(f64::NAN));
            line += &format!("{:>11.1}ms{ratio:>11.3}", time * 1e3);
            ratios.push(ratio);
        }
        println!("{line}");
    }
    let [compiled, interpreter] = ratios.map(|ratios| geometric_mean(&ratios));
    println!("geometric means: compiled {compiled:.3}, interpreter {interpreter:.3}");
    Ok(())
}
