//! Parts that were compiled, on disk: a file for each module, to which every process that compiles a part of it appends.
//!
//! ```text
//! magic (16 bytes), key (32)
//! for each part: length and CRC-32 of what follows; numbers of functions and loops, functions, loops; the object file
//! ```
//!
//! Numbers have 32 bits, low byte first. The key is the hash that the file is named by. What is damaged, or not yet written
//! whole, ends the file for its readers; the next who appends cuts it off. As for the cache's other entries, nothing here is
//! an error.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use wayfarer_native::Part;
use wayfarer_runtime::Loop;

use crate::compiled::cache::{self, Entry};
use crate::log::verbose;

const MAGIC: &[u8; 16] = b"wayfarer parts 1";

/// Bytes before the first part.
const HEADER: u64 = 48;

/// Bytes before what a part's checksum is of.
const FRAME: usize = 8;

/// No file becomes larger.
const LIMIT: u64 = 256 << 20;

/// How often, and after how long, a file is tried to lock again. Who has it stopped must not stop others.
const TRIES: (u32, Duration) = (20, Duration::from_millis(5));

/// A module's file.
pub(super) struct Log {
    entry: Entry,
    known: Mutex<Known>,
}

/// What was read of which file so far.
#[derive(Default)]
struct Known {
    file: (u64, u64),
    len: u64,
    /// First function or loop of each part, which is why it was compiled.
    parts: HashSet<(u32, Option<u32>)>,
}

impl Log {
    pub(super) fn of(entry: &Entry) -> Log {
        Log { entry: entry.parts(), known: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        self.entry.path()
    }

    /// Whether there is a file.
    pub(super) fn exists(&self) -> bool {
        self.path().is_file()
    }

    /// Hands out the parts that are there, in the order they came, until `each` has enough.
    pub(super) fn read(&self, mut each: impl FnMut(Part, &[u8]) -> bool) {
        let read = || {
            let mut file = cache::open(self.path(), false)?;
            let mut bytes = Vec::new();
            file.by_ref().take(LIMIT).read_to_end(&mut bytes)?;
            // The oldest ones go first: this one is new again.
            let _ = file.set_modified(SystemTime::now());
            Ok::<_, io::Error>(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => return verbose!("cache: {}: {e}", self.path().display()),
        };
        let Some(mut rest) = bytes.strip_prefix(&self.header()[..]) else {
            return verbose!("cache: {}: code of something else", self.path().display());
        };
        while let Some((part, object, behind)) = parse(rest) {
            if !each(part, object) {
                return;
            }
            rest = behind;
        }
        if !rest.is_empty() {
            verbose!("cache: {}: the last {} bytes are damaged", self.path().display(), rest.len());
        }
    }

    /// Adds a part, unless there is one for the same function or loop.
    pub(super) fn append(&self, part: &Part, object: &[u8]) {
        match self.try_append(part, object) {
            Ok(false) => {}
            Ok(true) => {
                verbose!("cache: {}: written", self.path().display());
                self.entry.make_room();
            }
            Err(e) => verbose!("cache: {}: {e}", self.path().display()),
        }
    }

    fn try_append(&self, part: &Part, object: &[u8]) -> io::Result<bool> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.entry.make_folder()?;
        let mut file = cache::open(self.path(), true)?;
        lock(&file)?;
        let end = self.catch_up(&mut file, &mut known)?;
        let bytes = frame(part, object);
        if !known.parts.insert(reason(part)) || end + bytes.len() as u64 > LIMIT {
            return Ok(false);
        }
        let written = file.write_all_at(&bytes, end);
        if written.is_err() {
            let _ = file.set_len(end);
        }
        written?;
        known.len = end + bytes.len() as u64;
        Ok(true)
    }

    /// Reads what others have appended, and cuts off what is damaged: where the next part goes.
    fn catch_up(&self, file: &mut File, known: &mut Known) -> io::Result<u64> {
        let metadata = file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        if known.file != id || metadata.len() < known.len {
            *known = Known { file: id, ..Known::default() };
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(known.len))?;
        file.by_ref().take(LIMIT).read_to_end(&mut bytes)?;
        let mut rest = &bytes[..];
        if known.len == 0 {
            let header = self.header();
            rest = match bytes.strip_prefix(&header[..]) {
                Some(rest) => rest,
                None => {
                    file.set_len(0)?;
                    file.write_all_at(&header, 0)?;
                    &[]
                }
            };
            known.len = HEADER;
        }
        while let Some((part, _, behind)) = parse(rest) {
            known.len += (rest.len() - behind.len()) as u64;
            known.parts.insert(reason(&part));
            rest = behind;
        }
        if !rest.is_empty() {
            file.set_len(known.len)?;
        }
        Ok(known.len)
    }

    fn header(&self) -> [u8; HEADER as usize] {
        let mut header = [0; HEADER as usize];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len()..].copy_from_slice(self.entry.key());
        header
    }
}

