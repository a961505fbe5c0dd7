//! Images whose checksums are right, and whose content is a lie: each is refused, or what is in it runs
//! inside its sandbox like any guest.

use crate::assemble::{assemble, take_apart};
use crate::harness::random::Random;
use crate::samples::{Came, Sample, sample};
use std::collections::BTreeMap;
use wayfarer_module::PointKind;
use wayfarer_runtime::image::baselines;
use wayfarer_snapshot::view::{Entry, FuncId, ProgramView, Value};
use wayfarer_snapshot::{
    Compression, Image, Info, LoadOptions, MemorySource, Reason, SectionKind, WriteOptions, save_to_vec,
};

/// Lies about each sample.
const TIMES: usize = 600;

/// Larger memories are not made up (bytes): they would only take long.
const MOST_MEMORY: u64 = 64 << 20;

/// With all kinds of state on the stack.
fn samples() -> Vec<Sample> {
    [
        ("call_indirect_nested", 90),
        ("funcref_table", 60),
        ("externref_table", 40),
        ("v128_locals", 50),
        ("deep_recursion", 300),
        ("multi_value", 40),
        ("loop_params", 60),
        ("call_in_expression", 60),
        ("deep_operand_stack", 40),
        ("select_br_if", 60),
        ("tail_calls", 60),
        ("table_operations", 60),
        ("bulk_memory", 30),
        ("memory_grow", 30),
        ("start_function", 5),
        ("files", 800),
    ]
    .map(|(name, nth)| sample(name, nth, Compression::None))
    .into()
}

/// Counts what came of images, and says what was refused for which reasons.
#[derive(Default)]
struct Tally {
    ran: usize,
    refused: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, came: Came) {
        match came {
            Came::Ran => self.ran += 1,
            Came::Refused(error) => {
                assert!(error.len() > 10, "{error:?}");
                // Without numbers, reasons repeat.
                let reason = error.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
                *self.refused.entry(reason).or_default() += 1;
            }
        }
    }

    fn check(&self) {
        println!("{} ran, {} were refused", self.ran, self.refused.values().sum::<usize>());
        assert!(self.ran > 0 && self.refused.len() > 10, "{} ran; refused: {:#?}", self.ran, self.refused);
    }
}

/// Bytes of metadata changed at random, with the checksums made right again.
#[test]
fn changed_and_sealed_again() {
    let mut random = Random::named("sealed");
    let mut tally = Tally::default();
    for sample in samples() {
        let parts = take_apart(&sample.image);
        for _ in 0..TIMES {
            let mut parts = parts.clone();
            // Most often one that says what the program is.
            let telling =
                [SectionKind::Store, SectionKind::Threads, SectionKind::Host].map(SectionKind::number);
            let nth = match random.below(4) {
                0 => None,
                _ => {
                    let kind = *random.pick(&telling);
                    parts.iter().position(|part| part.kind == kind)
                }
            };
            let nth = nth.unwrap_or(random.below(parts.len() as u64) as usize);
            let bytes = &mut parts[nth].bytes;
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len().max(1) as u64) as usize;
                match (random.below(4), bytes.is_empty()) {
                    (0, _) => bytes.insert(at, random.next() as u8),
                    (_, true) => {}
                    (1, _) => drop(bytes.remove(at)),
                    (2, _) => bytes[at] = random.next() as u8,
                    _ => bytes[at] ^= 1 << random.below(8),
                }
            }
            tally.add(sample.provoke(&assemble(&parts)));
        }
    }
    tally.check();
}

/// Views that mean something else, written by our own writer.
#[test]
fn views_that_lie() {
    let mut random = Random::named("views");
    let mut tally = Tally::default();
    for sample in samples() {
        let image = Image::from_bytes(&sample.image).expect("it is good");
        for _ in 0..TIMES {
            let mut program = image.program().clone();
            for _ in 0..=random.below(2) {
                lie(&mut program, &mut random);
            }
            match write(&sample, &image, &program) {
                Ok(bytes) => tally.add(sample.provoke(&bytes)),
                Err(why) => tally.add(Came::Refused(why)),
            }
        }
    }
    tally.check();
}

