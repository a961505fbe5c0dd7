//! The checkpoint options of `iwasm`, and the variables of the same names.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Folder, Ran, iwasm, iwasm_command, run, until, wait};

/// Status after a checkpoint, with `--checkpoint-then=exit`.
const CHECKPOINTED: i32 = 86;

/// Prints the letters from a to z, with some work before each, and ends with status 26.
pub(crate) fn alphabet(work: u32) -> String {
    format!(
        r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (func $work (param $n i32)
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "_start") (local $printed i32)
        (loop $next
            (call $work (i32.const {work}))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
            (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
            (local.set $printed (i32.add (local.get $printed) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $printed) (i32.const 26))))
        (call $exit (local.get $printed))))"#
    )
}

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// An alphabet that is not done before anybody can do something to it.
const LONG: u32 = 20_000_000;

struct Setup {
    folder: Folder,
    guest: String,
    image: String,
}

fn setup(work: u32) -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", &alphabet(work));
    let image = folder.text("the.image");
    Setup { folder, guest, image }
}

/// Runs a shell's script in the folder, with `$IWASM` for the program.
fn script(s: &Setup, script: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .current_dir(s.folder.path())
        .env("IWASM", iwasm_command([""; 0]).get_program());
    run(shell)
}

#[test]
fn a_log_that_others_write_to_keeps_all_of_its_lines() {
    let s = setup(1000);
    let stop = "$IWASM --checkpoint=the.image --checkpoint-at=5500 --checkpoint-then=exit guest.wasm";
    let restore = "$IWASM --restore=the.image guest.wasm";
    for script in [
        // One open file for all.
        format!("(echo start; {stop}; echo again >>log; {restore}; echo end) >log"),
        // One for each, where the file begins.
        format!("(echo start; {stop}) >log; echo again >>log; {restore} 1<>log; echo end >>log"),
    ] {
        self::script(&s, &script);
        let log = std::fs::read_to_string(s.folder.at("log")).expect("a log");
        assert_eq!(log, "start\nabcdeagain\nfghijklmnopqrstuvwxyzend\n", "{script}");
    }
}

#[test]
fn standard_input_that_the_host_reads_ahead_is_read_again() {
    let s = setup(1);
    let module = r#"(module
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "work") (result i32) (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10000))))
            (local.get 0)))"#;
    s.folder.module("repl.wasm", module);
    std::fs::write(s.folder.path().join("lines"), "add 1 2\nwork\nadd 3 4\n").unwrap();
    let undisturbed = script(&s, "$IWASM --repl repl.wasm <lines");
    let stop =
        "$IWASM --checkpoint=the.image --checkpoint-at=5000 --checkpoint-then=exit --repl repl.wasm <lines";
    assert_eq!(script(&s, stop).status, Some(CHECKPOINTED));
    let restored = script(&s, "$IWASM --restore=the.image --repl repl.wasm <lines");
    assert_eq!((&restored.stdout, restored.status), (&undisturbed.stdout, undisturbed.status));
}

/// Stops it at the Nth stable point.
fn stop_at(s: &Setup, n: u64) -> Ran {
    iwasm([
        &format!("--checkpoint={}", s.image),
        &format!("--checkpoint-at={n}"),
        "--checkpoint-then=exit",
        &s.guest,
    ])
}

/// Starts it, and waits for its first letter.
pub(crate) fn start(mut command: Command) -> (std::process::Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program was built");
    let mut letter = [0];
    child.stdout.as_mut().expect("it is piped").read_exact(&mut letter).expect("it prints a letter");
    (child, String::from(letter[0] as char))
}

pub(crate) fn send(child: &std::process::Child, signal: i32) {
    // SAFETY: a child that was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Modules whose instances run something first: a start function, a reactor's `_initialize`, and what toolchains export.
const STARTED: [(&str, &str); 4] = [
    ("", "(start $first)"),
    (
        r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#,
        r#"(export "_initialize" (func $first))"#,
    ),
    ("", r#"(export "__post_instantiate" (func $first))"#),
    ("", r#"(export "__wasm_call_ctors" (func $first))"#),
];

#[test]
fn start_functions_count_and_are_not_run_again() {
    for (import, start) in STARTED {
        let folder = Folder::new();
        let text = format!(
            r#"(module {import} (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) {start}
            (func $first (local $i i32)
                (loop $again
                    (global.set $g (i32.add (i32.mul (global.get $g) (i32.const 3)) (i32.const 1)))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const 10)))))
            (func (export "work") (param $n i32) (result i32)
                (loop $again
                    (global.set $g (i32.add (global.get $g) (local.get $n)))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $again (local.get $n)))
                (global.get $g)))"#
        );
        let (guest, image) = (folder.module("guest.wasm", &text), folder.text("the.image"));
        let work = ["-f", "work", &guest, "100"];
        let expected = iwasm(work).stdout;
        assert!(expected.contains(":i32"), "{expected}");
        for n in [1, 2, 9, 10, 11, 12, 13, 50, 100] {
            let checkpoint = [format!("--checkpoint={image}"), format!("--checkpoint-at={n}")];
            let stop = checkpoint.iter().map(String::as_str).chain(["--checkpoint-then=exit"]).chain(work);
            assert_eq!(iwasm(stop).status, Some(CHECKPOINTED), "{start} {n}");
            let restore = format!("--restore={image}");
            iwasm([restore.as_str()].into_iter().chain(work)).expect(&expected, 0);
        }
    }
}

