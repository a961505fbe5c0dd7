//! What is wanted of all modules, hottest first, and the threads that see to it: as many as there are processors, while
//! there is something to do.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use super::Work;
use crate::log::warning;

/// How long a thread waits for more to do.
const PATIENCE: Duration = Duration::from_millis(200);

/// Stack of a thread (bytes): LLVM's recursions go as deep as the guest's code is nested.
const STACK: usize = 16 << 20;

/// By how much threads are nicer than the program.
const NICER: i32 = 2;

/// Bodies of functions that are compiled together because they are wanted at the same time (bytes).
const BATCH: usize = 1000;

/// What LLVM works on for seconds: larger functions (bytes).
const LARGE: usize = 10_000;

/// As many calls as this many rounds of a loop make hot.
const CALL_WEIGHT: u32 = 4;

/// What may be asked for of a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Key {
    /// What was compiled in earlier runs.
    Log,
    /// Code of a function, or of its loop at an offset.
    Code { func: u32, offset: Option<u32> },
}

struct Request {
    work: Arc<Work>,
    owner: u64,
    key: Key,
    weight: u32,
}

#[derive(Default)]
struct Queue {
    requests: Vec<Request>,
    /// What is being done, was done, or failed: it is not asked for again.
    taken: HashSet<(u64, Key)>,
    threads: usize,
    waiting: usize,
    /// Threads that do something large.
    large: usize,
    /// This process was forked from one with threads, and has none. Nobody knows what they held at that moment.
    forked: bool,
}

static QUEUE: Mutex<Option<Queue>> = Mutex::new(None);
static MORE: Condvar = Condvar::new();

/// Nothing is compiled, and nothing that belongs to a module is freed, while this is locked.
fn lock() -> MutexGuard<'static, Option<Queue>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a module asks for, as long as this is there.
pub(super) struct Owner {
    work: Arc<Work>,
    id: u64,
}

impl Owner {
    pub(super) fn new(work: Arc<Work>) -> Owner {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Owner { work, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Has something done, the sooner the greater `count` is.
    pub(super) fn ask(&self, key: Key, count: u32) {
        let mut queue = lock();
        let queue = queue.get_or_insert_default();
        if queue.forked {
            return;
        }
        match key {
            Key::Log => self.add(queue, key, u32::MAX),
            Key::Code { offset: None, .. } => self.add(queue, key, count.saturating_mul(CALL_WEIGHT)),
            Key::Code { func, offset: Some(_) } => {
                // The loop that runs first, then the function for when it is called again.
                self.add(queue, key, count);
                self.add(queue, Key::Code { func, offset: None }, count - 1);
            }
        }
        if queue.waiting > 0 {
            MORE.notify_one();
        }
        if queue.requests.len() > queue.waiting && queue.threads < limit() {
            start_thread(queue);
        }
    }

    fn add(&self, queue: &mut Queue, key: Key, weight: u32) {
        if queue.taken.contains(&(self.id, key)) {
            return;
        }
        match queue.requests.iter_mut().find(|r| (r.owner, r.key) == (self.id, key)) {
            Some(request) => request.weight = request.weight.max(weight),
            None => queue.requests.push(Request { work: self.work.clone(), owner: self.id, key, weight }),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut queue = lock();
        let Some(queue) = queue.as_mut() else { return };
        // One more reference to the work is here, so nothing is freed under the lock.
        queue.requests.retain(|request| request.owner != self.id);
        queue.taken.retain(|(owner, _)| *owner != self.id);
    }
}

/// Forgets all requests. What is being compiled is finished, unless the process ends before.
pub(crate) fn cancel() {
    let requests = lock().as_mut().map(|queue| std::mem::take(&mut queue.requests));
    drop(requests);
}

/// The most threads.
fn limit() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn start_thread(queue: &mut Queue) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A host that closes this library must not take their code from them.
        wayfarer_runtime::library::pin();
        // SAFETY: the functions are as fork(2) wants them, and stay.
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork_in_child)) };
    });
    let started = without_signals(|| {
        std::thread::Builder::new().name("wasm compiler".into()).stack_size(STACK).spawn(run)
    });
    match started {
        Ok(_) => queue.threads += 1,
        Err(e) if queue.threads == 0 => warning!("no thread to compile with: {e}"),
        Err(_) => {}
    }
}

/// Does something with all signals blocked, so that threads started in it get none: they are the host's.
fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: sets that are filled before they are read; the thread's own is put back.
    unsafe {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        libc::sigfillset(all.as_mut_ptr());
        let blocked = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0;
        let done = work();
        if blocked {
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        }
        done
    }
}

