//! Damaged and malicious images: each gets an error, or is what it claims to be. Never a panic, a hang or a large
//! allocation.

#[path = "common/assemble.rs"]
mod assemble;
mod common;

use assemble::{Part, assemble, take_apart};
use common::{Memory, Random, Sample, rich_sample, sample, with_files};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wayfarer_snapshot::view::{MemoryView, ProgramView};
use wayfarer_snapshot::*;

/// Notes the largest single allocation and the largest sum.
struct Watched;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// One test at a time, so that the allocations counted are its own.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Does with an image all there is to do. What passes must be fit for use.
fn use_fully(bytes: &[u8]) -> Result<(), ReadError> {
    let image = Image::from_bytes(bytes)?;
    validate(image.program()).expect("what is handed out is consistent");
    let description = describe(&image, &|_, _, bytes| Some(bytes.len().into()));
    assert!(render(&description, &RenderOptions::default()).contains("sections:"));
    let memories = image.program().store.memories.len();
    for i in 0..memories {
        let covered: u64 = image.memory_extents(i).unwrap().map(|e| e.len).sum();
        assert_eq!(covered, image.program().store.memories[i].len);
    }
    image.verify_data()?;
    for number in 0.. {
        let Some(len) = image.file_len(number) else { break };
        // A hostile one may be longer than anybody's patience, if it is zeros.
        let mut reader = image.file(number).unwrap().unwrap();
        let mut read = 0;
        loop {
            let zeros = reader.skip_zeros();
            let bytes = reader.by_ref().take(1 << 20).read_to_end(&mut Vec::new()).expect("it was verified");
            read += zeros + bytes as u64;
            if zeros == 0 && bytes == 0 || read > 1 << 30 {
                break;
            }
        }
        assert!(read == len || read > 1 << 30);
    }
    for i in 0..memories {
        let len = image.program().store.memories[i].len;
        if len <= 1 << 20 {
            let result =
                image.load_memory(i, &mut vec![1; len as usize], &Baseline::zero(), &LoadOptions::default());
            assert!(
                !matches!(&result, Err(e) if !matches!(e.kind, ReadErrorKind::Baseline { .. })),
                "{result:?}"
            );
        }
    }
    Ok(())
}

/// Small, so that every byte can have its turn; with padding before a data section and all kinds of pages.
fn small() -> Sample {
    let mut sample = rich_sample();
    let segments = vec![(PAGE_SIZE as u64 + 10, vec![7; 100])];
    let mut bytes = vec![0; 4 * PAGE_SIZE];
    bytes[PAGE_SIZE + 10..PAGE_SIZE + 110].fill(7);
    bytes[2 * PAGE_SIZE..2 * PAGE_SIZE + 3000].fill(9);
    bytes[3 * PAGE_SIZE + 1] = 1;
    let len = bytes.len() as u64;
    sample.memories.truncate(1);
    sample.memories[0] = Memory { bytes, segments };
    sample.program.store.memories =
        vec![MemoryView { len, max: len, page_size: PAGE_SIZE as u64, shared: false }];
    sample.program.store.instances.iter_mut().for_each(|i| i.memories = vec![0]);
    with_files(sample, 1)
}

#[test]
fn every_flipped_bit_of_every_byte_is_noticed() {
    let _alone = alone();
    for compression in [Compression::None, Compression::Zstd(1)] {
        let good = small().write(compression);
        use_fully(&good).unwrap_or_else(|e| panic!("{e}"));
        let mut bad = good.clone();
        let mut r = Random(1);
        for at in 0..good.len() {
            bad[at] ^= 1 << r.below(8);
            assert!(use_fully(&bad).is_err(), "{compression:?}: a flip at byte {at:#x} of {:#x}", good.len());
            bad[at] = good[at];
        }
    }
}

