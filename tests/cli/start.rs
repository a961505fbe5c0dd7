//! How long it takes until a program runs.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Folder;

/// The shortest time of many: what it takes when nothing else gets in between.
fn shortest(mut command: impl FnMut() -> Command) -> Duration {
    let times = (0..60).map(|_| {
        let mut command = command();
        command.stdout(std::process::Stdio::null());
        let start = Instant::now();
        command.status().expect("it was built");
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

/// Hello world takes no longer than half again as long as the same in C, and 2 ms.
#[test]
fn hello_world_starts_fast() {
    let folder = Folder::new();
    let guest = folder.module(
        "hello.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
            (func (export "_start")
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))"#,
    );
    let source = folder
        .write("hello.c", "#include <unistd.h>\nint main(void) { return write(1, \"hello\\n\", 6) != 6; }\n");
    let native = folder.text("hello");
    assert!(
        Command::new("cc").args(["-O2", "-o", &native, &source]).status().expect("a C compiler").success()
    );

    // Both started alike: not by way of a copy of this process, as other programs of tests are.
    let ours = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iwasm"));
        command.arg(&guest);
        command
    };
    let (c, ours) = (shortest(|| Command::new(&native)), shortest(ours));
    assert!(ours < c + c / 2 + Duration::from_millis(2), "C {c:?}, iwasm {ours:?}");
}
