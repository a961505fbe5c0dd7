//! The log of WASI calls: `--record`, `WAYFARER_RECORD`, `wayfarer log`.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::compiled::compile;
use crate::files::{COPY, TEXT};
use crate::support::{Folder, Ran, built, iwasm, iwasm_command, run, until, wait, wayfarer};

const CHECKPOINTED: i32 = 86;

struct Setup {
    folder: Folder,
    guest: String,
    map: String,
    record: String,
    recording: String,
}

/// A guest that copies a file a byte at a time, and prints the copy.
fn setup() -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", COPY);
    fs::create_dir(folder.at("data")).unwrap();
    fs::write(folder.at("data/in"), TEXT).unwrap();
    let map = format!("--map-dir=/data::{}", folder.text("data"));
    let record = folder.text("record");
    let recording = format!("--record={record}");
    Setup { folder, guest, map, record, recording }
}

impl Setup {
    fn run(&self, options: &[&str]) -> Ran {
        self.run_file(&self.guest, options)
    }

    fn run_file(&self, guest: &str, options: &[&str]) -> Ran {
        run(self.command(guest, options))
    }

    fn command(&self, guest: &str, options: &[&str]) -> Command {
        let words = [self.recording.as_str(), &self.map].into_iter().chain(options.iter().copied());
        let mut command = iwasm_command(words.chain([guest]));
        command.env("WAYFARER_CACHE", self.folder.at("cache"));
        command
    }

    fn log(&self, options: &[&str]) -> Ran {
        wayfarer(["log", &self.record].into_iter().chain(options.iter().copied()))
    }

    /// The entries.
    fn entries(&self, options: &[&str]) -> Vec<Value> {
        let log = self.log(&[&["--json"], options].concat());
        assert_eq!((log.status, log.stderr.as_str()), (Some(0), ""));
        log.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What calls were made, without times.
    fn calls(&self) -> Vec<Value> {
        calls_of(self.entries(&[]))
    }

    /// The record of the next run is another one.
    fn forget(&self) {
        fs::remove_file(&self.record).unwrap();
        let _ = fs::remove_file(self.folder.at("data/out"));
    }
}

fn calls_of(entries: Vec<Value>) -> Vec<Value> {
    let calls = entries.into_iter().filter(|entry| entry["kind"] == "call");
    calls
        .map(|mut call| {
            let object = call.as_object_mut().unwrap();
            for varies in ["time", "nanoseconds", "number", "instance"] {
                assert!(object.remove(varies).is_some(), "{varies}");
            }
            call
        })
        .collect()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    let kinds = entries.iter().map(|entry| entry["kind"].as_str().unwrap());
    kinds.filter(|kind| *kind != "call").collect()
}

/// SHA-256 of the letter `A`, the first of the text, as sha256sum has it.
const LETTER: &str = "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";

#[test]
fn each_call_is_there_with_arguments_result_and_bytes() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let entries = s.entries(&[]);
    assert_eq!(kinds(&entries), ["begun", "ended"]);
    let module = fs::read(&s.guest).unwrap();
    assert_eq!(entries[0]["sha256"].as_str().unwrap(), sha256(&s.folder, &module));
    let call = |n: usize| &entries[n];
    let open = call(1);
    assert_eq!(open["function"], "path_open");
    let args = &open["args"];
    assert_eq!((&args[0]["fd"], &args[0]["path"]), (&3.into(), &"/data".into()));
    assert_eq!((&args[2]["name"], &args[2]["path"]), (&"path".into(), &"in".into()));
    assert_eq!((&args[4]["name"], &args[4]["value"]), (&"fs_rights_base".into(), &2.into()));
    let opened = &open["results"][0];
    assert_eq!((&opened["fd"], &opened["path"], &open["errno"]), (&4.into(), &"/data/in".into(), &0.into()));
    let (made, first, second) = (call(2), call(3), call(5));
    assert_eq!(made["args"][3]["value"], 9);
    let (read, wrote) = (&first["ranges"][0], &call(4)["ranges"][0]);
    assert_eq!((&first["function"], &call(4)["function"]), (&"fd_read".into(), &"fd_write".into()));
    assert_eq!((&read["direction"], &wrote["direction"]), (&"read".into(), &"wrote".into()));
    for range in [read, wrote] {
        assert_eq!(
            (&range["offset"], &range["len"], &range["sha256"]),
            (&0.into(), &1.into(), &LETTER.into())
        );
    }
    assert_eq!(second["ranges"][0]["offset"], 1);
    assert_eq!(call(4)["args"][0]["path"], "/data/out");
    // Two opens, a seek, a read and a write for each byte copied to the file and printed, and a read at each end.
    assert_eq!(entries.len() - 2, 3 + 2 * (2 * TEXT.len() + 1));
    let seek = entries.iter().find(|entry| entry["function"] == "fd_seek").unwrap();
    assert_eq!((&seek["args"][1]["value"], &seek["results"][0]["value"]), (&0.into(), &0.into()));
    let numbers: Vec<_> = entries.iter().map(|entry| entry["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
    let text = s.log(&[]).stdout;
    assert_eq!(text.lines().count(), entries.len());
    assert!(
        text.contains("fd_read(fd=4 \"/data/in\", iovs=1) = 0 (nread=1), read 1 bytes at 0 sha256 559aead0")
    );
}

fn sha256(folder: &Folder, bytes: &[u8]) -> String {
    let file = folder.write("to-be-hashed", bytes);
    let ran = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8_lossy(&ran.stdout)[..64].to_owned()
}

#[test]
fn failures_traps_and_the_end_are_there() {
    let s = setup();
    fs::remove_file(s.folder.at("data/in")).unwrap();
    assert_eq!(s.run(&[]).status, Some(44));
    let calls = s.calls();
    assert_eq!((&calls[0]["errno"], &calls[0]["error"]), (&44.into(), &"noent".into()));
    assert_eq!((&calls[1]["function"], &calls[1]["exit"]), (&"proc_exit".into(), &44.into()));
    s.forget();
    let outside = s.folder.module(
        "outside.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") (drop (call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 0)))))"#,
    );
    assert_eq!(s.run_file(&outside, &[]).status, Some(1));
    assert_eq!(s.calls()[0]["trap"], "out of bounds memory access");
    assert!(s.log(&[]).stdout.contains(" = trap: out of bounds memory access"));
}

