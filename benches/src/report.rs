//! The table, and what it comes to.

use std::fmt::Write;
use wayfarer_bench::measure::Row;
use wayfarer_bench::statistics::geometric_mean;

const NAME_WIDTH: usize = 16;
const WIDTH: usize = 12;

/// Rows so far.
#[derive(Debug)]
pub(crate) struct Report {
    engines: Vec<&'static str>,
    rows: Vec<(String, Row)>,
}

impl Report {
    pub(crate) fn new(engines: &[&'static str]) -> Report {
        Report { engines: engines.to_vec(), rows: Vec::new() }
    }

    /// Column titles: the time of the first engine; for each other, its time and how many times as fast the first is.
    pub(crate) fn header(&self) -> String {
        let mut line = format!("{:NAME_WIDTH$}{:>WIDTH$}", "median CPU time", self.engines[0]);
        for engine in &self.engines[1..] {
            write!(line, "{engine:>WIDTH$}{:>WIDTH$}", "speed vs it").expect("strings take writes");
        }
        line
    }

    /// Takes a row and gives its line.
    pub(crate) fn add(&mut self, name: &str, row: Row) -> String {
        let mut line = format!("{name:NAME_WIDTH$}{}", milliseconds(row.median(0)));
        for engine in 1..self.engines.len() {
            line += &milliseconds(row.median(engine));
            line += &ratio(row.ratio(engine, 0));
        }
        self.rows.push((name.to_string(), row));
        line
    }

    /// Geometric mean and least of the speeds against each engine.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for (index, engine) in self.engines.iter().enumerate().skip(1) {
            let speeds: Vec<(f64, &str)> = self
                .rows
                .iter()
                .filter_map(|(name, row)| Some((row.ratio(index, 0)?, name.as_str())))
                .collect();
            let Some(least) = speeds.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)) else {
                continue;
            };
            let mean = geometric_mean(&speeds.iter().map(|speed| speed.0).collect::<Vec<_>>());
            writeln!(
                text,
                "{} against {engine}: geometric mean {mean:.3}, least {:.3} ({}), {} programs",
                self.engines[0],
                least.0,
                least.1,
                speeds.len()
            )
            .expect("strings take writes");
        }
        text
    }
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| format!("{:>WIDTH$}", "-"), |s| format!("{:>1$.1}ms", s * 1e3, WIDTH - 2))
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| format!("{:>WIDTH$}", "-"), |r| format!("{r:>WIDTH$.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ratios_are_paired_by_round() {
        let mut report = Report::new(&["ours", "theirs", "absent"]);
        let mut row = Row::new(3);
        // The machine is three times as slow in the second and third round.
        for (ours, theirs) in [(100, 200), (300, 600), (300, 630)] {
            row.push(0, Duration::from_millis(ours));
            row.push(1, Duration::from_millis(theirs));
        }
        let line = report.add("program", row);
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["program", "300.0ms", "600.0ms", "2.000", "-", "-"]
        );
        assert_eq!(
            report.summary(),
            "ours against theirs: geometric mean 2.000, least 2.000 (program), 1 programs\n"
        );
    }
}
