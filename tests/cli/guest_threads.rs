//! Programs that start threads: how they end together, how many there may be, and that they are stopped and go on.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::checkpoint::{send, start};
use crate::support::{Folder, built, how_often, iwasm, iwasm_command, run, wait, wayfarer};

/// What all guests here begin with. Words of memory: 64 and 68 are counted in, 72 says how many threads are done, or have come.
const HEAD: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func $put (param $letter i32)
        (i32.store8 (i32.const 8) (local.get $letter))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100))))
    (func $come
        (drop (i32.atomic.rmw.add (i32.const 72) (i32.const 1)))
        (drop (memory.atomic.notify (i32.const 72) (i32.const -1))))
    (func $await (param $count i32) (local $seen i32)
        (loop $wait
            (local.set $seen (i32.atomic.load (i32.const 72)))
            (if (i32.lt_u (local.get $seen) (local.get $count)) (then
                (drop (memory.atomic.wait32 (i32.const 72) (local.get $seen) (i64.const -1)))
                (br $wait)))))"#;

/// A memory that is imported, as toolchains have it, one of the module's own, and one of a module that nobody has.
const MEMORIES: [&str; 3] = [
    r#"(import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))"#,
    r#"(memory (export "memory") 1 1 shared)"#,
    r#"(import "foo" "bar" (memory 1 1 shared)) (export "memory" (memory 0))"#,
];

fn module(memory: &str, body: &str) -> String {
    // Imports come first.
    let (imports, rest) = HEAD.split_once("    (data").expect("there is data");
    format!("(module {imports} {memory} (data {rest} {body})")
}

/// Four threads count in shared memory, and in a global of their own by functions of a table of their own. Prints their ids, and `k` if all
/// of it adds up.
fn counting(memory: &str, rounds: u32) -> String {
    let body = r#"
    (type $step (func (param i32) (result i32)))
    (table 2 funcref)
    (elem (i32.const 0) $one $two)
    (global $mine (mut i32) (i32.const 0))
    (func $one (type $step) (global.set $mine (i32.add (global.get $mine) (i32.const 1))) (local.get 0))
    (func $two (type $step) (global.set $mine (i32.add (global.get $mine) (i32.const 2))) (local.get 0))
    (func (export "wasi_thread_start") (param $tid i32) (param $rounds i32) (local $n i32)
        (loop $all_there
            (if (i32.eqz (i32.atomic.load (i32.const 76))) (then
                (drop (memory.atomic.wait32 (i32.const 76) (i32.const 0) (i64.const -1)))
                (br $all_there))))
        (loop $again
            (drop (call_indirect (type $step) (local.get $n) (i32.and (local.get $n) (i32.const 1))))
            (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (local.get $rounds))))
        (drop (i32.atomic.rmw.add (i32.const 68) (global.get $mine)))
        (call $come))
    (func (export "_start") (local $n i32)
        (global.set $mine (i32.const 1000))
        (loop $next
            (call $put (i32.add (i32.const 48) (call $spawn (i32.const ROUNDS))))
            (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4))))
        (i32.atomic.store (i32.const 76) (i32.const 1))
        (drop (memory.atomic.notify (i32.const 76) (i32.const -1)))
        (call $await (i32.const 4))
        (call $put (select (i32.const 107) (i32.const 120)
            (i32.and (i32.eq (i32.atomic.load (i32.const 64)) (i32.mul (i32.const 4) (i32.const ROUNDS)))
                (i32.eq (i32.atomic.load (i32.const 68)) (i32.mul (i32.const 6) (i32.const ROUNDS)))))))"#;
    module(memory, &body.replace("ROUNDS", &rounds.to_string()))
}

