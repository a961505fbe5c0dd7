//! Saving under fire: kill -9 at random moments, size limits, full devices, closed pipes, bad paths. The old image stays
//! or the new one is complete.
//!
//! A plain program, because it has to be its own child: with `CHILD` set it does what that says.

mod common;

use common::Random;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wayfarer_snapshot::view::{MemoryView, ProgramView};
use wayfarer_snapshot::*;

const CHILD: &str = "WAYFARER_TEST_CHILD";
const MEMORY: usize = 8 << 20;

fn main() {
    if let Some(task) = std::env::var_os(CHILD) {
        let path = std::env::args_os().nth(1).expect("a path");
        match task.to_str() {
            Some("save forever") => save_forever(Path::new(&path)),
            Some("hit the size limit") => hit_the_size_limit(Path::new(&path)),
            Some("write to a closed pipe") => write_to_a_closed_pipe(),
            _ => panic!("unknown task {task:?}"),
        }
        return;
    }
    let tests: [(&str, fn()); 6] = [
        ("killed_while_saving", killed_while_saving),
        ("size_limit_is_an_error_and_the_old_image_stays", size_limit_is_an_error_and_the_old_image_stays),
        ("closed_pipe_is_an_error", closed_pipe_is_an_error),
        ("full_device_is_an_error", full_device_is_an_error),
        ("bad_paths_are_errors", bad_paths_are_errors),
        ("every_write_can_fail", every_write_can_fail),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}

/// Checkpoint number `sequence` of a program whose memory follows from that number.
fn save(path: &Path, sequence: u64) -> Result<Stats, SaveError> {
    let bytes = memory(sequence);
    let baseline = Baseline::zero();
    let sources = [MemorySource::new(&bytes, &baseline)];
    save_to_path(path, &program(), &Info::now(Reason::Timer, sequence), &sources, &WriteOptions::default())
}

fn memory(sequence: u64) -> Vec<u8> {
    let mut bytes = vec![0; MEMORY];
    for (i, page) in bytes.chunks_mut(PAGE_SIZE).enumerate() {
        page.fill((sequence as usize + i) as u8);
    }
    bytes
}

fn program() -> ProgramView {
    let mut program = ProgramView::default();
    let len = MEMORY as u64;
    program.store.memories.push(MemoryView { len, max: len, page_size: 65536, shared: false });
    program
}

/// Opens the image, checks it entirely and returns its number.
fn load(path: &Path) -> u64 {
    let image = Image::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut bytes = vec![0; MEMORY];
    image.load_memory(0, &mut bytes, &Baseline::zero(), &LoadOptions::default()).unwrap();
    assert!(bytes == memory(image.info().sequence), "the memory is not that of the image's number");
    image.info().sequence
}

fn child(task: &str, path: &Path) -> Command {
    let mut command = this_program();
    command.arg(path).env(CHILD, task).stdin(Stdio::null());
    command
}

/// What starts this program again: if it is one of another architecture, the emulator.
fn this_program() -> Command {
    let path = std::env::current_exe().unwrap();
    let Ok(emulator) = std::env::var("WAYFARER_TEST_EMULATOR") else { return Command::new(path) };
    let mut words = emulator.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(path);
    command
}

/// File names in a directory.
fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn save_forever(path: &Path) {
    let first = load(path);
    for sequence in first + 1.. {
        save(path, sequence).unwrap();
    }
}

fn killed_while_saving() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    save(&path, 1).unwrap();
    let mut r = Random(std::process::id().into());
    let (mut last, began) = (1, Instant::now());
    // How long a child lives at most (us): longer where it takes one longer to come to an image of its own.
    let mut longest = 80_000;
    for _ in 0..25 {
        let mut victim = child("save forever", &path).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(longest / 4 + r.below(longest * 3 / 4)));
        victim.kill().unwrap();
        assert!(!victim.wait().unwrap().success());
        let now = load(&path);
        assert!(now >= last, "image {now} after image {last}");
        if now == last && longest < 2_000_000 {
            longest *= 2;
        }
        last = now;
    }
    assert!(last > 1, "no child came as far as one image in {:?}", began.elapsed());
    // Unnamed temporary files leave nothing; where there are none, each kill may leave one file.
    let left = names(dir.path());
    assert!(
        left.iter().all(|n| n == "image" || (n.starts_with(".image.") && n.ends_with(".tmp"))),
        "{left:?}"
    );
}