/// Locks a file against others who append to it.
fn lock(file: &File) -> io::Result<()> {
    let (times, pause) = TRIES;
    for _ in 0..times {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(pause),
            Err(std::fs::TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::other("others write to it"))
}

/// Why a part was compiled.
fn reason(part: &Part) -> (u32, Option<u32>) {
    match (part.loops.first(), part.funcs.first()) {
        (Some(at), _) => (at.func, Some(at.offset)),
        (None, func) => (func.copied().unwrap_or(u32::MAX), None),
    }
}

fn frame(part: &Part, object: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(object.len() + 64);
    let loops = part.loops.iter().flat_map(|at| [at.func, at.offset]);
    let counts = [part.funcs.len() as u32, part.loops.len() as u32];
    counts.into_iter().chain(part.funcs.iter().copied()).chain(loops).for_each(|number| {
        body.extend(number.to_le_bytes());
    });
    body.extend(object);
    let mut bytes = Vec::with_capacity(FRAME + body.len());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The first part, its object, and what is behind; `None` if it is not all there, or not sound.
fn parse(bytes: &[u8]) -> Option<(Part, &[u8], &[u8])> {
    let (len, rest) = number(bytes)?;
    let (crc, rest) = number(rest)?;
    let (body, behind) = rest.split_at_checked(len as usize)?;
    if crc32fast::hash(body) != crc {
        return None;
    }
    let (funcs, body) = number(body)?;
    let (loops, body) = number(body)?;
    let (numbers, object) = body.split_at_checked((funcs as usize + 2 * loops as usize).checked_mul(4)?)?;
    let mut numbers = numbers.chunks_exact(4).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]]));
    let funcs = numbers.by_ref().take(funcs as usize).collect();
    let loops =
        std::iter::from_fn(|| Some(Loop { func: numbers.next()?, offset: numbers.next()? })).collect();
    Some((Part { funcs, loops }, object, behind))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn part(func: u32) -> Part {
        Part { funcs: vec![func, 100], loops: vec![] }
    }

    fn funcs(log: &Log) -> Vec<u32> {
        let mut found = Vec::new();
        log.read(|part, object| {
            assert_eq!(object, format!("object {}", part.funcs[0]).as_bytes());
            found.push(part.funcs[0]);
            true
        });
        found
    }

    fn add(log: &Log, func: u32) {
        log.append(&part(func), format!("object {func}").as_bytes());
    }

    #[test]
    fn parts_come_back_as_they_were() {
        let part =
            Part { funcs: vec![1, 2], loops: vec![Loop { func: 3, offset: 4 }, Loop { func: 5, offset: 6 }] };
        let mut bytes = frame(&part, b"object");
        bytes.extend(b"more");
        assert_eq!(parse(&bytes), Some((part, &b"object"[..], &b"more"[..])));
        assert_eq!(parse(&bytes[..20]), None);
    }

    #[test]
    fn processes_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [(), ()].map(|()| Log::of(&Entry::at(folder.path().join("cache"), [7; 32])));
        assert!(!one.exists() && funcs(&one).is_empty());
        add(&one, 1);
        add(&other, 2);
        // What the other has already.
        add(&one, 2);
        add(&other, 1);
        add(&one, 3);
        assert_eq!((funcs(&one), funcs(&other)), (vec![1, 2, 3], vec![1, 2, 3]));
        // Somebody tidies up.
        fs::remove_file(one.path()).unwrap();
        add(&one, 1);
        add(&other, 4);
        assert_eq!(funcs(&one), [1, 4]);
        // Of another module.
        let stranger =
            Log { entry: Entry::at(folder.path().join("cache"), [8; 32]), known: Mutex::default() };
        fs::copy(one.path(), stranger.path()).unwrap();
        assert!(funcs(&stranger).is_empty());
        add(&stranger, 9);
        assert_eq!(funcs(&stranger), [9]);
    }

    #[test]
    fn what_is_damaged_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let log = || Log::of(&Entry::at(folder.path().to_owned(), [7; 32]));
        (1..=4).for_each(|func| add(&log(), func));
        let sound = fs::read(log().path()).unwrap();
        let frame = (sound.len() - HEADER as usize) / 4;
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(log().path(), &bytes).unwrap();
            let good = at.checked_sub(HEADER as usize).map_or(0, |at| at / frame) as u32;
            assert_eq!(funcs(&log()), (1..=good).collect::<Vec<_>>(), "byte {at}");
            add(&log(), 9);
            assert_eq!(funcs(&log()), (1..=good).chain([9]).collect::<Vec<_>>(), "byte {at}");
            // Cut short.
            fs::write(log().path(), &sound[..at]).unwrap();
            add(&log(), 9);
            assert_eq!(funcs(&log()).last(), Some(&9), "{at} bytes");
        }
    }

    #[test]
    fn one_that_others_can_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of(&Entry::at(folder.path().to_owned(), [7; 32]));
        add(&log, 1);
        fs::set_permissions(log.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(funcs(&log).is_empty());
        add(&log, 2);
        fs::set_permissions(log.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(funcs(&log), [1]);
    }
}
