//! The command line.

use std::path::PathBuf;
use wayfarer_bench::Error;

const USAGE: &str =
    "usage: compiled [--quick] [--only QUESTION,...] [--rounds N] [--engines NAME,...] [--perf] [PROGRAM...]

  --quick          only speed, 3 rounds, without CPython, engines compiled,plain,native,cranelift: two minutes
  --only LIST      what to answer (default all): speed,size,stop,resume,calls,recursion,python
  --rounds N       measured rounds of each program (default 7)
  --engines LIST   whose speed is measured; the first is compared with the others
                   (default compiled,plain,native,baseline,cranelift,interpreter)
  --requests N     requests to stop made of each program (default 300)
  --stops N        stops and restores of each program (default 5)
  --perf           tell perf of compiled code: perf record -k mono compiled --perf ..., then perf inject -j
  --dump DIRECTORY write the object files to there
  PROGRAM          run programs whose names contain this (default all)";

/// What can be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// Beside code that cannot be stopped, beside native code, beside other engines.
    Speed,
    /// Of machine code.
    Size,
    /// How soon a program stands still.
    Stop,
    /// How soon a restored program is fast.
    Resume,
    /// What calls between host, compiled and interpreted code cost.
    Calls,
    /// How long captures of deep stacks take.
    Recursion,
    /// Compilation of CPython.
    Python,
}

const QUESTIONS: [(&str, Question); 7] = [
    ("speed", Question::Speed),
    ("size", Question::Size),
    ("stop", Question::Stop),
    ("resume", Question::Resume),
    ("calls", Question::Calls),
    ("recursion", Question::Recursion),
    ("python", Question::Python),
];

/// What to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) questions: Vec<Question>,
    pub(crate) rounds: usize,
    pub(crate) engines: Vec<String>,
    pub(crate) requests: usize,
    pub(crate) stops: usize,
    pub(crate) perf: bool,
    pub(crate) dump: Option<PathBuf>,
    /// Whether CPython is among the programs.
    pub(crate) python: bool,
    programs: Vec<String>,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
        let (mut quick, mut perf, mut rounds, mut engines, mut only) = (false, false, None, None, None);
        let mut dump = None;
        let (mut requests, mut stops) = (300, 5);
        let mut programs = Vec::new();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--quick" => quick = true,
                "--dump" => dump = Some(value()?.into()),
                "--perf" => perf = true,
                "--rounds" => rounds = Some(value()?.parse().map_err(|e| format!("--rounds: {e}"))?),
                "--requests" => requests = value()?.parse().map_err(|e| format!("--requests: {e}"))?,
                "--stops" => stops = value()?.parse().map_err(|e| format!("--stops: {e}"))?,
                "--engines" => engines = Some(value()?),
                "--only" => only = Some(questions(&value()?)?),
                _ if arg.starts_with('-') => return Err(USAGE.into()),
                _ => programs.push(arg),
            }
        }
        if rounds == Some(0) {
            return Err("--rounds must be at least 1".into());
        }
        let (usual_engines, usual_rounds, usual_questions) = match quick {
            true => ("compiled,plain,native,cranelift", 3, vec![Question::Speed]),
            false => (
                "compiled,plain,native,baseline,cranelift,interpreter",
                7,
                QUESTIONS.map(|(_, question)| question).to_vec(),
            ),
        };
        let engines = engines.as_deref().unwrap_or(usual_engines);
        Ok(Options {
            questions: only.unwrap_or(usual_questions),
            rounds: rounds.unwrap_or(usual_rounds),
            engines: engines.split(',').map(String::from).collect(),
            requests,
            stops,
            perf,
            dump,
            python: !quick,
            programs,
        })
    }

    pub(crate) fn selects(&self, program: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|part| program.contains(part))
    }
}

fn questions(list: &str) -> Result<Vec<Question>, Error> {
    let question = |name: &str| {
        let known = QUESTIONS.iter().find(|(known, _)| *known == name);
        known.map(|&(_, question)| question).ok_or_else(|| format!("no question {name:?}\n{USAGE}"))
    };
    Ok(list.split(',').map(question).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, Error> {
        Options::from_args(args.iter().map(|&arg| arg.to_owned()))
    }

    #[test]
    fn quick_is_a_default_only() {
        let options = parse(&["--quick", "--rounds", "9", "lu", "fib"]).unwrap();
        assert_eq!((options.rounds, options.engines[3].as_str()), (9, "cranelift"));
        assert_eq!(options.questions, [Question::Speed]);
        assert!(options.selects("lu") && !options.selects("gemm") && !options.python);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [&["--rounds", "0"][..], &["--only", "taste"], &["--what"], &["--engines"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