#[test]
fn stop_at_a_stable_point_and_go_on() {
    let s = setup(10);
    for n in [1, 2, 57, 200] {
        let first = stop_at(&s, n);
        assert_eq!((first.status, first.stderr.as_str()), (Some(CHECKPOINTED), ""), "{n}");
        let second = iwasm([&format!("--restore={}", s.image), &s.guest]);
        assert_eq!((second.status, second.stderr.as_str()), (Some(26), ""), "{n}");
        assert_eq!(first.stdout + &second.stdout, ALPHABET, "{n}");
    }
    let past_the_end = stop_at(&s, 1_000_000);
    past_the_end.expect(ALPHABET, 26);
}

#[test]
fn a_count_is_the_same_point_each_time() {
    let s = setup(10);
    let first = stop_at(&s, 100).stdout;
    assert!(!first.is_empty() && first.len() < 26, "{first}");
    assert_eq!(stop_at(&s, 100).stdout, first);
    // And counts on from where it was restored.
    let restored = iwasm([
        &format!("--restore={}", s.image),
        &format!("--checkpoint={}", s.image),
        "--checkpoint-at=100",
        "--checkpoint-then=exit",
        &s.guest,
    ]);
    assert_eq!(restored.status, Some(CHECKPOINTED));
    let last = iwasm([&format!("--restore={}", s.image), &s.guest]);
    last.expect(&ALPHABET[first.len() + restored.stdout.len()..], 26);
}

#[test]
fn continue_is_the_default() {
    let s = setup(10);
    let checkpoint = format!("--checkpoint={}", s.image);
    for then in [&[][..], &["--checkpoint-then=continue"]] {
        let _ = std::fs::remove_file(&s.image);
        iwasm([&[&*checkpoint, "--checkpoint-at=100"], then, &[&*s.guest]].concat()).expect(ALPHABET, 26);
        let rest = iwasm([&format!("--restore={}", s.image), &s.guest]);
        assert!(!rest.stdout.is_empty() && ALPHABET.ends_with(&rest.stdout), "{rest:?}");
    }
}

#[test]
fn without_a_request_there_is_no_image() {
    let s = setup(10);
    iwasm([&format!("--checkpoint={}", s.image), &s.guest]).expect(ALPHABET, 26);
    assert!(!Path::new(&s.image).exists());
}

#[test]
fn on_a_signal() {
    for (option, signal) in [
        (None, libc::SIGUSR2),
        (Some("--checkpoint-signal=SIGHUP"), libc::SIGHUP),
        (Some("--checkpoint-signal=10"), 10),
    ] {
        let s = setup(LONG);
        let checkpoint = format!("--checkpoint={}", s.image);
        let words = [Some(&*checkpoint), option, Some("--checkpoint-then=exit"), Some(&*s.guest)];
        let (child, letter) = start(iwasm_command(words.into_iter().flatten()));
        send(&child, signal);
        let first = wait(child);
        assert_eq!(first.status, Some(CHECKPOINTED), "{option:?} {first:?}");
        let second = iwasm([&format!("--restore={}", s.image), &s.guest]);
        assert_eq!(letter + &first.stdout + &second.stdout, ALPHABET);
        assert_eq!(second.status, Some(26));
    }
}

#[test]
fn each_time_some_time_has_passed() {
    let s = setup(LONG);
    let (child, letter) =
        start(iwasm_command([&format!("--checkpoint={}", s.image), "--checkpoint-every=20ms", &s.guest]));
    let mut images = 0;
    let mut last = None;
    until(|| {
        use std::os::unix::fs::MetadataExt;
        let now = std::fs::metadata(&s.image).ok().map(|m| (m.ino(), m.mtime_nsec()));
        images += usize::from(now.is_some() && now != last);
        last = now;
        images == 3
    });
    let ran = wait(child);
    assert_eq!((letter + &ran.stdout, ran.status), (ALPHABET.to_owned(), Some(26)));
}

