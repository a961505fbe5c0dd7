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
