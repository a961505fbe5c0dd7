//! One guest in one store, with all it needs of a host: from its beginning, or from an image.

use super::engine::Engine;
use super::fingerprint;
use super::folder::{Folder, Listing};
use super::guests::Guest;
use super::host::{self, Depth};
use super::streams::{Input, Kind, Streams};
use super::take::Checkpoint;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wayfarer_module::Module;
use wayfarer_runtime::{ExecEnv, Extern, InstantiateOptions, LoadedModule, ResumeError, Store, Trap};
use wayfarer_snapshot::Image;
use wayfarer_snapshot::view::{Entry, StoreView, Thread};
use wayfarer_wasi::{WasiBuilder, WasiCtx};

/// Name and version of WASI's section in images.
pub(crate) const WASI: (&str, u32) = ("wasi", 1);

/// The part of the world that a guest can see.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) input: Input,
    pub(crate) folder: Option<Folder>,
}

impl World {
    /// As the manifest has it.
    pub(crate) fn new(guest: &Guest, kind: Kind) -> World {
        let input = match kind {
            Kind::Pipes => Input::Pipe(guest.stdin.clone()),
            Kind::Files => {
                let mut file = tempfile::tempfile().expect("a temporary file");
                std::io::Write::write_all(&mut file, &guest.stdin).expect("it can be written");
                Input::File(Arc::new(file))
            }
        };
        let folder = guest.dir.as_ref().map(|dir| Folder::copy_of(dir).expect("the directory can be copied"));
        World { kind, input, folder }
    }
}

/// What a guest's host has in its hands while the guest runs.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) wasi: Arc<WasiCtx>,
    streams: Mutex<Streams>,
    world: World,
    depth: Depth,
    still: bool,
}

impl Host {
    fn new(guest: &Guest, world: World) -> Result<Host, String> {
        let (streams, fds) = Streams::new(world.kind, &world.input).map_err(|e| e.to_string())?;
        let mut builder = WasiBuilder::new();
        builder.arg(&*guest.name);
        guest.args.iter().for_each(|arg| {
            builder.arg(&**arg);
        });
        guest.env.iter().for_each(|entry| {
            builder.env(&**entry);
        });
        if let Some(folder) = &world.folder {
            builder.map_dir(format!("/data::{}", folder.path().display()));
        }
        let [stdin, stdout, stderr] = fds.map(i64::from);
        // SAFETY: three descriptors that `streams` keeps open, beside this context.
        let wasi = unsafe { builder.stdio(stdin, stdout, stderr) }.build().map_err(|e| e.to_string())?;
        let (wasi, streams) = (Arc::new(wasi), Mutex::new(streams));
        Ok(Host { wasi, streams, world, depth: Depth::default(), still: guest.still })
    }

    pub(crate) fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the guest was called back by a host function that still runs.
    pub(crate) fn in_callback(&self) -> bool {
        self.depth.load(Ordering::Relaxed) > 0
    }

    /// The world as it is now, for a program that goes on from here; changes to it do not reach this one.
    pub(crate) fn world(&self) -> Result<World, String> {
        let input = self.streams().rest_of_input(&self.world.input).map_err(|e| e.to_string())?;
        let folder = match &self.world.folder {
            Some(folder) => Some(Folder::copy_of(folder.path()).map_err(|e| e.to_string())?),
            None => None,
        };
        Ok(World { kind: self.world.kind, input, folder })
    }
}

/// How a run ended, and all that it left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    /// Exit code, or why there is none.
    pub(crate) exit: Result<u32, String>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Files.
    pub(crate) files: Listing,
    /// Globals, tables, dropped segments, sizes of memories.
    pub(crate) store: StoreView,
    /// Hash of the memories' bytes.
    pub(crate) memories: u64,
}

impl Ended {
    /// What is different from a run that nobody disturbed, if anything is. `printed`: how much of its output
    /// there had been before this run began.
    pub(crate) fn difference(&self, reference: &Ended, printed: usize, volatile: bool) -> Option<String> {
        if self.exit != reference.exit {
            return Some(format!("it ended with {:?}, not {:?}", self.exit, reference.exit));
        }
        if reference.stdout.get(printed..) != Some(&self.stdout) {
            return Some(format!(
                "it went on to print {:?}, not {:?}",
                String::from_utf8_lossy(&self.stdout),
                String::from_utf8_lossy(reference.stdout.get(printed..).unwrap_or_default())
            ));
        }
        if !self.stderr.is_empty() {
            return Some(format!("it complained: {}", String::from_utf8_lossy(&self.stderr)));
        }
        if self.files != reference.files {
            return Some(format!("its files are {:?}, not {:?}", self.files, reference.files));
        }
        if volatile {
            return None;
        }
        if self.store != reference.store {
            return Some(format!("its store is {:?}, not {:?}", self.store, reference.store));
        }
        (self.memories != reference.memories).then(|| "its memories are different at the end".to_owned())
    }
}

/// A guest at work.
pub(crate) struct Machine {
    module: Arc<Module>,
    pub(crate) store: Arc<Store>,
    pub(crate) env: ExecEnv,
    pub(crate) host: Arc<Host>,
}