#[test]
fn a_checkpoint_that_fails_changes_nothing() {
    let s = setup(LONG);
    let (child, letter) =
        start(iwasm_command([&*format!("--checkpoint={}", s.image), "--checkpoint-then=exit", &s.guest]));
    // Nothing was in the way when the program started.
    std::fs::create_dir(&s.image).unwrap();
    send(&child, libc::SIGUSR2);
    let ran = wait(child);
    assert_eq!((letter + &ran.stdout, ran.status), (ALPHABET.to_owned(), Some(26)));
    assert!(ran.stderr.contains(&s.image), "{}", ran.stderr);
}

#[test]
fn a_place_that_no_image_can_be_written_to_is_noticed_at_once() {
    let s = setup(10);
    let folder = s.folder.path().to_str().unwrap();
    for (path, why) in [
        ("/no/such/x", "no image can be written to the folder /no/such: No such file or directory"),
        (&*format!("{}/x", s.guest), &*format!("the folder {}: Not a directory", s.guest)),
        (folder, "it is a directory; the name of a file is needed"),
    ] {
        iwasm([&*format!("--checkpoint={path}"), &s.guest])
            .expect_error(1, &format!("iwasm: --checkpoint={path}: "));
        let by_flag = iwasm([&*format!("--checkpoint={path}"), &s.guest]);
        assert!(by_flag.stderr.contains(why), "{by_flag:?}");
        let mut by_environment = iwasm_command([&s.guest]);
        by_environment.env("WAYFARER_CHECKPOINT", path);
        run(by_environment).expect_error(1, &format!("iwasm: WAYFARER_CHECKPOINT={path}: "));
    }
}

#[test]
fn words_that_a_restored_program_does_not_get_are_named() {
    let s = setup(10);
    let checkpoint = format!("--checkpoint={}", s.image);
    let stopped = iwasm([
        &*checkpoint,
        "--checkpoint-at=57",
        "--checkpoint-then=exit",
        "--env=A=1",
        &s.guest,
        "one",
        "two",
    ]);
    assert_eq!(stopped.status, Some(CHECKPOINTED), "{stopped:?}");
    let restore = format!("--restore={}", s.image);
    let rest = &ALPHABET[stopped.stdout.len()..];
    let arguments = "iwasm: the restored program has the arguments it was started with (one two): ";
    let environment = "iwasm: the restored program has the environment it was started with: ";
    for (options, words, said) in [
        (&[][..], &[][..], String::new()),
        (&["--env=A=1"], &["one", "two"], String::new()),
        (&[], &["one", "three"], format!("{arguments}one three is not used\n")),
        (&["--env=A=2", "--env=A=1"], &["one", "two"], format!("{environment}--env=A=2 is not used\n")),
        (&["--env=B=1"], &["x"], format!("{arguments}x is not used\n{environment}--env=B=1 is not used\n")),
    ] {
        let restored = iwasm([&[&*restore], options, &[&*s.guest], words].concat());
        restored.expect(rest, 26);
        assert_eq!(restored.stderr, said, "{options:?} {words:?}");
    }
}

#[test]
fn by_environment_and_flags_on_top() {
    let s = setup(10);
    let other = s.folder.text("other.image");
    let mut by_environment = iwasm_command([&s.guest]);
    by_environment
        .env("WAYFARER_CHECKPOINT", &other)
        .env("WAYFARER_CHECKPOINT_AT", "100")
        .env("WAYFARER_CHECKPOINT_THEN", "exit");
    let first = run(by_environment);
    assert_eq!(first.status, Some(CHECKPOINTED));
    assert!(Path::new(&other).exists());
    let mut restored = iwasm_command([&s.guest]);
    restored.env("WAYFARER_RESTORE", &other);
    run(restored).expect(&ALPHABET[first.stdout.len()..], 26);

    let mut both = iwasm_command([&format!("--checkpoint={}", s.image), "--checkpoint-at=57", &s.guest]);
    std::fs::remove_file(&other).unwrap();
    both.env("WAYFARER_CHECKPOINT", &other)
        .env("WAYFARER_CHECKPOINT_AT", "nonsense that is not looked at")
        .env("WAYFARER_CHECKPOINT_THEN", "exit");
    let both = run(both);
    assert_eq!(both.status, Some(CHECKPOINTED), "{both:?}");
    assert!(Path::new(&s.image).exists() && !Path::new(&other).exists());
}

