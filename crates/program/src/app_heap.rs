//! The app heap: a heap for wasm_runtime_module_malloc inside the guest's own linear memory.
//!
//! All of its state is in linear memory, so a checkpoint has it without knowing of it; and the guest can scribble over
//! it, so nothing found there is trusted. That is why it is not one of the allocators that work on native pointers.
//!
//! Blocks follow each other without gaps. Each starts with a header of two little-endian words: its size in bytes,
//! header included, with bit 0 set while it is in use; and the size of the block before it, 0 for the first. Sizes are
//! multiples of 8. Allocation takes the first block that fits.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use wayfarer_guest::{GuestMemory, OutOfBounds};

const HEADER: u32 = 8;
const MIN_BLOCK: u32 = 16;
const USED: u32 = 1;

/// The guest overwrote the heap's headers, or gave an address that is not a block's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupted;

impl From<OutOfBounds> for Corrupted {
    fn from(_: OutOfBounds) -> Self {
        Corrupted
    }
}

/// An app heap: the guest addresses it spans.
#[derive(Debug)]
pub struct AppHeap {
    range: Range<u32>,
    /// One operation at a time.
    lock: Mutex<()>,
}

#[derive(Clone, Copy)]
struct Block {
    at: u32,
    size: u32,
    used: bool,
    prev: u32,
}

impl Block {
    fn end(self) -> u32 {
        self.at + self.size
    }

    fn write(self, memory: &GuestMemory<'_>) -> Result<(), Corrupted> {
        memory.write_u32(self.at.into(), self.size | if self.used { USED } else { 0 })?;
        Ok(memory.write_u32(u64::from(self.at) + 4, self.prev)?)
    }
}

impl AppHeap {
    /// A heap at these addresses, whose content is not looked at before [`AppHeap::format`] or a restore put it there.
    /// `None` if there is no room for a block.
    pub fn new(range: Range<u32>) -> Option<Self> {
        let start = range.start.checked_next_multiple_of(8)?;
        let end = range.end & !7;
        (end.checked_sub(start)? >= MIN_BLOCK).then(|| AppHeap { range: start..end, lock: Mutex::new(()) })
    }

    /// Makes the heap one free block.
    pub fn format(&self, memory: &GuestMemory<'_>) -> Result<(), Corrupted> {
        let Range { start, end } = self.range;
        Block { at: start, size: end - start, used: false, prev: 0 }.write(memory)
    }

    /// Guest addresses that it spans: first, and one behind the last.
    pub fn range(&self) -> (u32, u32) {
        (self.range.start, self.range.end)
    }

    /// Whether an address is inside.
    pub fn contains(&self, address: u32) -> bool {
        self.range.contains(&address)
    }

    /// Size in bytes.
    pub fn size(&self) -> u32 {
        self.range.end - self.range.start
    }

    /// Allocates `size` bytes; `None` if there is no room.
    pub fn allocate(&self, memory: &GuestMemory<'_>, size: u32) -> Result<Option<u32>, Corrupted> {
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(need) = block_size(size) else { return Ok(None) };
        let mut block = self.first(memory)?;
        loop {
            if !block.used && block.size >= need {
                self.take(memory, block, need)?;
                return Ok(Some(block.at + HEADER));
            }
            match self.next(memory, block)? {
                Some(next) => block = next,
                None => return Ok(None),
            }
        }
    }

    /// Frees a block.
    pub fn free(&self, memory: &GuestMemory<'_>, address: u32) -> Result<(), Corrupted> {
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let block = self.block_of(memory, address)?;
        self.release(memory, block)
    }

    /// Resizes a block, moving it if need be; `None` if there is no room, and the block stays as it was.
    pub fn reallocate(
        &self,
        memory: &GuestMemory<'_>,
        address: u32,
        size: u32,
    ) -> Result<Option<u32>, Corrupted> {
        let old = self.block_of(memory, address)?.size - HEADER;
        if size <= old {
            return Ok(Some(address));
        }
        let Some(new) = self.allocate(memory, size)? else { return Ok(None) };
        let content = memory.read_vec(address.into(), old.into())?;
        memory.write(new.into(), &content)?;
        self.free(memory, address)?;
        Ok(Some(new))
    }

