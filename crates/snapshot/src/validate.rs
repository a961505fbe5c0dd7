//! Consistency of a [`ProgramView`]: after this, code that restores it can use its indices without checking.
//!
//! What needs the module itself is not decided here: whether a function index exists, whether a position is a stable
//! point, whether locals, operand stack, globals and segment lists are what the module declares. Nor is the table of
//! host references, which is the host's.

use crate::view::{FuncId, ProgramView, StoreView, Thread, Value};
use std::collections::HashSet;
use std::fmt;
use wayfarer_module::PointKind;

/// A contradiction in a [`ProgramView`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidView {
    /// The place, outermost part first: `instance 2: global 5`.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for InvalidView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl std::error::Error for InvalidView {}

fn fail<T>(place: impl Into<String>, why: impl Into<String>) -> Result<T, InvalidView> {
    Err(InvalidView { place: place.into(), why: why.into() })
}

/// Checks that every index, length and type of the view agrees with the others.
pub fn validate(program: &ProgramView) -> Result<(), InvalidView> {
    let store = &program.store;
    lists(store)?;
    memories(store)?;
    tables(store)?;
    for (i, global) in store.globals.iter().enumerate() {
        value(store, &global.value).or_else(|why| fail(format!("global {i}"), why))?;
    }
    links(store)?;
    let mut tids = HashSet::new();
    for (i, t) in program.threads.iter().enumerate() {
        if !tids.insert(t.tid) {
            return fail(format!("thread {i}"), format!("another thread has id {} too", t.tid));
        }
        thread(store, t).or_else(|e| fail(format!("thread {i}: {}", e.place), e.why))?;
    }
    let mut names = HashSet::new();
    for (i, section) in program.host.iter().enumerate() {
        if section.name.is_empty() {
            return fail(format!("host section {i}"), "it has no name");
        }
        if !names.insert(section.name.as_str()) {
            return fail(
                format!("host section {i}"),
                format!("another one is called {:?} too", section.name),
            );
        }
    }
    Ok(())
}

/// The instances' lists of what they use.
fn lists(store: &StoreView) -> Result<(), InvalidView> {
    for (i, instance) in store.instances.iter().enumerate() {
        let lists = [
            ("module", std::slice::from_ref(&instance.module), store.modules.len()),
            ("memory", &instance.memories, store.memories.len()),
            ("table", &instance.tables, store.tables.len()),
            ("global", &instance.globals, store.globals.len()),
        ];
        for (what, indices, count) in lists {
            if let Some(&bad) = indices.iter().find(|&&n| n as usize >= count) {
                return fail(format!("instance {i}"), format!("it uses {what} {bad}, the store has {count}"));
            }
        }
        for (n, link) in instance.imported_funcs.iter().enumerate() {
            if let Some(target) = link {
                func(store, *target)
                    .or_else(|why| fail(format!("instance {i}: imported function {n}"), why))?;
            }
        }
    }
    Ok(())
}

fn memories(store: &StoreView) -> Result<(), InvalidView> {
    for (i, m) in store.memories.iter().enumerate() {
        let place = || format!("memory {i}");
        if m.len > m.max {
            return fail(place(), format!("{} bytes are more than its maximum of {}", m.len, m.max));
        }
        if m.page_size == 0 || m.len % m.page_size != 0 {
            return fail(
                place(),
                format!("{} bytes are no multiple of its page size {}", m.len, m.page_size),
            );
        }
    }
    Ok(())
}

fn tables(store: &StoreView) -> Result<(), InvalidView> {
    for (i, t) in store.tables.iter().enumerate() {
        let place = || format!("table {i}");
        if let Some(max) = t.max.filter(|&max| t.elems.len() as u64 > max) {
            return fail(place(), format!("{} elements are more than its maximum of {max}", t.elems.len()));
        }
        for (n, elem) in t.elems.iter().enumerate() {
            let fits = match elem {
                Value::FuncRef(_) => t.funcref,
                Value::ExternRef(_) => !t.funcref,
                _ => false,
            };
            if !fits {
                let of = if t.funcref { "a funcref" } else { "an externref" };
                return fail(place(), format!("element {n} is not {of}"));
            }
            value(store, elem).or_else(|why| fail(format!("table {i}: element {n}"), why))?;
        }
    }
    Ok(())
}

