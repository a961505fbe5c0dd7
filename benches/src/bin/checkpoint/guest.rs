//! The guests: as much memory and as many frames as is asked for, then a loop that only a checkpoint ends.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wayfarer_bench::Error;
use wayfarer_interp::Interpreter;
use wayfarer_module::{FuncType, Module};
use wayfarer_runtime::{
    AfterCheckpoint, Caller, CaptureError, Checkpointer, Control, ExecEnv, Extern, Func, HostFunc,
    InstantiateOptions, ResumeError, Runtime, Store, Trap,
};
use wayfarer_snapshot::view::Thread;
use wayfarer_snapshot::{Compression, Image, Info, Reason, Stats, WriteOptions, save_to_path};

/// Bytes of operand stack: enough for the deepest recursion here.
const STACK_SIZE: usize = 256 << 20;

/// `fill(bytes, stride)` grows the memory to `bytes` and writes pseudorandom numbers (xorshift64), which no compressor
/// makes smaller, to the first 4 KiB of every `stride`. `descend(n)` is `n` calls deep when it says that it is ready,
/// and stays there; each frame holds an operand that the frame below it has yet to be added to.
const TEXT: &str = r#"(module
  (import "bench" "ready" (func $ready))
  (memory 0)
  (func (export "fill") (param $bytes i32) (param $stride i32)
    (local $at i32) (local $end i32) (local $x i64)
    (drop (memory.grow (i32.shr_u (local.get $bytes) (i32.const 16))))
    (local.set $x (i64.const 88172645463325252))
    (loop $pages
      (local.set $end (i32.add (local.get $at) (i32.const 4096)))
      (loop $words
        (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
        (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
        (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
        (i64.store (local.get $at) (local.get $x))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $words (i32.lt_u (local.get $at) (local.get $end))))
      (local.set $at (i32.add (local.get $at) (i32.sub (local.get $stride) (i32.const 4096))))
      (br_if $pages (i32.lt_u (local.get $at) (local.get $bytes)))))
  (func $descend (export "descend") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (local.get $n) (call $descend (i32.sub (local.get $n) (i32.const 1)))))
      (else (call $ready) (loop $stay (result i32) (br $stay))))))"#;

/// What a guest is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Size of its memory.
    pub(crate) bytes: usize,
    /// Distance in bytes of the pages of 4 KiB that it writes.
    pub(crate) stride: usize,
    /// Frames above the outermost.
    pub(crate) depth: u32,
}

/// The guests' module.
pub(crate) fn module() -> Result<Arc<Module>, Error> {
    Ok(Arc::new(wayfarer_module::parse(wat::parse_str(TEXT)?.into())?))
}

/// A guest that stands still.
pub(crate) struct Stopped {
    store: Arc<Store>,
    thread: Thread,
    /// Time from the request until its frames were captured.
    pub(crate) after: Duration,
}

impl Stopped {
    /// Runs a new guest until it is as `shape` says, and stops it.
    pub(crate) fn new(module: &Arc<Module>, shape: Shape) -> Result<Stopped, Error> {
        let runtime = Runtime::new(Arc::new(Interpreter));
        let store = Store::new(&runtime);
        let request = Request::to(&store);
        let loaded = runtime.load(module.clone());
        let imports = [Extern::Func(request.host_func(&store))];
        // SAFETY: a function of this store, with the type of the module's only import.
        let instance = unsafe { store.instantiate(&loaded, &imports, &InstantiateOptions::default())? };
        let export = |name| match instance.export(name) {
            Some(Extern::Func(func)) => Ok(func),
            _ => Err(format!("no function {name}")),
        };
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        if shape.bytes > 0 {
            let args = [shape.bytes as u64, shape.stride as u64];
            // SAFETY: a function of the store with two parameters.
            unsafe { runtime.engine.call(&mut env, export("fill")?, &args) }.map_err(|e| e.to_string())?;
        }
        // SAFETY: a function of the store with one parameter.
        match unsafe { runtime.engine.call(&mut env, export("descend")?, &[shape.depth.into()]) } {
            Err(Trap::Stopped) => request.stopped(store),
            ended => Err(format!("the guest ended with {ended:?}").into()),
        }
    }

