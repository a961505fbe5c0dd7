//! A guest made of a byte buffer, which calls the functions as an engine would.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "every test file uses its part")]

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wayfarer_guest::{GuestMemory, Interrupt, NoInterrupt};
use wayfarer_wasi::{BackEnd, Errno, Outcome, WasiBuilder, WasiCtx, WasiFunction};

pub const RESULT: u64 = 0x100;
pub const IOVECS: u64 = 0x200;
pub const PATH: u64 = 0x1000;
pub const PATH2: u64 = 0x4000;
pub const DATA: u64 = 0x10000;
const MEMORY: usize = 1 << 20;

pub const CREAT: u64 = 1;
pub const DIRECTORY: u64 = 2;
pub const EXCL: u64 = 4;
pub const TRUNC: u64 = 8;
pub const APPEND: u64 = 1;
pub const NONBLOCK: u64 = 4;
pub const FOLLOW: u64 = 1;
pub const READ: u64 = 1 << 1;
pub const SEEK: u64 = 1 << 2;
pub const TELL: u64 = 1 << 5;
pub const WRITE: u64 = 1 << 6;
/// What wasi-libc asks for with `O_RDWR`.
pub const FILE: u64 = 0x0820_01ff | 7 << 21;
pub const READ_ONLY: u64 = READ | SEEK | TELL | 1 << 3 | 1 << 21 | 1 << 27;
pub const DIR: u64 = 0x0fff_ffff & !(READ | WRITE | SEEK | TELL | 1 | 1 << 8 | 1 << 22);

pub type Result<T> = std::result::Result<T, Number>;

/// An error number, compared with [`Errno`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number(pub u16);

impl Number {
    pub fn among(self, errnos: &[Errno]) -> bool {
        errnos.iter().any(|errno| self == *errno)
    }
}

impl PartialEq<Errno> for Number {
    fn eq(&self, other: &Errno) -> bool {
        self.0 == *other as u16
    }
}

/// Which back end the tests are run with.
const BACK_END: &str = "WAYFARER_TEST_WASI";
/// Guests of [`Guest::in_dir`] are saved, dropped and restored before each call.
const HOPS: &str = "WAYFARER_TEST_HOPS";

pub fn back_end() -> BackEnd {
    std::env::var(BACK_END).map_or(BackEnd::Linux, |name| name.parse().unwrap())
}

pub fn hops() -> bool {
    std::env::var_os(HOPS).is_some()
}

/// Whether the guest's files are the host's, for what only the host can do to them.
pub fn on_host() -> bool {
    back_end() != BackEnd::Memory
}

/// Runs this test program with a back end, and with hops. What it prints is only shown if it fails.
pub fn again_with(back_end: BackEnd, hops: bool) {
    if std::env::var_os(BACK_END).is_some() {
        return;
    }
    let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
    tests.env(BACK_END, back_end.name());
    if hops {
        tests.env(HOPS, "1");
    }
    let output = tests.output().unwrap();
    assert!(output.status.success(), "{back_end}: {}", String::from_utf8_lossy(&output.stdout));
}

/// A test for each back end that runs all others with it, plain and with a hop before each call.
#[macro_export]
macro_rules! in_each_back_end {
    () => {
        #[test]
        fn all_of_this_holds_with_a_hop_before_each_call() {
            common::again_with(wayfarer_wasi::BackEnd::Linux, true);
        }

        #[test]
        fn all_of_this_holds_in_the_portable_one() {
            common::again_with(wayfarer_wasi::BackEnd::Portable, false);
        }

        #[test]
        fn all_of_this_holds_in_the_portable_one_with_a_hop_before_each_call() {
            common::again_with(wayfarer_wasi::BackEnd::Portable, true);
        }

        #[test]
        fn all_of_this_holds_in_memory() {
            common::again_with(wayfarer_wasi::BackEnd::Memory, false);
        }

        #[test]
        fn all_of_this_holds_in_memory_with_a_hop_before_each_call() {
            common::again_with(wayfarer_wasi::BackEnd::Memory, true);
        }
    };
}

