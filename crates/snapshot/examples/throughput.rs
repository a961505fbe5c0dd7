//! How long images of memories of some sizes take, beside `memcpy` and `write` of the same bytes.
//!
//! `cargo run --release -p wayfarer-snapshot --example throughput [DIRECTORY]`; the directory (default `/tmp`) gets the
//! files. Nothing is synced in the first group of columns, so that they measure the program and not the disk.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wayfarer_snapshot::view::{MemoryView, ProgramView};
use wayfarer_snapshot::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "/tmp".into()));
    println!(
        "milliseconds, best of 5; memories are half zero (in runs of 1 to 64 pages), the rest is random"
    );
    println!(
        "{:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "MiB", "memcpy", "write", "image", "zstd 1", "save+sync", "open", "load", "load zstd"
    );
    for mib in [16, 256, 1024] {
        measure(&dir, mib)?;
    }
    Ok(())
}

fn best(
    mut f: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        f()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

fn measure(dir: &Path, mib: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (path, packed) = (dir.join("throughput.image"), dir.join("throughput.zst.image"));
    let bytes = guest(mib << 20);
    let mut program = ProgramView::default();
    let len = bytes.len() as u64;
    program.store.memories.push(MemoryView { len, max: len, page_size: 65536, shared: false });
    let baseline = Baseline::zero();
    let sources = [MemorySource::new(&bytes, &baseline)];
    let info = Info::now(Reason::Api, 1);
    let plain = WriteOptions::default();
    let zstd = WriteOptions { compression: Compression::Zstd(1), ..plain };

    let mut copy = vec![1u8; bytes.len()];
    let memcpy = best(|| {
        copy.copy_from_slice(&bytes);
        Ok(())
    })?;
    let write = best(|| Ok(File::create(&path)?.write_all(&bytes)?))?;
    let unsynced = |path: &Path, options: &WriteOptions<'_>| {
        best(|| Ok(write_image(&mut File::create(path)?, &program, &info, &sources, options).map(drop)?))
    };
    let image = unsynced(&path, &plain)?;
    let zstd = unsynced(&packed, &zstd)?;
    let load = |path: &Path, dest: &mut [u8]| {
        best(|| {
            let image = Image::from_fd(File::open(path)?.as_fd())?;
            Ok(image.load_memory(
                0,
                dest,
                &baseline,
                &LoadOptions { touched: Some(&[]), ..LoadOptions::default() },
            )?)
        })
    };
    copy.fill(0);
    let loaded = load(&path, &mut copy)?;
    let load_zstd = load(&packed, &mut copy)?;
    assert!(copy == bytes);
    let open = best(|| Ok(Image::open(&path).map(drop)?))?;
    let save = best(|| Ok(save_to_path(&path, &program, &info, &sources, &plain).map(drop)?))?;
    println!(
        "{mib:>9} {memcpy:>10.1} {write:>10.1} {image:>10.1} {zstd:>10.1} {save:>10.1} {open:>10.2} {loaded:>10.1} \
         {load_zstd:>10.1}"
    );
    std::fs::remove_file(path)?;
    std::fs::remove_file(packed)?;
    Ok(())
}

/// Half zero, half bytes that compress a little.
fn guest(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut at, mut zero) = (0, true);
    while at < len {
        let end = (at + (1 + random() as usize % 64) * PAGE_SIZE).min(len);
        if !zero {
            bytes[at..end]
                .chunks_exact_mut(8)
                .for_each(|w| w[..6].copy_from_slice(&random().to_le_bytes()[..6]));
        }
        (at, zero) = (end, !zero);
    }
    bytes
}
