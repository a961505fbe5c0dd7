//! What images hold of open files, and what a restore does about those that are not what they were: `--checkpoint-files`,
//! `--restore-files`, and their variables.

use crate::files::{Setup, TEXT, setup};
use crate::support::{Ran, iwasm, iwasm_command, run, wayfarer};

const CHECKPOINTED: i32 = 86;

/// Stops the copying program in its middle.
fn stopped(s: &Setup, options: &[&str]) -> Ran {
    stopped_at(s, 2000, options)
}

fn stopped_at(s: &Setup, point: u32, options: &[&str]) -> Ran {
    let (image, at) = (format!("--checkpoint={}", s.image), &*format!("--checkpoint-at={point}"));
    let words = [&*image, at, "--checkpoint-then=exit"].into_iter().chain(options.iter().copied());
    let ran = iwasm(words.chain([&*s.map, &*s.guest]));
    assert_eq!(ran.status, Some(CHECKPOINTED), "{ran:?}");
    ran
}

/// An empty directory in place of the one that the program had.
fn elsewhere(s: &Setup) -> String {
    let _ = std::fs::remove_dir_all(s.folder.at("elsewhere"));
    std::fs::create_dir(s.folder.at("elsewhere")).unwrap();
    format!("--map-dir=/::{}", s.folder.text("elsewhere"))
}

#[track_caller]
fn refused(ran: &Ran, why: &str) {
    assert_ne!(ran.status, Some(0), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(why), "{said}");
}

#[test]
fn carried_files_go_to_an_empty_directory_under_each_wasi() {
    let s = setup();
    for from in ["linux", "portable", "memory"] {
        for to in ["linux", "portable", "memory"] {
            let first = stopped(&s, &["--checkpoint-files=carry", &format!("--wasi={from}")]);
            let map = elsewhere(&s);
            let second = s.restore(&[&format!("--wasi={to}"), &map]);
            assert_eq!((second.status, second.stderr.as_str()), (Some(0), ""), "from {from} to {to}");
            assert_eq!(first.stdout + &second.stdout, TEXT, "from {from} to {to}");
            let made = s.folder.at("elsewhere/out").exists();
            assert_eq!(made, to != "memory", "from {from} to {to}");
            if made {
                assert_eq!(std::fs::read_to_string(s.folder.at("elsewhere/out")).unwrap(), TEXT);
            }
        }
    }
}

#[test]
fn the_longest_prefix_of_a_path_says_what_an_image_holds() {
    let s = setup();
    stopped(&s, &["--checkpoint-files=carry", "--checkpoint-files=ignore:/in"]);
    let inspected = wayfarer(["inspect", &s.image, "--json"]).stdout;
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let sections = inspected["host"].as_array().unwrap();
    let wasi = &sections.iter().find(|section| section["name"] == "wasi").unwrap()["content"];
    assert_eq!(wasi["carried"]["files"], 1, "{wasi}");
    let opened = &wasi["descriptors"][4]["opened"];
    assert_eq!((&opened["preopen"], &opened["path"]), (&"/".into(), &"in".into()), "{wasi}");
    assert_eq!(wasi["descriptors"][5]["opened"]["oflags"], serde_json::json!(["creat", "trunc"]), "{wasi}");

    let map = elsewhere(&s);
    refused(&s.restore(&[&map]), "cannot open `in` in `/` again");
    assert!(!s.folder.at("elsewhere/out").exists(), "what was made is taken back");
    std::fs::write(s.folder.at("elsewhere/in"), TEXT.to_uppercase()).unwrap();
    let ran = s.restore(&[&map]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let out = std::fs::read_to_string(s.folder.at("elsewhere/out")).unwrap();
    assert!(out != TEXT && out.eq_ignore_ascii_case(TEXT), "{out}");
}

#[test]
fn another_file_is_refused_by_name_or_replaced() {
    let s = setup();
    let mut command = iwasm_command([
        &format!("--checkpoint={}", s.image),
        "--checkpoint-at=2000",
        "--checkpoint-then=exit",
        &s.map,
        &s.guest,
    ]);
    command.env("WAYFARER_CHECKPOINT_FILES", "reopen,carry:/out,carry:/in");
    assert_eq!(run(command).status, Some(CHECKPOINTED));
    let map = elsewhere(&s);
    std::fs::write(s.folder.at("elsewhere/out"), "another").unwrap();
    let another = "the image carries `out` in `/`: another file is there";
    refused(&s.restore(&[&map]), another);
    refused(&s.restore(&["--restore-files=replace:/in", &map]), another);
    assert_eq!(std::fs::read_to_string(s.folder.at("elsewhere/out")).unwrap(), "another");
    let mut by_environment = iwasm_command([&*map, &s.guest]);
    by_environment.env("WAYFARER_RESTORE", &s.image).env("WAYFARER_RESTORE_FILES", "same,replace:/out");
    let ran = run(by_environment);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(std::fs::read_to_string(s.folder.at("elsewhere/out")).unwrap(), TEXT);
}

#[test]
fn a_file_that_has_grown_is_cut_off_if_that_is_asked_for() {
    let s = setup();
    let first = stopped(&s, &[]);
    let out = s.folder.at("data/out");
    let written = std::fs::read_to_string(&out).unwrap();
    assert!(written.len() > 3 && written.len() < TEXT.len(), "{written}");
    std::fs::write(&out, format!("{written}and more, and more, and more, and more")).unwrap();
    refused(&s.restore(&[&s.map]), "`out` in `/` is not the file it was: it has");
    let second = s.restore(&["--restore-files=truncate:/out", &s.map]);
    assert_eq!((second.status, second.stderr.as_str()), (Some(0), ""));
    assert_eq!(first.stdout + &second.stdout, TEXT);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), TEXT);

    stopped(&s, &[]);
    std::fs::write(&out, &written[1..]).unwrap();
    refused(&s.restore(&["--restore-files=truncate", &s.map]), "`out` in `/` is not the file it was: it has");
}

/// What an image holds of its open files: what was said of them, and how many are carried.
fn held(s: &Setup) -> (String, serde_json::Value) {
    let inspected = wayfarer(["inspect", &s.image, "--json"]).stdout;
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let sections = inspected["host"].as_array().unwrap();
    let wasi = &sections.iter().find(|section| section["name"] == "wasi").unwrap()["content"];
    (wasi["file_policies"].to_string(), wasi["carried"]["files"].clone())
}

#[test]
fn what_was_said_of_files_goes_on_until_something_else_is_said() {
    let s = setup();
    let carry = r#"[{"policy":"carry","prefix":"/out"}]"#;
    stopped(&s, &["--checkpoint-files=carry:/out"]);
    assert_eq!(held(&s), (carry.into(), 1.into()));
    let again = |files: &[&str]| {
        let restore = format!("--restore={}", s.image);
        stopped_at(&s, 100, &[&[&*restore], files].concat());
        held(&s)
    };
    for _ in 0..2 {
        assert_eq!(again(&[]), (carry.into(), 1.into()), "nothing was said");
    }
    let other = r#"[{"policy":"reopen-hash","prefix":"/in"}]"#;
    assert_eq!(again(&["--checkpoint-files=reopen-hash:/in"]), (other.into(), serde_json::Value::Null));
    assert_eq!(again(&[]).0, other);
    let reopen = r#"[{"policy":"reopen","prefix":""}]"#;
    assert_eq!(again(&["--checkpoint-files=reopen"]).0, reopen);
    let last = s.restore(&[&s.map]);
    assert_eq!(last.status, Some(0), "{last:?}");
}
