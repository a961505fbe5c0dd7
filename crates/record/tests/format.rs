//! Files of entries: written, read back, broken in all ways.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use wayfarer_record::{
    Arg, Call, Direction, Entry, Filter, Happened, Hash, OpenError, Outcome, Range, ReadError, Reader, Value,
    Writer, render,
};

const PROGRAM: [u8; 32] = [7; 32];

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn text(&mut self) -> String {
        let len = self.below(6);
        (0..len).map(|_| char::from(b'a' + self.below(4) as u8)).collect()
    }

    /// Of any size.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }

    fn args(&mut self) -> Vec<Arg> {
        let len = self.below(5);
        let arg = |_| {
            let value = match self.below(6) {
                0 => Value::Number(self.number()),
                1 => Value::Signed(self.number() as i64),
                2 => Value::Bits(self.number()),
                3 => Value::Descriptor { fd: self.next() as u32, path: None },
                4 => Value::Descriptor { fd: 3, path: Some(self.text().into_bytes()) },
                _ => Value::Path(vec![b'/', self.next() as u8, 0xff]),
            };
            Arg { name: self.text(), value }
        };
        (0..len).map(arg).collect()
    }

    fn entry(&mut self) -> Entry {
        let happened = match self.below(8) {
            0 => Happened::Begun {
                pid: self.next() as u32,
                runtime: self.text(),
                module: self.text(),
                sha256: [self.next() as u8; 32],
                restored: (self.below(2) == 0).then(|| self.text()),
                torn: self.number(),
            },
            1 => Happened::Checkpoint { image: self.text(), sequence: self.number() },
            2 => Happened::Ended,
            _ => Happened::Call(Call {
                thread: self.number(),
                took: self.number(),
                function: self.text(),
                args: self.args(),
                outcome: match self.below(3) {
                    0 => Outcome::Errno(self.next() as u16),
                    1 => Outcome::Exit(self.next() as u32),
                    _ => Outcome::Trap(self.text()),
                },
                results: self.args(),
                ranges: (0..self.below(3))
                    .map(|n| Range {
                        direction: if n == 0 { Direction::Read } else { Direction::Written },
                        offset: (self.below(2) == 0).then(|| self.number()),
                        len: self.number(),
                        sha256: [self.next() as u8; 32],
                    })
                    .collect(),
            }),
        };
        Entry { time: self.number(), instance: self.next() as u32, happened }
    }
}

/// A file with so many blocks, and what is in it.
fn file(path: &Path, blocks: usize) -> Vec<Entry> {
    let (mut random, mut entries) = (Random(0x1234_5678_9abc_def1), Vec::new());
    let (mut writer, torn) = Writer::open(path, &PROGRAM).unwrap();
    assert_eq!(torn, 0);
    for _ in 0..blocks {
        for _ in 0..20 {
            entries.push(random.entry());
            writer.append(entries.last().unwrap());
        }
        assert!(writer.is_behind());
        writer.flush().unwrap();
        assert!(!writer.is_behind());
    }
    entries
}

/// All entries before an error, and that.
fn read(bytes: &[u8]) -> (Vec<Entry>, Option<ReadError>) {
    let reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut entries = Vec::new();
    for entry in reader {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

#[test]
fn what_is_written_is_read_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let entries = file(&path, 50);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(*reader.program(), PROGRAM);
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), entries);
}

#[test]
fn a_block_says_when_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let (mut writer, _) = Writer::open(&path, &PROGRAM).unwrap();
    let mut random = Random(99);
    let entries: Vec<Entry> = (0..20_000).map(|_| random.entry()).collect();
    for entry in &entries {
        writer.append(entry);
        if writer.is_full() {
            writer.flush().unwrap();
        }
    }
    let (before, error) = read(&std::fs::read(&path).unwrap());
    assert!(error.is_none() && before.len() > 10_000 && entries.starts_with(&before), "{error:?}");
    writer.sync().unwrap();
    assert_eq!(read(&std::fs::read(&path).unwrap()).0, entries);
}

