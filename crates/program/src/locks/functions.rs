//! The imports: functions of module `env`, with upstream's signatures and results.
//!
//! A function that waits comes back when its thread is wanted for something else, and is called again; its place in the queue, and
//! what it has done, is known by then (`Note`).

use std::time::{Duration, Instant};

use wayfarer_guest::{GuestMemory, Interrupt, OutOfBounds};
use wayfarer_runtime::waits::{Kind, NotTaken, Semaphore, Waited};
use wayfarer_runtime::{Caller, GuestThread, HostError, HostFunc, Trap, TrapCode};

use super::slots::{What, slot_of};
use super::{Call, Locks, Note};
use crate::instance::HostParts;

/// A function of the table.
pub struct LockFunction {
    /// Import name.
    pub name: &'static str,
    /// Parameters and result in WAMR's letters.
    pub signature: &'static str,
    call: fn(&Here<'_>, &[u32; 4], u64) -> Result<i32, HostError>,
}

impl std::fmt::Debug for LockFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.name, self.signature)
    }
}

/// All of them.
pub static FUNCTIONS: &[LockFunction] = &[
    LockFunction { name: "pthread_mutex_init", signature: "(**)i", call: mutex_init },
    LockFunction { name: "pthread_mutex_lock", signature: "(*)i", call: mutex_lock },
    LockFunction { name: "pthread_mutex_unlock", signature: "(*)i", call: mutex_unlock },
    LockFunction { name: "pthread_mutex_destroy", signature: "(*)i", call: mutex_destroy },
    LockFunction { name: "pthread_cond_init", signature: "(**)i", call: cond_init },
    LockFunction { name: "pthread_cond_wait", signature: "(**)i", call: cond_wait },
    LockFunction { name: "pthread_cond_timedwait", signature: "(**I)i", call: cond_timedwait },
    LockFunction { name: "pthread_cond_signal", signature: "(*)i", call: cond_signal },
    LockFunction { name: "pthread_cond_broadcast", signature: "(*)i", call: cond_broadcast },
    LockFunction { name: "pthread_cond_destroy", signature: "(*)i", call: cond_destroy },
    LockFunction { name: "pthread_key_create", signature: "(*i)i", call: key_create },
    LockFunction { name: "pthread_setspecific", signature: "(ii)i", call: setspecific },
    LockFunction { name: "pthread_getspecific", signature: "(i)i", call: getspecific },
    LockFunction { name: "pthread_key_delete", signature: "(i)i", call: key_delete },
    LockFunction { name: "sem_open", signature: "($iii)i", call: sem_open },
    LockFunction { name: "sem_close", signature: "(i)i", call: sem_close },
    LockFunction { name: "sem_wait", signature: "(i)i", call: sem_wait },
    LockFunction { name: "sem_trywait", signature: "(i)i", call: sem_trywait },
    LockFunction { name: "sem_post", signature: "(i)i", call: sem_post },
    LockFunction { name: "sem_getvalue", signature: "(i*)i", call: sem_getvalue },
    LockFunction { name: "sem_unlink", signature: "($)i", call: sem_unlink },
];

/// Whatever goes wrong.
const FAILED: i32 = -1;

/// What `pthread_cond_timedwait` returns when its time is over: Linux's ETIMEDOUT, which upstream passes on. WASI's is another.
const TIMED_OUT: i32 = 110;

/// Bits of `oflag` by which a semaphore is made that is not there: O_CREAT of Linux, which upstream takes, and of WASI.
const CREATE: u32 = 0o100 | 1 << 12;

/// Longest name of a semaphore (bytes), as Linux has it.
const LONGEST_NAME: usize = 251;

/// Where a function is called.
struct Here<'a> {
    locks: &'a Locks,
    thread: &'a GuestThread,
    memory: GuestMemory<'a>,
}

