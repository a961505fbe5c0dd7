//! Files that host sections refer to: written while they are read, read while they are written.

#[path = "common/assemble.rs"]
mod assemble;
mod common;

use assemble::{Part, assemble, take_apart};
use common::{Random, sample};
use std::io::{self, Read};
use wayfarer_snapshot::view::ProgramView;
use wayfarer_snapshot::*;

fn write<'a>(files: &'a [FileSource<'a>]) -> Result<Vec<u8>, WriteError> {
    let options = WriteOptions { files, ..WriteOptions::default() };
    save_to_vec(&ProgramView::default(), &Info::now(Reason::Api, 1), &[], &options)
}

fn read(image: &Image<'_>, number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.file(number).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn they_come_back_and_what_is_the_same_is_there_once() {
    let r = &mut Random(1);
    let noise = r.bytes(3 * CHUNK_SIZE + 77);
    let mut sample = sample(5);
    let with_hole = [&noise[..CHUNK_SIZE], &vec![0; 5 * CHUNK_SIZE], &noise[..CHUNK_SIZE], b"end"].concat();
    sample.files = vec![
        noise.clone(),
        vec![],
        noise[..2 * CHUNK_SIZE].to_vec(),
        vec![0; 4 * CHUNK_SIZE + 1],
        with_hole,
        noise.clone(),
        b"text ".repeat(100_000),
    ];
    for compression in [Compression::None, Compression::Zstd(3)] {
        let bytes = sample.write(compression);
        let memories: usize = sample.memories.iter().map(|memory| memory.bytes.len()).sum();
        assert!(bytes.len() < noise.len() + memories + 20_000, "{} bytes", bytes.len());
        let image = Image::from_bytes(bytes).unwrap();
        for (number, file) in sample.files.iter().enumerate() {
            assert_eq!(image.file_len(number as u32), Some(file.len() as u64));
            assert!(read(&image, number as u32) == *file, "file {number}");
        }
        assert!(image.file_len(7).is_none() && image.file(7).unwrap().is_none());
        let report = image.verify_data().unwrap();
        let len: usize = sample.files.iter().map(Vec::len).sum();
        // Of the noise 4, the end of what has a hole, and the text: 2 pieces, of which none is like another.
        assert_eq!((report.file_len, report.file_chunks), (len as u64, 4 + 1 + 2));
    }
}

#[test]
fn zeros_can_be_gone_past_but_only_where_they_begin() {
    let mut sample = sample(5);
    sample.files = vec![[vec![0; 2 * CHUNK_SIZE], b"x".to_vec(), vec![0; CHUNK_SIZE]].concat()];
    let image = Image::from_bytes(sample.write(Compression::None)).unwrap();
    let mut reader = image.file(0).unwrap().unwrap();
    let mut one = [1];
    reader.read_exact(&mut one).unwrap();
    assert_eq!((one, reader.skip_zeros()), ([0], 0));
    let mut reader = image.file(0).unwrap().unwrap();
    assert_eq!((reader.skip_zeros(), reader.skip_zeros()), (2 * CHUNK_SIZE as u64, 0));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert!(rest.len() == CHUNK_SIZE + 1 && rest[0] == b'x' && reader.skip_zeros() == 0);
}

#[test]
fn one_that_changes_or_cannot_be_read_leaves_no_image_and_is_named() {
    struct Broken(&'static str);
    impl FileContent for Broken {
        fn open(&self) -> io::Result<Box<dyn Read + '_>> {
            if self.0 == "gone" { Err(io::Error::other("gone")) } else { Ok(Box::new(Broken(self.0))) }
        }
    }
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other(self.0))
        }
    }
    let of = |len: u64, content: &dyn FileContent| {
        let error = write(&[FileSource { name: "reading `f`", len, content }]).unwrap_err();
        assert!(matches!(error, WriteError::File { .. }), "{error}");
        error.to_string()
    };
    for len in [0, 4, 6, CHUNK_SIZE as u64 + 5] {
        assert_eq!(of(len, &b"12345".to_vec()), "reading `f`: somebody else writes to it", "{len}");
    }
    for why in ["gone", "broken"] {
        assert_eq!(of(5, &Broken(why)), format!("reading `f`: {why}"));
    }
}

