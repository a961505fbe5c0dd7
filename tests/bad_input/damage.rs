//! Images that accidents happened to.

use crate::harness::random::Random;
use crate::samples::{Sample, sample};
use wayfarer_snapshot::{Compression, FORMAT_VERSIONS, HEADER_MAGIC};

/// Damaged images of each sample.
const TIMES: usize = 1500;

fn samples() -> Vec<Sample> {
    vec![
        // Open files, a deep stack, tables, memory that is compressed.
        sample("files", 700, Compression::None),
        sample("deep_recursion", 900, Compression::None),
        sample("funcref_table", 60, Compression::None),
        sample("heap", 500, Compression::Zstd(3)),
    ]
}

/// It is what it was, or an error says what is wrong.
fn check(sample: &Sample, bytes: &[u8], what: &str) -> bool {
    match sample.restore(bytes) {
        Err(error) => {
            assert!(error.len() > 10, "{}, {what}: {error:?}", sample.guest.name);
            true
        }
        Ok(ended) => {
            // Padding between sections means nothing.
            let same = ended.exit == Ok(sample.guest.exit) && ended.stdout == sample.rest;
            assert!(same, "{}, {what}: restored, and went wrong: {ended:?}", sample.guest.name);
            false
        }
    }
}

#[test]
fn the_samples_are_good() {
    for sample in samples() {
        assert!(!check(&sample, &sample.image, "untouched"));
    }
}

#[test]
fn truncated() {
    let mut random = Random::named("truncated");
    for sample in samples() {
        let len = sample.image.len() as u64;
        let early = (0..64).chain(len - 64..len);
        for at in early.chain((0..TIMES).map(|_| random.below(len)).collect::<Vec<_>>()) {
            let cut = &sample.image[..at as usize];
            assert!(check(&sample, cut, &format!("cut at {at} of {len}")), "cut at {at} of {len}");
        }
    }
}

#[test]
fn one_bit_or_byte_flipped() {
    let mut random = Random::named("flipped");
    for sample in samples() {
        let (mut bytes, mut found) = (sample.image.clone(), 0);
        for nth in 0..TIMES {
            let at = random.below(bytes.len() as u64) as usize;
            let flip = if nth % 2 == 0 { 1 << random.below(8) } else { 1 + random.below(255) as u8 };
            bytes[at] ^= flip;
            found += usize::from(check(&sample, &bytes, &format!("{flip:#x} flipped at {at}")));
            bytes[at] ^= flip;
        }
        // Data sections begin at page boundaries, so there is some padding.
        assert!(found > TIMES / 2, "{}: {found} of {TIMES} were noticed", sample.guest.name);
    }
}

#[test]
fn stretches_moved_zeroed_and_repeated() {
    let mut random = Random::named("stretches");
    for sample in samples() {
        let len = sample.image.len() as u64;
        for _ in 0..TIMES / 3 {
            let mut bytes = sample.image.clone();
            let from = random.below(len) as usize;
            let size = (1 + random.below(4096)).min(len - from as u64) as usize;
            match random.below(4) {
                0 => bytes[from..from + size].fill(0),
                1 => drop(bytes.drain(from..from + size)),
                2 => {
                    let stretch = bytes[from..from + size].to_vec();
                    bytes.splice(from..from, stretch);
                }
                _ => {
                    let to = random.below(len - size as u64 + 1) as usize;
                    bytes.copy_within(from..from + size, to);
                }
            }
            check(&sample, &bytes, &format!("{size} bytes at {from}"));
        }
    }
}

/// An image as a later version of the format would begin.
pub(crate) fn from_the_future(image: &[u8]) -> Vec<u8> {
    let mut bytes = image.to_vec();
    let at = HEADER_MAGIC.len();
    bytes[at..at + 4].copy_from_slice(&(FORMAT_VERSIONS.end() + 40).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_future_version() {
    let sample = sample("loops", 5, Compression::None);
    let error = sample.restore(&from_the_future(&sample.image)).expect_err("it cannot be known");
    let version = (FORMAT_VERSIONS.end() + 40).to_string();
    assert!(error.contains("version") && error.contains(&version), "{error}");
}

#[test]
fn an_image_of_another_module() {
    let (ours, other) = (sample("loops", 5, Compression::None), sample("recursion", 5, Compression::None));
    let error = ours.restore(&other.image).expect_err("it is another's");
    assert!(error.contains("another module"), "{error}");
}