    /// Bytes in use, headers included.
    pub fn used(&self, memory: &GuestMemory<'_>) -> Result<u32, Corrupted> {
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut used, mut block) = (0, Some(self.first(memory)?));
        while let Some(b) = block {
            used += if b.used { b.size } else { 0 };
            block = self.next(memory, b)?;
        }
        Ok(used)
    }

    /// Uses `need` bytes of a free block; what is left over becomes a free block, if it is large enough for one.
    fn take(&self, memory: &GuestMemory<'_>, block: Block, need: u32) -> Result<(), Corrupted> {
        let size = if block.size - need >= MIN_BLOCK { need } else { block.size };
        if size < block.size {
            let after = self.next(memory, block)?;
            let rest = Block { at: block.at + size, size: block.size - size, used: false, prev: size };
            rest.write(memory)?;
            if let Some(after) = after {
                Block { prev: rest.size, ..after }.write(memory)?;
            }
        }
        Block { size, used: true, ..block }.write(memory)
    }

    /// Frees a block and joins it with free neighbours.
    fn release(&self, memory: &GuestMemory<'_>, block: Block) -> Result<(), Corrupted> {
        let mut free = Block { used: false, ..block };
        let mut after = self.next(memory, block)?;
        if let Some(next) = after
            && !next.used
        {
            after = self.next(memory, next)?;
            free.size += next.size;
        }
        if block.prev != 0 {
            let before = self.read(memory, block.at.checked_sub(block.prev).ok_or(Corrupted)?)?;
            if before.size != block.prev {
                return Err(Corrupted);
            }
            if !before.used {
                free = Block { size: before.size + free.size, ..before };
            }
        }
        if let Some(after) = after {
            Block { prev: free.size, ..after }.write(memory)?;
        }
        free.write(memory)
    }

    fn first(&self, memory: &GuestMemory<'_>) -> Result<Block, Corrupted> {
        let block = self.read(memory, self.range.start)?;
        if block.prev == 0 { Ok(block) } else { Err(Corrupted) }
    }

    fn next(&self, memory: &GuestMemory<'_>, block: Block) -> Result<Option<Block>, Corrupted> {
        if block.end() == self.range.end {
            return Ok(None);
        }
        let next = self.read(memory, block.end())?;
        if next.prev == block.size { Ok(Some(next)) } else { Err(Corrupted) }
    }

    /// The block in use whose payload is at `address`.
    fn block_of(&self, memory: &GuestMemory<'_>, address: u32) -> Result<Block, Corrupted> {
        let block = self.read(memory, address.checked_sub(HEADER).ok_or(Corrupted)?)?;
        // Reading the next one checks that it points back here.
        self.next(memory, block)?;
        if block.used { Ok(block) } else { Err(Corrupted) }
    }

    /// Reads a header and checks that the block lies inside the heap.
    fn read(&self, memory: &GuestMemory<'_>, at: u32) -> Result<Block, Corrupted> {
        if !at.is_multiple_of(8) || !self.range.contains(&at) {
            return Err(Corrupted);
        }
        let word = memory.read_u32(at.into())?;
        let size = word & !7;
        let inside = size >= MIN_BLOCK && size <= self.range.end - at;
        if !inside || word & 7 & !USED != 0 {
            return Err(Corrupted);
        }
        let prev = memory.read_u32(u64::from(at) + 4)?;
        Ok(Block { at, size, used: word & USED != 0, prev })
    }
}