#[test]
fn a_full_device_is_said_and_where() {
    let noise = Random(2).bytes(CHUNK_SIZE);
    let files = [FileSource { name: "f", len: noise.len() as u64, content: &noise }];
    let options = WriteOptions { files: &files, ..WriteOptions::default() };
    /// Takes so many bytes.
    struct Small(usize);
    impl io::Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.0);
            self.0 -= len;
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (program, info) = (ProgramView::default(), Info::now(Reason::Api, 1));
    let error = write_image(&mut Small(1000), &program, &info, &[], &options).unwrap_err();
    assert!(
        matches!(&error, WriteError::Io { section, source, .. }
            if section == "file data" && source.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
}

#[test]
fn a_chunk_that_is_damaged_is_named_where_it_is_read() {
    let noise = Random(3).bytes(2 * CHUNK_SIZE);
    let mut bytes = write(&[FileSource { name: "f", len: noise.len() as u64, content: &noise }]).unwrap();
    let data =
        *Image::from_bytes(&bytes).unwrap().sections().last_chunk::<2>().map(|[data, _]| data).unwrap();
    assert_eq!(data.kind, SectionKind::FileData);
    bytes[data.offset as usize + CHUNK_SIZE + 9] ^= 1;
    let image = Image::from_bytes(bytes).unwrap();
    let error = image.verify_data().unwrap_err().to_string();
    assert!(error.contains("file data: chunk 1") && error.ends_with("checksum mismatch"), "{error}");
    let mut reader = image.file(0).unwrap().unwrap();
    let mut whole = Vec::new();
    let error = reader.read_to_end(&mut whole).unwrap_err().to_string();
    assert!(error.contains("file data: chunk 1"), "{error}");
    assert!(whole == noise[..CHUNK_SIZE], "nothing of it is given");
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

/// Length of a file, and its runs: first chunk, if there is one, and how many pieces.
type StoredFile = (u64, Vec<(Option<u32>, u64)>);

/// The image of a file, with another map.
fn with_map(files: &[StoredFile], chunks: &[(u32, u32)]) -> Vec<u8> {
    let mut parts =
        take_apart(&write(&[FileSource { name: "f", len: 5, content: &b"12345".to_vec() }]).unwrap());
    let bytes = record::encode(&(files, chunks)).unwrap();
    let map = parts.iter_mut().find(|part| part.kind == SectionKind::FileMap.number()).unwrap();
    *map = Part { raw_len: None, flags: 0, bytes, ..map.clone() };
    assemble(&parts)
}

#[test]
fn a_map_that_lies_is_refused() {
    let chunk = (5, crc32fast::hash(b"12345"));
    let image = |files: &[_], chunks: &[_]| Image::from_bytes(with_map(files, chunks)).map(drop);
    image(&[(5, vec![(Some(0), 1)])], &[chunk]).unwrap();
    for (files, chunks, what) in [
        (vec![], vec![chunk], "it is of no file"),
        (vec![(5, vec![])], vec![chunk], "runs of 0 pieces for 5 bytes"),
        (vec![(5, vec![(Some(0), 1)])], vec![(6, chunk.1)], "chunk 0 stores 6 bytes for 5"),
        (vec![(5, vec![(Some(0), 1)])], vec![(0, chunk.1)], "chunk 0 stores 0 bytes"),
        (vec![(5, vec![(Some(0), 1)])], vec![(5, 0)], "do not add up"),
        (vec![(6, vec![(Some(0), 1)])], vec![chunk], "do not add up"),
        (vec![(5, vec![(Some(1), 1)])], vec![chunk], "chunks that there are not"),
        (vec![(5, vec![(Some(0), 1)])], vec![chunk, chunk], "chunk 1 is of no file"),
    ] {
        let why = image(&files, &chunks).unwrap_err().to_string();
        assert!(why.contains("file map at offset") && why.contains(what), "{why}");
    }
}

#[test]
fn a_file_that_says_it_is_larger_than_any_disk_costs_nothing() {
    let pieces = 1 << 40;
    let len = pieces * CHUNK_SIZE as u64 + 5;
    let chunk = (5, crc32fast::hash(b"12345"));
    let image = Image::from_bytes(with_map(&[(len, vec![(None, pieces), (Some(0), 1)])], &[chunk])).unwrap();
    assert_eq!(image.verify_data().unwrap().file_len, len);
    let mut reader = image.file(0).unwrap().unwrap();
    assert_eq!(reader.skip_zeros(), len - 5);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"12345");
}
