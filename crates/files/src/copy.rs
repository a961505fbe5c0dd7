//! Whole contents of files: written, and compared.

use crate::buffers::{Buffer, Buffers};
use crate::{Errno, File, NewTime};
use std::io::{self, Read, SeekFrom};

/// Bytes that are moved at once.
const PIECE: usize = 256 << 10;

/// Content that may have long stretches of zeros, of which nobody has the bytes.
pub trait Sparse: Read {
    /// Goes past zeros that come next: how many they were. It need not know of any.
    fn skip_zeros(&mut self) -> u64 {
        0
    }
}

impl Sparse for &[u8] {}

impl Sparse for Box<dyn Sparse + '_> {
    fn skip_zeros(&mut self) -> u64 {
        (**self).skip_zeros()
    }
}

/// Gives a new file its content, and times of last access and modification (nanoseconds since 1970); its position is at its beginning
/// then.
///
/// # Errors
/// What content or file say; some of it may have been written.
pub fn fill(file: &dyn File, content: &mut dyn Sparse, accessed: u64, modified: u64) -> io::Result<()> {
    write_all(file, content)?;
    file.seek(SeekFrom::Start(0))?;
    file.set_times(NewTime::At(accessed), NewTime::At(modified))
}

/// Writes all of a content, from the file's beginning on; how much that was. Stretches of zeros are left out, as holes.
fn write_all(file: &dyn File, from: &mut dyn Sparse) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut all = 0u64;
    loop {
        let zeros = from.skip_zeros();
        if zeros > 0 {
            all = all.checked_add(zeros).ok_or(Errno::FBig)?;
            // Said before anything is written behind it: there are limits to what a file can be.
            file.set_size(all)?;
            file.seek(SeekFrom::Start(all))?;
        }
        let len = match from.read(&mut piece) {
            Ok(0) => return Ok(all),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let mut done = 0;
        while done < len {
            let rest = &mut piece[done..len];
            let buffer = Buffer { base: rest.as_mut_ptr(), len: rest.len() };
            // SAFETY: the bytes are `piece`'s, which outlives the buffers and is not looked at while they are there.
            let buffers = unsafe { Buffers::new(vec![buffer]) };
            match file.write(&buffers) {
                Ok(0) => return Err(Errno::Io.into()),
                Ok(written) => done += written,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        all += len as u64;
    }
}

/// Whether the first `len` bytes of two readers are there, and the same.
///
/// # Errors
/// What they say.
pub fn same_content(a: &mut dyn Read, b: &mut dyn Read, len: u64) -> io::Result<bool> {
    let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    let mut left = len;
    while left > 0 {
        let piece = left.min(PIECE as u64) as usize;
        if !read(a, &mut one[..piece])? || !read(b, &mut other[..piece])? || one[..piece] != other[..piece] {
            return Ok(false);
        }
        left -= piece as u64;
    }
    Ok(true)
}

/// Whether there were as many bytes.
fn read(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(into) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryFiles;
    use crate::{Directory, OpenOptions, Opened};

    /// Bytes, zeros that are not there, bytes.
    struct WithHole<'a>(Vec<&'a [u8]>, u64);

    impl Read for WithHole<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.first_mut() {
                Some(bytes) => bytes.read(into),
                None => Ok(0),
            }
        }
    }

    impl Sparse for WithHole<'_> {
        fn skip_zeros(&mut self) -> u64 {
            match self.0.first() {
                Some([]) => {
                    self.0.remove(0);
                    std::mem::take(&mut self.1)
                }
                _ => 0,
            }
        }
    }

    #[test]
    fn zeros_that_are_not_there_take_no_room() {
        let root = MemoryFiles::new(1 << 20).add_root().unwrap();
        let options = OpenOptions { read: true, write: true, create: true, ..OpenOptions::default() };
        let Opened::File(file) = root.open(b"f", &options).unwrap() else { panic!("a file") };
        let hole = 1 << 40;
        let wrote = write_all(&*file, &mut WithHole(vec![b"before", b"behind"], hole)).unwrap();
        assert_eq!((wrote, file.stat().unwrap().size), (hole + 12, hole + 12));
        let mut end = [1; 7];
        let buffer = Buffer { base: end.as_mut_ptr(), len: end.len() };
        // SAFETY: the bytes outlive the buffers, and are looked at when the call is done.
        assert_eq!(file.read_at(&unsafe { Buffers::new(vec![buffer]) }, hole + 5).unwrap(), 7);
        assert_eq!(&end, b"\0behind");
        let last = write_all(&*file, &mut WithHole(vec![b""], u64::MAX)).unwrap_err();
        assert_eq!(Errno::from(&last), Errno::FBig);
    }

    #[test]
    fn what_is_written_is_the_same() {
        let root = MemoryFiles::new(16 << 20).add_root().unwrap();
        let options = OpenOptions { read: true, write: true, create: true, ..OpenOptions::default() };
        let Opened::File(file) = root.open(b"f", &options).unwrap() else { panic!("a file") };
        let bytes: Vec<u8> = (0..3 * PIECE + 7).map(|nth| (nth % 251) as u8).collect();
        assert_eq!(write_all(&*file, &mut &bytes[..]).unwrap(), bytes.len() as u64);
        let same = |len: u64, other: &[u8]| {
            same_content(&mut *file.content().unwrap(), &mut &other[..], len).unwrap()
        };
        assert!(same(bytes.len() as u64, &bytes) && same(5, &bytes[..5]) && same(0, &[]));
        assert!(!same(bytes.len() as u64 + 1, &bytes) && !same(bytes.len() as u64, &bytes[1..]));
        let mut other = bytes.clone();
        other[3 * PIECE + 6] ^= 1;
        assert!(!same(bytes.len() as u64, &other) && same(bytes.len() as u64 - 1, &other));
    }
}
