//! Guests with a great deal of memory of which they use little: stopping and restoring them costs what they use.

use std::process::Command;
use std::time::Duration;

use crate::support::{Folder, iwasm_command, wayfarer};

/// Grows to 4 GiB, writes to a page here and there, works, and adds up what it wrote.
const SPARSE: &str = r#"(module
    (memory (export "memory") 1)
    (data (i32.const 7000) "initial")
    (func (export "run") (param $work i32) (result i64) (local $at i32) (local $sum i64)
        (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))
        (loop $write
            (i64.store (local.get $at) (i64.extend_i32_u (i32.mul (local.get $at) (i32.const 2654435761))))
            (br_if $write (local.tee $at (i32.add (local.get $at) (i32.const 0x02000000)))))
        (i64.store (i32.const -8) (i64.const 77))
        (loop $work
            (br_if $work (local.tee $work (i32.sub (local.get $work) (i32.const 1)))))
        (loop $read
            (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load (local.get $at))))
            (br_if $read (local.tee $at (i32.add (local.get $at) (i32.const 0x02000000)))))
        (i64.add (local.get $sum) (i64.load (i32.const -8)))))"#;

/// What a program took.
pub(crate) struct Took {
    pub(crate) status: i32,
    /// Pages that the system gave it.
    faults: i64,
    cpu: Duration,
    /// Most memory in use at a time (bytes).
    pub(crate) memory: u64,
}

#[expect(clippy::zombie_processes, reason = "it is waited for with what it used")]
pub(crate) fn took(mut command: Command, stdout: &std::path::Path) -> Took {
    let file = std::fs::File::create(stdout).expect("the folder can be written to");
    let child = command.stdout(file).stderr(std::process::Stdio::inherit()).spawn().expect("it was built");
    let mut status = 0;
    // SAFETY: plain data, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a child that nobody else waits for; the pointers are to locals.
    let pid = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage) };
    assert_eq!(pid, child.id() as i32);
    let time =
        |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    Took {
        status: libc::WEXITSTATUS(status),
        faults: usage.ru_minflt,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        memory: usage.ru_maxrss as u64 * 1024,
    }
}

#[test]
fn a_sparse_guest_of_4_gib_is_stopped_and_restored_at_once() {
    if std::env::var_os("WAYFARER_TEST_EMULATOR").is_some() {
        // An emulator knows nothing of its guests' pages: there, memory is read through.
        return;
    }
    let folder = Folder::new();
    let guest = folder.module("sparse.wasm", SPARSE);
    let (image, out) = (folder.text("the.image"), folder.at("out"));
    let printed = || std::fs::read_to_string(&out).expect("it was written");
    let run = ["-f", "run", &guest, "1000"];
    assert_eq!(took(iwasm_command(run), &out).status, 0);
    let expected = printed();

    let stop = [&format!("--checkpoint={image}"), "--checkpoint-at=500", "--checkpoint-then=exit"];
    let stopped = took(iwasm_command(stop.into_iter().chain(run)), &out);
    assert_eq!((stopped.status, printed().as_str()), (86, ""));
    let restored =
        took(iwasm_command([&format!("--restore={image}")].map(String::as_str).into_iter().chain(run)), &out);
    assert_eq!((restored.status, printed()), (0, expected));
    // Reading through takes a million pages, or seconds.
    for (what, took) in [("stopped", stopped), ("restored", restored)] {
        println!("{what}: {} pages, {:?}", took.faults, took.cpu);
        assert!(
            took.faults < 50_000 && took.cpu < Duration::from_secs(2),
            "{what}: {} pages, {:?}",
            took.faults,
            took.cpu
        );
    }
    assert!(std::fs::metadata(&image).expect("it is there").len() < 1 << 20);
    assert_eq!(wayfarer(["verify", &image]).status, Some(0));
}