#[test]
fn every_truncation_and_every_appendix_is_noticed() {
    let _alone = alone();
    for compression in [Compression::None, Compression::Zstd(1)] {
        let mut good = small().write(compression);
        for len in 0..good.len() {
            let e = use_fully(&good[..len]).expect_err("an error");
            assert!(
                matches!(e.kind, ReadErrorKind::Truncated { .. } | ReadErrorKind::NotAnImage),
                "{len}: {e}"
            );
            assert_eq!(matches!(e.kind, ReadErrorKind::NotAnImage), len == 0);
        }
        good.push(0);
        assert!(use_fully(&good).is_err());
        good.pop();
        good.extend_from_within(..);
        assert!(use_fully(&good).is_err(), "an image behind an image");
    }
}

#[test]
fn random_damage_to_large_images_is_noticed() {
    let _alone = alone();
    let mut r = Random(2);
    for seed in 0..40 {
        let sample = if seed % 4 < 2 { sample(seed) } else { with_files(sample(seed), seed) };
        let good = sample.write(if seed % 2 == 0 { Compression::None } else { Compression::Zstd(1) });
        for _ in 0..50 {
            let mut bad = good.clone();
            for _ in 0..=r.below(3) {
                let at = r.below(bad.len() as u64) as usize;
                match r.below(4) {
                    0 => bad.truncate(at.max(1)),
                    1 => {
                        let n = r.below(64) as usize;
                        let end = (at + n).min(bad.len());
                        bad[at..end].fill(r.next() as u8);
                    }
                    2 => bad.insert(at, r.next() as u8),
                    _ => bad[at] ^= 1 << r.below(8),
                }
            }
            if bad != good {
                assert!(use_fully(&bad).is_err(), "seed {seed}");
            }
        }
    }
}

