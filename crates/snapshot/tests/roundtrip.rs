//! What is written is what is read: views, memories, infos; whatever the sink, the source and the compression.

mod common;

use common::{Random, Sample, memory, rich_sample, sample};
use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use wayfarer_snapshot::view::*;
use wayfarer_snapshot::*;

const ALL: [Compression; 3] = [Compression::None, Compression::Zstd(1), Compression::Zstd(9)];

/// Loads all memories, into zeros and into garbage, and compares.
fn assert_same(image: &Image<'_>, sample: &Sample) {
    assert_eq!(image.info(), &sample.info);
    assert_eq!(image.program(), &sample.program);
    for (i, m) in sample.memories.iter().enumerate() {
        let len = m.bytes.len();
        // Garbage in some pages.
        let spots: Vec<_> =
            (0..len.div_ceil(PAGE_SIZE)).step_by(3).map(|n| n * PAGE_SIZE..(n + 1) * PAGE_SIZE).collect();
        let spoil = |bytes: &mut [u8], spots: &[std::ops::Range<usize>]| {
            spots.iter().for_each(|s| bytes[s.start..s.end.min(len)].fill(0xcc));
        };
        let whole = 0..len.next_multiple_of(PAGE_SIZE);
        let spots = [&[], std::slice::from_ref(&whole), &spots[..]];
        for (n, touched) in spots.into_iter().enumerate() {
            let mut loaded = vec![0; len];
            spoil(&mut loaded, touched);
            let touched = Some(touched).filter(|_| n != 1);
            let options = LoadOptions { touched, ..LoadOptions::default() };
            image.load_memory(i, &mut loaded, &m.baseline(), &options).unwrap();
            assert!(loaded == m.bytes, "memory {i} differs");
        }
    }
}

#[test]
fn random_programs_survive() {
    for seed in 0..300 {
        let sample = sample(seed);
        for compression in ALL {
            let bytes = sample.write(compression);
            let image = Image::from_bytes(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            assert_same(&image, &sample);
            image.verify_data().unwrap();
        }
    }
}

#[test]
fn same_input_same_bytes_whatever_the_sink() {
    let sample = rich_sample();
    let dir = tempfile::tempdir().unwrap();
    for compression in ALL {
        let expected = sample.write(compression);
        assert_eq!(sample.write(compression), expected);
        let options = WriteOptions { compression, ..WriteOptions::default() };
        sample.with_sources(|sources| {
            let path = dir.path().join("image");
            let stats = save_to_path(&path, &sample.program, &sample.info, sources, &options).unwrap();
            assert_eq!(stats.image_len, expected.len() as u64);
            assert!(std::fs::read(&path).unwrap() == expected);

            // Through a pipe: nothing can seek there, and writes come back short.
            let (mut reader, writer) = std::io::pipe().unwrap();
            std::thread::scope(|scope| {
                let received = scope.spawn(move || {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes).unwrap();
                    bytes
                });
                save_to_fd(writer.as_fd(), &sample.program, &sample.info, sources, &options).unwrap();
                drop(writer);
                assert!(received.join().unwrap() == expected);
            });

            // A sink that takes one byte of one slice at a time and is interrupted in between.
            struct Slow(Vec<u8>, bool);
            impl Write for Slow {
                fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                    self.1 = !self.1;
                    if self.1 {
                        return Err(std::io::ErrorKind::Interrupted.into());
                    }
                    self.0.extend(buf.first());
                    Ok(buf.len().min(1))
                }
                fn flush(&mut self) -> std::io::Result<()> {
                    Ok(())
                }
            }
            let mut slow = Slow(Vec::new(), false);
            write_image(&mut slow, &sample.program, &sample.info, sources, &options).unwrap();
            assert!(slow.0 == expected);
        });
    }
}

#[test]
fn images_are_read_from_paths_files_pipes_and_memory() {
    let sample = rich_sample();
    let bytes = sample.write(Compression::None);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    std::fs::write(&path, &bytes).unwrap();
    assert_same(&Image::open(&path).unwrap(), &sample);
    assert_eq!(verify(&path).unwrap().image_len, bytes.len() as u64);

    assert_same(&Image::from_bytes(&bytes[..]).unwrap(), &sample);
    assert_same(&Image::from_bytes(bytes.clone()).unwrap(), &sample);
    assert_same(&Image::from_reader(&bytes[..], bytes.len() as u64).unwrap(), &sample);
    let short = Image::from_reader(&bytes[..], bytes.len() as u64 - 1).unwrap_err();
    assert!(short.to_string().contains("more than"), "{short}");

    // An image behind something else in a file, from the offset on; the offset stays.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"preamble").unwrap();
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Start(8)).unwrap();
    let image = Image::from_fd(file.as_fd()).unwrap();
    assert_eq!(file.stream_position().unwrap(), 8);
    drop(file);
    assert_same(&image, &sample);

    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&bytes).unwrap();
            drop(writer);
        });
        assert_same(&Image::from_fd(reader.as_fd()).unwrap(), &sample);
    });
}