#[test]
fn a_file_that_ends_anywhere_is_read_as_far_as_whole_blocks_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let entries = file(&path, 8);
    let bytes = std::fs::read(&path).unwrap();
    let mut whole = 0;
    for len in 0..bytes.len() {
        let (read, error) = read(&bytes[..len]);
        assert!(entries.starts_with(&read) && read.len().is_multiple_of(20));
        match error {
            None => {
                assert!(len >= 48);
                whole += 1;
            }
            Some(ReadError::Torn { at, bytes }) => assert_eq!(at + bytes, len as u64),
            Some(ReadError::Foreign) => assert!(len < 8),
            Some(ReadError::Header) => assert!((8..48).contains(&len)),
            Some(other) => panic!("{other} at {len}"),
        }
    }
    assert_eq!(whole, 8, "the header alone, and behind each block but the last");
}

#[test]
fn each_flipped_bit_is_noticed_and_what_is_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let entries = file(&path, 4);
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let (read, error) = read(&broken);
            let error = error.unwrap_or_else(|| panic!("bit {bit} of byte {at} was not noticed"));
            assert!(!error.to_string().is_empty());
            assert!(entries.starts_with(&read) && read.len() < entries.len());
            if let ReadError::Damaged { at: block, .. } | ReadError::Torn { at: block, .. } = error {
                assert!(block <= at as u64, "{block} {at}");
            }
        }
    }
}

#[test]
fn whatever_is_in_a_file_there_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    file(&path, 4);
    let bytes = std::fs::read(&path).unwrap();
    let mut random = Random(4711);
    let show = |entries: &[Entry]| {
        let filter = Filter { path: Some(b"/a".to_vec()), fd: Some(3), ..Filter::default() };
        for (n, entry) in entries.iter().enumerate() {
            let line = render::text(n as u64, entry);
            assert!(!line.contains('\n'));
            let _ = (render::json(n as u64, entry).to_string(), filter.passes(entry));
        }
    };
    for round in 0..20_000u64 {
        // Behind a good header, as otherwise nothing is looked at; in blocks whose checksums are right, every other time.
        let len = random.below(200) as usize;
        let mut content: Vec<u8> = if round % 4 < 2 {
            (0..len).map(|_| random.next() as u8).collect()
        } else {
            let from = 64 + random.below(bytes.len() as u64 - 300) as usize;
            bytes[from..from + len].to_vec()
        };
        for _ in 0..random.below(3) {
            if let Some(byte) = content.get_mut(random.below(len.max(1) as u64) as usize) {
                *byte = random.next() as u8;
            }
        }
        let mut broken = bytes[..48].to_vec();
        if round % 2 == 0 {
            let mut checksum = vec![0; 8];
            checksum.extend((content.len() as u32).to_le_bytes());
            checksum.extend(&content);
            broken.extend([0; 8]);
            broken.extend((content.len() as u32).to_le_bytes());
            broken.extend(crc32fast::hash(&checksum).to_le_bytes());
        }
        broken.extend(content);
        show(&read(&broken).0);
    }
    // What makes sense as a block can be anything: first entries of real ones, cut off and changed, with right checksums.
    let block = &bytes[64..64 + u32::from_le_bytes(bytes[56..60].try_into().unwrap()) as usize];
    let mut understood = 0;
    for round in 0..block.len() * 8 {
        let mut content = block.to_vec();
        content[round / 8] ^= 1 << (round % 8);
        let mut all = vec![0; 8];
        all.extend((content.len() as u32).to_le_bytes());
        let checksum = crc32fast::hash(&[&all[..], &content].concat());
        all.extend(checksum.to_le_bytes());
        let (entries, error) = read(&[&bytes[..48], &all, &content].concat());
        understood += usize::from(error.is_none());
        show(&entries);
        assert!(error.is_none() || matches!(error, Some(ReadError::Damaged { at: 48, .. })));
    }
    assert!(understood > 0, "a time is a time, whatever its bits are");
}