/// Four threads: one runs, one waits for an address, one sleeps, one reads. When all have come, `then` follows.
fn busy(then: &str) -> String {
    let body = r#"
    (func (export "wasi_thread_start") (param $tid i32) (param $what i32)
        (call $come)
        (if (i32.eqz (local.get $what)) (then (loop $ever (br $ever))))
        (if (i32.eq (local.get $what) (i32.const 1)) (then
            (drop (memory.atomic.wait32 (i32.const 128) (i32.const 0) (i64.const -1)))))
        (if (i32.eq (local.get $what) (i32.const 2)) (then
            (i64.store (i32.const 256) (i64.const 1))
            (i32.store (i32.const 272) (i32.const 1))
            (i64.store (i32.const 280) (i64.const 1000000000000))
            (drop (call $poll (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 600)))))
        (if (i32.eq (local.get $what) (i32.const 3)) (then
            (i32.store (i32.const 640) (i32.const 700))
            (i32.store (i32.const 644) (i32.const 1))
            (drop (call $read (i32.const 0) (i32.const 640) (i32.const 1) (i32.const 660)))))
        (if (i32.eq (local.get $what) (i32.const 8)) (then (unreachable)))
        (if (i32.eq (local.get $what) (i32.const 9)) (then (call $exit (i32.const 7)))))
    (func (export "_start") (local $n i32)
        (loop $next
            (if (i32.lt_s (call $spawn (local.get $n)) (i32.const 1)) (then (unreachable)))
            (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4))))
        (call $await (i32.const 4))
        (call $put (i32.const 97))
        THEN)"#;
    module(MEMORIES[0], &body.replace("THEN", then))
}

/// Ways to run a guest: interpreted, compiled while it runs, compiled before.
struct Ways {
    _folder: Folder,
    wasm: String,
    aot: String,
    image: String,
}

impl Ways {
    fn of(text: &str) -> Ways {
        let folder = Folder::new();
        let (wasm, aot) = (folder.module("guest.wasm", text), folder.text("guest.aot"));
        let mut wamrc = Command::new(built().join("wamrc"));
        wamrc.args(["-o", &aot, &wasm]).stdout(Stdio::null());
        assert_eq!(run(wamrc).status, Some(0));
        let image = folder.text("the.image");
        Ways { wasm, aot, image, _folder: folder }
    }

    fn all(&self) -> [(&str, &str); 3] {
        [("--interp", &self.wasm), ("--llvm-jit", &self.wasm), ("--interp", &self.aot)]
    }
}

/// Runs a guest whose standard input is a pipe that nobody writes to.
fn ends(way: (&str, &str), flags: &[&str]) -> (String, Option<i32>) {
    let mut command = iwasm_command([way.0].iter().chain(flags).chain([&way.1]));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _held = child.stdin.take();
    let ran = wait(child);
    (ran.stdout, ran.status)
}

#[test]
fn threads_share_memory_and_nothing_else() {
    for memory in MEMORIES {
        let ways = Ways::of(&counting(memory, 200_000));
        for (mode, file) in ways.all() {
            iwasm([mode, file]).expect("1234k", 0);
        }
    }
}

#[test]
fn they_end_with_the_program_whatever_they_wait_for() {
    let wait = "(drop (memory.atomic.wait32 (i32.const 160) (i32.const 0) (i64.const -1)))";
    let trap = format!("(drop (call $spawn (i32.const 8))) {wait}");
    let cases: [(&str, &[&str], &str, i32); 7] = [
        ("", &[], "a", 0),
        ("(call $exit (i32.const 5))", &[], "a", 5),
        ("(unreachable)", &[], "aException: unreachable\n", 1),
        (&trap, &["--max-threads=5"], "aException: unreachable\n", 1),
        ("(drop (call $spawn (i32.const 9))) (loop $ever (br $ever))", &["--max-threads=5"], "a", 7),
        ("(loop $ever (br $ever))", &["--timeout=3000"], "aException: terminated by user\n", 1),
        (wait, &["--timeout=3000"], "aException: terminated by user\n", 1),
    ];
    for (then, flags, stdout, status) in cases {
        let ways = Ways::of(&busy(then));
        for way in ways.all() {
            assert_eq!(ends(way, flags), (stdout.to_owned(), Some(status)), "{then} {way:?}");
        }
    }
}

#[test]
fn the_stack_of_the_thread_that_trapped_is_shown() {
    let wait = "(drop (memory.atomic.wait32 (i32.const 160) (i32.const 0) (i64.const -1)))";
    let ways = Ways::of(&busy(&format!("(drop (call $spawn (i32.const 8))) {wait}")));
    let ran = iwasm(["--max-threads=5", "--interp", &ways.wasm]);
    assert!(ran.stderr.contains("wasi_thread_start"), "{ran:?}");
}

