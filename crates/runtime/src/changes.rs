//! What happens to a store between two moments: found by [`ChangeWatch`], made again by [`Store::apply`].
//!
//! A host that is restored by repeating its calls looks at memory, globals and tables between them. What each call did to
//! those is therefore part of what is remembered of it.

use crate::capture::FuncIds;
use crate::engine::CaptureError;
use crate::restore::RestoreError;
use crate::store::Store;
use crate::written::WriteTracker;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use wayfarer_module::ValType;
use wayfarer_snapshot::view::Value;

/// What changed in a store. Objects are named by their numbers, which stay when others are gone: how many of their kind were
/// made in the store before them. So are the instances of functions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Memories that were written or have grown.
    pub memories: Vec<MemoryChange>,
    /// Tables likewise.
    pub tables: Vec<TableChange>,
    /// Globals with another value, and that value.
    pub globals: Vec<(u32, Value)>,
    /// Instances whose segments were dropped.
    pub dropped: Vec<DroppedChange>,
}

/// What changed in a memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemoryChange {
    /// Which.
    pub memory: u32,
    /// Its size afterwards, in bytes.
    pub len: u64,
    /// Bytes that are to be as they were afterwards.
    pub runs: Vec<Run>,
}

/// Bytes of a memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Address of the first.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What changed in a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableChange {
    /// Which.
    pub table: u32,
    /// Its size afterwards, in elements.
    pub len: u32,
    /// Elements with another value, and that value.
    pub elems: Vec<(u32, Value)>,
}

/// Segments of an instance afterwards; one flag each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DroppedChange {
    /// Which instance.
    pub instance: u32,
    /// Data segments: dropped?
    pub datas: Vec<bool>,
    /// Element segments: dropped?
    pub elems: Vec<bool>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.memories.is_empty()
            && self.tables.is_empty()
            && self.globals.is_empty()
            && self.dropped.is_empty()
    }

    /// Whether a reference to an object of the host's is among the new values.
    pub fn has_host_references(&self) -> bool {
        let host = |v: &Value| matches!(v, Value::ExternRef(Some(_)));
        self.globals.iter().any(|(_, v)| host(v))
            || self.tables.iter().flat_map(|t| &t.elems).any(|(_, v)| host(v))
    }
}

/// Pages are compared in pieces of this size (bytes), whatever the system's page size.
const PAGE: usize = 4096;

/// Copies of pages kept to compare with, at most (bytes). Without one, a page counts as changed as a whole.
const COPIES: usize = 64 << 20;

/// Equal bytes between two that differ which are worth a run of their own.
const GAP: usize = 16;

/// Watches a store. Nothing may run in it while it is asked, and it is not asked any more when the store is gone.
#[derive(Debug, Default)]
pub struct ChangeWatch {
    /// By their numbers.
    memories: BTreeMap<u32, WatchedMemory>,
    tables: Vec<Vec<u64>>,
    globals: Vec<[u64; 2]>,
    dropped: Vec<(Vec<bool>, Vec<bool>)>,
}

#[derive(Debug)]
struct WatchedMemory {
    tracker: WriteTracker,
    len: usize,
    /// Pages as they were when the watch last looked, as far as there are copies.
    copies: HashMap<usize, Box<[u8]>>,
}

impl ChangeWatch {
    /// What changes from here on is asked for by [`ChangeWatch::changes`]; what happened before is nobody's business.
    pub fn sync(&mut self, store: &Store) {
        for (number, memory) in store.memory_numbers().into_iter().zip(store.memories()) {
            let len = memory.len();
            match self.memories.get_mut(&number) {
                Some(watched) => watched.sync(memory.base(), len),
                None => {
                    self.memories.insert(number, WatchedMemory::new(memory.base(), len));
                }
            }
        }
        self.tables.clear();
        self.tables.extend(store.tables().map(|t| t.elems().to_vec()));
        self.globals.clear();
        self.globals.extend(store.globals().map(|g| g.get()));
        self.dropped.clear();
        self.dropped.extend(store.instances().map(dropped));
    }

    /// A memory will be freed.
    pub fn forget(&mut self, number: u32) {
        self.memories.remove(&number);
    }