#[test]
fn each_back_end_and_each_engine_leaves_the_same_record() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let expected = s.calls();
    s.forget();
    for wasi in ["--wasi=portable", "--wasi=memory"] {
        s.run(&[wasi]).expect(TEXT, 0);
        assert_eq!(s.calls(), expected, "{wasi}");
        s.forget();
    }
    built();
    let aot = compile(&s.guest, &[]);
    s.run_file(&aot, &[]).expect(TEXT, 0);
    assert_eq!(s.calls(), expected, "compiled ahead");
    s.forget();
    let mut jit = s.command(&s.guest, &["--llvm-jit"]);
    jit.env("WAYFARER_JIT", "eager");
    run(jit).expect(TEXT, 0);
    assert_eq!(s.calls(), expected, "compiled when it was loaded");
}

#[test]
fn filters_show_what_is_asked_for() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let all = s.calls().len();
    let count = |options: &[&str]| s.entries(options).len();
    let len = TEXT.len();
    assert_eq!(count(&["--function=path_open"]), 2);
    assert_eq!(count(&["--path=/data/in"]), 1 + len + 1);
    assert_eq!(count(&["--path=/data/i"]), 0);
    assert_eq!(count(&["--fd=1"]), len);
    assert_eq!(count(&["--path=<stdout>"]), len);
    assert_eq!(count(&["--path=/data"]), all - len);
    assert_eq!(count(&["--fd=3"]), 2);
    assert_eq!(count(&["--fd=4", "--function=fd_read"]), len + 1);
    let thread = s.entries(&["--fd=3"])[0]["thread"].to_string();
    assert_eq!(count(&[&format!("--thread={thread}")]), all);
    assert_eq!(count(&["--thread=123456"]), 0);
}

