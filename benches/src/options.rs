//! The command line.

use crate::Error;
use std::path::PathBuf;

const USAGE: &str =
    "usage: wayfarer-bench [--rounds N] [--engines NAME,...] [--build DIR] [--cpython FILE] [PROGRAM...]

  --rounds N       measured runs of each program on each engine (default 5)
  --engines LIST   engines to run, the first is what others are compared with
                   (default wayfarer,wasmi,cranelift,pulley)
  --build DIR      where the programs were built (default benches/build)
  --cpython FILE   CPython's WASI module (default build/cpython/python.wasm)
  PROGRAM          run programs whose names contain this (default all)";

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) engines: Vec<String>,
    pub(crate) build: PathBuf,
    pub(crate) cpython: PathBuf,
    programs: Vec<String>,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
        let benches = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            rounds: 5,
            engines: ["wayfarer", "wasmi", "cranelift", "pulley"].map(String::from).to_vec(),
            build: benches.join("build"),
            cpython: benches.join("../build/cpython/python.wasm"),
            programs: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
                "--engines" => options.engines = value()?.split(',').map(String::from).collect(),
                "--build" => options.build = value()?.into(),
                "--cpython" => options.cpython = value()?.into(),
                _ if arg.starts_with('-') => return Err(USAGE.into()),
                _ => options.programs.push(arg),
            }
        }
        if options.rounds == 0 {
            return Err("--rounds must be at least 1".into());
        }
        Ok(options)
    }

    pub(crate) fn selects(&self, program: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|part| program.contains(part))
    }
}
