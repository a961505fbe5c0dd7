//! The image reader, given anything.
//!
//! The first byte of the input chooses what the rest is: an image as it is, or a list of sections of which an image with
//! right offsets and checksums is made. Without the latter no mutation would ever get past the checksums.
//!
//! A section in the list is: kind, flags, index (a byte each), whether a raw length follows (a byte; 8 bytes), length of
//! the payload (2 bytes), payload. What is cut off counts as zero.

#![no_main]

#[path = "../../crates/snapshot/tests/common/assemble.rs"]
#[allow(dead_code, reason = "seeds are made elsewhere")]
mod assemble;

use assemble::{Part, assemble};
use libfuzzer_sys::fuzz_target;
use wayfarer_snapshot::{
    Baseline, Image, LoadOptions, ReadErrorKind, RenderOptions, describe, render, validate,
};

fuzz_target!(|input: &[u8]| {
    let Some((&how, rest)) = input.split_first() else { return };
    if how == 0 {
        exercise(rest);
    } else {
        exercise(&assemble(&parts(rest)));
    }
});

fn parts(mut input: &[u8]) -> Vec<Part> {
    fn take<const N: usize>(input: &mut &[u8]) -> [u8; N] {
        let mut out = [0; N];
        let (now, later) = input.split_at(N.min(input.len()));
        out[..now.len()].copy_from_slice(now);
        *input = later;
        out
    }
    let mut parts = Vec::new();
    while !input.is_empty() {
        let [kind, flags, index, raw] = take(&mut input);
        let raw_len = (raw != 0).then(|| u64::from_le_bytes(take(&mut input)));
        let len = u16::from_le_bytes(take(&mut input)) as usize;
        let (bytes, later) = input.split_at(len.min(input.len()));
        input = later;
        let (kind, flags, index) = (kind.into(), flags.into(), index.into());
        parts.push(Part { kind, flags, index, raw_len, bytes: bytes.to_vec() });
    }
    parts
}

/// Does with an image all there is to do. An image that opens must be consistent, and fail later at most because of the
/// content of its memories.
fn exercise(bytes: &[u8]) {
    let Ok(image) = Image::from_bytes(bytes) else { return };
    validate(image.program()).expect("an image that opens is consistent");
    let description = describe(&image, &|_, _, bytes| Some(bytes.len().into()));
    assert!(!render(&description, &RenderOptions::default()).is_empty());
    let verified = image.verify_data().is_ok();
    for (i, memory) in image.program().store.memories.iter().enumerate() {
        if memory.len > 4 << 20 {
            continue;
        }
        let mut dest = vec![0xaa; memory.len as usize];
        match image.load_memory(i, &mut dest, &Baseline::zero(), &LoadOptions::default()) {
            Ok(()) => {}
            Err(e) => assert!(!verified || matches!(e.kind, ReadErrorKind::Baseline { .. }), "{e}"),
        }
    }
}