/// The same calls as without the hop: those before the checkpoint by one process, those after it by another.
#[test]
fn a_restored_program_goes_on_with_its_record() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let expected = s.calls();
    let image = s.folder.text("image");
    for (n, wasi) in [(100, "linux"), (2000, "portable"), (4000, "memory"), (3000, "linux")] {
        s.forget();
        let wasi = format!("--wasi={wasi}");
        let checkpoint = format!("--checkpoint={image}");
        let at = format!("--checkpoint-at={n}");
        let first = s.run(&[&checkpoint, &at, "--checkpoint-then=exit", &wasi]);
        assert_eq!((first.status, first.stderr.as_str()), (Some(CHECKPOINTED), ""), "{n}");
        let before = s.entries(&[]);
        assert_eq!(kinds(&before), ["begun", "checkpoint"], "{n}");
        let last = before.last().unwrap();
        assert_eq!(
            (&last["kind"], &last["image"], &last["sequence"]),
            (&"checkpoint".into(), &image.as_str().into(), &1.into())
        );
        let second = s.run(&[&format!("--restore={image}"), &wasi]);
        assert_eq!((second.status, second.stderr.as_str()), (Some(0), ""), "{n}");
        assert_eq!(first.stdout + &second.stdout, TEXT);
        let entries = s.entries(&[]);
        assert_eq!(entries[..before.len()], before[..], "{n}");
        assert_eq!(kinds(&entries), ["begun", "checkpoint", "restored", "ended"], "{n}");
        assert_eq!(entries[before.len()]["image"].as_str(), Some(image.as_str()));
        assert_eq!(calls_of(entries), expected, "{n}");
    }
    // Into a file of its own, as well.
    fs::remove_file(&s.record).unwrap();
    assert_eq!(s.run(&[&format!("--restore={image}"), "--restore-files=changed"]).status, Some(0));
    assert_eq!(kinds(&s.entries(&[])), ["restored", "ended"]);
}

#[test]
fn what_was_logged_before_a_kill_is_there() {
    let folder = Folder::new();
    let guest = folder.module(
        "guest.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") (loop (drop (call $random (i32.const 0) (i32.const 8))) (br 0))))"#,
    );
    let record = folder.text("record");
    let recording = format!("--record={record}");
    let mut child = iwasm_command([&recording, &guest]).spawn().unwrap();
    let size = || fs::metadata(&record).map_or(0, |about| about.len());
    until(|| size() > 200_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let whole = wayfarer(["log", &record]);
    assert_eq!(whole.status, Some(0), "{}", whole.stderr);
    assert!(whole.stdout.lines().count() > 1000 && !whole.stdout.contains("-- ended"));

    // A block that was written in part only is said to be so, and what is before it is shown.
    let bytes = fs::read(&record).unwrap();
    fs::write(&record, &bytes[..bytes.len() - 7]).unwrap();
    let torn = wayfarer(["log", &record]);
    assert_eq!(torn.status, Some(1));
    assert!(
        torn.stderr.contains("it ends in the middle of a block, which begins at byte"),
        "{}",
        torn.stderr
    );
    assert!(torn.stdout.lines().count() > 500 && whole.stdout.starts_with(&torn.stdout));

    // Who goes on with the file cuts it off, and says so there.
    let next = iwasm([&recording, "--timeout=100", &guest]);
    assert_ne!(next.status, Some(0));
    let log = wayfarer(["log", &record]);
    assert_eq!((log.status, log.stderr.as_str()), (Some(0), ""));
    assert!(
        log.stdout.starts_with(&torn.stdout)
            && log.stdout.contains(" bytes of a torn block were cut off here")
    );
}

