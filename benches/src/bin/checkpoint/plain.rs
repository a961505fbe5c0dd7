//! What checkpoints are compared with: the bytes, and nothing else, copied, to disk and back.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use wayfarer_bench::Error;
use wayfarer_runtime::region::Region;

/// Copies `bytes` to a buffer that was used before, writes that to a new file, and syncs the file. Gives the time.
pub(crate) fn save(bytes: &[u8], buffer: &mut [u8], path: &Path) -> Result<Duration, Error> {
    let start = Instant::now();
    buffer.copy_from_slice(bytes);
    let mut file = File::create_new(path)?;
    file.write_all(buffer)?;
    file.sync_all()?;
    Ok(start.elapsed())
}

/// Reads `len` bytes of a file to memory fresh from the system. Gives the time.
pub(crate) fn load(len: usize, path: &Path) -> Result<Duration, Error> {
    let start = Instant::now();
    let region = Region::zeroed(len)?;
    // SAFETY: the region has as many bytes, all of them zero, and nobody else knows of it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(region.base(), len) };
    File::open(path)?.read_exact(bytes)?;
    std::hint::black_box(bytes);
    Ok(start.elapsed())
}
