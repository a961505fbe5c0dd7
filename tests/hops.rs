//! A program that is moved again and again, from image to image, does not notice; and neither the images nor
//! the process grow.

#[path = "everywhere/harness/mod.rs"]
mod harness;
#[allow(dead_code, reason = "shared with the tests of the command lines")]
#[path = "cli/support.rs"]
mod support;

use harness::engine::Engine;
use harness::guests::{self, Guest};
use harness::machine::{Ended, Machine, World};
use harness::streams::Kind;
use harness::take::{Checkpoint, Visitor, take};
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};
use support::Folder;
use wayfarer_runtime::AfterCheckpoint;
use wayfarer_snapshot::Compression;
use wayfarer_snapshot::view::Thread;

/// Hops that the program is made for.
const HOPS: u64 = 1000;

/// Rounds of the program's loop between two hops.
const STRIDE: u64 = 500;

/// Stirs 256 KiB of memory, through a call from a loop within a loop, and prints what it came to.
fn text(rounds: u64) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 5)
            (func $stir (param $x i64) (param $at i32) (result i64)
                (local.set $x (i64.add
                    (i64.mul (local.get $x) (i64.const 6364136223846793005))
                    (i64.load (local.get $at))))
                (i64.store (local.get $at) (i64.rotl (local.get $x) (i64.const 23)))
                (local.get $x))
            (func (export "_start") (local $x i64) (local $round i32) (local $at i32)
                ;; All of the memory is used before the first hop.
                (loop $fill
                    (i64.store (local.get $at)
                        (i64.extend_i32_u (i32.mul (local.get $at) (i32.const 2654435761))))
                    (local.set $at (i32.add (local.get $at) (i32.const 8)))
                    (br_if $fill (i32.lt_u (local.get $at) (i32.const 262144))))
                (loop $again
                    (local.set $x (call $stir (local.get $x)
                        (i32.and
                            (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 40)))
                            (i32.const 0x3fff8))))
                    (local.set $round (i32.add (local.get $round) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $round) (i32.const {rounds}))))
                (local.set $at (i32.const 0))
                (loop $digits
                    (i32.store8 (i32.add (i32.const 300000) (local.get $at))
                        (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 15))))
                    (local.set $x (i64.shr_u (local.get $x) (i64.const 4)))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $digits (i32.lt_u (local.get $at) (i32.const 16))))
                (i32.store (i32.const 300100) (i32.const 300000))
                (i32.store (i32.const 300104) (i32.const 16))
                (drop (call $write (i32.const 1) (i32.const 300100) (i32.const 1) (i32.const 300108)))))"#
    )
}

/// What the program prints, computed here.
fn result(rounds: u64) -> String {
    let mut memory: Vec<u64> =
        (0..262_144 / 8).map(|i: u32| u64::from((i * 8).wrapping_mul(2_654_435_761))).collect();
    let mut x = 0u64;
    for _ in 0..rounds {
        let at = ((x >> 40) as usize & 0x3fff8) / 8;
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(memory[at]);
        memory[at] = x.rotate_left(23);
    }
    (0..16).map(|i| char::from(b'a' + (x >> (4 * i) & 15) as u8)).collect()
}

/// Stable points before the program's second loop.
const FILL: u64 = 262_144 / 8;

/// Each round has two: the loop's header and the callee's entry.
const POINTS: u64 = 2;

/// Runs until the `at`th stable point from here, and stops there.
fn until(
    machine: &mut Machine,
    at: u64,
    run: impl FnOnce(&mut Machine) -> Ended,
) -> (Ended, Option<(Thread, Checkpoint)>) {
    let taken = Arc::new(Mutex::new(None));
    let (host, into) = (machine.host.clone(), taken.clone());
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let thread = thread.map_err(|e| e.to_string())?;
        let checkpoint = take(store, &host, thread.clone(), Compression::None)?;
        *into.lock().map_err(|e| e.to_string())? = Some((thread, checkpoint));
        Ok(AfterCheckpoint::Stop)
    });
    machine.store.control().checkpoint_at(at);
    let ended = run(machine);
    assert_eq!(visitor.complaints(), [""; 0]);
    let taken = taken.lock().expect("nobody panics").take();
    (ended, taken)
}

/// What this process has: pages of address space, pages in memory, descriptors.
fn usage() -> [i64; 3] {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("proc(5)");
    let mut fields = statm.split(' ').map(|n| n.parse().expect("a number"));
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("proc(5)").count() as i64;
    [fields.next().expect("size"), fields.next().expect("resident"), descriptors]
}

