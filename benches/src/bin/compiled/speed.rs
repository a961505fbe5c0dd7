//! How fast: every engine runs every program.

use crate::goal;
use crate::options::Options;
use std::fmt::Write;
use wayfarer_bench::engines::{self, Engine};
use wayfarer_bench::measure::{self, Row};
use wayfarer_bench::programs::{CPYTHON_WORK, PROGRAMS};
use wayfarer_bench::statistics::geometric_mean;
use wayfarer_bench::{Error, artifacts};

/// What is hoped for of the first engine's time relative to another's.
struct Goal {
    to: &'static str,
    mean: f64,
    most: Option<f64>,
    /// Programs that may be above `most`, and what they are allowed.
    vectors: Option<f64>,
}

const GOALS: &[Goal] = &[
    Goal { to: "plain", mean: 1.03, most: Some(1.10), vectors: None },
    Goal { to: "native", mean: 1.10, most: None, vectors: Some(1.5) },
    Goal { to: "cranelift", mean: 1.0, most: None, vectors: None },
];

/// Kernels that native compilers vectorize: those with a goal of their own against native code.
const VECTORS: [&str; 2] = ["gemm", "jacobi_2d"];

const NAME_WIDTH: usize = 16;
const WIDTH: usize = 11;

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let engines = engines::all(&options.engines)?;
    let build = artifacts::programs()?;
    println!("speed: median CPU time of {}, and relative to that of", engines[0].name());
    println!("{}", header(&engines));
    let mut rows = Vec::new();
    for program in PROGRAMS.iter().filter(|program| options.selects(program.name)) {
        let wasm = std::fs::read(build.join(program.name).with_extension("wasm"))?;
        let row = measure::program(&engines, program.name, &wasm, program.n, options.rounds)
            .map_err(|error| format!("{}: {error}", program.name))?;
        println!("{}", line(program.name, &row, engines.len()));
        rows.push((program.name, row));
    }
    if options.python && options.selects(CPYTHON_WORK.name) {
        let wasm = std::fs::read(artifacts::cpython()?)?;
        let row = measure::command(&engines, &wasm, &CPYTHON_WORK, options.rounds)?;
        println!("{}", line(CPYTHON_WORK.name, &row, engines.len()));
        rows.push((CPYTHON_WORK.name, row));
    }
    let names: Vec<_> = engines.iter().map(|engine| engine.name()).collect();
    print!("{}", summary(&names, &rows));
    Ok(())
}

fn header(engines: &[Box<dyn Engine>]) -> String {
    let mut line = format!("{:NAME_WIDTH$}{:>WIDTH$}", "", "time");
    for engine in &engines[1..] {
        write!(line, "{:>WIDTH$}", engine.name()).expect("strings take writes");
    }
    line
}

fn line(name: &str, row: &Row, engines: usize) -> String {
    let time = row.median(0).unwrap_or(f64::NAN) * 1e3;
    let mut line = format!("{name:NAME_WIDTH$}{time:>0$.1}ms", WIDTH - 2);
    for engine in 1..engines {
        match row.ratio(0, engine) {
            Some(ratio) => write!(line, "{ratio:>WIDTH$.3}"),
            None => write!(line, "{:>WIDTH$}", "-"),
        }
        .expect("strings take writes");
    }
    line
}

/// Geometric mean and extremes against each other engine, and what that is against the goals.
fn summary(engines: &[&str], rows: &[(&str, Row)]) -> String {
    let mut text = String::new();
    for (index, &engine) in engines.iter().enumerate().skip(1) {
        let ratios: Vec<(f64, &str)> =
            rows.iter().filter_map(|(name, row)| Some((row.ratio(0, index)?, *name))).collect();
        let mean = geometric_mean(&ratios.iter().map(|(ratio, _)| *ratio).collect::<Vec<_>>());
        let by_ratio = |a: &&(f64, &str), b: &&(f64, &str)| a.0.total_cmp(&b.0);
        let (Some(least), Some(most)) = (ratios.iter().min_by(by_ratio), ratios.iter().max_by(by_ratio))
        else {
            continue;
        };
        let (first, count) = (engines[0], ratios.len());
        let extremes = format!("{:.3} ({}) to {:.3} ({})", least.0, least.1, most.0, most.1);
        let _ = writeln!(text, "{first} / {engine}: {mean:.3}, {extremes}, {count} programs");
        let Some(goal) = GOALS.iter().find(|goal| goal.to == engine && first == "compiled") else { continue };
        let _ = writeln!(text, "{}", goal::at_most(&format!("  mean against {engine}"), mean, goal.mean, ""));
        if let Some(limit) = goal.most {
            let what = format!("  most against {engine} ({})", most.1);
            let _ = writeln!(text, "{}", goal::at_most(&what, most.0, limit, ""));
        }
        for (ratio, name) in ratios.iter().filter(|(_, name)| VECTORS.contains(name)) {
            if let Some(limit) = goal.vectors {
                let what = format!("  {name} against {engine}");
                let _ = writeln!(text, "{}", goal::at_most(&what, *ratio, limit, ""));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn goals_are_applied() {
        let row = |ours, theirs| {
            let mut row = Row::new(2);
            row.push(0, Duration::from_millis(ours));
            row.push(1, Duration::from_millis(theirs));
            row
        };
        let rows = [("fib", row(100, 100)), ("gemm", row(160, 100))];
        let text = summary(&["compiled", "native"], &rows);
        assert!(
            text.starts_with("compiled / native: 1.265, 1.000 (fib) to 1.600 (gemm), 2 programs\n"),
            "{text}"
        );
        assert!(text.contains("over    mean against native: 1.265"), "{text}");
        assert!(text.contains("over    gemm against native: 1.600 (goal: at most 1.5)"), "{text}");
        let text = summary(&["compiled", "plain"], &rows[..1]);
        assert!(text.contains("PASS    most against plain (fib): 1.000 (goal: at most 1.1)"), "{text}");
    }
}
