//! The README promises what there is.

use std::collections::BTreeSet;

use iwasm::capi::unsupported::UNSUPPORTED;
use iwasm::checkpoint::policy::Setting;

use crate::support::{iwasm, wayfarer};

const README: &str = include_str!("../../README.md");

/// The text between a heading and the next one of the same or a higher level.
fn section(heading: &str) -> &'static str {
    let start = README.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let body = &README[start + heading.len() + 2..];
    let level = heading.chars().take_while(|&c| c == '#').count();
    let next = body.match_indices("\n#").find(|(at, _)| {
        body[at + 1..].chars().take_while(|&c| c == '#').count() <= level && !body[..*at].ends_with("```")
    });
    &body[..next.map_or(body.len(), |(at, _)| at)]
}

/// Words that begin with this, up to a character that no name has.
fn words(text: &'static str, start: &str) -> BTreeSet<&'static str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
        .filter(|w| w.starts_with(start))
        .collect()
}

#[test]
fn functions_that_are_not_done_are_listed() {
    let listed = words(section("### WAMR's C API"), "wasm_");
    let listed: BTreeSet<_> =
        listed.into_iter().filter(|w| !["wasm_export", "wasm_c_api"].contains(w)).collect();
    assert_eq!(listed, UNSUPPORTED.iter().map(|(name, _)| *name).collect());
}

#[test]
fn options_are_those_of_the_help() {
    let table: BTreeSet<_> = section("## Commands")
        .lines()
        .filter(|line| line.starts_with("| `-"))
        .flat_map(|line| words(line.split(" | ").next().unwrap_or_default(), "-"))
        .collect();
    let help = iwasm(["--help"]).stdout;
    let help: BTreeSet<&str> = words(help.leak(), "-");
    assert_eq!(table, help);
}

#[test]
fn commands_of_wayfarer_are_those_of_its_help() {
    let help = wayfarer(["--help"]).stdout;
    for word in ["inspect", "verify", "request", "--json", "--signal", "--wait", "--timeout"] {
        assert!(help.contains(word), "{word}");
        assert!(
            section("## Commands").lines().any(|l| l.starts_with("| `wayfarer ") && l.contains(word)),
            "{word}"
        );
    }
}

#[test]
fn variables_are_those_that_are_read() {
    let listed = words(section("## Environment"), "WAYFARER_");
    assert_eq!(listed, Setting::ALL.iter().map(|s| s.variable()).collect());
}