fn guest(rounds: u64) -> Arc<Guest> {
    guests::from_text("hopper", &text(rounds), &result(rounds))
}

#[test]
fn a_thousand_hops() {
    let guest = guest(HOPS * STRIDE);
    let mut machine = Machine::new(Engine::Interp, &guest, World::new(&guest, Kind::Pipes))
        .expect("it can be instantiated");
    let (mut ended, mut taken) = until(&mut machine, FILL + STRIDE, Machine::run);
    let (mut hops, mut sizes, mut early) = (0, Vec::new(), None);
    while let Some((thread, checkpoint)) = taken {
        hops += 1;
        sizes.push(checkpoint.image.len());
        assert_eq!(&ended.stdout, b"");
        drop(machine);
        if hops == HOPS / 10 {
            early = Some(usage());
        }
        machine = Machine::restored(Engine::Interp, &guest, checkpoint).expect("it can be restored").0;
        (ended, taken) = until(&mut machine, POINTS * STRIDE, |m| m.resume(&thread));
    }
    assert_eq!((&ended.exit, String::from_utf8_lossy(&ended.stdout)), (&Ok(0), result(HOPS * STRIDE).into()));
    assert_eq!(hops, HOPS);
    drop(machine);
    let (early, late) = (early.expect("there were so many"), usage());
    let grown: Vec<i64> = early.iter().zip(&late).map(|(early, late)| late - early).collect();
    // Pages: a hop that kept one memory would keep 2 million of address space and 64 of real memory each
    // time. The other test's descriptors come and go.
    assert!(grown[0] < 1 << 15 && grown[1] < 1024 && grown[2] < 16, "from {early:?} to {late:?}");
    let (smallest, largest) = (sizes.iter().min().copied(), sizes.iter().max().copied());
    let apart = largest.zip(smallest).map(|(l, s)| l - s);
    assert!(apart.is_some_and(|n| n < 64), "images from {smallest:?} to {largest:?} bytes");
}

#[test]
fn from_process_to_process() {
    let hops = if std::env::var_os("WAYFARER_TEST_FULL").is_some_and(|v| v != "0") { HOPS } else { 60 };
    let folder = Folder::new();
    let wasm = folder.module("hopper.wasm", &text(hops * STRIDE));
    let image = folder.text("hopper.image");
    let hop = |restore: bool, at: u64| {
        let mut options = vec![
            format!("--checkpoint={image}"),
            format!("--checkpoint-at={at}"),
            "--checkpoint-then=exit".to_owned(),
        ];
        if restore {
            options.push(format!("--restore={image}"));
        }
        options.push(wasm.clone());
        run_measured(support::iwasm_command(options))
    };
    let (mut status, mut stdout, mut resident) = hop(false, FILL + STRIDE);
    let (mut count, mut sizes, mut memory) = (0, Vec::new(), Vec::new());
    while status == Some(86) {
        assert_eq!(stdout, "");
        count += 1;
        sizes.push(std::fs::metadata(&image).expect("there is an image").len());
        memory.push(resident);
        (status, stdout, resident) = hop(true, POINTS * STRIDE);
    }
    assert_eq!((status, &*stdout), (Some(0), &*result(hops * STRIDE)));
    assert_eq!(count, hops);
    // Of the second and the last: the first was not restored.
    let (size, most) = (sizes[1], memory[1]);
    assert!(sizes.iter().all(|s| s.abs_diff(size) < 64), "{sizes:?}");
    assert!(memory[hops as usize - 1] < most + 2048, "KiB: {memory:?}");
}

/// Exit status, standard output and the most memory it had at a time (KiB).
#[allow(clippy::zombie_processes, reason = "it is waited for, by the call that also tells what it used")]
fn run_measured(mut command: std::process::Command) -> (Option<i32>, String, i64) {
    use std::io::Read;
    let mut child = command.spawn().expect("the program was built");
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("it is piped").read_to_string(&mut stdout).expect("UTF-8");
    child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("UTF-8");
    let mut status = 0;
    // SAFETY: all zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: waits for a child that nobody else waits for; writes to two local variables.
    let pid = unsafe { libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage) };
    assert_eq!(pid, child.id() as i32);
    assert_eq!(stderr, "");
    (std::process::ExitStatus::from_raw(status).code(), stdout, usage.ru_maxrss)
}
