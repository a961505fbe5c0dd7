//! Where landing pads write what they save: address space that is only used as far as it is written to.

use std::io;
use wayfarer_abi::{MAX_CAPTURED, Point, record};
use wayfarer_module::PointKind;
use wayfarer_runtime::region::Region;
use wayfarer_runtime::{Instance, RawFrame};

/// Size of a piece (bytes).
const PIECE: usize = 4 * MAX_CAPTURED;

/// A capture area, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Area {
    /// Each with how many bytes were written.
    pieces: Vec<(Region, usize)>,
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

    /// Another piece, and where it starts.
    pub(crate) fn extend(&mut self) -> io::Result<*mut u8> {
        let piece = Region::zeroed(PIECE)?;
        let start = piece.base();
        self.pieces.push((piece, 0));
        Ok(start)
    }

    /// The frames whose records were written, all of them of `instance`.
    pub(crate) fn frames(&self, instance: *const Instance, frames: &mut Vec<RawFrame>) {
        const KINDS: [(Point, PointKind); 4] = [
            (Point::Entry, PointKind::Entry),
            (Point::Loop, PointKind::Loop),
            (Point::Call, PointKind::Call),
            (Point::BeforeCall, PointKind::BeforeCall),
        ];
        for (piece, written) in &self.pieces {
            let mut at = 0;
            while at < *written {
                // SAFETY: landing pads wrote whole records, one behind the other, up to there.
                let (func, kind, offset, slots) = unsafe {
                    let header = piece.base().add(at);
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
    }
}
