//! A second reader, written from `docs/image-format.md` alone: its own checksum, its own decoder, none of the crate's.
//! It holds the document to the code. Section numbers are the document's.

#[path = "common/assemble.rs"]
mod assemble;
mod common;

use common::{Sample, rich_sample, sample, with_files};
use wayfarer_snapshot::view::*;
use wayfarer_snapshot::{Compression, Info, Reason};

/// Section 1.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &b in bytes {
        crc ^= u32::from(b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Section 2.3.
struct Section<'a> {
    kind: u32,
    zstd: bool,
    ancillary: bool,
    stored: &'a [u8],
    raw_len: usize,
}

impl Section<'_> {
    fn raw(&self) -> Vec<u8> {
        if !self.zstd {
            return self.stored.to_vec();
        }
        let raw = zstd::bulk::decompress(self.stored, self.raw_len).unwrap();
        assert_eq!(raw.len(), self.raw_len);
        raw
    }
}

/// Section 2, without what this reader does not know.
fn sections(image: &[u8]) -> Vec<Section<'_>> {
    assert_eq!(image[..8], [0x89, 0x57, 0x46, 0x59, 0x0d, 0x0a, 0x1a, 0x0a]);
    assert_eq!(u32_at(image, 28), crc32(&image[..28]));
    let version = u32_at(image, 8);
    assert!(version == 1 || version == 2);
    assert_eq!((u32_at(image, 12), &image[16..28]), (32, &[0; 12][..]));

    let trailer = &image[image.len() - 32..];
    assert_eq!(trailer[28..], [0x57, 0x46, 0x59, 0x45]);
    assert_eq!(u32_at(trailer, 24), crc32(&trailer[..24]));
    let (table_at, count) = (u64_at(trailer, 0) as usize, u32_at(trailer, 16) as usize);
    assert_eq!(u64_at(trailer, 8), image.len() as u64);
    assert_eq!(table_at + 40 * count + 32, image.len());
    let table = &image[table_at..table_at + 40 * count];
    assert_eq!(u32_at(trailer, 20), crc32(table));

    let mut end = 32usize;
    let mut found = Vec::new();
    let mut next_of_kind = [0; 9];
    for entry in table.chunks(40) {
        let kind = u32_at(entry, 0);
        let align = if kind == 5 { 4096 } else { 8 };
        let (offset, stored_len, raw_len) = (u64_at(entry, 16), u64_at(entry, 24), u64_at(entry, 32));
        let offset = offset as usize;
        assert_eq!(offset, end.next_multiple_of(align));
        assert!(image[end..offset].iter().all(|&b| b == 0));
        end = offset + stored_len as usize;
        let stored = &image[offset..end];
        assert_eq!(u32_at(entry, 12), crc32(stored));
        let flags = u32_at(entry, 4);
        let (zstd, ancillary) = (flags & 1 == 1, flags & 2 == 2);
        assert!(flags < if version == 1 { 2 } else { 4 });
        assert!(zstd || stored_len == raw_len);
        let is_known = (1..=8).contains(&kind);
        assert!(is_known || ancillary);
        if !is_known {
            continue;
        }
        assert!(!ancillary || kind == 4);
        assert_eq!(u32_at(entry, 8), next_of_kind[kind as usize]);
        next_of_kind[kind as usize] += 1;
        found.push(Section { kind, zstd, ancillary, stored, raw_len: raw_len as usize });
    }
    assert_eq!(table_at, end.next_multiple_of(8));
    assert!(image[end..table_at].iter().all(|&b| b == 0));
    found
}