#[test]
fn settings_that_make_no_sense() {
    let s = setup(10);
    let checkpoint = format!("--checkpoint={}", s.image);
    for (option, why) in [
        ("--checkpoint-at=0", "--checkpoint-at=0: stable points are counted from 1"),
        ("--checkpoint-at=x", "--checkpoint-at=x: expected the number of a stable point"),
        ("--checkpoint-every=10", "--checkpoint-every=10: expected a number and a unit"),
        ("--checkpoint-then=stop", "--checkpoint-then=stop: expected `continue` or `exit`"),
        ("--checkpoint-signal=KILL", "--checkpoint-signal=KILL: SIGKILL cannot be used"),
        ("--checkpoint-signal=NONE", "--checkpoint-signal=NONE: not a signal"),
        ("--restore=", "--restore=: the name of a file is missing"),
        ("--restore-files=x", "--restore-files=x: expected `same`, `changed`, `truncate` or `replace`"),
        ("--checkpoint-files=x:/y", "--checkpoint-files=x:/y: expected `reopen`, `reopen-hash`, `carry` or"),
        ("--restore-files=same", "--restore-files=same: needs an image to restore: set --restore"),
    ] {
        iwasm([&*checkpoint, option, &s.guest]).expect_error(1, &format!("iwasm: {why}"));
    }
    iwasm(["--checkpoint=", &s.guest]).expect_error(1, "iwasm: --checkpoint=: the name of a file is missing");
    iwasm(["--checkpoint-at=1", &s.guest]).expect_error(
        1,
        "--checkpoint-at=1: needs a file to checkpoint to: set --checkpoint or WAYFARER_CHECKPOINT",
    );
    let mut by_environment = iwasm_command([&s.guest]);
    by_environment.env("WAYFARER_CHECKPOINT", "x").env("WAYFARER_CHECKPOINT_EVERY", "0s");
    run(by_environment).expect_error(1, "WAYFARER_CHECKPOINT_EVERY=0s: must be more than nothing");
}

#[test]
fn images_that_cannot_be_restored() {
    let s = setup(10);
    assert_eq!(stop_at(&s, 100).status, Some(CHECKPOINTED));
    let restore = |image: &str, guest: &str| iwasm([&format!("--restore={image}"), guest]);

    restore("/no/such.image", &s.guest).expect_error(1, "/no/such.image: ");
    restore(&s.guest, &s.guest).expect_error(1, "not a Wayfarer image");
    let other = s.folder.module("other.wasm", &alphabet(11));
    restore(&s.image, &other).expect_error(1, "the image is of another module");

    let mut bytes = std::fs::read(&s.image).unwrap();
    let cut = s.folder.write("cut.image", &bytes[..bytes.len() - 1]);
    restore(&cut, &s.guest).expect_error(1, "image is truncated");
    // Every byte counts; the one in the middle is as good as any.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = s.folder.write("damaged.image", &bytes);
    restore(&damaged, &s.guest).expect_error(1, &damaged);

    let dir = format!("--dir={}", s.folder.text(""));
    let image = s.folder.text("with directory.image");
    let with_directory = iwasm([
        &dir,
        &format!("--checkpoint={image}"),
        "--checkpoint-at=100",
        "--checkpoint-then=exit",
        &s.guest,
    ]);
    assert_eq!(with_directory.status, Some(CHECKPOINTED));
    restore(&image, &s.guest).expect_error(1, "which was not given to it here");
    assert_eq!(iwasm([&dir, &format!("--restore={image}"), &s.guest]).status, Some(26));

    // None of this has harmed the image.
    assert_eq!(restore(&s.image, &s.guest).status, Some(26));
}

/// Writes the letters from a to z to the file `log` of the directory it is given, and ends with status 26.
const LOG: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
    (data (i32.const 16) "log")
    (func (export "_start") (local $printed i32)
        ;; Create, with the rights to write, to seek and tell, and to look at it.
        (if (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 3) (i32.const 1)
                (i64.const 0x200064) (i64.const 0) (i32.const 0) (i32.const 200))
            (then (call $exit (i32.const 99))))
        (loop $next
            (drop (call $write (i32.load (i32.const 200)) (i32.const 0) (i32.const 1) (i32.const 100)))
            (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
            (local.set $printed (i32.add (local.get $printed) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $printed) (i32.const 26))))
        (call $exit (local.get $printed))))"#;

#[test]
fn a_program_that_went_on_is_taken_back_if_files_may_have_changed() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", LOG);
    let (image, dir) = (folder.text("the.image"), format!("--dir={}", folder.path().display()));
    let log = || std::fs::read_to_string(folder.at("log")).expect("it was written");
    let checkpoint = format!("--checkpoint={image}");
    iwasm([&*checkpoint, "--checkpoint-at=10", &dir, &guest]).expect("", 26);
    assert_eq!(log(), ALPHABET);

    let restore = format!("--restore={image}");
    iwasm([&*restore, &dir, &guest]).expect_error(1, "log");
    iwasm([&*restore, "--restore-files=same", &dir, &guest]).expect_error(1, "log");
    folder.write("log", "abcdefghi-----------------");
    iwasm([&*restore, "--restore-files=changed", &dir, &guest]).expect("", 26);
    assert_eq!(log(), ALPHABET);

    let mut by_environment = iwasm_command([&*dir, &guest]);
    by_environment.env("WAYFARER_RESTORE", &image).env("WAYFARER_RESTORE_FILES", "changed");
    run(by_environment).expect("", 26);
}
