//! Writes seeds for `image_reader` to the directory given: images of random programs, whole and as sections.

#[path = "../crates/snapshot/tests/common/assemble.rs"]
mod assemble;
#[path = "../crates/snapshot/tests/common/mod.rs"]
mod common;

use std::path::PathBuf;
use wayfarer_snapshot::Compression;

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "corpus/image_reader".into()));
    std::fs::create_dir_all(&dir)?;
    for seed in 0..200 {
        let compression = if seed % 2 == 0 { Compression::None } else { Compression::Zstd(1) };
        let image = common::sample(seed).write(compression);
        // Large seeds slow a fuzzer down.
        if image.len() > 40_000 {
            continue;
        }
        let mut sections = vec![1];
        for part in assemble::take_apart(&image) {
            sections.extend([
                part.kind as u8,
                part.flags as u8,
                part.index as u8,
                part.raw_len.is_some().into(),
            ]);
            sections.extend(part.raw_len.into_iter().flat_map(u64::to_le_bytes));
            sections.extend((part.bytes.len() as u16).to_le_bytes());
            sections.extend(part.bytes);
        }
        std::fs::write(dir.join(format!("sections-{seed}")), sections)?;
        std::fs::write(dir.join(format!("image-{seed}")), [&[0], &image[..]].concat())?;
    }
    Ok(())
}
