//! Bad images and bad places for images, at `iwasm`.

use crate::damage::from_the_future;
use crate::harness::random::Random;
use crate::support::{Folder, Ran, iwasm, iwasm_command, run, until, wait, wayfarer};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What `iwasm` ends with when an image cannot be restored.
const FAILED: i32 = 1;

/// Status after a checkpoint, with `--checkpoint-then=exit`.
const CHECKPOINTED: i32 = 86;

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// Prints the letters from a to z, with this much work before each, and ends with status 26. Its memory is
/// not small, so that writing it takes a while.
fn alphabet(work: u32) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 33)
            (data (i32.const 0) "\08\00\00\00\01\00\00\00a")
            (func $work (param $n i32)
                (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (func (export "_start") (local $printed i32) (local $at i32)
                (local.set $at (i32.const 65536))
                (loop $fill
                    (i32.store (local.get $at) (i32.mul (local.get $at) (i32.const 2654435761)))
                    (local.set $at (i32.add (local.get $at) (i32.const 4)))
                    (br_if $fill (i32.lt_u (local.get $at) (i32.const 2162688))))
                (loop $next
                    (call $work (i32.const {work}))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
                    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
                    (local.set $printed (i32.add (local.get $printed) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $printed) (i32.const 26))))
                (call $exit (local.get $printed))))"#
    )
}

struct Setup {
    folder: Folder,
    guest: String,
    image: String,
}

/// A program, and an image of it in the middle of its work.
fn setup() -> Setup {
    let folder = Folder::new();
    let (guest, image) = (folder.module("alphabet.wasm", &alphabet(10)), folder.text("the.image"));
    let taken =
        iwasm([&format!("--checkpoint={image}"), "--checkpoint-at=524400", "--checkpoint-then=exit", &guest]);
    assert_eq!((taken.status, taken.stderr.as_str()), (Some(CHECKPOINTED), ""));
    Setup { folder, guest, image }
}

fn restore(image: &str, guest: &str) -> Ran {
    iwasm([&format!("--restore={image}"), guest])
}

/// It finished, and its output ends like that of an undisturbed run.
#[track_caller]
fn expect_rest(ran: &Ran) {
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(26), ""), "{ran:?}");
    assert!(ALPHABET.ends_with(&ran.stdout), "{ran:?}");
}

#[test]
fn damaged_images() {
    let s = setup();
    let image = std::fs::read(&s.image).expect("there is an image");
    let mut random = Random::named("damaged at iwasm");
    for nth in 0..60 {
        let mut bytes = image.clone();
        let at = random.below(bytes.len() as u64) as usize;
        match nth % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            _ => {
                let end = bytes.len();
                bytes[end - 1 - at % 400] ^= 0xff;
            }
        }
        let ran = restore(&s.folder.write("bad.image", &bytes), &s.guest);
        // A flipped byte of padding does no harm.
        if nth % 3 != 1 || ran.status != Some(26) {
            ran.expect_error(FAILED, "bad.image");
        } else {
            expect_rest(&ran);
        }
    }
    expect_rest(&restore(&s.image, &s.guest));
}

#[test]
fn no_image_at_all() {
    let s = setup();
    for (path, why) in [
        (s.folder.text("missing.image"), "No such file"),
        (s.folder.write("empty.image", ""), "empty.image"),
        (s.folder.path().to_str().expect("UTF-8").to_owned(), "regular file"),
        (s.guest.clone(), "not a Wayfarer image"),
        ("/dev/null".to_owned(), "/dev/null"),
    ] {
        restore(&path, &s.guest).expect_error(FAILED, why);
    }
}

#[test]
fn a_future_version() {
    let s = setup();
    let image = std::fs::read(&s.image).expect("there is an image");
    let future = s.folder.write("future.image", from_the_future(&image));
    let ran = restore(&future, &s.guest);
    ran.expect_error(FAILED, "image has format version 42, this runtime reads versions 1 to 2");
    assert!(ran.stderr.contains("future.image"), "{ran:?}");
}

/// The error names the module that the image is of, and the one it was tried with.
#[test]
fn an_image_of_another_module() {
    let s = setup();
    let other = s.folder.module("other.wasm", &alphabet(11));
    let ran = restore(&s.image, &other);
    ran.expect_error(FAILED, "the.image: the image is of another module");
    for module in [&s.guest, &other] {
        let bytes = std::fs::read(module).expect("there is a module");
        let hash: String = wayfarer_module::parse(bytes.into()).expect("it is valid").sha256[..6]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(ran.stderr.contains(&hash), "{hash} {ran:?}");
    }
}

