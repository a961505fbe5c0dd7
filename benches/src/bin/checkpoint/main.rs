//! How long checkpoints and restores take, and how large images are, against copying the guest's memory to a file and
//! back: in one run, to the same directory, in turns.

mod guest;
mod plain;

use guest::{Shape, Stopped};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wayfarer_bench::Error;
use wayfarer_bench::statistics::median;
use wayfarer_module::Module;
use wayfarer_snapshot::Compression;

const USAGE: &str = "usage: checkpoint [--rounds N] [--directory DIRECTORY] [--largest MIB]

  --rounds N             measured rounds for each guest (default 5)
  --directory DIRECTORY  where files are written (default /var/tmp)
  --largest MIB          leave out guests with more memory than this (default 1024)";

const MIB: usize = 1 << 20;
/// Guests' memories.
const SIZES: [usize; 3] = [16 * MIB, 256 * MIB, 1024 * MIB];
/// Name, and distance of the pages that a guest writes.
const CONTENTS: [(&str, usize); 2] = [("dirty", 4096), ("sparse", 16 * 4096)];
const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("zstd 1", Compression::Zstd(1))];
/// Depths of the recursion, in frames.
const DEPTHS: [u32; 2] = [20, 100_000];

fn main() -> ExitCode {
    match Options::from_args(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("checkpoint: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    rounds: usize,
    directory: PathBuf,
    largest: usize,
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options, Error> {
        let mut options = Options { rounds: 5, directory: "/var/tmp".into(), largest: usize::MAX };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
                "--directory" => options.directory = value()?.into(),
                "--largest" => {
                    let mib: usize = value()?.parse().map_err(|e| format!("--largest: {e}"))?;
                    options.largest = mib.saturating_mul(MIB);
                }
                _ => return Err(USAGE.into()),
            }
        }
        if options.rounds == 0 {
            return Err("--rounds must be at least 1".into());
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let directory = tempfile::tempdir_in(&options.directory)
        .map_err(|error| format!("{}: {error}", options.directory.display()))?;
    let bench = Bench { module: guest::module()?, directory, rounds: options.rounds };
    println!("files in {}; medians of {} rounds", options.directory.display(), options.rounds);
    println!("memory: one page of 4 KiB in {} is written if sparse, each if dirty", CONTENTS[1].1 / 4096);
    println!("{:>9} {:8}{:8}{}", "memory", "content", "zstd", Row::HEADER);
    for bytes in SIZES.into_iter().filter(|&bytes| bytes <= options.largest) {
        for (content, stride) in CONTENTS {
            let guest = Stopped::new(&bench.module, Shape { bytes, stride, depth: 0 })?;
            let mut buffer = guest.memory().to_vec();
            for (name, compression) in COMPRESSIONS {
                let row = bench.measure(&guest, guest.memory(), &mut buffer, compression)?;
                println!("{:>5} MiB {content:8}{name:8}{}", bytes / MIB, row.to_line());
            }
        }
    }
    println!("recursion: compared with as many bytes as the image has");
    println!("{:>9} {:16}{}", "frames", "captured after", Row::HEADER);
    for depth in DEPTHS {
        let shape = Shape { bytes: 0, stride: 0, depth: depth - 1 };
        let mut after = Vec::new();
        let mut guest = Stopped::new(&bench.module, shape)?;
        for _ in 0..bench.rounds {
            guest = Stopped::new(&bench.module, shape)?;
            after.push(guest.after);
        }
        if guest.depth() != depth as usize {
            return Err(format!("{} frames were captured, not {depth}", guest.depth()).into());
        }
        let path = bench.directory.path().join("frames.image");
        let image = vec![1; guest.save(&path, Compression::None)?.image_len as usize];
        let row = bench.measure(&guest, &image, &mut image.clone(), Compression::None)?;
        println!("{depth:>9} {:16}{}", milliseconds(median_of(&after)).trim_start(), row.to_line());
    }
    Ok(())
}

struct Bench {
    module: Arc<Module>,
    directory: tempfile::TempDir,
    rounds: usize,
}

impl Bench {
    /// Saves and restores a guest, and saves and loads `plain` for comparison, in turns.
    fn measure(
        &self,
        guest: &Stopped,
        plain: &[u8],
        buffer: &mut [u8],
        compression: Compression,
    ) -> Result<Row, Error> {
        let image = self.directory.path().join("image");
        let copy = self.directory.path().join("copy");
        let mut row = Row::default();
        for round in 0..self.rounds {
            remove(&image)?;
            remove(&copy)?;
            let mut save = || -> Result<(), Error> {
                let start = Instant::now();
                row.image = guest.save(&image, compression)?.image_len;
                row.save.push(start.elapsed());
                Ok(())
            };
            // Whoever comes second finds the disk's caches as the first left them.
            if round % 2 == 0 {
                save()?;
                row.plain_save.push(plain::save(plain, buffer, &copy)?);
            } else {
                row.plain_save.push(plain::save(plain, buffer, &copy)?);
                save()?;
            }
            row.plain_load.push(plain::load(plain.len(), &copy)?);
            let (restored, time) = Stopped::restore(&self.module, &image)?;
            row.restore.push(time);
            if round == 0 && !restored.is_like(guest) {
                return Err("the restored guest is in another state".into());
            }
        }
        Ok(row)
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Times of one guest, by round.
#[derive(Clone, Default, Debug)]
struct Row {
    image: u64,
    save: Vec<Duration>,
    plain_save: Vec<Duration>,
    restore: Vec<Duration>,
    plain_load: Vec<Duration>,
}

impl Row {
    const HEADER: &str =
        "        image    checkpoint    plain copy  ratio       restore    plain read  ratio";

    fn to_line(&self) -> String {
        format!(
            "{:>13}{}{}{:>7.2}{}{}{:>7.2}",
            size(self.image),
            milliseconds(median_of(&self.save)),
            milliseconds(median_of(&self.plain_save)),
            ratio(&self.save, &self.plain_save),
            milliseconds(median_of(&self.restore)),
            milliseconds(median_of(&self.plain_load)),
            ratio(&self.restore, &self.plain_load),
        )
    }
}

/// Median in seconds.
fn median_of(times: &[Duration]) -> f64 {
    median(times.iter().map(Duration::as_secs_f64).collect()).unwrap_or(f64::NAN)
}

/// Median over the rounds of the ratio in one round.
fn ratio(ours: &[Duration], plain: &[Duration]) -> f64 {
    let ratios = ours.iter().zip(plain).map(|(ours, plain)| ours.as_secs_f64() / plain.as_secs_f64());
    median(ratios.collect()).unwrap_or(f64::NAN)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:>11.3} ms", seconds * 1e3)
}

fn size(bytes: u64) -> String {
    if bytes < MIB as u64 {
        format!("{:.1} KiB", bytes as f64 / 1024.0)
    } else {
        format!("{:.1} MiB", bytes as f64 / MIB as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_happens() {
        let directory = tempfile::tempdir().unwrap();
        let bench = Bench { module: guest::module().unwrap(), directory, rounds: 2 };
        let shape = Shape { bytes: MIB, stride: 16 * 4096, depth: 9 };
        let guest = Stopped::new(&bench.module, shape).unwrap();
        assert_eq!(guest.depth(), 10);
        let written = guest.memory().chunks(4096).filter(|page| page.iter().any(|&byte| byte != 0)).count();
        assert_eq!((guest.memory().len(), written), (MIB, 16));
        let row = bench.measure(&guest, guest.memory(), &mut vec![0; MIB], Compression::None).unwrap();
        assert!((64 << 10..96 << 10).contains(&row.image), "{}", row.image);
        for times in [row.save, row.plain_save, row.restore, row.plain_load] {
            assert_eq!(times.len(), 2);
            assert!(!times.contains(&Duration::ZERO));
        }
        let copy = std::fs::read(bench.directory.path().join("copy")).unwrap();
        assert!(copy == guest.memory());
    }

    #[test]
    fn a_guest_in_another_state_is_told_apart() {
        let module = guest::module().unwrap();
        let guest = |depth| Stopped::new(&module, Shape { bytes: MIB, stride: 4096, depth }).unwrap();
        assert!(guest(3).is_like(&guest(3)));
        assert!(!guest(3).is_like(&guest(4)));
    }

    #[test]
    fn ratios_are_paired_by_round() {
        let ms = |list: &[u64]| list.iter().map(|&ms| Duration::from_millis(ms)).collect::<Vec<_>>();
        assert!((ratio(&ms(&[10, 30, 30]), &ms(&[20, 60, 90])) - 0.5).abs() < 1e-12);
    }
}
