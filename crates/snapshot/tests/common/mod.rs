//! Programs to make images of: small, random, and the same for the same seed.
#![allow(dead_code, reason = "no test uses all of it")]

use wayfarer_snapshot::view::*;
use wayfarer_snapshot::{
    Baseline, Compression, FileSource, Info, MemorySource, PAGE_SIZE, Reason, WriteOptions, save_to_vec,
};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// A number of few or many bits: encodings change with the magnitude.
    pub(crate) fn number(&mut self) -> u64 {
        let n = self.next();
        n >> self.below(64)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn list<T>(&mut self, max: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }
}

/// A memory: its content, and the data segments it started from.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) segments: Vec<(u64, Vec<u8>)>,
}

impl Memory {
    pub(crate) fn baseline(&self) -> Baseline<'_> {
        Baseline::new(self.segments.iter().map(|(at, b)| (*at, &b[..])))
    }
}

/// Everything that goes into an image.
pub(crate) struct Sample {
    pub(crate) program: ProgramView,
    pub(crate) info: Info,
    pub(crate) memories: Vec<Memory>,
    /// Content of files that host sections refer to.
    pub(crate) files: Vec<Vec<u8>>,
}

impl Sample {
    pub(crate) fn write(&self, compression: Compression) -> Vec<u8> {
        self.with_sources(|sources| {
            let files = self.files.iter();
            let files: Vec<_> =
                files.map(|file| FileSource { name: "f", len: file.len() as u64, content: file }).collect();
            let options = WriteOptions { compression, files: &files, ..WriteOptions::default() };
            save_to_vec(&self.program, &self.info, sources, &options).unwrap()
        })
    }