    /// What changed since [`ChangeWatch::sync`]. Objects that were made since are not looked at: their makers make them
    /// again.
    ///
    /// # Errors
    /// [`CaptureError::ForeignFunction`]: a value has no name that outlives the process.
    pub fn changes(&mut self, store: &Store) -> Result<Changes, CaptureError> {
        let mut changes = Changes::default();
        for (number, memory) in store.memory_numbers().into_iter().zip(store.memories()) {
            let Some(watched) = self.memories.get_mut(&number) else { continue };
            let grown = memory.len() != watched.len;
            let runs = watched.runs(memory.base(), memory.len());
            if grown || !runs.is_empty() {
                changes.memories.push(MemoryChange { memory: number, len: memory.len() as u64, runs });
            }
        }
        // Names are only made if there is something to name.
        let mut ids: Option<FuncIds> = None;
        let mut name = |ty: ValType, slots: &[u64], place: &dyn Fn() -> String| {
            let ids = ids.get_or_insert_with(|| store.lasting_func_ids());
            ids.value(ty, slots).ok_or_else(|| CaptureError::ForeignFunction { place: place() })
        };
        let numbers = store.table_numbers();
        for ((before, table), index) in self.tables.iter().zip(store.tables()).zip(numbers) {
            let now = table.elems();
            if before == now {
                continue;
            }
            let mut elems = Vec::new();
            for (at, slot) in now.iter().enumerate() {
                if before.get(at) != Some(slot) {
                    let value = name(table.elem_type(), &[*slot], &|| format!("table {index}"))?;
                    elems.push((at as u32, value));
                }
            }
            changes.tables.push(TableChange { table: index, len: table.len(), elems });
        }
        let numbers = store.global_numbers();
        for ((before, global), index) in self.globals.iter().zip(store.globals()).zip(numbers) {
            let now = global.get();
            if *before != now {
                let value = name(global.ty().val, &now, &|| format!("global {index}"))?;
                changes.globals.push((index, value));
            }
        }
        for (before, instance) in self.dropped.iter().zip(store.instances()) {
            let now = dropped(instance);
            if *before != now {
                let (datas, elems) = now;
                changes.dropped.push(DroppedChange { instance: instance.number(), datas, elems });
            }
        }
        Ok(changes)
    }
}

fn dropped(instance: &crate::Instance) -> (Vec<bool>, Vec<bool>) {
    let flags = |list: &[std::sync::atomic::AtomicBool]| {
        list.iter().map(|flag| flag.load(Ordering::Relaxed)).collect::<Vec<_>>()
    };
    (flags(&instance.dropped_datas), flags(&instance.dropped_elems))
}

/// Begins to track a memory.
fn track(base: *const u8, len: usize) -> WriteTracker {
    // SAFETY: a memory begins with a page and stays mapped and readable as far as it ever was, until it is freed, of which the
    // watch is told before (`forget`), or its store is, which the watch does not outlive in use; nothing runs in the store now,
    // nor when the tracker is asked (see the type).
    unsafe {
        if len > SMALL { WriteTracker::start(base, len) } else { WriteTracker::start_comparing(base, len) }
    }
}

/// A memory's bytes.
///
/// # Safety
/// `base` is where a memory of this length is, nothing writes to it as long as the slice is used.
unsafe fn bytes<'a>(base: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: as the caller promises; an empty memory has an address, too.
    unsafe { std::slice::from_raw_parts(base, len) }
}

/// Memories up to this size (bytes) are compared with a copy: the kernel's help costs more, and descriptors.
const SMALL: usize = 1 << 20;

impl WatchedMemory {
    fn new(base: *const u8, len: usize) -> WatchedMemory {
        WatchedMemory { tracker: track(base, len), len, copies: HashMap::new() }
    }

    /// Takes note of what the host wrote.
    fn sync(&mut self, base: *const u8, len: usize) {
        if self.len <= SMALL && len > SMALL {
            *self = WatchedMemory::new(base, len);
            return;
        }
        // SAFETY: nothing runs in the store (see the type), and a host does not write while it calls this library.
        let now = unsafe { bytes(base, len) };
        for range in self.tracker.written(len) {
            for page in range.start / PAGE..range.end.div_ceil(PAGE) {
                if let Some(copy) = self.copies.get_mut(&page) {
                    refresh(copy, now, page);
                }
            }
        }
        self.len = len;
    }

    /// Bytes that were written since.
    fn runs(&mut self, base: *const u8, len: usize) -> Vec<Run> {
        // SAFETY: as above.
        let now = unsafe { bytes(base, len) };
        let mut runs = Vec::new();
        for range in self.tracker.written(len) {
            for page in range.start / PAGE..range.end.div_ceil(PAGE) {
                let start = page * PAGE;
                let Some(content) = now.get(start..len.min(start + PAGE)) else { break };
                match self.copies.get_mut(&page) {
                    Some(copy) if copy.len() == content.len() => {
                        differences(copy, content, start as u64, &mut runs);
                        copy.copy_from_slice(content);
                    }
                    _ => {
                        push(&mut runs, start as u64, content);
                        if self.copies.len() * PAGE >= COPIES {
                            self.copies.clear();
                        }
                        self.copies.insert(page, content.into());
                    }
                }
            }
        }
        self.len = len;
        runs
    }
}

/// Makes a copy of a page what the page is now.
fn refresh(copy: &mut Box<[u8]>, memory: &[u8], page: usize) {
    let start = page * PAGE;
    let content = memory.get(start..memory.len().min(start + PAGE)).unwrap_or_default();
    if copy.len() == content.len() {
        copy.copy_from_slice(content);
    } else {
        *copy = content.into();
    }
}

/// Where `new` differs from `old`, both of which begin at address `start`.
fn differences(old: &[u8], new: &[u8], start: u64, runs: &mut Vec<Run>) {
    let mut at = 0;
    while let Some(first) = old[at..].iter().zip(&new[at..]).position(|(a, b)| a != b) {
        let first = at + first;
        // Up to the last difference that is not too far from the one before.
        let (mut end, mut look) = (first + 1, first + 1);
        while look < new.len() && look - end < GAP {
            if old[look] != new[look] {
                end = look + 1;
            }
            look += 1;
        }
        push(runs, start + first as u64, &new[first..end]);
        at = end;
    }
}