#[test]
fn an_endless_stream_that_is_no_image_is_not_read_on() {
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let e = Image::from_fd(zero.as_fd()).unwrap_err();
    assert!(matches!(e.kind, ReadErrorKind::NotAnImage), "{e}");
}

#[test]
fn memories_of_every_size_around_pages_and_chunks() {
    let page = PAGE_SIZE;
    for len in [
        0,
        1,
        page - 1,
        page,
        page + 1,
        CHUNK_SIZE - 1,
        CHUNK_SIZE,
        CHUNK_SIZE + 1,
        3 * CHUNK_SIZE + 5 * page + 7,
    ] {
        for (round, compression) in ALL.into_iter().enumerate() {
            let r = &mut Random(len as u64 * 3 + round as u64);
            let mut full = memory(r, len);
            if round == 0 {
                full.bytes.iter_mut().for_each(|b| *b = r.next() as u8 | 1);
            }
            let mut program = ProgramView::default();
            let len = len as u64;
            program.store.memories.push(MemoryView { len, max: len, page_size: 1, shared: false });
            let sample = Sample { program, info: common::info(r), memories: vec![full], files: vec![] };
            let bytes = sample.write(compression);
            assert_same(&Image::from_bytes(bytes).unwrap(), &sample);
        }
    }
}

#[test]
fn stats_and_extents_add_up_and_stored_pages_can_be_mapped() {
    let sample = rich_sample();
    let mut bytes = Vec::new();
    let stats = sample
        .with_sources(|s| write_image(&mut bytes, &sample.program, &sample.info, s, &WriteOptions::default()))
        .unwrap();
    let image = Image::from_bytes(&bytes).unwrap();
    assert_eq!(stats.memory_len, sample.memories.iter().map(|m| m.bytes.len() as u64).sum::<u64>());
    assert_eq!(stats.memory_len, stats.zero_len + stats.initial_len + stats.stored_len);
    assert_eq!((stats.stored_len, stats.image_len), (stats.data_len, image.len()));
    let mut seen = (0, 0, 0);
    for (i, m) in sample.memories.iter().enumerate() {
        let mut at = 0;
        for e in image.memory_extents(i).unwrap() {
            assert_eq!(e.start, at);
            assert_eq!(e.start % PAGE_SIZE as u64, 0);
            at += e.len;
            let content = &m.bytes[e.start as usize..at as usize];
            match e.kind {
                PageKind::Zero => {
                    seen.0 += e.len;
                    assert!(content.iter().all(|&b| b == 0));
                }
                PageKind::Initial => seen.1 += e.len,
                PageKind::Stored => {
                    seen.2 += e.len;
                    let offset = e.file_offset.unwrap() as usize;
                    assert_eq!(offset % PAGE_SIZE, 0);
                    assert!(bytes[offset..offset + e.len as usize] == *content);
                }
            }
        }
        assert_eq!(at, m.bytes.len() as u64);
    }
    assert_eq!(seen, (stats.zero_len, stats.initial_len, stats.stored_len));
    assert!(seen.0 > 0 && seen.1 > 0 && seen.2 > 0, "{seen:?}");
    assert!(image.memory_extents(sample.memories.len()).is_none());

    let packed = sample.write(Compression::Zstd(1));
    let packed = Image::from_bytes(packed).unwrap();
    assert!(packed.memory_extents(0).unwrap().all(|e| e.file_offset.is_none()));
}

#[test]
fn raw_sources_equal_slices() {
    let bytes = [1u8, 2, 3];
    let baseline = Baseline::zero();
    // SAFETY: the array outlives the sources and nobody writes to it.
    let (some, none) = unsafe {
        (
            MemorySource::from_raw(bytes.as_ptr(), 3, &baseline),
            MemorySource::from_raw(std::ptr::null(), 0, &baseline),
        )
    };
    assert_eq!((some.data, none.data), (&bytes[..], &[][..]));
}