    pub(crate) fn with_sources<R>(&self, f: impl FnOnce(&[MemorySource<'_>]) -> R) -> R {
        let baselines: Vec<Baseline<'_>> = self.memories.iter().map(Memory::baseline).collect();
        let sources: Vec<MemorySource<'_>> = self
            .memories
            .iter()
            .zip(&baselines)
            .map(|(m, baseline)| MemorySource::new(&m.bytes, baseline))
            .collect();
        f(&sources)
    }
}

pub(crate) fn info(r: &mut Random) -> Info {
    let mut id = [0; 16];
    id.copy_from_slice(&r.bytes(16));
    Info {
        id,
        parent: None,
        sequence: r.number(),
        created_unix_ms: 1_790_000_000_000 + r.below(1 << 30),
        runtime_version: "0.1.0-tést".into(),
        arch: "x86_64".into(),
        os: "linux".into(),
        pid: r.number() as u32,
        reason: [Reason::Api, Reason::Signal, Reason::Timer, Reason::Count][r.below(4) as usize],
    }
}

fn value(r: &mut Random, instances: u32) -> Value {
    match r.below(7) {
        0 => Value::I32(r.number() as u32),
        1 => Value::I64(r.number()),
        2 => Value::F32(r.next() as u32),
        3 => Value::F64(r.next()),
        4 => Value::V128((u128::from(r.number()) << 64) | u128::from(r.next())),
        5 => Value::FuncRef(func(r, instances)),
        _ => Value::ExternRef((!r.chance(3)).then(|| r.number() as u32)),
    }
}

fn func(r: &mut Random, instances: u32) -> Option<FuncId> {
    (instances > 0 && !r.chance(4))
        .then(|| FuncId { instance: r.below(instances.into()) as u32, func: r.number() as u32 })
}

/// A memory of mixed pages: zero, initial and changed, the last one perhaps a partial page.
pub(crate) fn memory(r: &mut Random, len: usize) -> Memory {
    let mut segments = Vec::new();
    if len > 0 {
        segments = r.list(4, |r| {
            let start = r.below(len as u64);
            let n = r.below((len as u64 - start).min(3 * PAGE_SIZE as u64) + 1);
            (start, r.bytes(n as usize))
        });
    }
    let mut bytes = vec![0; len];
    for (at, b) in &segments {
        bytes[*at as usize..*at as usize + b.len()].copy_from_slice(b);
    }
    for page in bytes.chunks_mut(PAGE_SIZE) {
        match r.below(6) {
            0 => page.fill(0),
            1 => page.iter_mut().for_each(|b| *b = r.next() as u8),
            2 => page.fill(r.next() as u8 | 1),
            3 => {
                let at = r.below(page.len() as u64) as usize;
                page[at] ^= 0x40;
            }
            _ => {}
        }
    }
    Memory { bytes, segments }
}

/// A program with something in every field, most of the time.
pub(crate) fn sample(seed: u64) -> Sample {
    let r = &mut Random(seed);
    let page_size = if r.chance(2) { 65536 } else { 8 };
    let memories: Vec<Memory> = r.list(3, |r| {
        let units = if page_size == 8 { r.below(9000) } else { r.below(9) };
        memory(r, (units * page_size) as usize)
    });
    let modules = r.list(3, |r| ModuleId {
        sha256: std::array::from_fn(|_| r.next() as u8),
        size: r.number(),
        name: "wasm/modül.wasm".chars().take(r.below(16) as usize).collect(),
    });
    let instances = if modules.is_empty() { 0 } else { r.below(4) as u32 };
    let tables: Vec<TableView> = r.list(3, |r| {
        let funcref = r.chance(2);
        let elems = r.list(20, |r| {
            if funcref {
                Value::FuncRef(func(r, instances))
            } else {
                Value::ExternRef(r.chance(2).then(|| r.number() as u32))
            }
        });
        TableView { funcref, max: r.chance(2).then(|| elems.len() as u64 + r.number() / 2), elems }
    });
    let globals = r.list(10, |r| GlobalView { value: value(r, instances), mutable: r.chance(2) });
    let pick = |r: &mut Random, count: usize| -> Vec<u32> {
        if count == 0 { Vec::new() } else { r.list(4, |r| r.below(count as u64) as u32) }
    };
    let mut views = Vec::new();
    for i in 0..instances {
        views.push(InstanceView {
            module: r.below(modules.len() as u64) as u32,
            memories: pick(r, memories.len()),
            tables: pick(r, tables.len()),
            globals: pick(r, globals.len()),
            dropped_datas: r.list(9, |r| r.chance(2)),
            dropped_elems: r.list(9, |r| r.chance(2)),
            // Linked to earlier instances only, as instantiation does it: no cycles.
            imported_funcs: r.list(6, |r| func(r, i)),
        });
    }
    let threads = if instances == 0 { 0 } else { r.below(4) as u32 };
    let threads = (0..threads)
        .map(|tid| {
            let depth = 1 + r.below(6) as usize;
            let frames = (1..=depth).map(|n| Frame {
                func: FuncId { instance: r.below(instances.into()) as u32, func: r.number() as u32 },
                position: Position {
                    kind: match r.below(3) {
                        _ if n < depth => PointKind::Call,
                        0 => PointKind::Entry,
                        1 => PointKind::Loop,
                        _ => PointKind::BeforeCall,
                    },
                    offset: r.number() as u32,
                },
                locals: r.list(8, |r| value(r, instances)),
                stack: r.list(8, |r| value(r, instances)),
            });
            let frames = frames.collect();
            use Entry::*;
            let entry = [Start, Initialize, PostInstantiate, CallCtors, Main, Call][r.below(6) as usize];
            Thread { entry, frames, tid, watched: Vec::new(), number: 0, waits: None }
        })
        .collect();
    let host = (0..r.below(4))
        .map(|i| {
            let len = r.below(300) as usize;
            let section = HostSection::new(format!("höst.{i}"), r.number() as u32, r.bytes(len));
            HostSection { ancillary: i == 2, ..section }
        })
        .collect();
    let memory_views = memories
        .iter()
        .map(|m| MemoryView {
            len: m.bytes.len() as u64,
            max: m.bytes.len() as u64 + r.number() / 2,
            page_size,
            shared: r.chance(2),
        })
        .collect();
    Sample {
        program: ProgramView {
            store: StoreView { modules, memories: memory_views, tables, globals, instances: views },
            threads,
            host,
        },
        info: info(r),
        memories,
        files: vec![],
    }
}

/// The same, with one to three files.
pub(crate) fn with_files(sample: Sample, seed: u64) -> Sample {
    let r = &mut Random(seed);
    let mut files = r.list(2, |r| {
        let len = r.below(3000) as usize;
        if r.chance(3) { vec![r.next() as u8 % 2; len] } else { r.bytes(len) }
    });
    files.push(b"and one that is always there".to_vec());
    Sample { files, ..sample }
}

/// The first sample that has everything but files: threads, host sections, tables, and stored, initial and zero pages.
pub(crate) fn rich_sample() -> Sample {
    (0..)
        .map(sample)
        .find(|s| {
            let p = &s.program;
            p.threads.len() > 1
                && p.host.len() > 1
                && !p.store.tables.is_empty()
                && !p.store.globals.is_empty()
                && p.store.instances.iter().any(|i| i.imported_funcs.iter().any(Option::is_some))
                && s.memories.len() > 1
                && s.memories
                    .iter()
                    .all(|m| (20_000..80_000).contains(&m.bytes.len()) && !m.segments.is_empty())
        })
        .unwrap()
}