#[test]
fn what_is_damaged_or_foreign_is_said_with_the_place() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let mut bytes = fs::read(&s.record).unwrap();
    bytes[80] ^= 4;
    fs::write(&s.record, &bytes).unwrap();
    let broken = s.log(&[]);
    assert_eq!(broken.status, Some(1));
    let text = format!("wayfarer: {}: the block at byte 48 is damaged: its checksum is wrong", s.record);
    assert!(broken.stderr.contains(&text), "{}", broken.stderr);
    wayfarer(["log", &s.guest]).expect_error(1, "guest.wasm: not a record of WASI calls");
    wayfarer(["log", &s.folder.text("none")]).expect_error(1, "none: No such file or directory");
    // Nothing is appended to it either.
    let refused = s.run(&[]);
    assert_ne!(refused.status, Some(0));
    assert!(refused.stdout.contains("record: the block at byte 48 is damaged"), "{refused:?}");
    assert_eq!(fs::read(&s.record).unwrap(), bytes);
}

#[test]
fn a_record_of_another_program_or_of_a_running_one_is_not_written_to() {
    let s = setup();
    s.run(&[]).expect(TEXT, 0);
    let before = fs::read(&s.record).unwrap();
    let other = s.folder.module("other.wasm", &COPY.replace("inout", "outin"));
    let refused = s.run_file(&other, &[]);
    assert_ne!(refused.status, Some(0));
    assert!(refused.stdout.contains("record: it is the record of another program"), "{refused:?}");
    assert_eq!(fs::read(&s.record).unwrap(), before);

    let busy = s.folder.module(
        "busy.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") (loop (drop (call $random (i32.const 0) (i32.const 8))) (br 0))))"#,
    );
    s.forget();
    let child = s.command(&busy, &[]).spawn().unwrap();
    until(|| fs::metadata(&s.record).is_ok_and(|about| about.len() > 0));
    let refused = s.run_file(&busy, &[]);
    assert!(refused.stdout.contains("another process is writing to it"), "{refused:?}");
    // SAFETY: a child that was not waited for yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
    assert_eq!(wait(child).status, None);
}

/// The limit on a file's size stands for a full disk.
#[test]
fn a_record_that_cannot_be_written_changes_nothing_and_is_said_once_and_at_the_end() {
    let s = setup();
    let mut long = String::new();
    for _ in 0..100 {
        long += TEXT;
    }
    fs::write(s.folder.at("data/in"), &long).unwrap();
    let mut limited = Command::new("bash");
    let words = format!(
        "ulimit -f 16; exec {} --record={} {} {} | cat",
        env!("CARGO_BIN_EXE_iwasm"),
        s.record,
        s.map,
        s.guest
    );
    limited.args(["-c", &words]).stdin(std::process::Stdio::null());
    let ran: Ran = limited.output().unwrap().into();
    assert_eq!((ran.status, &ran.stdout), (Some(0), &long), "{}", ran.stderr);
    let said: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("record: the record of calls ends here, the program goes on: File too large"),
        "{said:?}"
    );
    assert!(said[1].contains("record: the record of calls is not complete, "), "{said:?}");
    // The file, which has nothing that is not whole, can be read, and be gone on with.
    let log = s.log(&[]);
    if fs::metadata(&s.record).unwrap().len() > 0 {
        assert_eq!((log.status, log.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn the_variable_does_the_same_and_the_flag_wins() {
    let s = setup();
    let mut by_variable = iwasm_command([&s.map, &s.guest]);
    by_variable.env("WAYFARER_RECORD", &s.record);
    run(by_variable).expect(TEXT, 0);
    assert_eq!(kinds(&s.entries(&[])), ["begun", "ended"]);
    let other = s.folder.text("other");
    let mut both = s.command(&s.guest, &[]);
    both.env("WAYFARER_RECORD", &other);
    run(both).expect(TEXT, 0);
    assert_eq!(kinds(&s.entries(&[])), ["begun", "ended", "begun", "ended"], "the same program, once more");
    assert!(fs::metadata(&other).is_err());
    let mut none = iwasm_command([&s.map, &s.guest]);
    none.env("WAYFARER_RECORD", "");
    run(none).expect(TEXT, 0);
    let refused = iwasm(["--record=", &s.guest]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("--record=: the name of a file is missing"), "{refused:?}");
}
