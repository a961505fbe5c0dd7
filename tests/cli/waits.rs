//! Programs that are stopped while they wait for an address of a shared memory, and go on waiting in the restored one.

use std::time::{Duration, Instant};

use crate::checkpoint::{send, start};
use crate::support::{Folder, iwasm, iwasm_command, wait, wayfarer};

/// Prints a letter, waits four seconds for nobody, and prints what came of it.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1 1 shared)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (i32.store8 (i32.const 8)
            (i32.add (i32.const 48)
                (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const 4000000000))))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))"#;

#[test]
fn what_is_left_of_the_time_goes_into_the_image() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", GUEST), folder.text("the.image"));
    let checkpoint = format!("--checkpoint={image}");
    let (child, letter) = start(iwasm_command([&*checkpoint, "--checkpoint-then=exit", &*guest]));
    std::thread::sleep(Duration::from_millis(500));
    send(&child, libc::SIGUSR2);
    let first = wait(child);
    assert_eq!((letter.as_str(), first.stdout.as_str(), first.status), ("a", "", Some(86)), "{first:?}");
    let inspected = wayfarer(["inspect", "--json", &image]).stdout;
    let left = inspected
        .split("\"left_ns\":")
        .nth(1)
        .and_then(|rest| rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok());
    let left = left.unwrap_or_else(|| panic!("the time left is not said: {inspected}"));
    assert!(left > 0 && left < 4_000_000_000, "{left}");
    let restored = Instant::now();
    iwasm([&*format!("--restore={image}"), &*guest]).expect("2", 0);
    assert!(restored.elapsed() >= Duration::from_nanos(left).saturating_sub(Duration::from_millis(100)));
}

/// Prints a letter, and waits for a signal that nobody gives, for four seconds, with a mutex; and prints what came of it, as a character.
const SIGNALLED: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "env" "pthread_mutex_init" (func $init (param i32 i32) (result i32)))
    (import "env" "pthread_mutex_lock" (func $lock (param i32) (result i32)))
    (import "env" "pthread_cond_init" (func $cond_init (param i32 i32) (result i32)))
    (import "env" "pthread_cond_timedwait" (func $wait (param i32 i32 i64) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func (export "_start")
        (drop (call $init (i32.const 64) (i32.const 0)))
        (drop (call $cond_init (i32.const 68) (i32.const 0)))
        (drop (call $lock (i32.const 64)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (i32.store8 (i32.const 8) (call $wait (i32.const 68) (i32.const 64) (i64.const 4000000)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))"#;

/// Prints a letter, and waits for itself.
const DEADLOCKED: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "env" "pthread_mutex_init" (func $init (param i32 i32) (result i32)))
    (import "env" "pthread_mutex_lock" (func $lock (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func (export "_start")
        (drop (call $init (i32.const 64) (i32.const 0)))
        (drop (call $lock (i32.const 64)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (drop (call $lock (i32.const 64)))))"#;

/// Has a guest run until it waits, and stop there.
fn stopped_while_it_waits(guest: &str, image: &str) {
    let checkpoint = format!("--checkpoint={image}");
    let (child, letter) = start(iwasm_command([&*checkpoint, "--checkpoint-then=exit", guest]));
    std::thread::sleep(Duration::from_millis(500));
    send(&child, libc::SIGUSR2);
    let first = wait(child);
    assert_eq!((letter.as_str(), first.stdout.as_str(), first.status), ("a", "", Some(86)), "{first:?}");
}

#[test]
fn a_wait_for_a_signal_ends_after_what_was_left_of_its_time() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", SIGNALLED), folder.text("the.image"));
    stopped_while_it_waits(&guest, &image);
    let json = wayfarer(["inspect", "--json", &image]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let waits = &json["wait_graph"]["waits"][0];
    assert_eq!(
        (&waits["for"], &waits["condition"], &waits["mutex"]),
        (&"condition".into(), &2.into(), &1.into())
    );
    let left = waits["left_ns"].as_u64().expect("it has a limit");
    assert!(left > 0 && left < 4_000_000_000, "{left}");
    assert_eq!(json["wait_graph"]["deadlocks"], serde_json::json!([]));
    let restored = Instant::now();
    // 110: the time is over.
    iwasm([&*format!("--restore={image}"), &*guest]).expect("n", 0);
    assert!(restored.elapsed() >= Duration::from_nanos(left).saturating_sub(Duration::from_millis(100)));
}

#[test]
fn a_thread_that_waits_for_itself_is_said_to() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", DEADLOCKED), folder.text("the.image"));
    stopped_while_it_waits(&guest, &image);
    let text = wayfarer(["inspect", &image]).stdout;
    let expected = "waits:\n  thread 0 waits for mutex 1 of thread 0, first, for ever\n  thread 0 has mutex 1\n  \
                    deadlock: thread 0 waits for mutex 1 of itself\n";
    assert!(text.ends_with(expected), "{text}");
    let json = wayfarer(["inspect", "--json", &image]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["wait_graph"]["deadlocks"], serde_json::json!([[0]]));
    let dot = wayfarer(["inspect", "--dot", &image]);
    assert_eq!(dot.status, Some(0), "{dot:?}");
    let expected = "digraph waits {\n  rankdir=LR;\n  t0 [shape=box, label=\"thread 0\", color=red];\n  \
                    m1 [label=\"mutex 1\"];\n  t0 -> m1 [label=\"1\", color=red];\n  \
                    m1 -> t0 [style=dashed, color=red];\n}\n";
    assert_eq!(dot.stdout, expected);
    // It is in the next image as it was in this one.
    let again = folder.text("again.image");
    let options =
        [&*format!("--restore={image}"), &*format!("--checkpoint={again}"), "--checkpoint-then=exit"];
    let child = iwasm_command(options.into_iter().chain([&*guest])).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(800));
    send(&child, libc::SIGUSR2);
    assert_eq!(wait(child).status, Some(86));
    assert_eq!(wayfarer(["inspect", "--dot", &again]).stdout, dot.stdout);
}

#[test]
fn an_image_in_which_nobody_waits_has_an_empty_graph() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", crate::images::COUNTER);
    let image = folder.text("the.image");
    let options = ["--checkpoint-at=50", "--checkpoint-then=exit", "-f", "run", &guest, "100"];
    assert_eq!(iwasm([&*format!("--checkpoint={image}")].into_iter().chain(options)).status, Some(86));
    assert_eq!(wayfarer(["inspect", "--dot", &image]).stdout, "digraph waits {\n  rankdir=LR;\n}\n");
    assert!(!wayfarer(["inspect", &image]).stdout.contains("waits:"));
}
