//! Requests for checkpoints: none is lost, none keeps the program from its work.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::checkpoint::{alphabet, send, start};
use crate::support::{Folder, Ran, iwasm, iwasm_command, run_with_input, until, wait, wayfarer};

/// Dirties 48 MiB, works for a moment and sleeps as long, ends with status 7. Checkpoints of it take longer than a few
/// milliseconds everywhere.
const LARGE: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 770)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    ;; A relative time of the monotonic clock, 150 ms.
    (data (i32.const 80) "\01")
    (data (i32.const 88) "\80\d1\f0\08")
    (func (export "_start") (local $at i32) (local $x i64)
        (local.set $at (i32.const 65536))
        (loop $fill
            (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1)))
            (i64.store (local.get $at) (local.get $x))
            (local.set $at (i32.add (local.get $at) (i32.const 64)))
            (br_if $fill (i32.lt_u (local.get $at) (i32.const 50462720))))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
        (local.set $at (i32.const 10000000))
        (loop $work (br_if $work (local.tee $at (i32.sub (local.get $at) (i32.const 1)))))
        (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))
        (call $exit (i32.const 7))))"#;

/// More often than they can be taken, and the program still gets to its end: before, it did not in many minutes.
#[test]
fn a_clock_that_is_too_fast_leaves_the_program_half_of_its_time() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", LARGE), folder.text("the.image"));
    let ran = iwasm([&*format!("--checkpoint={image}"), "--checkpoint-every=1ms", &*guest]);
    ran.expect("a", 7);
    assert_eq!(ran.stderr.matches("longer than the time between two").count(), 1, "{ran:?}");
    assert_eq!(wayfarer(["verify", &image]).status, Some(0));
}

#[test]
fn a_storm_of_signals_leaves_the_program_half_of_its_time() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", LARGE), folder.text("the.image"));
    let (mut child, letter) = start(iwasm_command([&*format!("--checkpoint={image}"), &*guest]));
    until(|| {
        let over = child.try_wait().unwrap().is_some();
        if !over {
            send(&child, libc::SIGUSR2);
        }
        over
    });
    let ran = wait(child);
    assert_eq!((letter.as_str(), ran.stdout.as_str(), ran.status), ("a", "", Some(7)), "{ran:?}");
    assert!(inspect(&image)["info"]["sequence"].as_u64() > Some(1), "several were served");
}

/// Copies bytes from its input, one by one, to its output, and ends with their number.
const COPY: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (export "read" (func $read))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00")
    (func (export "_start") (local $n i32)
        (loop $next
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))
            (if (i32.load (i32.const 32)) (then
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br $next))))
        (call $exit (local.get $n))))"#;

fn inspect(image: &str) -> serde_json::Value {
    serde_json::from_str(&wayfarer(["inspect", "--json", image]).stdout).unwrap_or_default()
}

/// Starts a program with a silent pipe as its input, and waits until it handles requests.
fn start_waiting(mut command: Command) -> Child {
    let child = command.stdin(Stdio::piped()).spawn().expect("the program was built");
    until(|| crate::support::handles_requests(&child));
    child
}

/// Bursts at a guest that is blocked: after each there is an image that was begun after its last signal.
/// `WAYFARER_TEST_BURSTS` sets how many.
#[test]
fn no_signal_is_lost_on_a_guest_that_waits() {
    let bursts = std::env::var("WAYFARER_TEST_BURSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", COPY), folder.text("the.image"));
    let mut child = start_waiting(iwasm_command([&*format!("--checkpoint={image}"), &*guest]));
    for burst in 0..bursts {
        let mut asked = 0;
        for ask in 0..3 {
            // Before the signal: what was begun in the same millisecond counts, as images tell no less.
            asked = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
            send(&child, libc::SIGUSR2);
            (0..(burst * 97 + ask * 31) % 4000).for_each(|_| std::hint::spin_loop());
        }
        until(|| {
            wayfarer_snapshot::Image::open(image.as_str())
                .is_ok_and(|image| image.info().created_unix_ms >= asked)
        });
    }
    child.stdin.take().unwrap().write_all(b"xyz").unwrap();
    let ran = wait(child);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), ("xyz", "", Some(3)));
}

#[test]
fn a_host_that_waits_itself_can_be_stopped() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", COPY), folder.text("the.image"));
    let options = [&*format!("--checkpoint={image}"), "--checkpoint-then=exit"];
    let call = ["-f", "read", &guest, "0", "0", "1", "32"];
    let mut child = start_waiting(iwasm_command([&options[..], &call].concat()));
    let _silent = child.stdin.take();
    // It may not wait yet: then this is served by the first stable point, which is the wait.
    send(&child, libc::SIGUSR2);
    let stopped = wait(child);
    assert_eq!((stopped.status, stopped.stderr.as_str()), (Some(86), ""), "{stopped:?}");
    let restore = [&*format!("--restore={image}")];
    run_with_input(iwasm_command([&restore[..], &call].concat()), "x").expect("0x0:i32\n", 0);
}