/// The host function for an import of this name.
pub fn host_func(name: (Box<str>, Box<str>), function: &'static LockFunction, params: usize) -> HostFunc {
    let wide = function.signature.contains('I');
    let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let parts = HostParts::of(caller.instance);
        let parts = parts.ok_or_else(|| HostError::Trap(Trap::host("unknown instance")))?;
        let here =
            Here { locks: parts.program().locks(), thread: caller.env.thread(), memory: caller.memory() };
        let mut args = [0; 4];
        for (to, from) in args.iter_mut().zip(&slots[..params]) {
            *to = *from as u32;
        }
        let last = if wide { slots[params - 1] } else { 0 };
        let result = (function.call)(&here, &args, last)?;
        slots[0] = u64::from(result as u32);
        Ok(())
    };
    HostFunc { name, restartable: true, call: Box::new(call), data: None }
}

fn outside(_: OutOfBounds) -> HostError {
    HostError::Trap(Trap::host("out of bounds memory access"))
}

impl Here<'_> {
    /// The handle at an address; that of nothing at a null pointer.
    fn handle(&self, addr: u32) -> Result<u32, HostError> {
        if addr == 0 { Ok(0) } else { self.memory.read_u32(addr.into()).map_err(outside) }
    }

    /// Gives the guest what was made, if it wants to know.
    fn give(&self, addr: u32, made: u32) -> Result<i32, HostError> {
        if addr != 0 {
            self.memory.write_u32(addr.into(), made).map_err(outside)?;
        }
        Ok(0)
    }

    /// A name as semaphores have it: slashes in front say nothing.
    fn name(&self, addr: u32) -> Result<Option<Vec<u8>>, HostError> {
        if addr == 0 {
            return Ok(None);
        }
        let name = self.memory.read_cstr(addr.into()).map_err(outside)?;
        let slashes = name.iter().take_while(|&&byte| byte == b'/').count();
        let name = &name[slashes..];
        Ok(is_name(name).then(|| name.to_vec()))
    }

    /// It is called again, or its thread ends: then nobody comes back to its place.
    fn interrupted(&self) -> HostError {
        if self.thread.control().is_ended(self.thread) {
            self.thread.waiter().leave();
            return TrapCode::Terminated.into();
        }
        HostError::Interrupted
    }

    /// Waits on where the thread stands: what was noted when it was woken, or `None` if its time is over.
    fn park(&self) -> Result<Option<Note>, HostError> {
        let me = self.thread.waiter();
        match self.locks.queues.park(me, || self.thread.pending()) {
            Waited::Interrupted => Err(self.interrupted()),
            Waited::TimedOut => Ok(None),
            Waited::Woken => Ok(Note::of(me.note())),
        }
    }
}

/// Whether a semaphore can have this name, which has no slashes in front.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(&b'/') && !name.contains(&0)
}

/// The kind that an attribute says, as C libraries of musl's kin (wasi-libc, Emscripten's) have it: by the first two bits, beside which
/// only the one may be set that says that other processes share the mutex.
fn kind(attr: u32) -> Kind {
    match attr & !0x80 {
        1 => Kind::Recursive,
        2 => Kind::ErrorCheck,
        _ => Kind::Normal,
    }
}

fn mutex_init(here: &Here<'_>, &[addr, attr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let kind = kind(here.handle(attr)?);
    here.handle(addr)?;
    match here.locks.create(What::Mutex(kind)) {
        Some(handle) => here.give(addr, handle),
        None => Ok(FAILED),
    }
}

fn mutex_lock(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let handle = here.handle(addr)?;
    let me = here.thread.waiter();
    if here.locks.kept(me, Call::Lock, slot_of(handle)).is_some() {
        return Ok(here.park()?.map_or(FAILED, of_lock));
    }
    let Some((number, slot, What::Mutex(kind))) = here.locks.find(handle) else { return Ok(FAILED) };
    let at = here.locks.at(number);
    match slot.mutex.lock(at, kind, me, Note::lock(number).bits(), || here.thread.pending()) {
        Ok(false) => Ok(0),
        Ok(true) => Ok(Note::of(me.note()).map_or(FAILED, of_lock)),
        Err(NotTaken::Interrupted) => Err(here.interrupted()),
        Err(NotTaken::Deadlock | NotTaken::TooOften) => Ok(FAILED),
    }
}