/// Section 5: the encoding.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(n);
        self.0 = later;
        now
    }
    fn n(&mut self) -> u128 {
        let width = match self.bytes(1)[0] {
            251 => 2,
            252 => 4,
            253 => 8,
            254 => 16,
            byte => return byte.into(),
        };
        self.bytes(width).iter().rev().fold(0, |n, &b| n << 8 | u128::from(b))
    }
    fn u32(&mut self) -> u32 {
        self.n().try_into().unwrap()
    }
    fn u64(&mut self) -> u64 {
        self.n().try_into().unwrap()
    }
    fn bool(&mut self) -> bool {
        match self.bytes(1)[0] {
            0 => false,
            1 => true,
            b => panic!("{b} is no bool"),
        }
    }
    fn option<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| some(self))
    }
    fn vec<T>(&mut self, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.u64()).map(|_| element(self)).collect()
    }
    fn string(&mut self) -> String {
        let n = self.u64() as usize;
        String::from_utf8(self.bytes(n).to_vec()).unwrap()
    }
    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap()
    }
    fn all<T>(bytes: &'a [u8], value: impl FnOnce(&mut Self) -> T) -> T {
        let mut d = Decoder(bytes);
        let value = value(&mut d);
        assert!(d.0.is_empty());
        value
    }

    /// Section 5.1.
    fn info(&mut self) -> Info {
        Info {
            id: self.array(),
            parent: self.option(|d| d.array()),
            sequence: self.u64(),
            created_unix_ms: self.u64(),
            runtime_version: self.string(),
            arch: self.string(),
            os: self.string(),
            pid: self.u32(),
            reason: [Reason::Api, Reason::Signal, Reason::Timer, Reason::Count][self.u32() as usize],
        }
    }

    /// Section 5.2.
    fn store(&mut self) -> StoreView {
        StoreView {
            modules: self.vec(|d| ModuleId { sha256: d.array(), size: d.u64(), name: d.string() }),
            memories: self.vec(|d| MemoryView {
                len: d.u64(),
                max: d.u64(),
                page_size: d.u64(),
                shared: d.bool(),
            }),
            tables: self.vec(|d| TableView {
                funcref: d.bool(),
                elems: d.vec(Self::value),
                max: d.option(Self::u64),
            }),
            globals: self.vec(|d| GlobalView { value: d.value(), mutable: d.bool() }),
            instances: self.vec(|d| InstanceView {
                module: d.u32(),
                memories: d.vec(Self::u32),
                tables: d.vec(Self::u32),
                globals: d.vec(Self::u32),
                dropped_datas: d.vec(Self::bool),
                dropped_elems: d.vec(Self::bool),
                imported_funcs: d.vec(|d| d.option(Self::func)),
            }),
        }
    }
    fn func(&mut self) -> FuncId {
        FuncId { instance: self.u32(), func: self.u32() }
    }
    fn value(&mut self) -> Value {
        match self.u32() {
            0 => Value::I32(self.u32()),
            1 => Value::I64(self.u64()),
            2 => Value::F32(self.u32()),
            3 => Value::F64(self.u64()),
            4 => Value::V128(self.n()),
            5 => Value::FuncRef(self.option(Self::func)),
            6 => Value::ExternRef(self.option(Self::u32)),
            n => panic!("no variant {n}"),
        }
    }

    /// Section 5.3.
    fn thread(&mut self) -> Thread {
        use Entry::*;
        Thread {
            entry: [Start, Initialize, PostInstantiate, CallCtors, Main, Call][self.u32() as usize],
            frames: self.vec(|d| Frame {
                func: d.func(),
                position: Position {
                    kind: [PointKind::Entry, PointKind::Loop, PointKind::Call, PointKind::BeforeCall]
                        [d.u32() as usize],
                    offset: d.u32(),
                },
                locals: d.vec(Self::value),
                stack: d.vec(Self::value),
            }),
            tid: self.u32(),
            watched: Vec::new(),
            number: 0,
            waits: None,
        }
    }
}