/// The program goes on to its end, and standard error says why there is no image.
#[track_caller]
fn expect_no_checkpoint(ran: &Ran, why: &str) {
    assert_eq!((ran.stdout.as_str(), ran.status), (ALPHABET, Some(26)), "{ran:?}");
    assert!(ran.stderr.contains("no checkpoint taken") && ran.stderr.contains(why), "{ran:?}");
}

#[test]
fn places_that_cannot_be_written_to() {
    let s = setup();
    let directory = s.folder.path().to_str().expect("UTF-8").to_owned();
    // What can be known at once is said at once, and nothing runs.
    for (path, why) in [
        (format!("{directory}/missing/the.image"), "No such file"),
        (format!("{}/the.image", s.guest), "Not a directory"),
        (directory.clone(), "directory"),
    ] {
        let ran = iwasm([&format!("--checkpoint={path}"), "--checkpoint-at=524400", &*s.guest]);
        ran.expect_error(FAILED, why);
    }
    for (path, why) in
        [("/dev/full".to_owned(), "regular file"), ("/proc/the.image".to_owned(), "/proc/the.image")]
    {
        let ran = iwasm([&format!("--checkpoint={path}"), "--checkpoint-at=524400", &*s.guest]);
        expect_no_checkpoint(&ran, why);
        // Nor does it end where it was told to only after a checkpoint.
        let options = ["--checkpoint-at=524400", "--checkpoint-then=exit"];
        let ran = iwasm([&[&*format!("--checkpoint={path}")], &options[..], &[&s.guest]].concat());
        expect_no_checkpoint(&ran, why);
    }
}

/// Files may not grow beyond a limit, as on a full disk: the image that was there stays, and nothing is left
/// over.
#[test]
fn no_room_for_an_image() {
    let s = setup();
    let before = std::fs::read(&s.image).expect("there is an image");
    for limit in [0, 100, 4096, 1 << 20, before.len() as u64 - 1] {
        let mut command =
            iwasm_command([&*format!("--checkpoint={}", s.image), "--checkpoint-at=524450", &s.guest]);
        let set = move || {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: reads a local; setrlimit is async-signal-safe.
            if unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) } == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        };
        // SAFETY: the closure calls nothing but setrlimit between fork and exec.
        unsafe { command.pre_exec(set) };
        expect_no_checkpoint(&run(command), "File too large");
        assert_eq!(std::fs::read(&s.image).expect("the old image"), before, "limit {limit}");
        let names: Vec<_> = std::fs::read_dir(s.folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
    expect_rest(&restore(&s.image, &s.guest));
}

/// Killed at any moment while it writes image after image: the image there is always a whole one.
#[test]
fn killed_while_writing() {
    let folder = Folder::new();
    // Long enough to be killed in the middle; what is left of it is not run to its end each time.
    let guest = folder.module("alphabet.wasm", &alphabet(3_000_000));
    let image = folder.text("the.image");
    let mut random = Random::named("kill");
    let mut seen = std::collections::BTreeSet::new();
    let mut times = 0;
    // More often where the machine is so busy that there is seldom a new image before the end.
    while times < 40 || seen.len() <= 10 && times < 400 {
        times += 1;
        let mut child = iwasm_command([&*format!("--checkpoint={image}"), "--checkpoint-every=1ms", &guest])
            .spawn()
            .expect("the program was built");
        if times == 1 {
            until(|| Path::new(&image).exists());
        }
        let started = Instant::now();
        let moment = Duration::from_micros(3_000 + random.below(40_000));
        while started.elapsed() < moment && child.try_wait().expect("it is ours").is_none() {
            std::thread::sleep(Duration::from_micros(50));
        }
        // SAFETY: a child that was not waited for, so the number is still its own.
        unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
        wait(child);
        let verified = wayfarer(["verify", &image]);
        assert_eq!((verified.status, verified.stderr.as_str()), (Some(0), ""), "{verified:?}");
        let bytes = std::fs::read(&image).expect("there is an image");
        seen.insert(bytes);
    }
    assert!(seen.len() > 10, "only {} different images were found", seen.len());
    expect_rest(&restore(&image, &guest));
}