#[test]
fn there_are_no_more_than_allowed_and_a_place_is_free_again() {
    // A fifth: -1 is shown as /. Then one of them is let go, and there is room for another, with its id.
    let again = "(call $put (i32.add (i32.const 48) (call $spawn (i32.const 0))))
        (loop $until
            (drop (memory.atomic.notify (i32.const 128) (i32.const 1)))
            (local.set $n (call $spawn (i32.const 0)))
            (br_if $until (i32.lt_s (local.get $n) (i32.const 0))))
        (call $put (i32.add (i32.const 48) (local.get $n)))";
    let ways = Ways::of(&busy(again));
    for way in ways.all() {
        let (stdout, status) = ends(way, &["-v=0"]);
        assert_eq!((stdout.as_str(), status), ("a/2", Some(0)), "{way:?}");
        assert!(ends(way, &["-v=0", "--max-threads=6"]).0.starts_with("a5"), "{way:?}");
    }
}

#[test]
fn a_module_without_the_function_or_shared_memory_has_no_threads() {
    let start = r#"(func (export "wasi_thread_start") (param i32 i32))"#;
    for (memory, start, why) in [
        (MEMORIES[1], "", "Failed to find thread start function wasi_thread_start"),
        (
            MEMORIES[1],
            r#"(func (export "wasi_thread_start") (param i32))"#,
            "Failed to find thread start function",
        ),
        (r#"(memory (export "memory") 1)"#, start, "without a shared memory"),
    ] {
        let text = format!(
            r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) {memory} {start}
            (func (export "main") (result i32) (i32.sub (i32.const 0) (call $spawn (i32.const 0)))))"#
        );
        let folder = Folder::new();
        let ran = iwasm(["--function", "main", &folder.module("none.wasm", &text)]);
        assert!(ran.stdout.contains(why) && ran.stdout.contains("0x1:i32"), "{ran:?}");
    }
}

#[test]
fn many_one_after_the_other_leave_nothing_behind() {
    let body = r#"
    (func (export "wasi_thread_start") (param i32 i32) (call $come))
    (func (export "_start") (local $n i32)
        (loop $next
            (br_if $next (i32.lt_s (call $spawn (i32.const 0)) (i32.const 1)))
            (call $await (local.tee $n (i32.add (local.get $n) (i32.const 1))))
            (br_if $next (i32.lt_u (local.get $n) (i32.const COUNT))))
        (call $put (i32.const 107)))"#;
    let resident = |count: u32| {
        let folder = Folder::new();
        let guest =
            folder.module("many.wasm", &module(MEMORIES[0], &body.replace("COUNT", &count.to_string())));
        let measure = r#"import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
print("", os.waitstatus_to_exitcode(status), used.ru_maxrss)"#;
        let program = iwasm_command([""; 0]).get_program().to_owned();
        let mut python = Command::new("python3");
        python.args(["-c", measure]).arg(program).args(["-v=0", "--interp", &guest]);
        python.stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = run(python);
        let words: Vec<&str> = ran.stdout.split_whitespace().collect();
        assert_eq!(words[..2], ["k", "0"], "{ran:?}");
        words[2].parse::<u64>().expect("kilobytes")
    };
    let (few, many) = (resident(100), resident(how_often(2_000, 10_000, 100_000)));
    assert!(many < few + 4096, "{few} KiB after 100 threads, {many} after more");
}

/// Stops a program in this way when it has run so long, and where it stands: how it ended, with what it had printed.
fn stop(ways: &Ways, way: (&str, &str), after: Duration) -> (String, Option<i32>) {
    let checkpoint = format!("--checkpoint={}", ways.image);
    let (child, letter) = start(iwasm_command([way.0, &*checkpoint, "--checkpoint-then=exit", way.1]));
    std::thread::sleep(after);
    send(&child, libc::SIGUSR2);
    let ran = wait(child);
    (letter + &ran.stdout, ran.status)
}

