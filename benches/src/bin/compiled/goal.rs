//! What is hoped for, and whether it is so.

/// A line that says whether `value` is as `goal` has it.
pub(crate) fn at_most(what: &str, value: f64, goal: f64, unit: &str) -> String {
    line(what, value, value <= goal, &format!("at most {goal}{unit}"), unit)
}

/// The same for what should be less.
pub(crate) fn below(what: &str, value: f64, goal: f64, unit: &str) -> String {
    line(what, value, value < goal, &format!("below {goal}{unit}"), unit)
}

fn line(what: &str, value: f64, met: bool, goal: &str, unit: &str) -> String {
    let verdict = if met { "PASS" } else { "over" };
    format!("{verdict}  {what}: {value:.3}{unit} (goal: {goal})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(at_most("x", 1.0, 1.0, ""), "PASS  x: 1.000 (goal: at most 1)");
        assert_eq!(below("x", 1.0, 1.0, ""), "over  x: 1.000 (goal: below 1)");
        // No measurement is no success.
        assert!(at_most("x", f64::NAN, 1.0, " ms").starts_with("over"));
    }
}