impl Machine {
    /// Instantiates a guest in a new store.
    pub(crate) fn new(engine: Engine, guest: &Guest, world: World) -> Result<Machine, String> {
        let (machine, loaded) = Machine::empty(engine, guest, world)?;
        let imports = (0..loaded.module.imports.len())
            .map(|index| {
                machine.import(&loaded, index).map(Extern::Func).ok_or_else(|| format!("import {index}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        // SAFETY: functions of this store.
        unsafe { machine.store.instantiate(&loaded, &imports, &InstantiateOptions::default()) }
            .map_err(|e| e.to_string())?;
        Ok(machine)
    }

    /// A guest as it was at a checkpoint, in a new store of a new runtime; and the thread to go on with.
    pub(crate) fn restored(
        engine: Engine,
        guest: &Guest,
        checkpoint: Checkpoint,
    ) -> Result<(Machine, Thread), String> {
        let mut image = Image::from_bytes(checkpoint.image).map_err(|e| e.to_string())?;
        let machine = Machine::from_image(engine, guest, &image, checkpoint.world)?;
        let thread = image.take_program().threads.pop().ok_or("the image has no thread")?;
        Ok((machine, thread))
    }

    /// A guest from any image.
    pub(crate) fn from_image(
        engine: Engine,
        guest: &Guest,
        image: &Image<'_>,
        world: World,
    ) -> Result<Machine, String> {
        let (machine, loaded) = Machine::empty(engine, guest, world)?;
        let [id] = &image.program().store.modules[..] else {
            return Err("the image is not of one module".to_owned());
        };
        if id.sha256 != guest.module.sha256 {
            return Err("the image is of another module".to_owned());
        }
        let section = image.program().host.iter().find(|s| (&*s.name, s.version) == WASI);
        machine
            .host
            .wasi
            .restore(&section.ok_or("the image has no WASI section")?.bytes)
            .map_err(|e| e.to_string())?;
        machine
            .store
            .restore_image(image, &[loaded], |loaded, index| machine.import(loaded, index))
            .map_err(|e| e.to_string())?;
        Ok(machine)
    }

    fn empty(engine: Engine, guest: &Guest, world: World) -> Result<(Machine, Arc<LoadedModule>), String> {
        let runtime = engine.runtime();
        let loaded = engine.load(&runtime, &guest.module);
        let store = Store::new(&runtime);
        let env = ExecEnv::new(store.clone(), 0).map_err(|e| e.to_string())?;
        let host = Arc::new(Host::new(guest, world)?);
        Ok((Machine { module: guest.module.clone(), store, env, host }, loaded))
    }

    fn import(&self, loaded: &LoadedModule, index: usize) -> Option<*const wayfarer_runtime::Func> {
        let host = &self.host;
        host::func(&self.store, &host.wasi, (&host.depth, host.still), loaded, index)
    }

    /// Runs the start function, if there is one, and then the program.
    pub(crate) fn run(&mut self) -> Ended {
        let started = match self.module.start {
            Some(start) => self.call(Entry::Start, self.module_func(start)),
            None => Ok(()),
        };
        let ended = started.and_then(|()| self.main());
        self.end(ended)
    }

    /// Goes on with a captured thread, and with what follows once it has returned.
    pub(crate) fn resume(&mut self, thread: &Thread) -> Ended {
        let ended = match self.try_resume(thread) {
            Ok(()) => Ok(()),
            Err(ResumeError::Trap(trap)) => Err(trap),
            Err(error @ ResumeError::Invalid { .. }) => Err(Trap::host(error.to_string())),
        };
        self.end(ended)
    }

    /// The same, without looking at what is left.
    pub(crate) fn try_resume(&mut self, thread: &Thread) -> Result<(), ResumeError> {
        let engine = self.store.runtime().engine.clone();
        engine.resume(&mut self.env, thread)?;
        match thread.entry {
            Entry::Start => self.main().map_err(ResumeError::Trap),
            _ => Ok(()),
        }
    }

    fn main(&mut self) -> Result<(), Trap> {
        let start = self.store.instance(0).and_then(|i| i.export("_start"));
        let Some(Extern::Func(start)) = start else { return Err(Trap::host("no _start")) };
        self.call(Entry::Main, start)
    }

    fn module_func(&self, index: u32) -> *const wayfarer_runtime::Func {
        self.store.instance(0).map_or(std::ptr::null(), |i| i.funcs()[index as usize])
    }

    fn call(&mut self, entry: Entry, func: *const wayfarer_runtime::Func) -> Result<(), Trap> {
        self.env.entry = entry;
        let engine = self.store.runtime().engine.clone();
        // SAFETY: a function of this store; neither a start function nor `_start` has parameters.
        unsafe { engine.call(&mut self.env, func, &[]) }.map(|_| ())
    }

    fn end(&self, ended: Result<(), Trap>) -> Ended {
        let exit = match ended {
            Ok(()) => Ok(0),
            Err(Trap::Exit(status)) => Ok(status),
            Err(trap) => Err(trap.to_string()),
        };
        let (stdout, stderr) = self.host.streams().take_output().expect("the host's ends can be read");
        let folder = self.host.world.folder.as_ref();
        Ended {
            exit,
            stdout,
            stderr,
            files: folder.map(|f| f.listing().expect("the directory can be read")).unwrap_or_default(),
            store: self.store.capture().expect("a store of one instance can be captured"),
            memories: fingerprint::memories(&self.store),
        }
    }
}