#[test]
fn they_are_stopped_at_any_moment_and_go_on_in_each_engine() {
    let ways = Ways::of(&counting(MEMORIES[0], how_often(10_000_000, 20_000_000, 20_000_000)));
    let mut stopped = 0;
    for nth in 0..how_often(6usize, 30, 300) {
        let way = ways.all()[nth % 3];
        let _ = std::fs::remove_file(&ways.image);
        let (mut printed, mut status) = stop(&ways, way, Duration::from_millis((nth * 37 % 90) as u64));
        let mut hops = 0;
        while status == Some(86) {
            let (mode, file) = ways.all()[(nth + hops) % 3];
            let restore = format!("--restore={}", ways.image);
            let checkpoint = format!("--checkpoint={}", ways.image);
            let mut command = iwasm_command([mode, &*restore, &*checkpoint, "--checkpoint-then=exit", file]);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            if hops < 2 {
                std::thread::sleep(Duration::from_millis(100));
                // SAFETY: a child that was not waited for.
                unsafe { libc::kill(child.id() as i32, libc::SIGUSR2) };
            }
            let ran = wait(child);
            // A signal before the program is ready ends it: then it is restored once more from the same image.
            if ran.status.is_some() {
                (printed, status) = (printed + &ran.stdout, ran.status);
            }
            (hops, stopped) = (hops + 1, stopped + 1);
        }
        assert_eq!((printed.as_str(), status), ("1234k", Some(0)), "run {nth}");
    }
    assert!(stopped > 0, "none was stopped");
}

/// The next checkpoint is taken as soon as one of them runs: others have not come in again.
#[test]
fn those_that_have_not_come_in_again_are_where_they_were() {
    let ways = Ways::of(&counting(MEMORIES[0], 1_000_000));
    let (image, wasm) = (&ways.image, &*ways.wasm);
    let checkpoint = format!("--checkpoint={image}");
    let stop = |at: &str, restore: &[&str]| {
        let at = format!("--checkpoint-at={at}");
        iwasm([&[&*checkpoint, &at, "--checkpoint-then=exit"], restore, &[wasm]].concat())
    };
    let restore = format!("--restore={image}");
    for _ in 0..5 {
        let first = stop("100000", &[]);
        assert_eq!((first.stdout.as_str(), first.status), ("1234", Some(86)), "{first:?}");
        for _ in 0..10 {
            let hop = stop("1", &[&restore]);
            assert_eq!((hop.stdout.as_str(), hop.status), ("", Some(86)), "{hop:?}");
        }
        iwasm([&*restore, wasm]).expect("k", 0);
    }
}

#[test]
fn threads_that_wait_are_in_the_image_with_their_ids_and_a_new_one_gets_another() {
    // When the main thread is woken after the restore, all four are still there: a fifth has another id.
    let then = "(drop (memory.atomic.wait32 (i32.const 160) (i32.const 0) (i64.const 2500000000)))
        (call $put (i32.add (i32.const 48) (call $spawn (i32.const 0))))
        (loop $until
            (drop (memory.atomic.notify (i32.const 128) (i32.const 1)))
            (local.set $n (call $spawn (i32.const 0)))
            (br_if $until (i32.lt_s (local.get $n) (i32.const 0))))
        (call $put (i32.add (i32.const 48) (local.get $n)))";
    let ways = Ways::of(&busy(then));
    for way in ways.all() {
        let checkpoint = format!("--checkpoint={}", ways.image);
        let flags = [way.0, "--max-threads=5", &*checkpoint, "--checkpoint-then=exit", way.1];
        let mut command = iwasm_command(flags);
        command.stdin(Stdio::piped());
        let (mut child, letter) = start(command);
        // The reader waits until the end.
        let held = child.stdin.take();
        std::thread::sleep(Duration::from_millis(300));
        send(&child, libc::SIGUSR2);
        let ran = wait(child);
        drop(held);
        assert_eq!((letter.as_str(), ran.status), ("a", Some(86)), "{way:?} {ran:?}");
        let inspected = wayfarer(["inspect", "--json", &ways.image]).stdout;
        let plain: String = inspected.split_whitespace().collect();
        assert!((1..=4).all(|tid| plain.contains(&format!("\"tid\":{tid},"))), "{inspected}");
        for restoring in ways.all() {
            let restore = format!("--restore={}", ways.image);
            let ended = ends(restoring, &["-v=0", "--max-threads=5", &restore]);
            assert_eq!(ended, ("52".to_owned(), Some(0)), "{way:?} {restoring:?}");
        }
    }
}