/// Section 3. `segments` are the active data segments the memory was initialized from.
fn memory(data: &Section<'_>, map: &[u8], segments: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let (len, expected, runs, chunks) = Decoder::all(map, |d| {
        let len = d.u64() as usize;
        let baseline = d.option(Decoder::u32);
        (len, baseline, d.vec(|d| (d.u32(), d.u64() as usize)), d.vec(|d| (d.u32() as usize, d.u32())))
    });
    let mut baseline = vec![0; len];
    let mut covered = vec![false; len];
    for (at, bytes) in segments {
        let range = *at as usize..*at as usize + bytes.len();
        baseline[range.clone()].copy_from_slice(bytes);
        covered[range].fill(true);
    }
    assert_eq!(expected.is_some(), runs.iter().any(|r| r.0 == 1));
    if let Some(expected) = expected {
        // Section 3.3.
        let mut digested = Vec::new();
        let mut start = 0;
        for stretch in covered.chunk_by(|a, b| a == b) {
            let end = start + stretch.len();
            if stretch[0] {
                digested.extend((start as u64).to_le_bytes());
                digested.extend((end as u64).to_le_bytes());
                digested.extend(&baseline[start..end]);
            }
            start = end;
        }
        assert_eq!(crc32(&digested), expected);
    }

    let mut stored = Vec::new();
    let mut rest = data.stored;
    for (n, crc) in chunks {
        let (chunk, later) = rest.split_at(n);
        rest = later;
        assert_eq!(crc32(chunk), crc);
        let chunk_len = (data.raw_len - stored.len()).min(262144);
        if n == chunk_len {
            stored.extend(chunk);
        } else {
            assert!(data.zstd && n < chunk_len);
            let raw = zstd::bulk::decompress(chunk, chunk_len).unwrap();
            assert_eq!(raw.len(), chunk_len);
            stored.extend(raw);
        }
    }
    assert!(rest.is_empty());
    assert_eq!(stored.len(), data.raw_len);

    let mut memory = Vec::new();
    let mut stored = &stored[..];
    assert!(runs.iter().all(|r| r.1 > 0) && runs.windows(2).all(|w| w[0].0 != w[1].0));
    for (kind, pages) in runs {
        let start = memory.len();
        let end = (start + pages * 4096).min(len);
        match kind {
            0 => memory.resize(end, 0),
            1 => memory.extend(&baseline[start..end]),
            2 => {
                let (now, later) = stored.split_at(end - start);
                memory.extend(now);
                stored = later;
            }
            n => panic!("no kind {n}"),
        }
    }
    assert!(stored.is_empty());
    assert_eq!(memory.len(), len);
    memory
}

/// Section 3.4.
fn files_of(data: &Section<'_>, map: &[u8]) -> Vec<Vec<u8>> {
    let (files, chunks) = Decoder::all(map, |d| {
        let run = |d: &mut Decoder<'_>| (d.option(Decoder::u32), d.u64());
        let files = d.vec(|d| (d.u64(), d.vec(run)));
        (files, d.vec(|d| (d.u32() as usize, d.u32())))
    });
    let mut rest = data.stored;
    let stored = chunks.into_iter().map(|(n, crc)| {
        let (chunk, later) = rest.split_at(n);
        rest = later;
        assert_eq!(crc32(chunk), crc);
        chunk
    });
    let stored: Vec<&[u8]> = stored.collect();
    assert!(rest.is_empty());
    let mut lengths = vec![None; stored.len()];
    let content = |(len, runs): (u64, Vec<(Option<u32>, u64)>)| {
        let mut bytes = Vec::new();
        for (first, count) in runs {
            assert!(count > 0);
            for nth in 0..count {
                let piece = (len as usize - bytes.len()).min(262144);
                assert!(piece > 0);
                let Some(first) = first else {
                    bytes.resize(bytes.len() + piece, 0);
                    continue;
                };
                let at = first as usize + nth as usize;
                assert_eq!(*lengths[at].get_or_insert(piece), piece);
                if stored[at].len() == piece {
                    bytes.extend(stored[at]);
                } else {
                    assert!(data.zstd && stored[at].len() < piece);
                    bytes.extend(zstd::bulk::decompress(stored[at], piece).unwrap());
                }
            }
        }
        assert_eq!(bytes.len(), len as usize);
        bytes
    };
    let content = files.into_iter().map(content).collect();
    assert_eq!(lengths.into_iter().map(|len| len.expect("each is used")).sum::<usize>(), data.raw_len);
    content
}

fn check(sample: &Sample, compression: Compression) {
    let image = sample.write(compression);
    // The lowest version that has what is in it.
    let has_ancillary = sample.program.host.iter().any(|section| section.ancillary);
    assert_eq!(u32_at(&image, 8), if has_ancillary { 2 } else { 1 });
    compare(sample, &image);
    // A section of the future makes no difference.
    let mut parts = assemble::take_apart(&image);
    let at = parts.len() / 2;
    let bytes = vec![7; at];
    parts.insert(at, assemble::Part { kind: 99, flags: 2, index: 5, raw_len: None, bytes });
    compare(sample, &assemble::assemble(&parts));
}