/// Follows imported functions to the ones they are linked to. A chain that leads back to itself has no function at its
/// end, and would have whoever resolves it run in circles.
fn links(store: &StoreView) -> Result<(), InvalidView> {
    // A byte for each imported function, and nothing else: a small image may have millions.
    const SEEN: u8 = 1;
    const RESOLVED: u8 = 2;
    let mut marks: Vec<Vec<u8>> = store.instances.iter().map(|i| vec![0; i.imported_funcs.len()]).collect();
    let link = |f: FuncId| {
        store.instances[f.instance as usize].imported_funcs.get(f.func as usize).copied().flatten()
    };
    for (i, instance) in store.instances.iter().enumerate() {
        for n in 0..instance.imported_funcs.len() {
            let first = FuncId { instance: i as u32, func: n as u32 };
            // To the end, or to what was resolved; then once more, to note that all of it is.
            for mark in [SEEN, RESOLVED] {
                let mut at = Some(first);
                while let Some(f) = at
                    && let Some(there) = marks[f.instance as usize].get_mut(f.func as usize)
                    && *there != RESOLVED
                {
                    if *there == mark {
                        return fail(
                            format!("instance {i}: imported function {n}"),
                            "it is linked to itself",
                        );
                    }
                    *there = mark;
                    at = link(f);
                }
            }
        }
    }
    Ok(())
}

fn thread(store: &StoreView, thread: &Thread) -> Result<(), InvalidView> {
    let Some(innermost) = thread.frames.len().checked_sub(1) else {
        return fail("stack", "it has no frames");
    };
    for (i, frame) in thread.frames.iter().enumerate() {
        let place = || format!("frame {i}");
        func(store, frame.func).or_else(|why| fail(place(), why))?;
        let waiting = frame.position.kind == PointKind::Call;
        if waiting && i == innermost {
            return fail(place(), "it waits for a callee, but is the innermost");
        }
        if !waiting && i != innermost {
            return fail(place(), "it does not wait for a callee, but is not the innermost");
        }
        for (what, values) in [("local", &frame.locals), ("operand", &frame.stack)] {
            for (n, v) in values.iter().enumerate() {
                value(store, v).or_else(|why| fail(format!("frame {i}: {what} {n}"), why))?;
            }
        }
    }
    Ok(())
}

fn value(store: &StoreView, value: &Value) -> Result<(), String> {
    match value {
        Value::FuncRef(Some(f)) => func(store, *f),
        _ => Ok(()),
    }
}

