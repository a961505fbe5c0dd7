//! Real images to do bad things to.

use crate::harness::engine::Engine;
use crate::harness::guests::{self, Guest};
use crate::harness::machine::{Ended, Machine, World};
use crate::harness::streams::{Input, Kind};
use crate::harness::take::{Checkpoint, Visitor, take};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wayfarer_runtime::{AfterCheckpoint, ResumeError};
use wayfarer_snapshot::view::Thread;
use wayfarer_snapshot::{Compression, Image};

/// A guest stopped somewhere, and what should come of it.
pub(crate) struct Sample {
    pub(crate) guest: Arc<Guest>,
    pub(crate) image: Vec<u8>,
    pub(crate) world: World,
    pub(crate) rest: Vec<u8>,
}

/// A guest stopped at its `nth` stable point.
pub(crate) fn sample(name: &str, nth: u64, compression: Compression) -> Sample {
    let guest = guests::guest(name);
    let mut machine = Machine::new(Engine::Interp, &guest, World::new(&guest, Kind::Files))
        .expect("it can be instantiated");
    let taken: Arc<Mutex<Option<Checkpoint>>> = Arc::default();
    let (host, into) = (machine.host.clone(), taken.clone());
    let visitor = Visitor::new(&machine.store, move |store, thread| {
        let thread = thread.map_err(|e| e.to_string())?;
        *into.lock().map_err(|e| e.to_string())? = Some(take(store, &host, thread, compression)?);
        Ok(AfterCheckpoint::Continue)
    });
    machine.store.control().checkpoint_at(nth);
    let ended = machine.run();
    assert_eq!(visitor.complaints(), [""; 0]);
    let checkpoint = taken.lock().expect("nobody panics").take();
    let Checkpoint { image, world, printed } = checkpoint.expect("the guest has so many stable points");
    Sample { guest, image, world, rest: ended.stdout[printed..].to_vec() }
}

/// A program from a bad image may run on for ever; it gets this many stable points and this much time.
const PATIENCE: (u64, Duration) = (100_000, Duration::from_secs(20));

/// What came of a bad image.
#[derive(Debug)]
pub(crate) enum Came {
    /// An error, before anything ran.
    Refused(String),
    /// It ran, whatever it was.
    Ran,
}

impl Sample {
    /// The world as it was at the checkpoint, once more.
    pub(crate) fn world(&self) -> World {
        let folder = self.world.folder.as_ref();
        World {
            kind: Kind::Files,
            input: match &self.world.input {
                Input::Pipe(bytes) => Input::Pipe(bytes.clone()),
                other => other.clone(),
            },
            folder: folder.map(|f| crate::harness::folder::Folder::copy_of(f.path()).expect("a copy")),
        }
    }

    /// Restores from these bytes and lets the program finish; the error of whatever refused.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<Ended, String> {
        let (mut machine, thread) = self.machine(bytes)?;
        Ok(machine.resume(&thread))
    }

    fn machine(&self, bytes: &[u8]) -> Result<(Machine, Thread), String> {
        let mut image = Image::from_bytes(bytes).map_err(|e| e.to_string())?;
        let machine = Machine::from_image(Engine::Interp, &self.guest, &image, self.world())?;
        let thread = image.take_program().threads.pop().ok_or("the image has no thread")?;
        Ok((machine, thread))
    }

    /// Restores from bytes that are an image, but not a right one, and lets what is in it run for a while.
    pub(crate) fn provoke(&self, bytes: &[u8]) -> Came {
        let (mut machine, thread) = match self.machine(bytes) {
            Ok(machine) => machine,
            Err(error) => return Came::Refused(error),
        };
        let control = machine.store.control().clone();
        control.checkpoint_at(PATIENCE.0);
        Visitor::new(&machine.store, |_, _| Ok(AfterCheckpoint::Stop));
        let watchdog = Watchdog::new(control);
        let ended = machine.try_resume(&thread);
        watchdog.call_off();
        match ended {
            Err(error @ ResumeError::Invalid { .. }) => Came::Refused(error.to_string()),
            Ok(()) | Err(ResumeError::Trap(_)) => Came::Ran,
        }
    }
}

/// Ends a program that waits for something that will never be. That it does is no error: the guest asked for
/// it.
struct Watchdog {
    over: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Watchdog {
    fn new(control: Arc<wayfarer_runtime::Control>) -> Watchdog {
        let _ = control.enable_wake();
        let (over, is_over) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            if is_over.recv_timeout(PATIENCE.1).is_err() {
                control.request_terminate();
            }
        });
        Watchdog { over, thread }
    }

    fn call_off(self) {
        let _ = self.over.send(());
        self.thread.join().expect("it only waits");
    }
}