/// A 32-bit memory cannot be larger than its addresses reach.
#[test]
fn a_memory_of_more_than_4_gib() {
    let sample = sample("memory_grow", 30, Compression::None);
    let image = Image::from_bytes(&sample.image).expect("it is good");
    let mut program = image.program().clone();
    program.store.memories[0].max = (4 << 30) + 65536;
    let bytes = write(&sample, &image, &program).expect("the format has room for it");
    match sample.provoke(&bytes) {
        Came::Refused(error) => assert!(error.contains("4 GiB"), "{error}"),
        Came::Ran => panic!("it ran"),
    }
}

/// Writes an image of a view, with the memories of another as far as they go.
fn write(sample: &Sample, image: &Image<'_>, program: &ProgramView) -> Result<Vec<u8>, String> {
    let truth = &image.program().store;
    let real = baselines(truth, &[&sample.guest.module]);
    let mut memories = Vec::new();
    for (index, memory) in program.store.memories.iter().enumerate() {
        if memory.len > MOST_MEMORY {
            return Err("a memory that is too large for this test".to_owned());
        }
        let mut bytes = Vec::new();
        if let Some(view) = truth.memories.get(index) {
            bytes.resize(view.len as usize, 0);
            image
                .load_memory(index, &mut bytes, &real[index], &LoadOptions::default())
                .map_err(|e| e.to_string())?;
        }
        bytes.resize(memory.len as usize, 0);
        memories.push(bytes);
    }
    let modules = vec![&*sample.guest.module; program.store.modules.len()];
    let baselines = baselines(&program.store, &modules);
    let sources: Vec<MemorySource<'_>> =
        memories.iter().zip(&baselines).map(|(data, baseline)| MemorySource::new(data, baseline)).collect();
    save_to_vec(program, &Info::now(Reason::Api, 1), &sources, &WriteOptions::default())
        .map_err(|e| e.to_string())
}

/// Changes one thing about a program.
fn lie(program: &mut ProgramView, r: &mut Random) {
    match r.below(10) {
        0..=4 => lie_about_threads(program, r),
        5..=8 => lie_about_store(program, r),
        _ => lie_about_host(program, r),
    }
}

/// An element of a list, if it has any.
fn any<'a, T>(list: &'a mut [T], r: &mut Random) -> Option<&'a mut T> {
    let n = (list.len() as u64).max(1);
    list.get_mut(r.below(n) as usize)
}

fn number(r: &mut Random) -> u64 {
    let bits = r.below(64);
    match r.below(3) {
        0 => r.below(4),
        1 => u64::MAX >> bits,
        _ => r.next() >> bits,
    }
}

fn func(r: &mut Random) -> FuncId {
    FuncId { instance: u32::from(r.below(16) == 0), func: r.below(12) as u32 }
}

fn value(r: &mut Random) -> Value {
    match r.below(9) {
        0 => Value::I32(number(r) as u32),
        1 => Value::I64(number(r)),
        2 => Value::F32(number(r) as u32),
        3 => Value::F64(number(r)),
        4 => Value::V128(u128::from(number(r)) << 64 | u128::from(number(r))),
        5 => Value::FuncRef(Some(func(r))),
        6 => Value::FuncRef(None),
        7 => Value::ExternRef(Some(number(r) as u32)),
        _ => Value::ExternRef(None),
    }
}

/// Another value of the same type, or of any type.
fn change(value_: &mut Value, r: &mut Random) {
    *value_ = match (*value_, r.below(4)) {
        (_, 0) => value(r),
        (Value::I32(v), _) => Value::I32(v ^ number(r) as u32),
        (Value::I64(v), _) => Value::I64(v ^ number(r)),
        (Value::F32(_), _) => Value::F32(number(r) as u32),
        (Value::F64(_), _) => Value::F64(number(r)),
        (Value::V128(v), _) => Value::V128(v ^ u128::from(number(r))),
        (Value::FuncRef(_), _) => Value::FuncRef(Some(func(r))),
        (Value::ExternRef(_), _) => Value::ExternRef(Some(number(r) as u32)),
    };
}

fn change_list(list: &mut Vec<Value>, r: &mut Random) {
    match r.below(6) {
        0 => list.push(value(r)),
        1 => drop(list.pop()),
        2 => list.reverse(),
        _ => {
            if let Some(value) = any(list, r) {
                change(value, r);
            }
        }
    }
}

fn kind(r: &mut Random) -> PointKind {
    *r.pick(&[PointKind::Loop, PointKind::Entry, PointKind::Call, PointKind::BeforeCall])
}