#[test]
fn compression_pays_off() {
    let sample = rich_sample();
    let (plain, packed) = (sample.write(Compression::None), sample.write(Compression::Zstd(3)));
    assert!(packed.len() < plain.len());
}

#[test]
fn what_compresses_beyond_the_bound_is_stored_plain() {
    // Each may expand by 16 MiB, both together may not.
    let mut program = ProgramView::default();
    for name in ["a", "b"] {
        program.host.push(HostSection::new(name, 1, vec![0; 9 << 20]));
    }
    let sample = Sample { program, info: common::info(&mut Random(1)), memories: vec![], files: vec![] };
    let bytes = sample.write(Compression::Zstd(1));
    let image = Image::from_bytes(&bytes).unwrap();
    assert_same(&image, &sample);
    let host: Vec<bool> =
        image.sections().iter().filter(|s| s.kind == SectionKind::Host).map(|s| s.zstd).collect();
    assert_eq!(host, [true, false]);
}

#[test]
fn too_much_host_state_is_refused() {
    let mut program = ProgramView::default();
    program.host.push(HostSection::new("big", 1, vec![0; HOST_LIMIT as usize]));
    let info = common::info(&mut Random(1));
    let e = write_image(&mut Vec::new(), &program, &info, &[], &WriteOptions::default()).unwrap_err();
    assert!(e.to_string().contains("host (big) section has 1073741835 bytes"), "{e}");
}

#[test]
fn descriptors_that_do_not_block_are_waited_for() {
    let sample = rich_sample();
    let expected = sample.write(Compression::None);
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    std::thread::scope(|scope| {
        let received = scope.spawn(|| Image::from_fd(theirs.as_fd()).unwrap());
        // The reader has to wait for the first byte, the writer for the reader once the socket is full.
        std::thread::sleep(std::time::Duration::from_millis(20));
        sample.with_sources(|s| {
            save_to_fd(ours.as_fd(), &sample.program, &sample.info, s, &WriteOptions::default()).unwrap()
        });
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let image = received.join().unwrap();
        assert_eq!(image.len(), expected.len() as u64);
        assert_same(&image, &sample);
    });
}

#[test]
fn deep_stacks_survive() {
    let mut sample = rich_sample();
    let innermost = sample.program.threads[0].frames.pop().unwrap();
    let outer = Frame { position: Position { kind: PointKind::Call, offset: 70_000 }, ..innermost.clone() };
    sample.program.threads[0].frames = vec![outer; 100_000];
    sample.program.threads[0].frames.push(innermost);
    for compression in ALL {
        assert_same(&Image::from_bytes(sample.write(compression)).unwrap(), &sample);
    }
}

#[test]
fn progress_runs_to_the_end() {
    let sample = rich_sample();
    let seen = RefCell::new(Vec::<Progress>::new());
    let note = |p| seen.borrow_mut().push(p);
    let bytes = sample.with_sources(|s| {
        let options = WriteOptions { progress: Some(&note), ..WriteOptions::default() };
        save_to_vec(&sample.program, &sample.info, s, &options).unwrap()
    });
    let check = |total: u64| {
        let seen = seen.take();
        assert!(seen.windows(2).all(|w| w[0].done <= w[1].done));
        assert_eq!(seen.last(), Some(&Progress { done: total, total }));
    };
    check(sample.memories.iter().map(|m| m.bytes.len() as u64).sum());
    let m = &sample.memories[0];
    let options = LoadOptions { progress: Some(&note), ..LoadOptions::default() };
    let mut loaded = vec![0; m.bytes.len()];
    Image::from_bytes(bytes).unwrap().load_memory(0, &mut loaded, &m.baseline(), &options).unwrap();
    check(m.bytes.len() as u64);
}