pub struct Guest {
    pub ctx: WasiCtx,
    pub memory: Vec<u8>,
    /// What a guest that hops is restored into.
    hops_to: Option<WasiBuilder>,
    pub hopped: u32,
}

impl Guest {
    pub fn new(builder: &WasiBuilder) -> Guest {
        Guest { ctx: builder.build().unwrap(), memory: vec![0; MEMORY], hops_to: None, hopped: 0 }
    }

    /// With `dir` as descriptor 3, named `/`.
    pub fn in_dir(dir: &Path) -> Guest {
        let builder = builder_in(dir);
        let mut guest = Guest::new(&builder);
        if hops() {
            // Files in memory come with the image.
            guest.hops_to = Some(if on_host() { builder } else { quiet() });
        }
        guest
    }

    /// Saves it, and goes on with what is restored. What can't be saved stays where it is.
    fn hop(&mut self) {
        let Some(builder) = &self.hops_to else { return };
        let Ok(image) = self.ctx.save() else { return };
        self.ctx = builder.build().unwrap();
        self.ctx.restore(&image).unwrap();
        self.hopped += 1;
    }

    /// No more hops.
    pub fn stay(&mut self) {
        self.hops_to = None;
    }

    /// Makes a file.
    pub fn make(&mut self, path: &str, content: &str) {
        let fd = self.open(path, CREAT | TRUNC, FILE, 0).unwrap();
        self.write(fd, content.as_bytes()).unwrap();
        self.close(fd).unwrap();
    }

    pub fn mkdir(&mut self, path: &str) {
        self.at("path_create_directory", 3, path).unwrap();
    }

    /// What is in a file.
    pub fn content(&mut self, path: &str) -> String {
        let fd = self.open(path, 0, READ, 0).unwrap();
        let bytes = self.read(fd, 100_000).unwrap();
        self.close(fd).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    pub fn interruptible(&mut self, name: &str, args: &[u64], interrupt: &dyn Interrupt) -> Outcome {
        let function = WasiFunction::find(name).unwrap();
        assert_eq!(function.params().len(), args.len(), "{name}");
        (function.call)(&self.ctx, &GuestMemory::from_slice(&mut self.memory), interrupt, args)
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> Outcome {
        self.hop();
        self.interruptible(name, args, &NoInterrupt)
    }

    pub fn try_call(&mut self, name: &str, args: &[u64]) -> Result<()> {
        match self.call(name, args) {
            Outcome::Errno(0) => Ok(()),
            Outcome::Errno(errno) => Err(Number(errno)),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    pub fn get(&self, at: u64, len: usize) -> &[u8] {
        &self.memory[at as usize..at as usize + len]
    }

    pub fn u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.get(at, 2).try_into().unwrap())
    }

    pub fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().unwrap())
    }