fn hit_the_size_limit(path: &Path) {
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    // SAFETY: a valid rlimit; this process does nothing else.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    // SIGXFSZ would end this process now, were it not for `save_to_path`.
    let e = save(path, 2).unwrap_err();
    assert_eq!(e.step, SaveStep::Write);
    let message = e.to_string();
    assert!(message.contains(path.to_str().unwrap()) && message.contains("File too large"), "{message}");
    assert!(message.contains("writing: memory data section"), "{message}");
    // It has been taken, not left behind for later, and is not blocked any more.
    // SAFETY: all sets are initialized by the calls before they are read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut set);
        assert_eq!(libc::sigismember(&set, libc::SIGXFSZ), 0);
        libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut set);
        assert_eq!(libc::sigismember(&set, libc::SIGXFSZ), 0);
    }
}

fn size_limit_is_an_error_and_the_old_image_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    save(&path, 1).unwrap();
    let status = child("hit the size limit", &path).status().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(load(&path), 1);
    assert_eq!(names(dir.path()), ["image"]);
}

fn write_to_a_closed_pipe() {
    // SAFETY: no other thread runs; Rust programs start with SIGPIPE ignored, C hosts do not.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let bytes = memory(1);
    let baseline = Baseline::zero();
    let sources = [MemorySource::new(&bytes, &baseline)];
    let info = Info::now(Reason::Api, 1);
    let e = save_to_fd(writer.as_fd(), &program(), &info, &sources, &WriteOptions::default()).unwrap_err();
    assert!(e.to_string().contains("Broken pipe"), "{e}");
}

fn closed_pipe_is_an_error() {
    let status = child("write to a closed pipe", Path::new("-")).status().unwrap();
    assert!(status.success(), "{status}");
}

fn full_device_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let info = Info::now(Reason::Api, 1);
    let program = ProgramView::default();
    let e = save_to_fd(full.as_fd(), &program, &info, &[], &WriteOptions::default()).unwrap_err();
    assert!(e.to_string().contains("No space left on device"), "{e}");
    assert!(e.target.starts_with("fd "));
}

fn bad_paths_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let cases = [
        (dir.path().join("missing/image"), SaveStep::Create, "No such file"),
        (file.join("image"), SaveStep::Create, "Not a directory"),
        (dir.path().to_owned(), SaveStep::Inspect, "is a directory"),
        ("/dev/null".into(), SaveStep::Inspect, "not a regular file"),
        ("/".into(), SaveStep::Inspect, "does not end in a file name"),
        ("/proc/image".into(), SaveStep::Create, ""),
    ];
    for (path, step, why) in cases {
        let e = save(&path, 1).expect_err("an error");
        let message = e.to_string();
        assert_eq!(e.step, step, "{message}");
        assert!(message.starts_with(&format!("cannot save image {}: {step}: ", path.display())), "{message}");
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(names(dir.path()), ["file"]);

    // What can be replaced is: a file, and a link but not what it points to.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    save(&link, 4).unwrap();
    assert_eq!(load(&link), 4);
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    save(&file, 5).unwrap();
    assert_eq!(load(&file), 5);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    // A name without a directory is in the current one.
    std::env::set_current_dir(dir.path()).unwrap();
    save(Path::new("here"), 6).unwrap();
    assert_eq!(load(&dir.path().join("here")), 6);
}

/// Fails at the given call.
struct Failing(usize);

impl std::io::Write for Failing {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= 1;
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn every_write_can_fail() {
    let sample = common::rich_sample();
    let mut failures = 0;
    let written = loop {
        let mut sink = Failing(failures);
        let result = sample.with_sources(|s| {
            write_image(&mut sink, &sample.program, &sample.info, s, &WriteOptions::default())
        });
        match result {
            Ok(stats) => break stats,
            Err(WriteError::Io { offset, source, .. }) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
                assert_eq!(offset == 0, failures == 0);
            }
            Err(e) => panic!("{e}"),
        }
        failures += 1;
    };
    assert!(failures > 10);
    assert_eq!(written.image_len, sample.write(Compression::None).len() as u64);
}
