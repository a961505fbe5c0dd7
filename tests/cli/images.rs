//! Files that images are written to: who may read them, and what can go wrong.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{Folder, Ran, iwasm_command, run};

pub(crate) const CHECKPOINTED: i32 = 86;

/// Counts, and returns the count.
pub(crate) const COUNTER: &str = r#"(module (memory (export "memory") 1)
    (func (export "run") (param $n i32) (result i32) (local $i i32)
        (loop $next
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
        (local.get $i)))"#;

struct Setup {
    folder: Folder,
    guest: String,
    image: String,
}

fn setup() -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", COUNTER);
    std::fs::create_dir(folder.at("images")).expect("the folder can be written to");
    let image = folder.text("images/the.image");
    Setup { folder, guest, image }
}

impl Setup {
    fn stop(&self, options: &[&str], prepare: impl FnOnce(&mut Command)) -> Ran {
        let checkpoint = format!("--checkpoint={}", self.image);
        let mut args = vec![checkpoint.as_str(), "--checkpoint-at=50", "--checkpoint-then=exit"];
        args.extend(options);
        args.extend(["-f", "run", &self.guest, "100"]);
        let mut command = iwasm_command(args);
        prepare(&mut command);
        run(command)
    }

    fn go_on(&self) {
        run(iwasm_command([&format!("--restore={}", self.image), "-f", "run", &self.guest, "100"]))
            .expect("0x64:i32\n", 0);
    }

    fn mode(&self) -> u32 {
        std::fs::metadata(&self.image).expect("it is there").mode() & 0o777
    }
}

#[test]
fn images_are_their_owners_unless_told_otherwise() {
    let s = setup();
    assert_eq!(s.stop(&[], |_| {}).status, Some(CHECKPOINTED));
    assert_eq!(s.mode(), 0o600);
    // Whatever the process's mask is.
    let masked = |command: &mut Command| {
        // SAFETY: umask(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o077);
                Ok(())
            })
        };
    };
    assert_eq!(s.stop(&["--checkpoint-mode=0640"], masked).status, Some(CHECKPOINTED));
    assert_eq!(s.mode(), 0o640);
    let by_environment = |command: &mut Command| {
        command.env("WAYFARER_IMAGE_MODE", "0444");
    };
    assert_eq!(s.stop(&[], by_environment).status, Some(CHECKPOINTED));
    assert_eq!(s.mode(), 0o444);
    s.go_on();
    s.stop(&["--checkpoint-mode=rw"], |_| {}).expect_error(1, "--checkpoint-mode=rw: expected permissions");
    s.stop(&["--stop-limit=1"], |_| {}).expect_error(1, "--stop-limit=1: expected a number and a unit");
}

#[test]
fn a_folder_that_may_not_be_read_is_no_obstacle() {
    let s = setup();
    assert_eq!(s.stop(&[], |_| {}).status, Some(CHECKPOINTED));
    let before = std::fs::read(&s.image).expect("it is there");
    let folder = s.folder.at("images");
    let permit = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode));
    permit(0o300).expect("it is ours");
    let ran = s.stop(&[], |command| {
        // Root may read everything; what only its capabilities let it is taken away.
        // SAFETY: prctl(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                for capability in [1, 2] {
                    libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0);
                }
                Ok(())
            })
        };
    });
    permit(0o700).expect("it is ours");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(CHECKPOINTED), ""));
    assert!(std::fs::read(&s.image).expect("it is there") != before, "it is the new one");
    s.go_on();
}

/// Either there is a new image, or the old one and a complaint.
#[test]
fn few_descriptors() {
    let s = setup();
    let mut taken = 0;
    for limit in 4..16 {
        std::fs::write(&s.image, "old").expect("the folder can be written to");
        let ran = s.stop(&[], |command| {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: setrlimit(2) may be called between fork and exec.
            unsafe {
                command.pre_exec(move || {
                    libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
                    Ok(())
                })
            };
        });
        let old = std::fs::read(&s.image).expect("it is there") == b"old";
        match (ran.status, old) {
            (Some(CHECKPOINTED), false) => taken += 1,
            // It never came so far, or went on.
            (Some(_), true) => assert!(!ran.stderr.is_empty() || !ran.stdout.is_empty(), "{limit}: {ran:?}"),
            _ => panic!("{limit}: {ran:?}, the old image is {}", if old { "there" } else { "gone" }),
        }
        if ran.stdout.contains("0x64") {
            assert!(ran.stderr.contains("no checkpoint taken"), "{limit}: {ran:?}");
        }
    }
    assert!(taken > 0);
    s.go_on();
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let s = setup();
    let folder = s.folder.at("images");
    for name in [".the.image.1-0.tmp", ".the.image.99999-3.tmp", ".other.image.1-0.tmp"] {
        std::fs::write(folder.join(name), "left").expect("the folder can be written to");
    }
    assert_eq!(s.stop(&[], |_| {}).status, Some(CHECKPOINTED));
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("it is there")
        .map(|entry| entry.expect("it is there").file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".other.image.1-0.tmp", "the.image"]);
}
