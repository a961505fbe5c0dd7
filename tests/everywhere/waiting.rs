//! Programs that are stopped while a call to the host waits: the call is made again, after the checkpoint and
//! in the restored program.

use crate::harness::engine::Engine;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Ended, Machine, World};
use crate::harness::streams::{Input, Kind};
use crate::harness::take::{Checkpoint, Visitor, take};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wayfarer_module::PointKind;
use wayfarer_runtime::AfterCheckpoint;
use wayfarer_snapshot::Compression;

/// Between two requests for a checkpoint.
const A_WHILE: Duration = Duration::from_millis(50);

/// Requests, after which a program is given up.
const PATIENCE: usize = 1000;

/// Starts a guest, asks for a checkpoint while it waits, and has it stop there.
fn stop_while_waiting(engine: Engine, guest: &Guest, world: World) -> (Ended, Checkpoint) {
    let mut machine = Machine::new(engine, guest, world).expect("the guest can be instantiated");
    let control = machine.store.control().clone();
    control.enable_wake().expect("a descriptor");
    let taken: Arc<Mutex<Option<Checkpoint>>> = Arc::default();
    let (host, into) = (machine.host.clone(), taken.clone());
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let thread = thread.map_err(|e| e.to_string())?;
        // On a busy machine it may not have come so far yet.
        if thread.frames.last().is_none_or(|frame| frame.position.kind != PointKind::BeforeCall) {
            return Ok(AfterCheckpoint::Continue);
        }
        *into.lock().map_err(|e| e.to_string())? = Some(take(store, &host, thread, Compression::None)?);
        Ok(AfterCheckpoint::Stop)
    });
    let (over, is_over) = mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        for _ in 0..PATIENCE {
            if is_over.recv_timeout(A_WHILE).is_ok() {
                return;
            }
            control.request_checkpoint();
        }
        control.request_terminate();
    });
    let ended = machine.run();
    let _ = over.send(());
    asking.join().expect("asking does not panic");
    assert_eq!(visitor.complaints(), [""; 0]);
    let checkpoint = taken.lock().expect("nobody panics").take().expect("it waited");
    (ended, checkpoint)
}

#[test]
fn a_read_that_waits_for_input() {
    let guest = guests::guest("stdin_echo");
    for [from, to] in Engine::pairs() {
        let world = World { kind: Kind::Pipes, input: Input::OpenPipe, folder: None };
        let (ended, mut checkpoint) = stop_while_waiting(from, &guest, world);
        assert_eq!((ended.exit, &*ended.stdout), (Err("stopped by checkpoint".to_owned()), &b""[..]));
        checkpoint.world.input = Input::Pipe(guest.stdin.clone());
        let (mut machine, thread) = Machine::restored(to, &guest, checkpoint).expect("it can be restored");
        let ended = machine.resume(&thread);
        assert_eq!((ended.exit, ended.stdout), (Ok(0), guest.expected.clone()), "from {from} to {to}");
    }
}

#[test]
fn a_read_that_goes_on_waiting_in_the_same_process() {
    Engine::ALL.iter().for_each(|&engine| goes_on_waiting(engine));
}

fn goes_on_waiting(engine: Engine) {
    let guest = guests::guest("stdin_echo");
    let world = World { kind: Kind::Pipes, input: Input::OpenPipe, folder: None };
    let mut machine = Machine::new(engine, &guest, world).expect("the guest can be instantiated");
    let control = machine.store.control().clone();
    control.enable_wake().expect("a descriptor");
    let host = machine.host.clone();
    let input = guest.stdin.clone();
    let (over, is_over) = mpsc::channel::<()>();
    let mut fed = false;
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let thread = thread.map_err(|e| e.to_string())?;
        let waits = thread.frames.last().is_some_and(|f| f.position.kind == PointKind::BeforeCall);
        take(store, &host, thread, Compression::None)?;
        if waits && !std::mem::replace(&mut fed, true) {
            // Only now is there something to read.
            let mut streams = host.streams();
            streams.feed(&input).map_err(|e| e.to_string())?;
            streams.end_input();
            let _ = over.send(());
        }
        Ok(AfterCheckpoint::Continue)
    });
    let asking = std::thread::spawn(move || {
        for _ in 0..PATIENCE {
            if is_over.recv_timeout(A_WHILE).is_ok() {
                return;
            }
            control.request_checkpoint();
        }
        control.request_terminate();
    });
    let ended = machine.run();
    asking.join().expect("asking does not panic");
    assert_eq!(visitor.complaints(), [""; 0]);
    assert_eq!((ended.exit, ended.stdout), (Ok(0), guest.expected.clone()));
}

/// Sleeps for a time in milliseconds, then prints "slept" and how many events there were.
fn sleeper(milliseconds: u64) -> Arc<Guest> {
    let nanoseconds = milliseconds * 1_000_000;
    // A subscription: userdata, tag 0 (clock), then clock 1 (monotonic) at 16, timeout at 24, precision,
    // flags 0.
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 200) "slept 0\n")
            (func (export "_start") (local $errno i32)
                (i32.store (i32.const 16) (i32.const 1))
                (i64.store (i32.const 24) (i64.const {nanoseconds}))
                (local.set $errno (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 160)))
                (i32.store8 (i32.const 206)
                    (i32.add (i32.const 48) (i32.add (i32.load (i32.const 160)) (local.get $errno))))
                (i32.store (i32.const 168) (i32.const 200))
                (i32.store (i32.const 172) (i32.const 8))
                (drop (call $write (i32.const 1) (i32.const 168) (i32.const 1) (i32.const 180)))))"#
    );
    guests::from_text("sleeper", &text, "slept 1\n")
}

#[test]
fn a_sleep_goes_on_for_the_time_that_is_left() {
    Engine::pairs().for_each(sleeps);
}

/// On a busy machine it may take longer: then it is tried again.
fn sleeps(engines: [Engine; 2]) {
    let tries: Vec<_> = (0..5).map_while(|_| sleeps_as_long_as_is_left(engines).err()).collect();
    assert!(tries.len() < 5, "{tries:?}");
}

/// What is too long, if anything is.
fn sleeps_as_long_as_is_left([from, to]: [Engine; 2]) -> Result<(), String> {
    let total = Duration::from_millis(1200);
    let guest = sleeper(total.as_millis() as u64);
    let started = Instant::now();
    let (_, checkpoint) = stop_while_waiting(from, &guest, World::new(&guest, Kind::Pipes));
    let slept = started.elapsed();
    let copy =
        Checkpoint { image: checkpoint.image.clone(), world: World::new(&guest, Kind::Pipes), printed: 0 };

    let again = Instant::now();
    resume_sleeper(to, &guest, checkpoint);
    let again = again.elapsed();
    // Not less than it had asked for, counted from the beginning; not once more all of it.
    assert!(started.elapsed() >= total, "{slept:?} and {again:?} are less than {total:?}");
    if slept >= total || again >= total {
        return Err(format!("{again:?} is more than was left of {total:?} after {slept:?}"));
    }

    // On the host it was on, its clock went on while it was an image: there is nothing left to wait for.
    let late = Instant::now();
    resume_sleeper(to, &guest, copy);
    let late = late.elapsed();
    if late < total / 2 { Ok(()) } else { Err(format!("{late:?}, with nothing left")) }
}

fn resume_sleeper(engine: Engine, guest: &Guest, checkpoint: Checkpoint) {
    let (mut machine, thread) = Machine::restored(engine, guest, checkpoint).expect("it can be restored");
    let ended = machine.resume(&thread);
    assert_eq!((ended.exit, ended.stdout), (Ok(0), guest.expected.clone()));
}
