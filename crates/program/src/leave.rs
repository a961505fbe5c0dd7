//! Ends the process after a checkpoint. What the host has printed is written out before, but nobody is waited for who only
//! reads: C's own `fflush(NULL)` takes the lock of every stream, which a thread that waits for input holds.

use std::ffi::{CStr, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libc::FILE;

use wayfarer_runtime::futex;

use super::driver::complain;
use super::pace::nanoseconds;
use super::policy::EXIT_CHECKPOINTED;

/// How long to wait for a stream with output that another thread holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two looks at it.
const INTERVAL: Duration = Duration::from_millis(2);

unsafe extern "C" {
    static stdout: *mut FILE;
    static stderr: *mut FILE;
    fn ftrylockfile(stream: *mut FILE) -> c_int;
    fn funlockfile(stream: *mut FILE);
    fn fflush_unlocked(stream: *mut FILE) -> c_int;
    fn __fpending(stream: *mut FILE) -> usize;
}

/// How far the thread is that writes out: a futex.
#[derive(Debug)]
struct Stage(AtomicU32);

/// It waits for a lock.
const LOCKED: u32 = 0;
/// It writes: that takes as long as the reader of a pipe wants.
const WRITING: u32 = 1;
const DONE: u32 = 2;

impl Stage {
    fn set(&self, stage: u32) {
        self.0.store(stage, Ordering::SeqCst);
        futex::wake_all(&self.0);
    }
}

/// Ends the process, as the policy says. `_exit` leaves out what the host would do at its own end: it has not ended, it
/// goes on elsewhere.
pub(super) fn end_process() -> ! {
    // This thread's own locks first: another could not have them.
    // SAFETY: C's streams, which are open for as long as it runs.
    unsafe {
        flush_if_free(stdout);
        flush_if_free(stderr);
    }
    if !flush_others() {
        complain("another thread holds a stream: what the host has printed there is lost");
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(EXIT_CHECKPOINTED) }
}

/// Writes out what the host has printed to a pipe or a stream, if that takes no waiting: others who stand still may be who reads it.
///
/// # Errors
/// Text: it cannot be.
pub(super) fn write_out() -> Result<(), String> {
    // SAFETY: C's stream, which is open for as long as it runs; the system calls get locals.
    let written = unsafe {
        let pending = __fpending(stdout);
        let mut fd = libc::pollfd { fd: libc::fileno(stdout), events: libc::POLLOUT, revents: 0 };
        let mut stat: libc::stat = std::mem::zeroed();
        let read_by_others = libc::fstat(fd.fd, &raw mut stat) == 0
            && matches!(stat.st_mode & libc::S_IFMT, libc::S_IFIFO | libc::S_IFSOCK);
        // A pipe that polls as writable has room for as many.
        !read_by_others
            || pending == 0
            || pending <= libc::PIPE_BUF && libc::poll(&raw mut fd, 1, 0) == 1 && flush_if_free(stdout)
    };
    if written { Ok(()) } else { Err("the host has output that standard output has no room for".to_owned()) }
}

/// Writes out what is buffered, unless another thread has the stream: whether it has.
///
/// # Safety
/// The stream must be open.
unsafe fn flush_if_free(stream: *mut FILE) -> bool {
    // SAFETY: as the caller promises. How much is pending may change until the stream is locked: who prints at the moment
    // when the process ends cannot know whether that was before.
    unsafe {
        if __fpending(stream) == 0 {
            return true;
        }
        let free = ftrylockfile(stream) == 0;
        if free {
            fflush_unlocked(stream);
            funlockfile(stream);
        }
        free
    }
}

/// Writes out all other streams, in a thread of its own as their list cannot be tried for. Whether that was done.
fn flush_others() -> bool {
    let stage = Arc::new(Stage(AtomicU32::new(LOCKED)));
    let theirs = stage.clone();
    let spawned = std::thread::Builder::new().name("wayfarer-flush".into()).spawn(move || {
        match Streams::find() {
            // SAFETY: these are the C library's own functions.
            Some(streams) => unsafe { streams.flush(&theirs) },
            // SAFETY: flushes all streams there are.
            None => drop(unsafe { libc::fflush(std::ptr::null_mut()) }),
        }
        theirs.set(DONE);
    });
    if spawned.is_err() {
        return false;
    }
    let mut since = Instant::now();
    loop {
        let now = stage.0.load(Ordering::SeqCst);
        match now {
            DONE => return true,
            WRITING => since = Instant::now(),
            _ if since.elapsed() >= PATIENCE => return false,
            _ => {}
        }
        futex::wait(&stage.0, now, Some(nanoseconds(PATIENCE / 10)));
    }
}

/// The C library's list of streams: functions that glibc exports for its C++ library, and others do not have.
struct Streams {
    lock: unsafe extern "C" fn(),
    unlock: unsafe extern "C" fn(),
    begin: unsafe extern "C" fn() -> *mut c_void,
    end: unsafe extern "C" fn() -> *mut c_void,
    next: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    file: unsafe extern "C" fn(*mut c_void) -> *mut FILE,
}

impl Streams {
    fn find() -> Option<Streams> {
        fn symbol(name: &CStr) -> Option<*mut c_void> {
            // SAFETY: a string.
            let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            (!address.is_null()).then_some(address)
        }
        // SAFETY: functions of these names have these types wherever they are.
        unsafe {
            use std::mem::transmute;
            Some(Streams {
                lock: transmute::<*mut c_void, unsafe extern "C" fn()>(symbol(c"_IO_list_lock")?),
                unlock: transmute::<*mut c_void, unsafe extern "C" fn()>(symbol(c"_IO_list_unlock")?),
                begin: transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(symbol(
                    c"_IO_iter_begin",
                )?),
                end: transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(symbol(
                    c"_IO_iter_end",
                )?),
                next: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> *mut c_void>(symbol(
                    c"_IO_iter_next",
                )?),
                file: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> *mut FILE>(symbol(
                    c"_IO_iter_file",
                )?),
            })
        }
    }

    /// Writes out every stream that has something, and comes back to those that another thread has.
    ///
    /// # Safety
    /// The functions must be the C library's.
    unsafe fn flush(&self, stage: &Stage) {
        // SAFETY: streams stay open while their list is locked, which it is in between.
        unsafe {
            (self.lock)();
            loop {
                let (mut at, mut all) = ((self.begin)(), true);
                while at != (self.end)() {
                    stage.set(WRITING);
                    all &= flush_if_free((self.file)(at));
                    stage.set(LOCKED);
                    at = (self.next)(at);
                }
                if all {
                    break;
                }
                std::thread::sleep(INTERVAL);
            }
            (self.unlock)();
        }
    }
}