#[test]
fn what_is_known_of_touched_pages_changes_no_byte() {
    for seed in 0..50 {
        let sample = sample(seed);
        let expected = sample.write(Compression::None);
        // Exactly what is not zero, and more: every page but some that are zero.
        for more in [1, 2, 5] {
            let touched: Vec<Vec<std::ops::Range<usize>>> = sample
                .memories
                .iter()
                .map(|m| {
                    let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
                    for (n, page) in m.bytes.chunks(PAGE_SIZE).enumerate() {
                        if page.iter().any(|&b| b != 0) || n % more == 1 {
                            let (start, end) = (n * PAGE_SIZE, (n + 1) * PAGE_SIZE);
                            match stretches.last_mut() {
                                Some(last) if last.end == start => last.end = end,
                                _ => stretches.push(start..end),
                            }
                        }
                    }
                    stretches
                })
                .collect();
            sample.with_sources(|sources| {
                let sources: Vec<_> = sources
                    .iter()
                    .zip(&touched)
                    .map(|(source, touched)| MemorySource { touched: Some(touched), ..*source })
                    .collect();
                let options = WriteOptions::default();
                assert!(save_to_vec(&sample.program, &sample.info, &sources, &options).unwrap() == expected);
            });
        }
    }
    let sample = rich_sample();
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    let wrong: [&[std::ops::Range<usize>]; 4] =
        [&[0..100], &[1..4096], &[4096..8192, 0..4096], &[0..4096, 4096..8192]];
    for wrong in wrong {
        sample.with_sources(|sources| {
            let sources: Vec<_> =
                sources.iter().map(|s| MemorySource { touched: Some(wrong), ..*s }).collect();
            let error = save_to_vec(&sample.program, &sample.info, &sources, &WriteOptions::default());
            assert!(error.unwrap_err().to_string().contains("touched pages"));
        });
    }
}

#[test]
fn the_program_can_be_taken_out() {
    let sample = rich_sample();
    let mut image = Image::from_bytes(sample.write(Compression::None)).unwrap();
    assert_eq!(image.take_program(), sample.program);
    image.verify_data().unwrap();
    assert_eq!(image.origin(), "memory");
    assert_eq!(image.sections()[0].kind, SectionKind::Info);
}

#[test]
fn loading_refuses_what_does_not_fit() {
    let sample = rich_sample();
    let image = Image::from_bytes(sample.write(Compression::None)).unwrap();
    let with_initial = (0..sample.memories.len())
        .find(|&i| image.memory_extents(i).unwrap().any(|e| e.kind == PageKind::Initial))
        .unwrap();
    let m = &sample.memories[with_initial];
    let mut dest = vec![0; m.bytes.len()];
    let load = |i: usize, dest: &mut [u8], b: &Baseline<'_>| {
        image.load_memory(i, dest, b, &LoadOptions::default()).unwrap_err().to_string()
    };
    let message = load(with_initial, &mut dest, &Baseline::zero());
    assert!(message.contains("data segments differ"), "{message}");
    let message = load(with_initial, &mut dest[1..], &m.baseline());
    assert!(message.contains(&format!("{} bytes were given", m.bytes.len() - 1)), "{message}");
    let message = load(99, &mut dest, &m.baseline());
    assert!(message.contains("memory 99"), "{message}");
}

#[test]
fn writing_refuses_what_could_not_be_restored() {
    let mut sample = rich_sample();
    let write = |s: &Sample| {
        s.with_sources(|sources| {
            write_image(&mut Vec::new(), &s.program, &s.info, sources, &WriteOptions::default())
                .unwrap_err()
                .to_string()
        })
    };
    sample.info.parent = Some([1; 16]);
    assert!(write(&sample).contains("relative"));
    sample.info.parent = None;
    sample.memories[1].bytes.push(0);
    assert!(write(&sample).contains("memory 1 has"));
    sample.memories[1].bytes.pop();
    let gone = sample.memories.pop().unwrap();
    assert!(write(&sample).contains("memories"));
    sample.memories.push(gone);
    sample.program.threads[0].frames.clear();
    assert!(write(&sample).contains("thread 0"));
}

#[test]
fn a_sparse_gibibyte_takes_little_space() {
    let len = 1usize << 30;
    let mut bytes = vec![0u8; len];
    for at in (0..len).step_by(len / 16) {
        bytes[at + 5] = 1;
    }
    let mut program = ProgramView::default();
    program.store.memories.push(MemoryView {
        len: len as u64,
        max: len as u64,
        page_size: 65536,
        shared: false,
    });
    let baseline = Baseline::zero();
    let info = Info::now(Reason::Api, 1);
    let sources = [MemorySource::new(&bytes, &baseline)];
    let image = save_to_vec(&program, &info, &sources, &WriteOptions::default()).unwrap();
    assert!(image.len() < 17 * PAGE_SIZE + 4096, "{} bytes", image.len());
    let image = Image::from_bytes(image).unwrap();
    let mut loaded = vec![0u8; len];
    let options = LoadOptions { touched: Some(&[]), ..LoadOptions::default() };
    image.load_memory(0, &mut loaded, &baseline, &options).unwrap();
    for at in (0..len).step_by(len / 16) {
        assert_eq!(loaded[at + 5], 1);
    }
}