    pub fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().unwrap())
    }

    /// Puts a path and gives its two arguments.
    pub fn path_at(&mut self, at: u64, path: impl AsRef<[u8]>) -> [u64; 2] {
        self.put(at, path.as_ref());
        [at, path.as_ref().len() as u64]
    }

    /// `path_open` with symbolic links followed.
    pub fn open(&mut self, path: &str, oflags: u64, rights: u64, fdflags: u64) -> Result<u64> {
        self.open_at(3, FOLLOW, path, oflags, rights, fdflags)
    }

    pub fn open_at(
        &mut self,
        dir: u64,
        lookup: u64,
        path: &str,
        oflags: u64,
        rights: u64,
        fdflags: u64,
    ) -> Result<u64> {
        let [at, len] = self.path_at(PATH, path);
        let inheriting = if oflags & DIRECTORY != 0 { FILE | DIR } else { 0 };
        let args = [dir, lookup, at, len, oflags, rights, inheriting, fdflags, RESULT];
        self.try_call("path_open", &args)?;
        Ok(self.u32(RESULT).into())
    }

    /// A call on a descriptor and a path.
    pub fn at(&mut self, name: &str, fd: u64, path: &str) -> Result<()> {
        let [at, len] = self.path_at(PATH, path);
        self.try_call(name, &[fd, at, len])
    }

    pub fn iovecs(&mut self, buffers: &[(u64, u64)]) -> [u64; 2] {
        for (i, (at, len)) in buffers.iter().enumerate() {
            self.put(IOVECS + 8 * i as u64, &(*at as u32).to_le_bytes());
            self.put(IOVECS + 8 * i as u64 + 4, &(*len as u32).to_le_bytes());
        }
        [IOVECS, buffers.len() as u64]
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> Result<usize> {
        self.put(DATA, bytes);
        let [iovs, count] = self.iovecs(&[(DATA, bytes.len() as u64)]);
        self.try_call("fd_write", &[fd, iovs, count, RESULT])?;
        Ok(self.u32(RESULT) as usize)
    }

    pub fn read(&mut self, fd: u64, len: usize) -> Result<Vec<u8>> {
        let [iovs, count] = self.iovecs(&[(DATA, len as u64)]);
        self.try_call("fd_read", &[fd, iovs, count, RESULT])?;
        Ok(self.get(DATA, self.u32(RESULT) as usize).to_vec())
    }

    pub fn seek(&mut self, fd: u64, offset: i64, whence: u64) -> Result<u64> {
        self.try_call("fd_seek", &[fd, offset as u64, whence, RESULT])?;
        Ok(self.u64(RESULT))
    }

    pub fn tell(&mut self, fd: u64) -> Result<u64> {
        self.try_call("fd_tell", &[fd, RESULT])?;
        Ok(self.u64(RESULT))
    }

    pub fn close(&mut self, fd: u64) -> Result<()> {
        self.try_call("fd_close", &[fd])
    }

    /// File type, flags, base and inheriting rights.
    pub fn fdstat(&mut self, fd: u64) -> Result<(u8, u16, u64, u64)> {
        self.try_call("fd_fdstat_get", &[fd, RESULT])?;
        Ok((self.get(RESULT, 1)[0], self.u16(RESULT + 2), self.u64(RESULT + 8), self.u64(RESULT + 16)))
    }

    /// Names from `cookie` on with their cookies, read with a buffer of `size` bytes; and whether the end was
    /// reached.
    /// Size and time of modification.
    pub fn filestat(&mut self, fd: u64) -> (u64, u64) {
        self.try_call("fd_filestat_get", &[fd, RESULT]).unwrap();
        (self.u64(RESULT + 32), self.u64(RESULT + 48))
    }

    pub fn readdir(&mut self, fd: u64, cookie: u64, size: usize) -> Result<(Vec<(String, u64)>, bool)> {
        self.try_call("fd_readdir", &[fd, DATA, size as u64, cookie, RESULT])?;
        let used = self.u32(RESULT) as usize;
        let bytes = self.get(DATA, used);
        let (mut names, mut at) = (Vec::new(), 0);
        while at + 24 <= used {
            let len = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
            if at + 24 + len > used {
                break;
            }
            let next = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            names.push((String::from_utf8(bytes[at + 24..at + 24 + len].to_vec()).unwrap(), next));
            at += 24 + len;
        }
        Ok((names, used < size))
    }
}

/// A directory on no disk, where there is such a thing: thousands of them are made.
pub fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// With standard streams that lead nowhere: a restore may move those of the test process.
pub fn builder_in(dir: &Path) -> WasiBuilder {
    let mut builder = quiet();
    builder.map_dir(format!("/::{}", dir.display())).back_end(back_end());
    builder
}

/// A builder whose standard input is the given descriptor, which stays open for good.
pub fn with_stdin(builder: &mut WasiBuilder, stdin: impl IntoRawFd) {
    // SAFETY: nobody closes it.
    unsafe { builder.stdio(stdin.into_raw_fd().into(), null(), null()) };
}

