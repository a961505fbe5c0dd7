//! Engines taking turns at one program.

use crate::engines::Engine;
use crate::statistics::median;
use crate::{Error, programs};
use std::time::Duration;

/// Times of one program: by engine, by round.
#[derive(Debug)]
pub struct Row(Vec<Vec<f64>>);

impl Row {
    /// No times yet.
    pub fn new(engines: usize) -> Row {
        Row(vec![Vec::new(); engines])
    }

    /// Takes the time of an engine's next round.
    pub fn push(&mut self, engine: usize, time: Duration) {
        self.0[engine].push(time.as_secs_f64());
    }

    /// Median time in seconds, if the engine ran the program.
    pub fn median(&self, engine: usize) -> Option<f64> {
        median(self.0[engine].clone())
    }

    /// Time of one engine relative to another's: the median over the rounds of the ratio of the two times in one round,
    /// which a change of the machine's speed between rounds does not touch.
    pub fn ratio(&self, engine: usize, to: usize) -> Option<f64> {
        median(self.0[engine].iter().zip(&self.0[to]).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// Times of `rounds` calls of `run(n)` for each engine. A call before them, which is not counted, checks that the
/// engines agree, and lets those that translate functions at their first call do so. Each round starts with another
/// engine.
///
/// # Errors
/// The engines'; also if they disagree.
pub fn program(
    engines: &[Box<dyn Engine>],
    name: &str,
    wasm: &[u8],
    n: i32,
    rounds: usize,
) -> Result<Row, Error> {
    let mut programs = Vec::new();
    let mut expected = None;
    for engine in engines {
        let failed = |error| format!("{}: {error}", engine.name());
        let program = engine.load(name, wasm).map_err(failed)?;
        let (result, _) = program.run(n).map_err(failed)?;
        if *expected.get_or_insert(result) != result {
            return Err(
                format!("{} returns {result}, {} {expected:?}", engine.name(), engines[0].name()).into()
            );
        }
        programs.push(program);
    }
    let mut row = Row::new(engines.len());
    for round in 0..rounds {
        for index in in_turn(round, engines.len()) {
            let (result, time) = programs[index].run(n)?;
            if Some(result) != expected {
                return Err(
                    format!("{} returns {result} once, then {expected:?}", engines[index].name()).into()
                );
            }
            row.push(index, time);
        }
    }
    Ok(row)
}

/// Times of a WASI command, each on a fresh instance, for the engines that can run one. As for [`program`], the first run
/// is not counted.
///
/// # Errors
/// The engines'.
pub fn command(
    engines: &[Box<dyn Engine>],
    wasm: &[u8],
    command: &programs::Command,
    rounds: usize,
) -> Result<Row, Error> {
    let mut loaded = Vec::new();
    for engine in engines {
        let failed = |error| format!("{}: {error}", engine.name());
        let command = match engine.load_command(wasm).map_err(failed)? {
            Some(loaded) => {
                loaded.run(command.args).map_err(failed)?;
                Some(loaded)
            }
            None => None,
        };
        loaded.push(command);
    }
    let mut row = Row::new(engines.len());
    for round in 0..rounds {
        for index in in_turn(round, engines.len()) {
            if let Some(loaded) = &loaded[index] {
                row.push(index, loaded.run(command.args)?);
            }
        }
    }
    Ok(row)
}

/// `0..count`, but each round starts with another.
fn in_turn(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_paired_by_round() {
        let mut row = Row::new(2);
        // The machine is three times as slow in the second and third round.
        for (ours, theirs) in [(200, 100), (600, 300), (630, 300)] {
            row.push(0, Duration::from_millis(ours));
            row.push(1, Duration::from_millis(theirs));
        }
        assert_eq!(row.ratio(0, 1), Some(2.0));
        assert_eq!(row.median(1), Some(0.3));
    }

    #[test]
    fn each_engine_is_first_at_times() {
        assert_eq!(in_turn(4, 3).collect::<Vec<_>>(), [1, 2, 0]);
    }
}
