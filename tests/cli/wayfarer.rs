//! `wayfarer`.

use crate::checkpoint::{alphabet, start};
use crate::support::{Folder, iwasm, iwasm_command, wait, wayfarer};

/// An alphabet that no test waits for to be done.
const ENDLESS: u32 = 100_000_000;

/// A folder with an image in it, of the program `guest.wasm`.
fn with_image() -> (Folder, String) {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", &alphabet(10));
    let image = folder.text("the.image");
    let ran =
        iwasm([&format!("--checkpoint={image}"), "--checkpoint-at=100", "--checkpoint-then=exit", &guest]);
    assert_eq!(ran.status, Some(86), "{ran:?}");
    (folder, image)
}

#[test]
fn help_and_version() {
    let help = wayfarer(["--help"]);
    assert!(help.stdout.starts_with("Usage: wayfarer COMMAND\n"), "{help:?}");
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    wayfarer(["inspect", "--help"]).expect(&help.stdout, 0);
    wayfarer(["--version"]).expect(&format!("wayfarer {}\n", env!("CARGO_PKG_VERSION")), 0);
}

#[test]
fn usage_errors() {
    for (words, why) in [
        (&[][..], "a command is missing"),
        (&["look"], "there is no command `look`"),
        (&["inspect"], "IMAGE is missing"),
        (&["inspect", "a", "--yaml"], "there is no option `--yaml` here"),
        (&["disasm"], "FILE is missing"),
        (&["disasm", "a", "--all"], "there is no option `--all` here"),
        (&["verify", "a", "b"], "one IMAGE only, not `b` as well"),
        (&["request", "self"], "`self` is not the number of a process"),
        (&["request", "1", "--timeout=1s"], "--timeout is about how long to --wait"),
    ] {
        wayfarer(words).expect_error(2, &format!("wayfarer: {why}\nTry `wayfarer --help`."));
    }
}

#[test]
fn inspect() {
    let (_folder, image) = with_image();
    let text = wayfarer(["inspect", &image]);
    assert_eq!((text.status, text.stderr.as_str()), (Some(0), ""));
    for part in [
        &*format!("{image}: image, format version "),
        "checkpoint 1 (count)",
        "memory 0: 64 KiB: ",
        "thread ",
        "module 0: without a name (",
        "host section \"wasi\"",
        &*format!("  args: {}\n", image.replace("the.image", "guest.wasm")),
    ] {
        assert!(text.stdout.contains(part), "{part} in {}", text.stdout);
    }

    // It fits a screen, more or less.
    assert!(text.stdout.lines().count() < 50 && !text.stdout.contains('{'), "{}", text.stdout);

    let json = wayfarer(["inspect", "--json", &image]);
    assert_eq!((json.status, json.stderr.as_str()), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["info"]["reason"], "count");
    assert_eq!(json["memories"][0]["len"], 65536);
    assert!(json["threads"][0]["frames"].as_array().is_some_and(|frames| !frames.is_empty()));
    let wasi =
        json["host"].as_array().and_then(|h| h.iter().find(|s| s["name"] == "wasi")).expect("a section");
    assert!(wasi["content"]["args"][0].as_str().is_some_and(|a| a.ends_with("guest.wasm")), "{wasi}");
    assert_eq!(wasi["content"]["descriptors"][1]["fd"], 1);
    let instance =
        json["host"].as_array().and_then(|h| h.iter().find(|s| s["name"] == "instance")).expect("a section");
    assert_eq!(instance["content"]["sequence"], 1);
}

#[test]
fn verify() {
    let (folder, image) = with_image();
    let sound = wayfarer(["verify", &image]);
    assert!(sound.stdout.starts_with(&format!("{image}: sound: ")), "{sound:?}");
    assert_eq!(sound.status, Some(0));

    let bytes = std::fs::read(&image).unwrap();
    for at in [0, 8, bytes.len() / 2, bytes.len() - 1] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let damaged = folder.write("damaged.image", bytes);
        wayfarer(["verify", &damaged]).expect_error(1, &format!("wayfarer: {damaged}: "));
    }
    wayfarer(["verify", "/no/such.image"]).expect_error(1, "wayfarer: /no/such.image: ");
    wayfarer(["inspect", "/dev/null"]).expect_error(1, "wayfarer: /dev/null: ");
}

