//! Content of a file: chunks, where there is anything; the rest is zeros.

use crate::{Buffers, Errno};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a chunk, at most.
pub(super) const CHUNK: u64 = 1 << 16;

/// Largest offset that a file can reach, as on Linux.
const LARGEST: u64 = i64::MAX as u64;

/// How much all files together take, and how much they may.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Space {
    pub(super) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// # Errors
    /// `NOSPC`.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Errno> {
        if bytes > self.free() {
            return Err(Errno::NoSpc);
        }
        self.used += bytes;
        Ok(())
    }

    pub(super) fn give(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// The bytes of a file. A chunk is as long as there is something in it; what was cloned shares it until one of both is changed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Content {
    pub(super) len: u64,
    pub(super) chunks: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Content {
    /// Bytes of space that it takes.
    pub(super) fn held(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.len() as u64).sum()
    }

    /// Calls `each` with what there is from `at` on, at most `most` bytes; it says how much of that it took.
    fn parts(&self, mut at: u64, most: u64, mut each: impl FnMut(&[u8]) -> usize) {
        static ZEROS: [u8; 4096] = [0; 4096];
        let end = at.saturating_add(most).min(self.len);
        while at < end {
            let start = (at % CHUNK) as usize;
            let whole = (CHUNK as usize - start).min((end - at) as usize);
            let chunk = self.chunks.get(&(at / CHUNK)).map_or(&[][..], |chunk| &chunk[..]);
            let there = chunk.get(start..).unwrap_or(&[]);
            let source = if there.is_empty() { &ZEROS[..] } else { there };
            let part = &source[..whole.min(source.len())];
            let took = each(part);
            at += took as u64;
            if took < part.len() {
                return;
            }
        }
    }

    pub(super) fn read(&self, at: u64, into: &Buffers) -> usize {
        let mut done = 0;
        self.parts(at, into.bytes() as u64, |part| {
            let put = into.put(done, part);
            done += put;
            put
        });
        done
    }

    pub(super) fn read_slice(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        self.parts(at, into.len() as u64, |part| {
            into[done..done + part.len()].copy_from_slice(part);
            done += part.len();
            part.len()
        });
        done
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `NOSPC` if that is nothing; `FBIG`.
    pub(super) fn write(&mut self, at: u64, from: &Buffers, space: &mut Space) -> Result<usize, Errno> {
        self.write_with(at, from.bytes(), space, |done, into| {
            from.take(done, into);
        })
    }

    pub(super) fn write_slice(&mut self, at: u64, from: &[u8], space: &mut Space) -> Result<usize, Errno> {
        self.write_with(at, from.len(), space, |done, into| {
            into.copy_from_slice(&from[done..done + into.len()]);
        })
    }

    fn write_with(
        &mut self,
        at: u64,
        wanted: usize,
        space: &mut Space,
        fill: impl Fn(usize, &mut [u8]),
    ) -> Result<usize, Errno> {
        if wanted == 0 {
            return Ok(0);
        }
        let room = LARGEST.checked_sub(at).filter(|room| *room > 0).ok_or(Errno::FBig)?;
        let wanted = wanted.min(usize::try_from(room).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let position = at + done as u64;
            let start = (position % CHUNK) as usize;
            let held = self.chunks.get(&(position / CHUNK)).map_or(0, |chunk| chunk.len());
            let most = held as u64 + space.free();
            let end =
                (start + wanted - done).min(CHUNK as usize).min(usize::try_from(most).unwrap_or(usize::MAX));
            if end <= start {
                break;
            }
            space.used += end.saturating_sub(held) as u64;
            let chunk = Arc::make_mut(self.chunks.entry(position / CHUNK).or_default());
            if end > held {
                chunk.resize(end, 0);
            }
            fill(done, &mut chunk[start..end]);
            done += end - start;
        }
        if done == 0 {
            return Err(Errno::NoSpc);
        }
        self.len = self.len.max(at + done as u64);
        Ok(done)
    }

    /// # Errors
    /// `FBIG`.
    pub(super) fn set_len(&mut self, len: u64, space: &mut Space) -> Result<(), Errno> {
        if len > LARGEST {
            return Err(Errno::FBig);
        }
        if len < self.len {
            let beyond = self.chunks.split_off(&len.div_ceil(CHUNK));
            space.give(beyond.values().map(|chunk| chunk.len() as u64).sum());
            let keep = (len % CHUNK) as usize;
            if keep > 0
                && let Some(last) = self.chunks.get_mut(&(len / CHUNK))
                && last.len() > keep
            {
                space.give((last.len() - keep) as u64);
                Arc::make_mut(last).truncate(keep);
            }
        }
        self.len = len;
        Ok(())
    }

    /// Sees to it that all of a part takes space, and that the file reaches its end.
    ///
    /// # Errors
    /// `NOSPC`, `FBIG`; nothing has changed then.
    pub(super) fn allocate(&mut self, offset: u64, len: u64, space: &mut Space) -> Result<(), Errno> {
        let end = offset.checked_add(len).filter(|end| *end <= LARGEST).ok_or(Errno::FBig)?;
        if len > space.limit {
            return Err(Errno::NoSpc);
        }
        let wanted = |nth: u64| end.min((nth + 1) * CHUNK) - nth * CHUNK;
        let parts = offset / CHUNK..end.div_ceil(CHUNK);
        let missing = |nth: u64| {
            let held = self.chunks.get(&nth).map_or(0, |chunk| chunk.len() as u64);
            wanted(nth).saturating_sub(held)
        };
        space.take(parts.clone().map(missing).sum())?;
        for nth in parts {
            let chunk = self.chunks.entry(nth).or_default();
            if (chunk.len() as u64) < wanted(nth) {
                Arc::make_mut(chunk).resize(wanted(nth) as usize, 0);
            }
        }
        self.len = self.len.max(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(limit: u64) -> Space {
        Space { used: 0, limit }
    }

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xee; content.len as usize + 7];
        let read = content.read_slice(0, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    /// Does the same to a vector at every step.
    #[test]
    fn it_is_what_a_vector_of_bytes_is() {
        let (mut content, mut model, mut space) = (Content::default(), Vec::<u8>::new(), space(1 << 30));
        let mut random = 1u64;
        let mut next = |most: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % most
        };
        for step in 0..400 {
            let (at, len) = (next(3 * CHUNK), next(2 * CHUNK) as usize);
            match next(3) {
                0 => {
                    let bytes: Vec<u8> = (0..len).map(|i| (i + step) as u8).collect();
                    let done = content.write_slice(at, &bytes, &mut space).unwrap();
                    assert_eq!(done, len);
                    if len > 0 {
                        model.resize(model.len().max(at as usize + len), 0);
                        model[at as usize..at as usize + len].copy_from_slice(&bytes);
                    }
                }
                1 => {
                    content.set_len(at, &mut space).unwrap();
                    model.resize(at as usize, 0);
                }
                _ if len > 0 => {
                    content.allocate(at, len as u64, &mut space).unwrap();
                    model.resize(model.len().max(at as usize + len), 0);
                }
                _ => {}
            }
            assert_eq!(content.len, model.len() as u64, "step {step}");
            assert!(all(&content) == model, "step {step}");
            assert_eq!(space.used, content.held(), "step {step}");
        }
    }

    #[test]
    fn holes_take_no_space_and_what_has_no_room_is_not_written() {
        let (mut content, mut space) = (Content::default(), space(100));
        content.set_len(1 << 40, &mut space).unwrap();
        assert_eq!(space.used, 0);
        let far = 5 * CHUNK;
        assert_eq!(content.write_slice(far, &[7; 60], &mut space), Ok(60));
        assert_eq!(
            content.write_slice(far + 60, &[8; 60], &mut space),
            Ok(40),
            "as much as there is room for"
        );
        assert_eq!(content.write_slice(far + 100, &[9], &mut space), Err(Errno::NoSpc));
        assert_eq!(
            content.write_slice(far + 10, &[9; 50], &mut space),
            Ok(50),
            "what is there can be replaced"
        );
        assert_eq!(content.allocate(0, 1, &mut space), Err(Errno::NoSpc));
        content.set_len(far + 10, &mut space).unwrap();
        assert_eq!((space.used, content.held()), (10, 10));
        content.allocate(0, 90, &mut space).unwrap();
        assert_eq!(space.free(), 0);
        assert_eq!(content.write_slice(LARGEST, b"x", &mut space), Err(Errno::FBig));
        assert_eq!(content.set_len(LARGEST + 1, &mut space), Err(Errno::FBig));
    }

    #[test]
    fn a_clone_keeps_what_it_was() {
        let (mut content, mut space) = (Content::default(), space(1000));
        content.write_slice(0, b"before", &mut space).unwrap();
        let clone = content.clone();
        content.write_slice(0, b"after!", &mut space).unwrap();
        assert_eq!((all(&clone), all(&content)), (b"before".to_vec(), b"after!".to_vec()));
    }
}