/// Adds a run, to the last one if it goes on there.
fn push(runs: &mut Vec<Run>, at: u64, bytes: &[u8]) {
    match runs.last_mut() {
        Some(last) if last.at + last.bytes.len() as u64 == at => last.bytes.extend_from_slice(bytes),
        _ => runs.push(Run { at, bytes: bytes.to_vec() }),
    }
}

impl Store {
    /// Makes changes again. All of them are checked before the first is made.
    ///
    /// # Errors
    /// [`RestoreError::Inconsistent`] if they are not of a store like this one, [`RestoreError::OutOfMemory`] if a memory
    /// or table can't grow.
    pub fn apply(&self, changes: &Changes) -> Result<(), RestoreError> {
        let inconsistent = |what: String| RestoreError::Inconsistent(what);
        for change in &changes.memories {
            let memory = self.memory_numbered(change.memory);
            let memory =
                memory.ok_or_else(|| inconsistent(format!("there is no memory {}", change.memory)))?;
            let fits = change.len >= memory.len() as u64 && change.len <= memory.plan().max;
            let inside =
                |run: &Run| run.at.checked_add(run.bytes.len() as u64).is_some_and(|end| end <= change.len);
            if !fits || !change.runs.iter().all(inside) {
                return Err(inconsistent(format!("changes of memory {} are outside of it", change.memory)));
            }
        }
        let mut tables = Vec::new();
        for change in &changes.tables {
            let what = || inconsistent(format!("changes of table {} do not fit it", change.table));
            let table = self.table_numbered(change.table).ok_or_else(what)?;
            let mut elems = Vec::new();
            for (at, value) in &change.elems {
                let slot = self.lasting_value_to_slots(value).filter(|_| value.ty() == table.elem_type());
                elems.push((*at, slot.ok_or_else(what)?[0]));
            }
            if change.len < table.len() || change.elems.iter().any(|(at, _)| *at >= change.len) {
                return Err(what());
            }
            tables.push((table, change.len, elems));
        }
        let mut globals = Vec::new();
        for (index, value) in &changes.globals {
            let what = || inconsistent(format!("the value of global {index} does not fit it"));
            let global = self.global_numbered(*index).ok_or_else(what)?;
            let slots = self.lasting_value_to_slots(value).filter(|_| value.ty() == global.ty().val);
            globals.push((global, slots.ok_or_else(what)?));
        }
        for change in &changes.dropped {
            let fits = self.instance_numbered(change.instance).is_some_and(|i| {
                i.dropped_datas.len() == change.datas.len() && i.dropped_elems.len() == change.elems.len()
            });
            if !fits {
                return Err(inconsistent(format!("segments of instance {}", change.instance)));
            }
        }

        for change in &changes.memories {
            let Some(memory) = self.memory_numbered(change.memory) else { continue };
            memory.grow_to(change.len).map_err(|_| RestoreError::OutOfMemory)?;
            for run in &change.runs {
                memory
                    .write(run.at, &run.bytes)
                    .map_err(|code| RestoreError::Inconsistent(code.text().to_owned()))?;
            }
        }
        for (table, len, elems) in tables {
            let more = len - table.len();
            table.grow(more, crate::values::NULL_REF).ok_or(RestoreError::OutOfMemory)?;
            for (at, slot) in elems {
                table.set(at, slot).map_err(|code| RestoreError::Inconsistent(code.text().to_owned()))?;
            }
        }
        for (global, slots) in globals {
            global.set(slots);
        }
        for change in &changes.dropped {
            if let Some(instance) = self.instance_numbered(change.instance) {
                instance.set_dropped(&change.datas, &change.elems);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_few_runs_and_all_of_them() {
        let old = vec![7u8; PAGE];
        let mut new = old.clone();
        for at in [0, 1, 10, 40, 41, 100, 4000, 4095] {
            new[at] = at as u8;
        }
        let mut runs = Vec::new();
        differences(&old, &new, 8192, &mut runs);
        let places: Vec<_> = runs.iter().map(|r| (r.at - 8192, r.bytes.len())).collect();
        assert_eq!(places, [(0, 11), (40, 2), (100, 1), (4000, 1), (4095, 1)]);
        let mut made = old.clone();
        for run in &runs {
            let at = (run.at - 8192) as usize;
            made[at..at + run.bytes.len()].copy_from_slice(&run.bytes);
        }
        assert_eq!(made, new);
        let mut none = Vec::new();
        differences(&new, &new, 0, &mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn neighbours_become_one_run() {
        let mut runs = Vec::new();
        push(&mut runs, 0, &[1; 10]);
        push(&mut runs, 10, &[2; 5]);
        push(&mut runs, 20, &[3; 5]);
        assert_eq!(runs.iter().map(|r| (r.at, r.bytes.len())).collect::<Vec<_>>(), [(0, 15), (20, 5)]);
    }
}