#[test]
fn a_file_is_gone_on_with_by_the_same_program_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut entries = file(&path, 2);
    let before = std::fs::read(&path).unwrap();
    let refused = Writer::open(&path, &[8; 32]).unwrap_err();
    assert!(matches!(refused, OpenError::OfAnotherProgram), "{refused}");
    let more = Random(3).entry();
    let (mut writer, torn) = Writer::open(&path, &PROGRAM).unwrap();
    assert_eq!(torn, 0);
    writer.append(&more);
    writer.flush().unwrap();
    entries.push(more);
    let after = std::fs::read(&path).unwrap();
    assert!(after.starts_with(&before));
    assert_eq!(read(&after).0, entries);
}

#[test]
fn a_torn_tail_is_cut_off_and_what_is_damaged_or_foreign_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut entries = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let (mut writer, torn) = Writer::open(&path, &PROGRAM).unwrap();
    assert!(torn > 100, "{torn}");
    let more = Random(3).entry();
    writer.append(&more);
    writer.flush().unwrap();
    entries.truncate(40);
    entries.push(more);
    assert_eq!(read(&std::fs::read(&path).unwrap()).0, entries);
    drop(writer);

    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    for other in [&damaged[..], b"some text that somebody needs", &bytes[..20]] {
        std::fs::write(&path, other).unwrap();
        let refused = Writer::open(&path, &PROGRAM).unwrap_err();
        assert!(matches!(refused, OpenError::Unusable(_)), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), other);
    }
    let refused = Writer::open(folder.path(), &PROGRAM).unwrap_err();
    assert!(matches!(refused, OpenError::Io(_)), "{refused}");
    let refused = Writer::open(Path::new("/dev/null"), &PROGRAM).unwrap_err();
    assert!(matches!(refused, OpenError::NotAFile), "{refused}");
}

#[test]
fn other_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    file(&path, 1);
    let mut file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(8)).unwrap();
    file.write_all(&9u32.to_le_bytes()).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(matches!(read(&bytes).1, Some(ReadError::Version(9))));
}

#[test]
fn the_hash_is_that_of_the_bytes_whatever_pieces_they_come_in() {
    let pieces: [&[u8]; 3] = [b"a", b"", b"bc"];
    let mut hash = Hash::default();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    let text: String = hash.finish().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn filters_look_at_paths_descriptors_threads_and_functions() {
    let arg = |name: &str, value| Arg { name: name.to_owned(), value };
    let call = Call {
        thread: 2,
        took: 0,
        function: "path_open".to_owned(),
        args: vec![
            arg("fd", Value::Descriptor { fd: 3, path: Some(b"/data".to_vec()) }),
            arg("path", Value::Path(b"./sub//file".to_vec())),
        ],
        outcome: Outcome::Errno(0),
        results: vec![arg("opened", Value::Descriptor { fd: 5, path: Some(b"/data/sub/file".to_vec()) })],
        ranges: Vec::new(),
    };
    let entry = |happened| Entry { time: 0, instance: 0, happened };
    let (call, ended) = (entry(Happened::Call(call)), entry(Happened::Ended));
    let none = Filter::default();
    assert!(none.passes(&call) && none.passes(&ended));
    let path = |path: &str| Filter { path: Some(path.as_bytes().to_vec()), ..Filter::default() };
    for below in ["/data", "/data/", "/", "/data/sub/file", "/data/./sub"] {
        assert!(path(below).passes(&call) && !path(below).passes(&ended), "{below}");
    }
    for other in ["/dat", "/data/sub/fil", "/data/sub/file/x", "data", "/other"] {
        assert!(!path(other).passes(&call), "{other}");
    }
    for (fd, passes) in [(3, true), (5, true), (4, false)] {
        assert_eq!(Filter { fd: Some(fd), ..Filter::default() }.passes(&call), passes);
    }
    assert!(Filter { thread: Some(2), ..Filter::default() }.passes(&call));
    assert!(!Filter { thread: Some(1), ..Filter::default() }.passes(&call));
    let function = |name: &str| Filter { function: Some(name.to_owned()), ..Filter::default() };
    assert!(function("path_open").passes(&call) && !function("path").passes(&call));
    let both = Filter { fd: Some(3), ..function("fd_read") };
    assert!(!both.passes(&call));
}
