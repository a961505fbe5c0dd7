//! All that this process's host does with its guests: stores in the order they were first used in, the gate that is closed
//! while an image is written, and the image that the host is restored from.

use std::sync::{Arc, Weak};

use wayfarer_runtime::Store;
use wayfarer_runtime::fork::Lineage;
use wayfarer_wasi::{Beside, SavePolicy};

use super::driver::Driver;
use super::gate::Gate;
use super::history::{History, Keep};
use super::lock::{Guard, Lock};
use super::policy::Resolved;
use super::record::{HostRecord, Processes};
use super::source::Source;
use crate::instance::HostParts;

/// Calls into any guest that the environment's checkpoints are about go through it.
pub(crate) static GATE: Gate = Gate::new();

static PROGRAM: Lock<Program> = Lock::new(Program { members: Vec::new(), source: None });

struct Program {
    members: Vec<Member>,
    source: Option<Arc<Source>>,
}

/// A store. Its history stays when it is gone.
struct Member {
    store: Weak<Store>,
    driver: Weak<Driver>,
    history: Arc<History>,
}

fn program() -> Guard<'static, Program> {
    PROGRAM.lock()
}

/// This thread is about to fork.
pub(crate) fn before_fork() {
    PROGRAM.before_fork();
}

/// It has, and this is the parent or the child. Async-signal-safe.
pub(crate) fn after_fork() {
    PROGRAM.after_fork();
}

/// Runs `f` while no other thread forks.
pub(crate) fn while_nobody_forks<T>(f: impl FnOnce() -> T) -> T {
    let _held = (!PROGRAM.is_held_here()).then(program);
    f()
}

/// What a store's first instance begins with.
pub(crate) enum Start {
    /// Nothing.
    Anew,
    /// The image, which is of this instance alone and in which it is at once.
    InPlace(Arc<Source>),
    /// What the host did the first time, to be repeated; the place of the store's history in it.
    Repeated(Arc<Source>, usize),
}

/// How the next store begins.
///
/// # Errors
/// What is wrong with the image, in words.
pub(crate) fn start(settings: &Resolved) -> Result<Start, String> {
    let mut program = program();
    let ordinal = program.members.len();
    let source = match (&program.source, &settings.restore) {
        (Some(source), _) => source.clone(),
        (None, Some(path)) => Arc::new(Source::open(path)?),
        (None, None) => return Ok(Start::Anew),
    };
    // A program between two calls, that says nothing of what came before, can only be there at once.
    let silent = source.thread().is_none() && source.host.is_none();
    if !settings.observed || silent {
        return Ok(Start::InPlace(source));
    }
    if let Some(host) = &source.host
        && !host.observed
        && host.stores.iter().any(|store| !store.calls.is_empty())
    {
        return Err(format!(
            "{}: the image was taken under iwasm, after other calls, and does not hold what they changed: \
             go on under iwasm",
            source.image.origin()
        ));
    }
    let image_of = source.host.as_ref().map(|host| &host.process.ended.ancestors[..]).unwrap_or_default();
    if !image_of.starts_with(&Lineage::here().ancestors) {
        // A child of the restored host, whose parent, or one of its other children, the image is of.
        return Ok(Start::Anew);
    }
    program.source = Some(source.clone());
    let known = source.host.as_ref().map_or(1, |host| host.stores.len());
    Ok(if ordinal < known { Start::Repeated(source, ordinal) } else { Start::Anew })
}

/// A store is used for the first time.
pub(crate) fn join(store: &Arc<Store>, driver: &Arc<Driver>, history: &Arc<History>) {
    let member =
        Member { store: Arc::downgrade(store), driver: Arc::downgrade(driver), history: history.clone() };
    program().members.push(member);
}

/// What the settings say is to be kept of what a host does.
pub(crate) fn keep(settings: &Resolved) -> Keep {
    match &settings.policy {
        None => Keep::Nothing,
        Some(_) if settings.observed => Keep::Changes,
        Some(_) => Keep::Results,
    }
}

/// Why the host could not be restored by doing the same again, if it could not. `own`: where a call is in progress.
pub(crate) fn obstacle(own: &Arc<History>) -> Option<String> {
    let program = program();
    let others = program.members.iter().filter(|member| !Arc::ptr_eq(&member.history, own));
    if others.into_iter().any(|member| member.history.is_running()) {
        return Some("another thread of the host is running a guest".to_owned());
    }
    program.members.iter().find_map(|member| member.history.obstacle())
}

/// Whether a store has locks whose driver is not this one: those are in no image of its store.
pub(crate) fn others_have_locks(own: &Driver) -> bool {
    let drivers: Vec<Arc<Driver>> =
        program().members.iter().filter_map(|member| member.driver.upgrade()).collect();
    drivers.iter().any(|driver| !std::ptr::eq(&**driver, own) && driver.locks.is_used())
}

/// What the host has done, for an image of `store`, in which a call is in progress.
///
/// # Errors
/// What cannot be saved, in words.
pub(crate) fn record(
    store: &Store,
    keep: Keep,
    files: &SavePolicy,
    beside: &mut Beside,
) -> Result<HostRecord, String> {
    let program = program();
    let process = Processes::here();
    if process.ended.is_too_deep() {
        return Err("too many forks lie between this process and the first one".to_owned());
    }
    let mut record = HostRecord {
        observed: keep == Keep::Changes,
        streams: wayfarer_wasi::stream_positions(),
        process,
        ..HostRecord::default()
    };
    for (ordinal, member) in program.members.iter().enumerate() {
        let alive = member.store.upgrade();
        let in_progress = alive.as_ref().is_some_and(|alive| std::ptr::eq(&**alive, store));
        if in_progress {
            record.pending = ordinal as u32;
        }
        let (mut stored, begun) = member.history.record();
        if let (true, Some(begun)) = (in_progress, begun) {
            record.process.begun = begun;
        }
        if let Some(alive) = &alive {
            for instance in alive.instances() {
                let number = instance.number() as usize;
                // That of the first instance of the image's store is in a section of its own. If the first that was made is
                // gone, a note says it, too: so it is known that the section is not of that one.
                if let Some(note) = stored.instances.get_mut(number)
                    && let Some(instance) = HostParts::of_host(instance)
                    && !(in_progress && number == 0)
                {
                    let wasi = instance.wasi.save_beside(files, beside);
                    note.wasi = Some(wasi.map_err(|e| e.to_string())?);
                }
            }
        }
        record.stores.push(stored);
    }
    Ok(record)
}

/// How many instances there are.
pub(crate) fn instances() -> usize {
    let stores: Vec<Arc<Store>> =
        program().members.iter().filter_map(|member| member.store.upgrade()).collect();
    stores.iter().map(|store| store.instances().count()).sum()
}

/// The policy's checkpoint was taken, or refused: whoever else was asked for it need not.
pub(crate) fn served(by: &Driver) {
    let drivers: Vec<Arc<Driver>> =
        program().members.iter().filter_map(|member| member.driver.upgrade()).collect();
    for driver in drivers.iter().filter(|driver| !std::ptr::eq(&***driver, by)) {
        driver.need_not_by_policy();
    }
}