fn of_lock(note: Note) -> i32 {
    if note.lost { FAILED } else { 0 }
}

fn mutex_unlock(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let handle = here.handle(addr)?;
    let Some((number, slot, What::Mutex(kind))) = here.locks.find(handle) else { return Ok(FAILED) };
    let unlocked = slot.mutex.unlock(here.locks.at(number), kind, here.thread.id());
    Ok(if unlocked.is_ok() { 0 } else { FAILED })
}

/// One that somebody has is gone all the same, as upstream's.
fn mutex_destroy(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let handle = here.handle(addr)?;
    let Some((_, slot, What::Mutex(_))) = here.locks.find(handle) else { return Ok(FAILED) };
    let free = slot.mutex.owner().is_none();
    here.locks.remove(handle);
    Ok(if free { 0 } else { FAILED })
}

fn cond_init(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    here.handle(addr)?;
    match here.locks.create(What::Condition) {
        Some(handle) => here.give(addr, handle),
        None => Ok(FAILED),
    }
}

fn cond_wait(here: &Here<'_>, args: &[u32; 4], _: u64) -> Result<i32, HostError> {
    wait_for(here, args, None)
}

/// Microseconds; all bits set: for ever.
fn cond_timedwait(here: &Here<'_>, args: &[u32; 4], time: u64) -> Result<i32, HostError> {
    let time = (time != u64::MAX).then(|| Duration::from_micros(time));
    wait_for(here, args, time)
}

fn wait_for(
    here: &Here<'_>,
    &[addr, mutex, ..]: &[u32; 4],
    time: Option<Duration>,
) -> Result<i32, HostError> {
    let (handle, mutex) = (here.handle(addr)?, here.handle(mutex)?);
    let me = here.thread.waiter();
    let note = match here.locks.kept(me, Call::Condition, slot_of(handle)) {
        Some(note) => note,
        None => {
            let Some((number, slot, What::Condition)) = here.locks.find(handle) else { return Ok(FAILED) };
            let Some((mutex, of_mutex, What::Mutex(kind))) = here.locks.find(mutex) else {
                return Ok(FAILED);
            };
            let own = || of_mutex.mutex.owner() == Some(me.id()) && of_mutex.mutex.taken_again() == 0;
            if kind != Kind::Normal && !own() {
                return Ok(FAILED);
            }
            let deadline = time.and_then(|time| Instant::now().checked_add(time));
            let note = Note::condition(number, mutex);
            let queue = (&of_mutex.mutex, mutex.into());
            slot.condition.queue_up(here.locks.at(number), me, deadline, note.bits(), queue);
            note
        }
    };
    match here.park()? {
        Some(Note { lost: true, .. }) => Ok(FAILED),
        Some(note) => Ok(if note.timed_out { TIMED_OUT } else { 0 }),
        None => late(here, Note { timed_out: true, ..note }),
    }
}

/// The time is over. It has its mutex all the same when it goes on.
fn late(here: &Here<'_>, note: Note) -> Result<i32, HostError> {
    let (locks, me) = (here.locks, here.thread.waiter());
    let slot = locks.slots.get(note.mutex).filter(|slot| matches!(slot.what(), Some(What::Mutex(_))));
    let Some(slot) = slot else { return Ok(FAILED) };
    let at = locks.at(note.mutex);
    match slot.mutex.lock(at, Kind::Normal, me, note.bits(), || here.thread.pending()) {
        Ok(waited) if waited && Note::of(me.note()).is_none_or(|note| note.lost) => Ok(FAILED),
        Ok(_) => Ok(TIMED_OUT),
        Err(_) => Err(here.interrupted()),
    }
}

