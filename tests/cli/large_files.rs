//! Open files that travel in an image and are larger than what anybody should hold in memory.

use crate::support::{Folder, Ran, iwasm_command, run, wayfarer_command};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const CHECKPOINTED: i32 = 86;

/// Opens `big` and `gone`, removes the second, works, and prints the last eight bytes of both.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "biggone")
    (data (i32.const 16) "\40\00\00\00\08\00\00\00")
    (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (local.get $errno)))))
    (func $open_named (param $name i32) (param $len i32) (param $to i32)
        (call $check (call $open (i32.const 3) (i32.const 0) (local.get $name) (local.get $len) (i32.const 0)
            (i64.const 0x66) (i64.const 0) (i32.const 0) (local.get $to))))
    (func $end_of (param $fd i32)
        (call $check (call $seek (local.get $fd) (i64.const -8) (i32.const 2) (i32.const 48)))
        (call $check (call $read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 32)))
        (call $check (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32))))
    (func (export "_start") (local $n i32)
        (call $open_named (i32.const 0) (i32.const 3) (i32.const 36))
        (call $open_named (i32.const 3) (i32.const 4) (i32.const 40))
        (call $check (call $unlink (i32.const 3) (i32.const 3) (i32.const 4)))
        (loop $again
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000))))
        (call $end_of (i32.load (i32.const 36)))
        (call $end_of (i32.load (i32.const 40)))))"#;

const MIB: u64 = 1 << 20;
const BIG: u64 = 192 * MIB + 8;
const GONE: u64 = 96 * MIB + 8;
/// What a process that holds none of it takes (most of it are stacks, which are hardly touched), with some room.
const LITTLE: u64 = 144 * MIB;

struct Setup {
    folder: Folder,
    guest: String,
    image: String,
    /// Of which the large file consists.
    block: Vec<u8>,
}

fn setup() -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", GUEST);
    let image = folder.text("the.image");
    let mut state = 1u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let s = Setup { folder, guest, image, block: noise.take(1 << 20).collect() };
    std::fs::create_dir(s.folder.at("data")).unwrap();
    let mut big = std::fs::File::create(s.folder.at("data/big")).unwrap();
    (0..192).for_each(|_| big.write_all(&s.block).unwrap());
    big.write_all(b"big end ").unwrap();
    let gone = std::fs::File::create(s.folder.at("data/gone")).unwrap();
    gone.write_all_at(b"gone end", GONE - 8).unwrap();
    s
}

impl Setup {
    fn stop(&self) -> Command {
        iwasm_command([
            &*format!("--checkpoint={}", self.image),
            "--checkpoint-at=2000",
            "--checkpoint-then=exit",
            "--checkpoint-files=carry",
            &format!("--map-dir=/::{}", self.folder.text("data")),
            &self.guest,
        ])
    }

    fn restore(&self, wasi: &str) -> Command {
        let to = self.folder.text("elsewhere");
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).unwrap();
        let map = format!("--map-dir=/::{to}");
        iwasm_command([&*format!("--restore={}", self.image), &format!("--wasi={wasi}"), &map, &self.guest])
    }
}

/// Has the program take no more than this of a resource.
fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, bytes: u64) {
    // SAFETY: setrlimit(2) may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            libc::setrlimit(resource, &raw const limit);
            Ok(())
        });
    }
}

/// Runs it with little memory: what it takes beyond that it does not get.
fn with_little(mut command: Command) -> Ran {
    limit(&mut command, libc::RLIMIT_DATA, LITTLE);
    run(command)
}

#[test]
fn they_travel_and_nobody_holds_them_in_memory() {
    let s = setup();
    let ran = with_little(s.stop());
    assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(CHECKPOINTED)), "{ran:?}");
    let len = std::fs::metadata(&s.image).unwrap().len();
    assert!((MIB..2 * MIB).contains(&len), "what is the same is there once, but the image has {len} bytes");

    let ran = with_little(wayfarer_command(["verify", &s.image]));
    let sound = format!("{} bytes of files in 6 chunks", BIG + GONE);
    assert!(ran.status == Some(0) && ran.stdout.contains(&sound), "{ran:?}");

    for wasi in ["linux", "portable"] {
        let ran = with_little(s.restore(wasi));
        assert_eq!((ran.stdout.as_str(), ran.status), ("big end gone end", Some(0)), "{wasi}: {ran:?}");
        let made = std::fs::File::open(s.folder.at("elsewhere/big")).unwrap();
        assert_eq!(made.metadata().unwrap().len(), BIG);
        let mut block = vec![0; s.block.len()];
        for nth in 0..192 {
            made.read_exact_at(&mut block, nth * MIB).unwrap();
            assert!(block == s.block, "{wasi}: block {nth}");
        }
        let names: Vec<_> = std::fs::read_dir(s.folder.at("elsewhere")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
    let ran = run(s.restore("memory"));
    assert_eq!((ran.stdout.as_str(), ran.status), ("big end gone end", Some(0)), "{ran:?}");
}

#[test]
fn a_full_disk_is_said_on_either_side_and_nothing_is_lost() {
    let s = setup();
    std::fs::write(&s.image, "what was there").unwrap();
    let gone = std::fs::read(s.folder.at("data/gone")).unwrap();
    let mut command = s.stop();
    limit(&mut command, libc::RLIMIT_FSIZE, MIB / 2);
    let ran = run(command);
    // The program goes on, as with each checkpoint that fails.
    assert_eq!((ran.stdout.as_str(), ran.status), ("big end gone end", Some(0)), "{ran:?}");
    let full = std::io::Error::from_raw_os_error(libc::EFBIG).to_string();
    assert!(ran.stderr.contains("file data section at offset"), "{ran:?}");
    assert!(ran.stderr.contains(&full), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&s.image).unwrap(), "what was there");

    std::fs::write(s.folder.at("data/gone"), gone).unwrap();
    assert_eq!(run(s.stop()).status, Some(CHECKPOINTED));
    for (room, what) in
        [(MIB, "the image carries `big` in `/`: "), (BIG - 1, "the image carries `big` in `/`: ")]
    {
        for wasi in ["linux", "portable"] {
            let mut command = s.restore(wasi);
            limit(&mut command, libc::RLIMIT_FSIZE, room);
            let ran = run(command);
            assert_ne!(ran.status, Some(0), "{ran:?}");
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains(&format!("{what}{full}")), "{said}");
            let left: Vec<_> = std::fs::read_dir(s.folder.at("elsewhere")).unwrap().collect();
            assert!(left.is_empty(), "what was made is taken back: {left:?}");
        }
    }
    let ran = run(s.restore("linux"));
    assert_eq!((ran.stdout.as_str(), ran.status), ("big end gone end", Some(0)), "{ran:?}");
}
