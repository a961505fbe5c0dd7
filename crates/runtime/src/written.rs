//! Interim: which pages of a memory were written, by comparison with a copy.

use std::ops::Range;

/// Says which pages were written since it was asked last.
#[derive(Debug)]
pub struct WriteTracker {
    base: *const u8,
    copy: Vec<u8>,
}

// SAFETY: the pointer is only read, by whoever runs the memory's guest.
unsafe impl Send for WriteTracker {}

const PAGE: usize = 4096;

impl WriteTracker {
    /// Starts to watch `len` bytes.
    pub fn start(base: *const u8, len: usize) -> WriteTracker {
        // SAFETY: the memory is mapped.
        let copy =
            if len == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(base, len) }.to_vec() };
        WriteTracker { base, copy }
    }

    /// Ranges written since.
    pub fn written(&mut self, len_now: usize) -> Vec<Range<usize>> {
        self.copy.resize(len_now, 0);
        let mut out: Vec<Range<usize>> = Vec::new();
        if len_now == 0 {
            return out;
        }
        // SAFETY: as above.
        let now = unsafe { std::slice::from_raw_parts(self.base, len_now) };
        for (i, (a, b)) in now.chunks(PAGE).zip(self.copy.chunks_mut(PAGE)).enumerate() {
            if a != &*b {
                b.copy_from_slice(a);
                let (start, end) = (i * PAGE, i * PAGE + a.len());
                match out.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => out.push(start..end),
                }
            }
        }
        out
    }
}