fn signal(here: &Here<'_>, addr: u32, count: u64) -> Result<i32, HostError> {
    let handle = here.handle(addr)?;
    let Some((number, slot, What::Condition)) = here.locks.find(handle) else { return Ok(FAILED) };
    here.locks.signal(number, slot, count);
    Ok(0)
}

fn cond_signal(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    signal(here, addr, 1)
}

fn cond_broadcast(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    signal(here, addr, u64::MAX)
}

fn cond_destroy(here: &Here<'_>, &[addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let handle = here.handle(addr)?;
    let Some((_, _, What::Condition)) = here.locks.find(handle) else { return Ok(FAILED) };
    here.locks.remove(handle);
    Ok(0)
}

fn key_create(here: &Here<'_>, &[addr, destructor, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    here.memory.range(addr.into(), 4).map_err(outside)?;
    match here.locks.create_key(destructor) {
        Some(key) => here.memory.write_u32(addr.into(), key).map_err(outside).map(|()| 0),
        None => Ok(FAILED),
    }
}

fn setspecific(here: &Here<'_>, &[key, value, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    if !here.locks.has_key(key) {
        return Ok(FAILED);
    }
    here.thread.specific().set(key as usize, value);
    Ok(0)
}

fn getspecific(here: &Here<'_>, &[key, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    Ok(if here.locks.has_key(key) { here.thread.specific().get(key as usize) as i32 } else { 0 })
}

fn key_delete(here: &Here<'_>, &[key, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    Ok(if here.locks.delete_key(here.thread.control(), key) { 0 } else { FAILED })
}

/// Whether it is there already is not asked for, as upstream does not; nor who may use it.
fn sem_open(here: &Here<'_>, &[name, flags, _, count]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let Some(name) = here.name(name)? else { return Ok(FAILED) };
    let create = flags & CREATE != 0 && count <= Semaphore::MAX;
    Ok(here.locks.open(&name, create, count).map_or(FAILED, |handle| handle as i32))
}

fn sem_close(here: &Here<'_>, &[handle, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    Ok(if here.locks.close(handle) { 0 } else { FAILED })
}

fn sem_wait(here: &Here<'_>, &[handle, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let me = here.thread.waiter();
    if here.locks.kept(me, Call::Semaphore, slot_of(handle)).is_some() {
        return Ok(here.park()?.map_or(FAILED, of_lock));
    }
    let Some((number, slot, What::Semaphore)) = here.locks.find(handle) else { return Ok(FAILED) };
    let note = Note::semaphore(number).bits();
    match slot.semaphore.wait(here.locks.at(number), me, note, || here.thread.pending()) {
        None => Ok(0),
        Some(Waited::Interrupted) => Err(here.interrupted()),
        Some(_) => Ok(Note::of(me.note()).map_or(FAILED, of_lock)),
    }
}

fn sem_trywait(here: &Here<'_>, &[handle, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let Some((_, slot, What::Semaphore)) = here.locks.find(handle) else { return Ok(FAILED) };
    Ok(if slot.semaphore.try_wait() { 0 } else { FAILED })
}

fn sem_post(here: &Here<'_>, &[handle, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let Some((number, slot, What::Semaphore)) = here.locks.find(handle) else { return Ok(FAILED) };
    Ok(if slot.semaphore.post(here.locks.at(number)).is_ok() { 0 } else { FAILED })
}

fn sem_getvalue(here: &Here<'_>, &[handle, addr, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    here.memory.range(addr.into(), 4).map_err(outside)?;
    let Some((_, slot, What::Semaphore)) = here.locks.find(handle) else { return Ok(FAILED) };
    here.memory.write_u32(addr.into(), slot.semaphore.count()).map_err(outside).map(|()| 0)
}

fn sem_unlink(here: &Here<'_>, &[name, ..]: &[u32; 4], _: u64) -> Result<i32, HostError> {
    let Some(name) = here.name(name)? else { return Ok(FAILED) };
    Ok(if here.locks.unlink(&name) { 0 } else { FAILED })
}