/// A builder whose standard output is the given descriptor, which stays open for good.
pub fn with_stdout(builder: &mut WasiBuilder, stdout: impl IntoRawFd) {
    // SAFETY: nobody closes it.
    unsafe { builder.stdio(null(), stdout.into_raw_fd().into(), null()) };
}

/// A builder with standard streams that lead nowhere.
pub fn quiet() -> WasiBuilder {
    let mut builder = WasiBuilder::new();
    // SAFETY: nobody closes them.
    unsafe { builder.stdio(null(), null(), null()) };
    builder
}

/// One for all, which is never closed.
fn null() -> i64 {
    static NULL: std::sync::LazyLock<RawFd> = std::sync::LazyLock::new(|| {
        File::options().read(true).write(true).open("/dev/null").unwrap().into_raw_fd()
    });
    (*NULL).into()
}

/// Requests that come as fast as they are served.
pub struct Storm {
    pending: AtomicBool,
    wake: OwnedFd,
    over: AtomicBool,
    /// Calls that were interrupted so far.
    interrupted: AtomicU32,
}

impl Storm {
    /// Runs `disturbed` in a storm.
    pub fn rage<T>(disturbed: impl FnOnce(&Arc<Storm>) -> T) -> T {
        use rustix::event::{EventfdFlags, eventfd};
        let storm = Arc::new(Storm {
            pending: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap(),
            over: AtomicBool::new(false),
            interrupted: AtomicU32::new(0),
        });
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !storm.over.load(Ordering::SeqCst) {
                    storm.raise();
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            let _over = Over(&storm.over);
            disturbed(&storm)
        })
    }

    fn raise(&self) {
        self.pending.store(true, Ordering::SeqCst);
        rustix::io::write(&self.wake, &1u64.to_ne_bytes()).unwrap();
    }

    /// Makes a call again for as long as it is interrupted.
    pub fn call(&self, guest: &mut Guest, name: &str, args: &[u64]) -> Outcome {
        self.raise();
        loop {
            match guest.interruptible(name, args, self) {
                Outcome::Interrupted => {
                    self.pending.store(false, Ordering::SeqCst);
                    let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                    self.interrupted.fetch_add(1, Ordering::SeqCst);
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs `act` on another thread once a call that is made from now on has been interrupted.
    pub fn after_interrupts<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let (storm, before) = (Arc::clone(self), self.interrupted.load(Ordering::SeqCst));
        std::thread::spawn(move || {
            let patience = Instant::now() + Duration::from_secs(60);
            while storm.interrupted.load(Ordering::SeqCst) < before + 1 {
                assert!(Instant::now() < patience, "nothing is interrupted");
                std::thread::sleep(Duration::from_millis(1));
            }
            act()
        })
    }
}

/// Ends the storm, also when a test fails in it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Interrupt for Storm {
    fn pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    fn wake_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

/// A request that stays pending until it is cleared.
pub struct Request {
    pending: AtomicBool,
    reader: PipeReader,
    writer: PipeWriter,
}

impl Request {
    pub fn new() -> Request {
        let (reader, writer) = std::io::pipe().unwrap();
        Request { pending: AtomicBool::new(false), reader, writer }
    }

    pub fn raise(&self) {
        use std::io::Write;
        self.pending.store(true, Ordering::SeqCst);
        (&self.writer).write_all(b"!").unwrap();
    }

    pub fn clear(&self) {
        use std::io::Read;
        self.pending.store(false, Ordering::SeqCst);
        (&self.reader).read_exact(&mut [0]).unwrap();
    }
}

impl Interrupt for Request {
    fn pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    fn wake_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

pub fn content(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

pub fn create(dir: &Path, name: &str, content: &str) -> File {
    std::fs::write(dir.join(name), content).unwrap();
    File::open(dir.join(name)).unwrap()
}