/// What is asked for as soon as there is a process.
#[test]
fn a_request_that_comes_early_is_served() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", &alphabet(1000));
    for n in 0..10 {
        let image = folder.text(&format!("{n}.image"));
        let options = [&*format!("--checkpoint={image}"), "--checkpoint-then=exit", &*guest];
        let child = iwasm_command(options).spawn().unwrap();
        let pid = child.id().to_string();
        let asked = wayfarer(["request", &pid, &format!("--wait={image}"), "--timeout=50s"]);
        let first = wait(child);
        if asked.status != Some(0) {
            // On a machine where the program ends before this one begins.
            assert_eq!((first.status, asked.status), (Some(26), Some(1)), "{asked:?}");
            continue;
        }
        assert_eq!(first.status, Some(86), "{asked:?}");
        let second = iwasm([&format!("--restore={image}"), &guest]);
        assert_eq!(first.stdout + &second.stdout, "abcdefghijklmnopqrstuvwxyz");
    }
}

#[test]
fn request_waits_for_the_handler() {
    let folder = Folder::new();
    let image = folder.text("the.image");
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = sleeper.id().to_string();
    let wait_for = format!("--wait={image}");
    wayfarer(["request", &pid, &wait_for, "--timeout=100ms"])
        .expect_error(1, &format!("process {pid} does not handle SIGUSR2 after "));
    let asking = std::thread::spawn(move || wayfarer(["request", &pid, &wait_for]));
    std::thread::sleep(Duration::from_millis(2200));
    assert!(!asking.is_finished() && sleeper.try_wait().unwrap().is_none());
    sleeper.kill().unwrap();
    let ended = asking.join().unwrap();
    assert!(ended.stderr.contains("does not handle SIGUSR2 yet, waiting"), "{ended:?}");
    assert!(ended.stderr.contains("has ended, and never handled SIGUSR2"), "{ended:?}");
    assert_eq!(ended.status, Some(1));
    sleeper.wait().unwrap();
}

/// A path that is gone when the process is.
#[test]
fn request_finds_an_image_by_way_of_a_process_that_ends() {
    let folder = Folder::new();
    let (guest, image) = (folder.module("guest.wasm", COPY), folder.text("the.image"));
    let options = [&*format!("--checkpoint={image}"), "--checkpoint-then=exit", &*guest];
    let child = start_waiting(iwasm_command(options));
    let pid = child.id().to_string();
    let there = format!("/proc/{pid}/root{image}");
    let asked = wayfarer(["request", &pid, &format!("--wait={there}")]);
    assert!(asked.stdout.starts_with(&format!("{there}: checkpoint 1 of process {pid}, ")), "{asked:?}");
    assert_eq!(wait(child).status, Some(86));
}

/// One whose output nobody reads for a while: it is not lost.
#[test]
fn output_that_was_buffered_is_there_after_the_exit() {
    let folder = Folder::new();
    // The C library's stdout: what libc-builtin prints.
    let guest = folder.module(
        "guest.wasm",
        r#"(module
            (import "env" "printf" (func $printf (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "0123456789abcdef")
            (func (export "_start") (local $n i32)
                (loop $next
                    (drop (call $printf (i32.const 0) (i32.const 32)))
                    (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
                        (i32.const 6000))))))"#,
    );
    let image = folder.text("the.image");
    let options = [&*format!("--checkpoint={image}"), "--checkpoint-at=5000", "--checkpoint-then=exit"];
    let mut child = iwasm_command([&options[..], &[&guest]].concat()).spawn().unwrap();
    // The pipe is full by then, and stays so for a while.
    std::thread::sleep(Duration::from_millis(300));
    let mut first = String::new();
    child.stdout.take().unwrap().read_to_string(&mut first).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(86));
    let second: Ran = iwasm([&*format!("--restore={image}"), &*guest]);
    assert_eq!(first + &second.stdout, "0123456789abcdef".repeat(6000));
}

/// What asks while nothing runs is served by the function that is called next. The shell goes on.
#[test]
fn a_request_at_the_prompt_is_served_by_the_next_call() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", r#"(module (func (export "five") (result i32) (i32.const 5)))"#);
    let image = folder.text("the.image");
    let mut child = start_waiting(iwasm_command([&*format!("--checkpoint={image}"), "--repl", &*guest]));
    let mut prompt = [0; "webassembly> ".len()];
    child.stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"webassembly> ");
    let asked = wayfarer(["request", &child.id().to_string()]);
    assert_eq!((asked.status, &*asked.stderr), (Some(0), ""));
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"five\n").unwrap();
    until(|| std::fs::exists(&image).unwrap());
    input.write_all(b"five\n__exit__\n").unwrap();
    wait(child).expect("0x5:i32\nwebassembly> 0x5:i32\nwebassembly> exit repl mode\n", 0);
    assert_eq!(wayfarer(["verify", &image]).status, Some(0));
}
