//! Where landing pads write what they save: address space that is only used as far as it is written to.

use std::io;
use wayfarer_abi::{MAX_CAPTURED, Point, record};
use wayfarer_module::PointKind;
use wayfarer_runtime::region::Region;
use wayfarer_runtime::{Instance, RawFrame};

/// Size of a piece (bytes).
const PIECE: usize = 4 * MAX_CAPTURED;

/// A piece is kept for the next capture unless more of it was written (bytes): that is memory in use.
const KEPT: usize = 256 << 10;

/// A capture area, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Area {
    /// Each with how many bytes were written.
    pieces: Vec<(Region, usize)>,
    /// Frames whose records were written elsewhere, before.
    left: Vec<RawFrame>,
    /// There was no address space for another piece: each frame is taken from where it was written, before the next.
    one_by_one: bool,
}

impl Area {
    /// Whether the pads of another frame may write from `at` on.
    pub(crate) fn has_room(&self, at: *const u8) -> bool {
        self.pieces
            .last()
            .is_some_and(|(piece, _)| at as usize + MAX_CAPTURED <= piece.base() as usize + piece.reserved())
    }

    /// Notes how far the last piece was written.
    pub(crate) fn written(&mut self, to: *const u8) {
        if let Some((piece, written)) = self.pieces.last_mut() {
            *written = to as usize - piece.base() as usize;
        }
    }

    /// Another piece, and where it starts. It may be one that was `kept`.
    pub(crate) fn extend(&mut self, kept: &mut Option<Region>) -> io::Result<*mut u8> {
        let piece = match kept.take() {
            Some(piece) => piece,
            None => Region::zeroed(PIECE)?,
        };
        let start = piece.base();
        self.pieces.push((piece, 0));
        Ok(start)
    }

    /// From here on frames are taken one by one. What was written is, and its address space given back.
    ///
    /// # Safety
    /// Compiled code of `instance` must have written whole records to the pieces.
    pub(crate) unsafe fn take_one_by_one(&mut self, instance: *const Instance) {
        self.one_by_one = true;
        for (piece, written) in std::mem::take(&mut self.pieces) {
            // SAFETY: passed on.
            unsafe { read(piece.base(), written, instance, &mut self.left) };
        }
    }

    /// Whether frames are taken one by one.
    pub(crate) fn is_one_by_one(&self) -> bool {
        self.one_by_one
    }

    /// Takes the records between these addresses, of a frame of `instance` that was left.
    ///
    /// # Safety
    /// Compiled code must have written whole records there.
    pub(crate) unsafe fn take(&mut self, from: *const u8, to: *const u8, instance: *const Instance) {
        // SAFETY: passed on.
        unsafe { read(from, to as usize - from as usize, instance, &mut self.left) };
    }

    /// The frames whose records were written, all of them of `instance`; a piece may be `kept`.
    pub(crate) fn frames(
        self,
        instance: *const Instance,
        frames: &mut Vec<RawFrame>,
        kept: &mut Option<Region>,
    ) {
        frames.extend(self.left);
        for (piece, written) in self.pieces {
            // SAFETY: landing pads wrote whole records, one behind the other, up to there.
            unsafe { read(piece.base(), written, instance, frames) };
            if written <= KEPT {
                *kept = Some(piece);
            }
        }
    }
}

/// Reads records of frames of `instance`, one behind the other.
unsafe fn read(first: *const u8, len: usize, instance: *const Instance, frames: &mut Vec<RawFrame>) {
    const KINDS: [(Point, PointKind); 4] = [
        (Point::Entry, PointKind::Entry),
        (Point::Loop, PointKind::Loop),
        (Point::Call, PointKind::Call),
        (Point::BeforeCall, PointKind::BeforeCall),
    ];
    let mut at = 0;
    while at < len {
        // SAFETY: the caller vouches for the records.
        let (func, kind, offset, slots) = unsafe {
            let header = first.add(at);
            let field = |offset: u64| header.add(offset as usize).cast::<u32>().read();
            let count = field(record::SLOTS) as usize;
            let first = header.add(record::SIZE as usize).cast::<u64>();
            let slots = std::slice::from_raw_parts(first, count);
            (field(record::FUNC), field(record::KIND), field(record::OFFSET), slots)
        };
        let kind = KINDS[kind as usize & 3].1;
        frames.push(RawFrame { instance, func, kind, offset, slots: slots.into() });
        at += record::SIZE as usize + 8 * slots.len();
    }
}