/// Checksums are no defence against an adversary, who can compute them: damage with right checksums.
#[test]
fn sealed_damage_is_refused_or_harmless() {
    let _alone = alone();
    let mut r = Random(3);
    let (mut refused, mut accepted) = (0, 0);
    let base = LIVE.load(Relaxed);
    PEAK.store(base, Relaxed);
    for seed in 0..60 {
        let sample = if seed % 4 < 2 { sample(seed) } else { with_files(sample(seed), seed) };
        let parts =
            take_apart(&sample.write(if seed % 3 == 0 { Compression::Zstd(1) } else { Compression::None }));
        assert!(use_fully(&assemble(&parts)).is_ok(), "taking apart and assembling is neutral");
        for _ in 0..150 {
            let mut parts = parts.clone();
            for _ in 0..=r.below(2) {
                mutate(&mut parts, &mut r);
            }
            match use_fully(&assemble(&parts)) {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        refused > 1000 && accepted > 100,
        "{refused} refused, {accepted} accepted: the mutations are useless"
    );
    let peak = PEAK.load(Relaxed) - base;
    assert!(peak < 160 << 20, "{peak} bytes allocated");
}

fn mutate(parts: &mut Vec<Part>, r: &mut Random) {
    if parts.is_empty() {
        return;
    }
    let n = r.below(parts.len() as u64) as usize;
    match r.below(16) {
        0 => drop(parts.remove(n)),
        1 => parts.insert(n, parts[n].clone()),
        2 => {
            let other = r.below(parts.len() as u64) as usize;
            parts.swap(n, other);
        }
        3 => parts[n].kind = r.below(9) as u32,
        4 => parts[n].flags ^= 1 << r.below(2),
        5 => parts[n].index = r.below(5) as u32,
        6 => parts[n].raw_len = Some(r.number()),
        7 => parts[n].bytes.truncate(r.below(200) as usize),
        _ => {
            let bytes = &mut parts[n].bytes;
            let interesting = [0, 1, 2, 6, 7, 127, 128, 250, 251, 252, 253, 254, 255, r.next() as u8];
            for _ in 0..=r.below(3) {
                if !bytes.is_empty() {
                    let at = r.below(bytes.len().min(400) as u64) as usize;
                    bytes[at] = interesting[r.below(14) as usize];
                }
            }
        }
    }
}

/// Opens an image with one section replaced and returns the error, having watched the memory it took.
fn refused(parts: &[Part], n: usize, section: &[u8]) -> String {
    let mut parts = parts.to_vec();
    parts[n].bytes = section.to_vec();
    let image = assemble(&parts);
    let base = LIVE.load(Relaxed);
    PEAK.store(base, Relaxed);
    let message = use_fully(&image).expect_err("an error").to_string();
    let peak = PEAK.load(Relaxed) - base;
    assert!(peak < 16 << 20, "{peak} bytes for {message}");
    message
}

#[test]
fn hostile_lengths_cost_nothing() {
    let _alone = alone();
    let parts = take_apart(&small().write(Compression::None));
    let huge = [253, 255, 255, 255, 255, 255, 255, 255, 127];
    let large = [252, 255, 255, 255, 127];
    for length in [&huge[..], &large[..]] {
        // Store: number of modules; then the length of a module's name. Threads: their number.
        let message = refused(&parts, 1, length);
        assert!(message.contains("store section") && message.contains("in the middle"), "{message}");
        let name = [&[1][..], &[0; 32], &[0], length].concat();
        assert!(refused(&parts, 1, &name).contains("store section"));
        assert!(refused(&parts, 2, length).contains("threads section"));
        let id = [&[0; 16][..], &[0, 1, 1], length].concat();
        assert!(refused(&parts, 0, &id).contains("info section"));
        // Memory map: number of runs, then of chunks.
        let map = parts.len() - 1;
        assert!(
            refused(&parts, map, &[&[251, 0, 64, 0][..], length].concat()).contains("memory map section 0")
        );
        assert!(
            refused(&parts, map, &[&[251, 0, 64, 0, 0][..], length].concat())
                .contains("memory map section 0")
        );
        // Runs that claim more pages than there are.
        let run = [&[251, 0, 64, 0, 1, 0][..], length, &[0]].concat();
        assert!(
            refused(&parts, map, &run).contains("pages for 16384 bytes"),
            "{}",
            refused(&parts, map, &run)
        );
    }
    // A host section whose name is longer than the section.
    let message = refused(&parts, 3, &[0, 0, 0, 0, 255, 255, 255, 255, b'x']);
    assert!(message.contains("host section 0") && message.contains("cut off"), "{message}");
    assert!(refused(&parts, 3, &[0; 7]).contains("too few"));
    assert!(refused(&parts, 3, &[0, 0, 0, 0, 1, 0, 0, 0, 0xff]).contains("UTF-8"));
}

#[test]
fn decompression_bombs_are_refused() {
    let _alone = alone();
    let parts = take_apart(&small().write(Compression::Zstd(1)));
    let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 19).unwrap();
    assert!(bomb.len() < 64 << 10);
    let mut bombed = parts.clone();
    bombed[1] = Part { flags: 1, raw_len: Some(100 << 20), bytes: bomb.clone(), ..parts[1].clone() };
    let base = LIVE.load(Relaxed);
    PEAK.store(base, Relaxed);
    let message = use_fully(&assemble(&bombed)).unwrap_err().to_string();
    assert!(message.contains("expand further than the format allows"), "{message}");
    // The same, but it claims less than it holds.
    bombed[1].raw_len = Some(1 << 20);
    let message = use_fully(&assemble(&bombed)).unwrap_err().to_string();
    assert!(message.contains("cannot be decompressed"), "{message}");
    assert!(PEAK.load(Relaxed) - base < 16 << 20);
}

#[test]
fn a_huge_sparse_memory_is_opened_without_touching_it() {
    let _alone = alone();
    let mut parts = take_apart(&small().write(Compression::None));
    // Store with one memory of 2^60 bytes and nothing else; no threads; a map of one run of zero pages.
    let n = |n: u64| [&[253][..], &n.to_le_bytes()].concat();
    parts[1].bytes = [&[0, 1][..], &n(1 << 60), &n(1 << 60), &[1, 0], &[0, 0, 0]].concat();
    parts[2].bytes = vec![0];
    let last = parts.len() - 1;
    parts[last - 1].bytes.clear();
    parts[last].bytes = [&n(1 << 60)[..], &[0, 1, 0], &n(1 << 48), &[0]].concat();
    let base = LIVE.load(Relaxed);
    PEAK.store(base, Relaxed);
    use_fully(&assemble(&parts)).unwrap_or_else(|e| panic!("{e}"));
    assert!(PEAK.load(Relaxed) - base < 4 << 20);
}

#[test]
fn messages_say_what_and_where() {
    let _alone = alone();
    let good = small().write(Compression::None);
    let sections = Image::from_bytes(&good).unwrap().sections().to_vec();
    let damage = |at: u64| {
        let mut bad = good.clone();
        bad[at as usize] ^= 1;
        use_fully(&bad).unwrap_err().to_string()
    };
    for (s, name) in
        sections.iter().zip(["info section", "store section", "threads section", "host section 0"])
    {
        let message = damage(s.offset);
        assert_eq!(message, format!("memory: {name} at offset {:#x}: checksum mismatch", s.offset));
    }
    let data = sections.iter().find(|s| s.kind == SectionKind::MemoryData).unwrap();
    let expected =
        format!("memory: memory data section 0: chunk 0 at offset {:#x}: checksum mismatch", data.offset);
    assert_eq!(damage(data.offset + 5), expected);
    assert!(damage(data.offset - 1).contains("padding"), "{}", damage(data.offset - 1));
    assert_eq!(damage(0), "memory: not a Wayfarer image");
    assert_eq!(damage(9), "memory: header at offset 0x0: checksum mismatch");
    let table = sections.last().map(|s| (s.offset + s.stored_len).next_multiple_of(8)).unwrap();
    assert_eq!(damage(table), format!("memory: section table at offset {table:#x}: checksum mismatch"));

    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let message = Image::open(&missing).unwrap_err().to_string();
    assert!(message.starts_with(missing.to_str().unwrap()) && message.contains("No such file"), "{message}");
    let message = Image::open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("not a regular file"), "{message}");
    let text = dir.path().join("text");
    std::fs::write(&text, "just some text, long enough to hold a header and a trailer, if it were one")
        .unwrap();
    assert!(Image::open(&text).unwrap_err().to_string().ends_with("not a Wayfarer image"));
}