#[test]
fn request_and_wait_for_the_image() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", &alphabet(ENDLESS));
    let image = folder.text("the.image");
    let checkpoint = format!("--checkpoint={image}");
    let (mut child, _) = start(iwasm_command([&*checkpoint, "--checkpoint-signal=HUP", &guest]));
    let pid = child.id().to_string();
    let wait_for = format!("--wait={image}");
    for number in 1..=2 {
        let done = wayfarer(["request", &pid, "--signal=HUP", &wait_for]);
        let start = format!("{image}: checkpoint {number} of process {pid}, ");
        assert!(done.stdout.starts_with(&start), "{done:?}");
        assert_eq!(done.status, Some(0));
        assert_eq!(wayfarer(["verify", &image]).status, Some(0));
    }
    wayfarer(["request", &pid, "--signal=HUP"]).expect("", 0);
    // Nobody writes there.
    let elsewhere = format!("--wait={}", folder.text("other.image"));
    wayfarer(["request", &pid, "--signal=HUP", &elsewhere, "--timeout=50ms"])
        .expect_error(1, "no new image in ");
    // It would end from this one, and must not get it.
    wayfarer(["request", &pid]).expect_error(1, &format!("process {pid} does not handle SIGUSR2"));
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    wait(child);
}

#[test]
fn request_to_a_process_that_ends() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", &alphabet(ENDLESS));
    let image = folder.text("the.image");
    let (child, _) =
        start(iwasm_command([&*format!("--checkpoint={image}"), "--checkpoint-then=exit", &guest]));
    let pid = child.id().to_string();
    let ended = wayfarer(["request", &pid, &format!("--wait={image}")]);
    assert!(ended.stdout.contains("checkpoint 1"), "there is an image all the same: {ended:?}");
    assert_eq!(wait(child).status, Some(86));
    // Its number is free now.
    wayfarer(["request", &pid]).expect_error(1, &format!("there is no process {pid}"));

    // A folder takes the name while the program runs.
    let nowhere = folder.text("x");
    let (child, _) = start(iwasm_command([&*format!("--checkpoint={nowhere}"), "--timeout=300", &guest]));
    std::fs::create_dir(&nowhere).unwrap();
    let pid = child.id().to_string();
    wayfarer(["request", &pid, &format!("--wait={nowhere}")])
        .expect_error(1, &format!("process {pid} has ended, and there is no new image in {nowhere}"));
    wait(child);
}

const LISTED: &str = r#"(module
    (import "env" "host" (func $host (param i32)))
    (func $twice (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "run") (param i64) (call $host (i32.const 5))))"#;

#[test]
fn disasm() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", LISTED);
    let all = wayfarer(["disasm", &guest]);
    assert_eq!((all.status, all.stderr.as_str()), (Some(0), ""));
    let twice = "function 1 \"twice\" (i32) -> (i32): frame of 3 slots, 1 of them for locals\n";
    let run = "function 2 \"run\" (i64): frame of 2 slots, 1 of them for locals\n";
    assert!(all.stdout.starts_with(twice) && all.stdout.contains(run), "{}", all.stdout);
    for part in [
        "i32.mul ",
        " result=s1 x=s0 y=2\n",
        "return int ",
        " value=acc(s1)\n",
        "call:\n",
        " func=0 base=s1 ",
    ] {
        assert!(all.stdout.contains(part), "{part} in {}", all.stdout);
    }

    // One function, by index, by its own name or by that of its export.
    let one = wayfarer(["disasm", &guest, "1"]);
    assert!(one.stdout.starts_with(twice) && !one.stdout.contains(run), "{one:?}");
    for name in ["twice", "double"] {
        wayfarer(["disasm", &guest, name]).expect(&one.stdout, 0);
    }
    let errors = [
        ("triple", "there is no function `triple`"),
        ("9", "there is no function `9`"),
        ("host", "function `host` is imported: it has no code"),
    ];
    for (name, why) in errors {
        wayfarer(["disasm", &guest, name]).expect_error(1, &format!("wayfarer: {guest}: {why}"));
    }
    let missing = folder.text("missing.wasm");
    let ran = wayfarer(["disasm", &missing]);
    assert!(ran.status == Some(1) && ran.stderr.starts_with(&format!("wayfarer: {missing}: ")), "{ran:?}");
    let bad = folder.text("bad.wasm");
    std::fs::write(&bad, b"no module").unwrap();
    let ran = wayfarer(["disasm", &bad]);
    assert!(ran.status == Some(1) && ran.stderr.starts_with(&format!("wayfarer: {bad}: ")), "{ran:?}");
}