fn func(store: &StoreView, f: FuncId) -> Result<(), String> {
    if (f.instance as usize) < store.instances.len() {
        Ok(())
    } else {
        Err(format!("function of instance {}, the store has {}", f.instance, store.instances.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::*;

    fn program() -> ProgramView {
        let f = FuncId { instance: 0, func: 4 };
        let frame = |kind| Frame {
            func: f,
            position: Position { kind, offset: 9 },
            locals: vec![Value::I32(1), Value::FuncRef(Some(f))],
            stack: vec![Value::F64(0)],
        };
        ProgramView {
            store: StoreView {
                modules: vec![ModuleId { sha256: [1; 32], size: 8, name: "m".into() }],
                memories: vec![MemoryView { len: 65536, max: 131072, page_size: 65536, shared: false }],
                tables: vec![TableView { funcref: true, elems: vec![Value::FuncRef(Some(f))], max: Some(1) }],
                globals: vec![GlobalView { value: Value::I64(3), mutable: true }],
                instances: vec![InstanceView {
                    module: 0,
                    memories: vec![0],
                    tables: vec![0],
                    globals: vec![0],
                    dropped_datas: vec![],
                    dropped_elems: vec![],
                    imported_funcs: vec![None, Some(f)],
                }],
            },
            threads: vec![Thread {
                entry: Entry::Main,
                frames: vec![frame(PointKind::Call), frame(PointKind::Loop)],
                tid: 0,
                watched: Vec::new(),
                number: 0,
                waits: None,
            }],
            host: vec![HostSection::new("wasi", 1, vec![])],
        }
    }

    #[test]
    fn a_consistent_program_passes() {
        validate(&program()).unwrap();
        validate(&ProgramView::default()).unwrap();
    }

    #[test]
    fn every_contradiction_is_found_and_placed() {
        type Break = (&'static str, fn(&mut ProgramView));
        let breaks: &[Break] = &[
            ("instance 0: it uses module 1", |p| p.store.instances[0].module = 1),
            ("instance 0: it uses memory 7", |p| p.store.instances[0].memories.push(7)),
            ("instance 0: it uses table 1", |p| p.store.instances[0].tables[0] = 1),
            ("instance 0: it uses global 1", |p| p.store.instances[0].globals[0] = 1),
            ("instance 0: imported function 0: function of instance 1", |p| {
                p.store.instances[0].imported_funcs[0] = Some(FuncId { instance: 1, func: 0 })
            }),
            ("instance 0: imported function 0: it is linked to itself", |p| {
                p.store.instances[0].imported_funcs =
                    vec![Some(FuncId { instance: 0, func: 1 }), Some(FuncId { instance: 0, func: 0 })]
            }),
            ("memory 0: 65536 bytes are more", |p| p.store.memories[0].max = 1),
            ("memory 0: 65536 bytes are no multiple", |p| p.store.memories[0].page_size = 0),
            ("memory 0: 65536 bytes are no multiple", |p| p.store.memories[0].page_size = 60000),
            ("table 0: 1 elements are more", |p| p.store.tables[0].max = Some(0)),
            ("table 0: element 0 is not an externref", |p| p.store.tables[0].funcref = false),
            ("table 0: element 0 is not a funcref", |p| p.store.tables[0].elems[0] = Value::I32(0)),
            ("table 0: element 0: function of instance 1", |p| {
                p.store.tables[0].elems[0] = Value::FuncRef(Some(FuncId { instance: 1, func: 0 }))
            }),
            ("global 0: function of instance 9", |p| {
                p.store.globals[0].value = Value::FuncRef(Some(FuncId { instance: 9, func: 0 }))
            }),
            ("thread 0: stack: it has no frames", |p| p.threads[0].frames.clear()),
            ("thread 0: frame 1: function of instance 1", |p| p.threads[0].frames[1].func.instance = 1),
            ("thread 0: frame 1: it waits", |p| p.threads[0].frames[1].position.kind = PointKind::Call),
            ("thread 0: frame 0: it does not wait", |p| {
                p.threads[0].frames[0].position.kind = PointKind::Entry
            }),
            ("thread 0: frame 1: local 1: function", |p| {
                p.threads[0].frames[1].locals[1] = Value::FuncRef(Some(FuncId { instance: 1, func: 0 }))
            }),
            ("thread 0: frame 0: operand 0: function", |p| {
                p.threads[0].frames[0].stack[0] = Value::FuncRef(Some(FuncId { instance: 1, func: 0 }))
            }),
            ("thread 1: another thread has id 0", |p| p.threads.push(p.threads[0].clone())),
            ("host section 0: it has no name", |p| p.host[0].name.clear()),
            ("host section 1: another one is called \"wasi\"", |p| p.host.push(p.host[0].clone())),
        ];
        for (expected, break_it) in breaks {
            let mut p = program();
            break_it(&mut p);
            let message = validate(&p).expect_err(expected).to_string();
            assert!(message.starts_with(expected), "{message:?} does not start with {expected:?}");
        }
    }

    #[test]
    fn long_import_chains_are_followed_in_linear_time() {
        let mut p = program();
        let n = 100_000;
        p.store.instances[0].imported_funcs =
            (1..=n).map(|func| Some(FuncId { instance: 0, func })).collect();
        validate(&p).unwrap();
        p.store.instances[0].imported_funcs =
            (0..n).map(|i: u32| i.checked_sub(1).map(|func| FuncId { instance: 0, func })).collect();
        validate(&p).unwrap();
    }
}