fn block_size(payload: u32) -> Option<u32> {
    Some(payload.checked_add(HEADER)?.checked_next_multiple_of(8)?.max(MIN_BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range<u32> = 1001..5000;

    fn heap(bytes: &mut [u8]) -> (AppHeap, GuestMemory<'_>) {
        let heap = AppHeap::new(RANGE).unwrap();
        let memory = GuestMemory::from_slice(bytes);
        heap.format(&memory).unwrap();
        (heap, memory)
    }

    #[test]
    fn blocks_do_not_overlap_and_join_again() {
        let mut bytes = vec![0; 8192];
        let (heap, memory) = heap(&mut bytes);
        let mut blocks = Vec::new();
        while let Some(at) = heap.allocate(&memory, 1 + blocks.len() as u32 % 50).unwrap() {
            let n = blocks.len();
            assert!(at % 8 == 0 && heap.contains(at));
            memory.write(at.into(), &vec![n as u8; 1 + n % 50]).unwrap();
            blocks.push(at);
        }
        assert!(blocks.len() > 80);
        for (n, &at) in blocks.iter().enumerate() {
            assert_eq!(memory.read_vec(at.into(), 1 + n as u64 % 50).unwrap(), vec![n as u8; 1 + n % 50]);
        }
        // In an order that joins with the block before, the one after, both, and neither.
        let odd_first = blocks.iter().skip(1).step_by(2).chain(blocks.iter().step_by(2));
        for &at in odd_first {
            heap.free(&memory, at).unwrap();
        }
        assert_eq!(heap.used(&memory), Ok(0));
        assert_eq!(
            heap.allocate(&memory, heap.size() - HEADER),
            Ok(Some(RANGE.start.next_multiple_of(8) + HEADER))
        );
        assert_eq!(heap.allocate(&memory, 1), Ok(None));
        assert_eq!(heap.allocate(&memory, u32::MAX), Ok(None));
        assert!(bytes[..1000].iter().chain(&bytes[5000..]).all(|&b| b == 0), "wrote outside");
    }

    #[test]
    fn realloc_keeps_content() {
        let mut bytes = vec![0; 8192];
        let (heap, memory) = heap(&mut bytes);
        let at = heap.allocate(&memory, 10).unwrap().unwrap();
        let between = heap.allocate(&memory, 10).unwrap().unwrap();
        memory.write(at.into(), b"0123456789").unwrap();
        let moved = heap.reallocate(&memory, at, 1000).unwrap().unwrap();
        assert!(moved > between);
        assert_eq!(memory.read_vec(moved.into(), 10).unwrap(), b"0123456789");
        assert_eq!(heap.reallocate(&memory, moved, 500), Ok(Some(moved)));
        assert_eq!(heap.reallocate(&memory, moved, 5000), Ok(None));
        assert_eq!(heap.reallocate(&memory, at, 5), Err(Corrupted), "freed when it moved");
    }

    #[test]
    fn scribbling_is_noticed() {
        let mut bytes = vec![0; 8192];
        let (heap, memory) = heap(&mut bytes);
        let a = heap.allocate(&memory, 100).unwrap().unwrap();
        let b = heap.allocate(&memory, 100).unwrap().unwrap();
        assert_eq!(heap.free(&memory, a + 8), Err(Corrupted), "inside a block");
        assert_eq!(heap.free(&memory, 4), Err(Corrupted), "outside the heap");
        memory.write(u64::from(b) - 8, &[0xFF; 8]).unwrap();
        assert_eq!(heap.free(&memory, a), Err(Corrupted));
        assert_eq!(heap.free(&memory, b), Err(Corrupted));
        assert_eq!(heap.allocate(&memory, 100), Err(Corrupted));
        assert_eq!(heap.used(&memory), Err(Corrupted));
        // Whatever is there, every operation ends, without touching anything outside.
        for seed in 0..2000u32 {
            for i in (1000..5000u64).step_by(4) {
                let noise = (i as u32 ^ seed).wrapping_mul(2_654_435_761);
                memory
                    .write_u32(i, if noise.is_multiple_of(3) { 16 | noise & 1 } else { noise % 64 })
                    .unwrap();
            }
            let _ = heap.allocate(&memory, seed);
            let _ = heap.free(&memory, 1016 + seed / 8 * 8);
        }
        assert!(AppHeap::new(0..15).is_none() && AppHeap::new(4..8).is_none());
        assert!(bytes[..1000].iter().chain(&bytes[5000..]).all(|&b| b == 0), "wrote outside");
    }
}