fn compare(sample: &Sample, image: &[u8]) {
    let sections = sections(image);
    let hosts = sample.program.host.len();
    let kinds: Vec<u32> = sections.iter().map(|s| s.kind).collect();
    let with_files = usize::from(!sample.files.is_empty());
    let files = [7, 8].repeat(with_files);
    let expected = [vec![1, 2, 3], vec![4; hosts], files, [5, 6].repeat(sample.memories.len())].concat();
    assert_eq!(kinds, expected);

    assert_eq!(Decoder::all(&sections[0].raw(), Decoder::info), sample.info);
    assert_eq!(Decoder::all(&sections[1].raw(), Decoder::store), sample.program.store);
    assert_eq!(Decoder::all(&sections[2].raw(), |d| d.vec(Decoder::thread)), sample.program.threads);
    for (section, expected) in sections[3..].iter().zip(&sample.program.host) {
        // Section 4.
        let raw = section.raw();
        let name_end = 8 + u32_at(&raw, 4) as usize;
        let name = String::from_utf8(raw[8..name_end].to_vec()).unwrap();
        let (version, bytes) = (u32_at(&raw, 0), raw[name_end..].to_vec());
        assert_eq!(HostSection { name, version, bytes, ancillary: section.ancillary }, *expected);
    }
    if let [data, map, ..] = &sections[3 + hosts..]
        && with_files > 0
    {
        assert!(files_of(data, &map.raw()) == sample.files);
    }
    for (pair, m) in sections[3 + hosts + 2 * with_files..].chunks(2).zip(&sample.memories) {
        assert!(memory(&pair[0], &pair[1].raw(), &m.segments) == m.bytes);
    }
}

#[test]
fn the_document_describes_what_is_written() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    for compression in [Compression::None, Compression::Zstd(1), Compression::Zstd(19)] {
        check(&rich_sample(), compression);
        for seed in 1000..1030 {
            check(&sample(seed), compression);
            check(&with_files(sample(seed), seed), compression);
        }
    }
}

/// One image byte by byte: if this changes, the format version must.
#[test]
fn an_image_from_the_first_day_stays_as_it_is() {
    let mut info = common::info(&mut common::Random(1));
    info.id = [0x11; 16];
    info.sequence = 1;
    info.created_unix_ms = 251;
    info.runtime_version = "v".into();
    info.pid = 2;
    info.reason = Reason::Count;
    let mut program = ProgramView::default();
    program.store.globals.push(GlobalView { value: Value::F32(0x3f80_0000), mutable: true });
    program.host.push(HostSection::new("h", 3, vec![0xff]));
    let image = Sample { program, info, memories: vec![], files: vec![] }.write(Compression::None);
    let expected: &[&[u8]] = &[
        b"\x89WFY\r\n\x1a\n\x01\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &[0x1e, 0x15, 0xa3, 0xb3],
        // Info at 32, 38 bytes: id, no parent, sequence, time, strings, pid, reason.
        &[0x11; 16],
        b"\x00\x01\xfb\xfb\x00\x01v\x06x86_64\x05linux\x02\x03",
        &[0; 2],
        // Store at 72, 12 bytes: no modules, memories, tables; one global; no instances.
        b"\x00\x00\x00\x01\x02\xfc\x00\x00\x80\x3f\x01\x00",
        &[0; 4],
        // Threads at 88: none.
        b"\x00",
        &[0; 7],
        // Host at 96.
        b"\x03\0\0\0\x01\0\0\0h\xff",
        &[0; 6],
    ];
    let expected = expected.concat();
    let table = &image[expected.len()..];
    assert_eq!(image[..expected.len()], expected[..], "{:02x?}", &image[..expected.len()]);
    assert_eq!(table.len(), 4 * 40 + 32);
    assert_eq!(crc32(table), 0x959d_b8e2);
}