fn lie_about_threads(program: &mut ProgramView, r: &mut Random) {
    let Some(thread) = any(&mut program.threads, r).filter(|t| !t.frames.is_empty()) else { return };
    // Positions and functions that are right for other frames come closest to being believed.
    let others: Vec<_> = thread.frames.iter().map(|f| (f.func, f.position)).collect();
    let frames = thread.frames.len() as u64;
    match r.below(14) {
        0 => thread.entry = *r.pick(&[Entry::Start, Entry::Main, Entry::Call, Entry::Initialize]),
        1 => thread.tid = number(r) as u32,
        2 => {
            let copy = r.pick(&thread.frames).clone();
            let at = r.below(frames + 1) as usize;
            let times = if r.below(20) == 0 { 100_000 } else { 1 };
            thread.frames.splice(at..at, std::iter::repeat_n(copy, times));
        }
        3 => drop(thread.frames.remove(r.below(frames) as usize)),
        4 => {
            let (a, b) = (r.below(frames) as usize, r.below(frames) as usize);
            thread.frames.swap(a, b);
        }
        5 => {
            let copy = thread.clone();
            program.threads.push(copy);
        }
        what => {
            let Some(frame) = any(&mut thread.frames, r) else { return };
            match what {
                6 => frame.func = func(r),
                7 => {
                    frame.position.offset =
                        frame.position.offset.wrapping_add(r.below(64) as u32).wrapping_sub(32)
                }
                8 => frame.position.kind = kind(r),
                9 => (frame.func, frame.position) = *r.pick(&others),
                10 => frame.position = r.pick(&others).1,
                11 | 12 => change_list(&mut frame.locals, r),
                _ => change_list(&mut frame.stack, r),
            }
        }
    }
}

fn lie_about_store(program: &mut ProgramView, r: &mut Random) {
    let store = &mut program.store;
    match r.below(14) {
        0 => {
            if let Some(module) = any(&mut store.modules, r) {
                module.sha256[r.below(32) as usize] ^= 1;
            }
        }
        1 => store.modules.push(store.modules[0].clone()),
        2 | 3 => {
            if let Some(memory) = any(&mut store.memories, r) {
                match r.below(4) {
                    0 => memory.len = r.below(40) * memory.page_size,
                    1 => memory.max = number(r),
                    2 => memory.page_size = 1 << r.below(17),
                    _ => memory.shared = !memory.shared,
                }
            }
        }
        4 => store.memories.extend(store.memories.first().cloned()),
        5 | 6 => {
            if let Some(table) = any(&mut store.tables, r) {
                match r.below(4) {
                    0 => table.max = (r.below(2) == 0).then(|| number(r)),
                    1 => table.funcref = !table.funcref,
                    _ => change_list(&mut table.elems, r),
                }
            }
        }
        7 | 8 => {
            if let Some(global) = any(&mut store.globals, r) {
                match r.below(4) {
                    0 => global.mutable = !global.mutable,
                    _ => change(&mut global.value, r),
                }
            }
        }
        9 => store.globals.extend(store.globals.first().cloned()),
        10 => {
            let copy = store.instances[0].clone();
            store.instances.push(copy);
        }
        what => {
            let instance = &mut store.instances[0];
            let indices = match what {
                11 => &mut instance.globals,
                12 => &mut instance.tables,
                _ => &mut instance.memories,
            };
            match r.below(6) {
                0 => indices.push(r.below(3) as u32),
                1 => drop(indices.pop()),
                2 => {
                    if let Some(index) = any(indices, r) {
                        *index = r.below(4) as u32;
                    }
                }
                3 => {
                    if let Some(dropped) = any(&mut instance.dropped_datas, r) {
                        *dropped = !*dropped;
                    }
                }
                4 => {
                    if let Some(dropped) = any(&mut instance.dropped_elems, r) {
                        *dropped = !*dropped;
                    }
                }
                _ => {
                    if let Some(import) = any(&mut instance.imported_funcs, r) {
                        *import = Some(func(r));
                    }
                }
            }
        }
    }
}

fn lie_about_host(program: &mut ProgramView, r: &mut Random) {
    let Some(section) = any(&mut program.host, r) else { return };
    match r.below(7) {
        0 => section.name.push('x'),
        1 => section.version += 1,
        3 => section.ancillary = !section.ancillary,
        2 => section.bytes.truncate(r.below(section.bytes.len() as u64 + 1) as usize),
        _ => {
            if let Some(byte) = any(&mut section.bytes, r) {
                *byte = r.next() as u8;
            }
        }
    }
}
