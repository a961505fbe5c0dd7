//! The command line.

use wayfarer_bench::Error;

const USAGE: &str = "usage: wayfarer-bench [--rounds N] [--engines NAME,...] [PROGRAM...]

  --rounds N       measured runs of each program on each engine (default 5)
  --engines LIST   engines to run, the first is what others are compared with
                   (default interpreter,wasmi,cranelift,pulley)
  PROGRAM          run programs whose names contain this (default all)";

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) engines: Vec<String>,
    programs: Vec<String>,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
        let mut options = Options {
            rounds: 5,
            engines: ["interpreter", "wasmi", "cranelift", "pulley"].map(String::from).to_vec(),
            programs: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
                "--engines" => options.engines = value()?.split(',').map(String::from).collect(),
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