#[test]
fn a_future_version_is_named_and_those_that_are_read() {
    let _alone = alone();
    let mut image = small().write(Compression::None);
    image[8..12].copy_from_slice(&3u32.to_le_bytes());
    let crc = crc32fast::hash(&image[..28]);
    image[28..32].copy_from_slice(&crc.to_le_bytes());
    let e = Image::from_bytes(image).unwrap_err();
    assert_eq!(e.to_string(), "memory: image has format version 3, this runtime reads versions 1 to 2");
    assert!(matches!(e.kind, ReadErrorKind::Version { found: 3, supported } if supported == (1..=2)));
}

#[test]
fn contradictions_between_sections_are_refused() {
    let _alone = alone();
    let parts = take_apart(&small().write(Compression::None));
    let other = take_apart(&rich_sample().write(Compression::None));
    // The store of a program with other memories.
    let mut swapped = parts.clone();
    swapped[1] = other[1].clone();
    assert!(use_fully(&assemble(&swapped)).unwrap_err().to_string().contains("memories"));
    // A program without instances whose threads run in some.
    let empty = take_apart(
        &Sample {
            program: ProgramView::default(),
            info: common::info(&mut Random(1)),
            memories: vec![],
            files: vec![],
        }
        .write(Compression::None),
    );
    let mut mixed = empty.clone();
    mixed[2] = parts[2].clone();
    let message = use_fully(&assemble(&mixed)).unwrap_err().to_string();
    assert!(message.contains("inconsistent program: thread 0"), "{message}");
}
