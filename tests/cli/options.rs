//! The options that the programs have, those that their help texts list, and those that the manual pages and the README
//! describe, are the same. That the programs have what their help texts list is tested where they read their command lines.

use std::collections::BTreeSet;

use wayfarer_program::policy::Setting;

use crate::compiled::wamrc;
use crate::support::{Ran, iwasm, wayfarer};

type Options = BTreeSet<String>;

/// Options in a text: what begins with a hyphen where a word begins, but not in a list of values like `+a,-b`.
fn options(text: &str) -> Options {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let words = text.split(|c: char| !is_name(c) && c != ',');
    let words = words.map(|word| word.split(',').next().unwrap_or_default());
    words.filter(|w| w.starts_with('-') && w.contains(char::is_alphabetic)).map(str::to_owned).collect()
}

/// The manual page of a program, as it reads.
fn manual(program: &str) -> String {
    let path = format!("{}/packaging/man/{program}.1", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).expect("there is one");
    ["\\fR", "\\fB", "\\fI", "\\fP"]
        .iter()
        .fold(page.replace("\\-", "-"), |page, font| page.replace(font, " "))
}

/// What a manual page describes: the line after each `.TP`.
fn described(page: &str) -> Options {
    let lines: Vec<&str> = page.lines().collect();
    lines.windows(2).filter(|pair| pair[0] == ".TP").flat_map(|pair| options(pair[1])).collect()
}

/// What a help text lists: the part of each line that begins with an option, up to what is said about it.
fn listed(help: &str) -> Options {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  ")).map(str::trim_start);
    let names =
        lines.filter(|line| line.starts_with('-')).map(|line| line.split("  ").next().unwrap_or(line));
    names.flat_map(options).collect()
}

fn help_of(stdout: String) -> String {
    assert!(stdout.starts_with("Usage: "), "{stdout}");
    stdout
}

#[test]
fn iwasm_has_what_its_manual_describes() {
    let help = help_of(iwasm(["--help"]).stdout);
    let listed = listed(&help);
    assert!(listed.len() > 25 && listed.contains("--function") && listed.contains("-h"), "{listed:?}");
    assert_eq!(described(&manual("iwasm")), listed);
}

#[test]
fn wamrc_has_what_its_manual_describes() {
    let help = help_of(wamrc(["--help"]).stdout);
    let listed = listed(&help);
    assert!(listed.len() > 20 && listed.contains("-o") && listed.contains("--llvm-version"), "{listed:?}");
    assert_eq!(described(&manual("wamrc")), listed);
}

#[test]
fn wayfarer_has_what_its_manual_describes() {
    let help = help_of(wayfarer(["--help"]).stdout);
    let manual = manual("wayfarer");
    let before_examples = manual.split("\n.SH EXAMPLES\n").next().unwrap_or_default();
    assert_eq!(options(before_examples), options(&help));
    for command in ["inspect", "log", "verify", "request", "disasm"] {
        assert!(manual.contains(&format!(".BI \"{command} ")), "{command}");
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
}

/// Each option of the help text is known: with nonsense for a value, something else is wrong than that there is none.
#[test]
fn what_is_listed_is_known() {
    let programs: [&dyn Fn(&str) -> Ran; 2] = [&|word| iwasm([word]), &|word| wamrc([word])];
    for program in programs {
        for option in options(&program("--help").stdout) {
            let said = program(&option);
            assert!(!said.stdout.contains("there is no option"), "{said:?}");
            assert_ne!(said.status, None, "{said:?}");
        }
    }
}

#[test]
fn variables_are_those_of_the_manual() {
    let page = manual("iwasm");
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let described: BTreeSet<_> = words.filter(|w| w.starts_with("WAYFARER_")).collect();
    let read = Setting::ALL.iter().map(|s| s.variable()).chain(iwasm::compiled::VARIABLES);
    let others = [iwasm::deterministic::VARIABLE, iwasm::stdio::VARIABLE, iwasm::files::VARIABLE];
    assert_eq!(described, read.chain(others).collect());
}

#[test]
fn what_counts_as_an_option() {
    let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Options>();
    assert_eq!(
        options("-f NAME, --function=N [--x|-y] half-way - --"),
        names(&["-f", "--function", "--x", "-y"])
    );
    assert_eq!(
        listed("Usage: a -b\n  -c, --d=E   not -f\n    --g     h\ntext --i\n"),
        names(&["-c", "--d", "--g"])
    );
    assert_eq!(described(".B -a\n.TP\n.BI --b-c= X\nnot -d\n"), names(&["--b-c"]));
}