    /// Writes the image.
    pub(crate) fn save(&self, path: &Path, compression: Compression) -> Result<Stats, Error> {
        let program = self.store.program(vec![self.thread.clone()], Vec::new())?;
        let options = WriteOptions { compression, ..WriteOptions::default() };
        let info = Info::now(Reason::Api, 1);
        Ok(self
            .store
            .with_memories(&program, |memories| save_to_path(path, &program, &info, memories, &options))?)
    }

    /// Restores an image in a new runtime and lets the guest run to its next stable point. Gives the guest, and the time
    /// that took.
    pub(crate) fn restore(module: &Arc<Module>, path: &Path) -> Result<(Stopped, Duration), Error> {
        let start = Instant::now();
        let runtime = Runtime::new(Arc::new(Interpreter));
        let store = Store::new(&runtime);
        let request = Request::to(&store);
        let mut image = Image::open(path)?;
        store
            .restore_image(&image, &[runtime.load(module.clone())], |_, _| Some(request.host_func(&store)))?;
        let thread = image.take_program().threads.pop().ok_or("the image has no thread")?;
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        request.make();
        let ended = runtime.engine.resume(&mut env, &thread);
        let time = start.elapsed();
        match ended {
            Err(ResumeError::Trap(Trap::Stopped)) => Ok((request.stopped(store)?, time)),
            ended => Err(format!("the restored guest ended with {ended:?}").into()),
        }
    }

    /// The memory's bytes.
    pub(crate) fn memory(&self) -> &[u8] {
        match self.store.memory(0) {
            // SAFETY: the memory is mapped as long as the store is, and nothing runs in it any more.
            Some(memory) => unsafe { std::slice::from_raw_parts(memory.base(), memory.len()) },
            None => &[],
        }
    }

    /// How many frames it has.
    pub(crate) fn depth(&self) -> usize {
        self.thread.frames.len()
    }

    /// Whether it is in the same state as another guest.
    pub(crate) fn is_like(&self, other: &Stopped) -> bool {
        self.thread == other.thread && self.memory() == other.memory()
    }
}

/// A request for a checkpoint, and what comes of it.
struct Request {
    control: Arc<Control>,
    made: Mutex<Option<Instant>>,
    served: Mutex<Option<(Result<Thread, CaptureError>, Duration)>>,
}

impl Request {
    /// To be made to a store.
    fn to(store: &Store) -> Arc<Request> {
        let control = store.control().clone();
        let request = Arc::new(Request { control, made: Mutex::default(), served: Mutex::default() });
        store.set_checkpointer(Some(request.clone()));
        request
    }

    fn make(&self) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.control.request_checkpoint();
    }

    /// The function `bench.ready`, which makes the request.
    fn host_func(self: &Arc<Self>, store: &Store) -> *const Func {
        let request = self.clone();
        let call = move |_: &mut Caller<'_>, _: &mut [u64]| {
            request.make();
            Ok(())
        };
        let name = ("bench".into(), "ready".into());
        let host = HostFunc { name, restartable: true, call: Box::new(call), data: None };
        store.add_host_func(&FuncType { params: [].into(), results: [].into() }, host)
    }

    fn stopped(&self, store: Arc<Store>) -> Result<Stopped, Error> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (thread, after) = served.ok_or("the guest stopped by itself")?;
        Ok(Stopped { store, thread: thread?, after })
    }
}

impl Checkpointer for Request {
    fn checkpoint(&self, _: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        let after = made.map_or(Duration::ZERO, |made| made.elapsed());
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some((thread, after));
        AfterCheckpoint::Stop
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}