/// A thread.
fn run() {
    be_nicer();
    while let Some(job) = next() {
        job.work.serve(job.key, &job.more, &|_| lose_thread(job.is_large));
    }
}

/// Makes this thread nicer than the program's first one, which comes first where there are not enough processors for both. This one may
/// be of another thread that is nicer already, as may the program itself than others (`nice`(1)).
fn be_nicer() {
    // SAFETY: plain numbers; on Linux a process's number is that of its first thread, of which it is known for as long as the process
    // lasts how nice it was, and 0 is the calling one. Without privilege, one that is nicer already stays so.
    unsafe {
        let program = libc::getpriority(libc::PRIO_PROCESS, libc::getpid().cast_unsigned());
        libc::setpriority(libc::PRIO_PROCESS, 0, program + NICER);
    }
}

/// What a thread does at a time.
struct Job {
    work: Arc<Work>,
    key: Key,
    /// Other functions that are small and wanted, too: LLVM is slow to start.
    more: Vec<u32>,
    is_large: bool,
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.is_large
            && let Some(queue) = lock().as_mut()
        {
            queue.large -= 1;
            MORE.notify_one();
        }
    }
}

impl Request {
    fn is_large(&self) -> bool {
        matches!(self.key, Key::Code { func, .. } if self.work.size(func) > LARGE)
    }
}

impl Queue {
    /// The hottest request, and what goes with it.
    fn take(&mut self) -> Option<Job> {
        // The large ones must not keep all threads from what is soon done.
        let may_be_large = self.large == 0 || self.large + 1 < limit();
        let candidates = self.requests.iter().enumerate();
        let candidates = candidates.filter(|(_, request)| may_be_large || !request.is_large());
        let at = candidates.max_by_key(|(_, request)| request.weight)?.0;
        let request = self.requests.swap_remove(at);
        let is_large = request.is_large();
        self.large += usize::from(is_large);
        let Request { work, owner, key, .. } = request;
        self.taken.insert((owner, key));
        let mut more = Vec::new();
        let size = |func: u32| work.size(func);
        if let Key::Code { func, offset: None } = key {
            let mut room = BATCH.saturating_sub(size(func));
            self.requests.sort_unstable_by_key(|request| std::cmp::Reverse(request.weight));
            self.requests.retain(|request| match request.key {
                Key::Code { func, offset: None } if request.owner == owner && size(func) <= room => {
                    room -= size(func);
                    more.push(func);
                    false
                }
                _ => true,
            });
            self.taken.extend(more.iter().map(|&func| (owner, Key::Code { func, offset: None })));
        }
        Some(Job { work, key, more, is_large })
    }
}

/// The next job, once there is one.
fn next() -> Option<Job> {
    let mut guard = lock();
    loop {
        let queue = guard.get_or_insert_default();
        if let Some(job) = queue.take() {
            return Some(job);
        }
        queue.waiting += 1;
        let (again, waited) = MORE.wait_timeout(guard, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        guard = again;
        let queue = guard.get_or_insert_default();
        queue.waiting -= 1;
        if waited.timed_out() {
            queue.threads -= 1;
            return None;
        }
    }
}

/// LLVM cannot go on, and there is no way out of it: this thread stays there, another may take its place.
fn lose_thread(was_large: bool) -> ! {
    if let Some(queue) = lock().as_mut() {
        queue.threads -= 1;
        queue.large -= usize::from(was_large);
    }
    loop {
        std::thread::park();
    }
}

/// The lock, while the process is being forked.
struct Held(std::cell::UnsafeCell<Option<MutexGuard<'static, Option<Queue>>>>);

// SAFETY: only used by whoever has the lock.
unsafe impl Sync for Held {}

static HELD: Held = Held(std::cell::UnsafeCell::new(None));

unsafe extern "C" fn before_fork() {
    let guard = lock();
    // SAFETY: the lock is held.
    unsafe { *HELD.0.get() = Some(guard) };
}

unsafe extern "C" fn after_fork() {
    // SAFETY: `before_fork` has locked it, on this thread.
    drop(unsafe { (*HELD.0.get()).take() });
}

unsafe extern "C" fn after_fork_in_child() {
    // SAFETY: as above.
    let guard = unsafe { (*HELD.0.get()).take() };
    if let Some(mut guard) = guard
        && let Some(queue) = guard.as_mut()
    {
        queue.forked = queue.threads > 0;
        // They may be half changed by threads that are not here.
        std::mem::forget(std::mem::take(&mut queue.requests));
        (queue.threads, queue.waiting, queue.large) = (0, 0, 0);
    }
}
