//! Bytes of a guest that are read into and written from.

/// A range of a guest's memory. Laid out as the kernel's `iovec`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Buffer {
    /// Its first byte.
    pub base: *mut u8,
    /// Its length.
    pub len: usize,
}

/// Ranges of a guest's memory, one behind the other.
///
/// Guest memory may change under our feet, so no Rust reference to it exists: bytes are copied, or the kernel gets the pointers.
#[derive(Debug)]
pub struct Buffers(Vec<Buffer>);

impl Buffers {
    /// # Safety
    /// Each buffer must be readable and writable for as long as the result lives, and no Rust reference to any of it may exist.
    pub unsafe fn new(buffers: Vec<Buffer>) -> Self {
        Buffers(buffers)
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|buffer| buffer.len == 0)
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|buffer| buffer.len).fold(0, usize::saturating_add)
    }

    /// The ranges.
    pub fn as_slice(&self) -> &[Buffer] {
        &self.0
    }

    /// Drops the first `done` bytes.
    pub fn advance(&mut self, mut done: usize) {
        let whole = self
            .0
            .iter()
            .take_while(|buffer| {
                let fits = buffer.len <= done;
                if fits {
                    done -= buffer.len;
                }
                fits
            })
            .count();
        self.0.drain(..whole);
        if let Some(first) = self.0.first_mut() {
            first.base = first.base.wrapping_byte_add(done);
            first.len -= done;
        }
    }

    /// The first bytes, at most `limit`, as one buffer.
    pub fn head(&self, limit: usize) -> Buffers {
        let first = self.0.first().map(|b| Buffer { base: b.base, len: b.len.min(limit) });
        Buffers(first.into_iter().collect())
    }

    /// Copies bytes to the guest, from byte `at` on; returns how many had room.
    pub fn put(&self, at: usize, bytes: &[u8]) -> usize {
        let mut done = 0;
        self.pieces(at, bytes.len(), |base, len| {
            // SAFETY: `base` and `len` are within a buffer, which is writable as the maker of `self` has promised; `bytes` is a
            // Rust slice, which guest memory is not part of.
            unsafe { std::ptr::copy_nonoverlapping(bytes[done..].as_ptr(), base, len) };
            done += len;
        });
        done
    }

    /// Copies bytes from the guest, from byte `at` on; returns how many there were.
    pub fn take(&self, at: usize, into: &mut [u8]) -> usize {
        let (mut done, most) = (0, into.len());
        self.pieces(at, most, |base, len| {
            // SAFETY: as in `put`, with reading for writing.
            unsafe { std::ptr::copy_nonoverlapping(base, into[done..].as_mut_ptr(), len) };
            done += len;
        });
        done
    }

    /// Calls `each` for the parts that hold the bytes from `at` on, at most `most` of them.
    fn pieces(&self, mut at: usize, mut most: usize, mut each: impl FnMut(*mut u8, usize)) {
        for buffer in &self.0 {
            if at >= buffer.len {
                at -= buffer.len;
                continue;
            }
            let len = (buffer.len - at).min(most);
            if len == 0 {
                return;
            }
            each(buffer.base.wrapping_byte_add(at), len);
            (at, most) = (0, most - len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(bytes: &mut [u8], ranges: &[(usize, usize)]) -> Buffers {
        let base = bytes.as_mut_ptr();
        let buffers = ranges.iter().map(|(at, len)| Buffer { base: base.wrapping_byte_add(*at), len: *len });
        // SAFETY: the ranges are within `bytes`, which nobody looks at while the buffers are used.
        unsafe { Buffers::new(buffers.collect()) }
    }

    #[test]
    fn buffers_advance_over_whole_and_partial_ones() {
        let mut bytes = [0; 128];
        let start = bytes.as_mut_ptr();
        let mut buffers = over(&mut bytes, &[(32, 10), (96, 5)]);
        buffers.advance(4);
        assert_eq!((buffers.0.len(), buffers.0[0].len, buffers.bytes()), (2, 6, 11));
        buffers.advance(6 + 2);
        assert_eq!((buffers.0.len(), buffers.0[0].len), (1, 3));
        assert_eq!(buffers.0[0].base, start.wrapping_byte_add(98));
        assert_eq!(buffers.head(2).0[0].len, 2);
        buffers.advance(3);
        assert!(buffers.is_empty());
    }

    #[test]
    fn bytes_are_scattered_and_gathered() {
        let mut bytes = *b"................";
        let buffers = over(&mut bytes, &[(8, 2), (0, 0), (2, 3)]);
        assert_eq!(buffers.put(1, b"abc"), 3);
        assert_eq!(buffers.put(4, b"xyz"), 1, "only so much has room");
        assert_eq!(buffers.put(5, b"xyz"), 0);
        let mut taken = [0; 9];
        assert_eq!(buffers.take(0, &mut taken), 5);
        assert_eq!(buffers.take(3, &mut taken[5..7]), 2);
        assert_eq!(&taken, b".abcxcx\0\0");
        drop(buffers);
        assert_eq!(&bytes, b"..bcx....a......");
    }
}
