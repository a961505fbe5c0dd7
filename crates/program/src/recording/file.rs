//! A file that instances of this process write their logs to. It is in the file within moments what happens, and at once at a
//! checkpoint and at the end.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, TryLockError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wayfarer_record::{Entry, OpenError, Writer};
use wayfarer_runtime::fork;
use wayfarer_wasi::without_file_size_signal;

use crate::driver::complain;
use crate::lock::Lock;
use crate::watcher::without_signals;

/// Nothing stays in memory for longer.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long the end of the process waits for a thread that is just writing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Files that this process, and those that it was forked from, have written to.
static FILES: Lock<Vec<Known>> = Lock::new(Vec::new());

struct Known {
    /// Device and inode.
    identity: (u64, u64),
    /// Which process wrote to it, in the line of its forks.
    process: u32,
    file: Weak<RecordFile>,
}

/// This thread is about to fork.
pub(super) fn before_fork() {
    FILES.before_fork();
}

/// It has, and this is the parent or the child. Async-signal-safe.
pub(super) fn after_fork() {
    FILES.after_fork();
}

/// A file, as long as instances write to it.
pub(super) struct RecordFile {
    shared: Arc<Shared>,
    /// Writes from time to time.
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    /// The process whose file it is. No other touches the lock: it may be held by a thread that a child has not.
    process: u32,
    state: Mutex<State>,
    /// The file is not needed any more.
    over: Condvar,
}

struct State {
    /// `None` after an error.
    writer: Option<Writer>,
    /// Entries that are not in the file yet; after an error: those that never will be.
    pending: u64,
    instances: u32,
    is_over: bool,
    error: Option<String>,
}

impl RecordFile {
    /// The file of this name for a program that begins to write to it, and how many bytes of an earlier one were cut off; none if
    /// it is that of a process which this one was forked from.
    ///
    /// # Errors
    /// Why it cannot be written to.
    pub(super) fn of(path: &Path, program: &[u8; 32]) -> Result<Option<(Arc<RecordFile>, u64)>, OpenError> {
        let mut files = FILES.lock();
        let process = fork::generation();
        if let Ok(about) = std::fs::metadata(path) {
            let identity = (about.dev(), about.ino());
            files.retain(|known| known.process != process || known.file.strong_count() > 0);
            match files.iter().find(|known| known.identity == identity) {
                Some(known) if known.process != process => return Ok(None),
                Some(known) => {
                    if let Some(file) = known.file.upgrade() {
                        return Ok(Some((file, 0)));
                    }
                }
                None => {}
            }
        }
        let (writer, torn) = Writer::open(path, program)?;
        let about = std::fs::metadata(path)?;
        let file = Arc::new(RecordFile::new(path, process, writer)?);
        files.push(Known { identity: (about.dev(), about.ino()), process, file: Arc::downgrade(&file) });
        // It is only given away whole: what waits for the lock now is a fork, at most.
        drop(files);
        at_exit();
        Ok(Some((file, torn)))
    }

    fn new(path: &Path, process: u32, writer: Writer) -> io::Result<RecordFile> {
        let state = State { writer: Some(writer), pending: 0, instances: 0, is_over: false, error: None };
        let path = path.to_owned();
        let shared = Arc::new(Shared { path, process, state: Mutex::new(state), over: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("wayfarer-record".into());
        let thread = without_signals(|| thread.spawn(move || theirs.flush_often()))?;
        Ok(RecordFile { shared, thread: Some(thread) })
    }

    /// A number for another instance.
    pub(super) fn next_instance(&self) -> u32 {
        let Some(mut state) = self.shared.state() else { return 0 };
        state.instances += 1;
        state.instances - 1
    }

    /// Appends an entry.
    pub(super) fn append(&self, entry: &Entry) {
        let Some(mut state) = self.shared.state() else { return };
        state.pending += 1;
        let Some(writer) = &mut state.writer else { return };
        writer.append(entry);
        if writer.is_full() {
            self.shared.write(&mut state, Writer::flush);
        }
    }

    /// Writes what is not in the file yet.
    pub(super) fn flush(&self) {
        if let Some(mut state) = self.shared.state() {
            self.shared.write(&mut state, Writer::flush);
        }
    }

    /// Writes it to the disk.
    pub(super) fn sync(&self) {
        if let Some(mut state) = self.shared.state() {
            self.shared.write(&mut state, Writer::sync);
        }
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        let thread = self.thread.take();
        let Some(mut state) = self.shared.state() else {
            // A child has no such thread to wait for.
            std::mem::forget(thread);
            return;
        };
        state.is_over = true;
        self.shared.finish(&mut state);
        drop(state);
        self.shared.over.notify_all();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// What there is to write; none in a child of the process whose it is.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let own = fork::generation() == self.process;
        own.then(|| self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes, unless that has failed before. What the program does is not changed by whether it can be done.
    fn write(&self, state: &mut State, how: fn(&mut Writer) -> io::Result<()>) {
        let Some(writer) = &mut state.writer else { return };
        match without_file_size_signal(|| how(writer)) {
            Ok(()) => state.pending = 0,
            Err(error) => {
                complain(&format!(
                    "{}: the record of calls ends here, the program goes on: {error}",
                    self.path.display()
                ));
                state.error = Some(error.to_string());
                state.writer = None;
            }
        }
    }

    /// Nothing will be appended any more, as far as can be told.
    fn finish(&self, state: &mut State) {
        self.write(state, Writer::flush);
        if let Some(error) = state.error.take() {
            complain(&format!(
                "{}: the record of calls is not complete, {} entries at its end are missing: {error}",
                self.path.display(),
                state.pending
            ));
        }
    }

    fn flush_often(&self) {
        let Some(mut state) = self.state() else { return };
        while !state.is_over {
            self.write(&mut state, Writer::flush);
            state = self.over.wait_timeout(state, INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Has files written when the process ends, also if its host does not end its instances.
fn at_exit() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the function does not unwind, and goes with the library: its C runtime runs it when that is unloaded.
        unsafe { libc::atexit(finish_all) };
    });
}

extern "C" fn finish_all() {
    if FILES.is_held_here() {
        return;
    }
    let files: Vec<Arc<RecordFile>> = FILES.lock().iter().filter_map(|known| known.file.upgrade()).collect();
    for file in files {
        let shared = Arc::clone(&file.shared);
        // Others of the process's threads may go on while it ends; whoever began to do so may have been writing.
        std::mem::forget(file);
        if shared.process != fork::generation() {
            continue;
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match shared.state.try_lock() {
                Ok(mut state) => {
                    shared.finish(&mut state);
                    break;
                }
                Err(TryLockError::Poisoned(_)) => break,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}
