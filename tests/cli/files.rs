//! Whose files a program sees: `--wasi`, `WAYFARER_WASI`.

use crate::support::{Folder, Ran, iwasm, iwasm_command, run, wayfarer};

const CHECKPOINTED: i32 = 86;

/// Opens `in` to read and makes `out`; copies a byte at a time from one to the other, with some work before each, and then prints
/// what is in `out`. Ends with the error number of what fails.
pub(crate) const COPY: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "inout")
    (data (i32.const 16) "\40\00\00\00\01\00\00\00")
    (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (local.get $errno)))))
    (func $work (local $n i32)
        (loop $again
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50)))))
    (func $copy (param $from i32) (param $to i32)
        (loop $next
            (call $work)
            (call $check (call $read (local.get $from) (i32.const 16) (i32.const 1) (i32.const 32)))
            (if (i32.load (i32.const 32)) (then
                (call $check (call $write (local.get $to) (i32.const 16) (i32.const 1) (i32.const 32)))
                (br $next)))))
    (func (export "_start")
        (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 36)))
        (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 2) (i32.const 3) (i32.const 9)
            (i64.const 0x66) (i64.const 0) (i32.const 0) (i32.const 40)))
        (call $copy (i32.load (i32.const 36)) (i32.load (i32.const 40)))
        (call $check (call $seek (i32.load (i32.const 40)) (i64.const 0) (i32.const 0) (i32.const 48)))
        (call $copy (i32.load (i32.const 40)) (i32.const 1))))"#;

pub(crate) const TEXT: &str = "All that is in a file goes with the program.\n";

pub(crate) struct Setup {
    pub(crate) folder: Folder,
    pub(crate) guest: String,
    pub(crate) map: String,
    pub(crate) image: String,
}

pub(crate) fn setup() -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", COPY);
    std::fs::create_dir(folder.at("data")).unwrap();
    std::fs::write(folder.at("data/in"), TEXT).unwrap();
    let map = format!("--map-dir=/::{}", folder.text("data"));
    let image = folder.text("the.image");
    Setup { folder, guest, map, image }
}

impl Setup {
    /// Stops at the Nth stable point.
    fn stop_at(&self, n: u64, wasi: &str) -> Ran {
        iwasm([
            &format!("--checkpoint={}", self.image),
            &format!("--checkpoint-at={n}"),
            "--checkpoint-then=exit",
            wasi,
            &self.map,
            &self.guest,
        ])
    }

    pub(crate) fn restore(&self, options: &[&str]) -> Ran {
        let restore = format!("--restore={}", self.image);
        let words = [restore.as_str()].into_iter().chain(options.iter().copied());
        iwasm(words.chain([self.guest.as_str()]))
    }
}

#[test]
fn files_in_memory_are_read_at_the_start_and_written_nowhere_else() {
    let s = setup();
    iwasm(["--wasi=memory", &s.map, &s.guest]).expect(TEXT, 0);
    assert!(!s.folder.at("data/out").exists());
    let mut by_variable = iwasm_command([&s.map, &s.guest]);
    by_variable.env("WAYFARER_WASI", "memory");
    run(by_variable).expect(TEXT, 0);
    assert!(!s.folder.at("data/out").exists());
    // The flag counts more than the variable.
    let mut flag_first = iwasm_command(["--wasi=linux", &s.map, &s.guest]);
    flag_first.env("WAYFARER_WASI", "memory");
    run(flag_first).expect(TEXT, 0);
    assert_eq!(std::fs::read_to_string(s.folder.at("data/out")).unwrap(), TEXT);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let s = setup();
    for (word, what) in [
        ("--wasi=floppy", "--wasi=floppy: expected one of linux, portable, memory"),
        ("--wasi", "--wasi needs a value: --wasi=NAME"),
    ] {
        let ran = iwasm([word, &s.guest]);
        assert!(ran.status == Some(1) && ran.stdout.contains(what), "{ran:?}");
    }
    let mut by_variable = iwasm_command([&s.map, &s.guest]);
    by_variable.env("WAYFARER_WASI", "floppy");
    let ran = run(by_variable);
    assert_ne!(ran.status, Some(0));
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("WAYFARER_WASI=floppy: there is no WASI implementation"), "{said}");
}

#[test]
fn files_in_memory_travel_in_the_image() {
    let s = setup();
    for n in [100, 2000, 4000] {
        let first = s.stop_at(n, "--wasi=memory");
        assert_eq!((first.status, first.stderr.as_str()), (Some(CHECKPOINTED), ""), "{n}");
        std::fs::rename(s.folder.at("data"), s.folder.at("away")).unwrap();
        let second = s.restore(&[]);
        assert_eq!((second.status, second.stderr.as_str()), (Some(0), ""), "{n}");
        assert_eq!(first.stdout + &second.stdout, TEXT, "{n}");
        std::fs::rename(s.folder.at("away"), s.folder.at("data")).unwrap();
    }
    let inspected = wayfarer(["inspect", &s.image, "--json"]).stdout;
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let sections = inspected["host"].as_array().unwrap();
    let files = &sections.iter().find(|section| section["name"] == "wasi").unwrap()["content"]["files"];
    assert_eq!((&files["preopens"][0], &files["files"]), (&"/".into(), &3.into()), "{inspected}");
}

#[test]
fn an_image_of_files_in_memory_is_restored_on_linux_where_the_same_files_are() {
    let s = setup();
    assert_eq!(s.stop_at(2000, "--wasi=memory").status, Some(CHECKPOINTED));
    let refused = s.restore(&["--wasi=linux", &s.map]);
    assert_ne!(refused.status, Some(0));
    let said = refused.stdout + &refused.stderr;
    assert!(said.contains("the directories of `linux` do not have them: `out` in `/`"), "{said}");
    let missing = s.restore(&["--wasi=linux"]);
    assert!((missing.stdout + &missing.stderr).contains("the preopened directory `/`"));
    assert!(!s.folder.at("data/out").exists());
}

#[test]
fn an_image_of_linux_is_restored_in_memory() {
    let s = setup();
    let first = s.stop_at(2000, "--wasi=linux");
    assert_eq!(first.status, Some(CHECKPOINTED));
    let written = std::fs::read(s.folder.at("data/out")).unwrap();
    let second = s.restore(&["--wasi=memory", &s.map]);
    assert_eq!((second.status, second.stderr.as_str()), (Some(0), ""));
    assert_eq!(first.stdout + &second.stdout, TEXT);
    assert_eq!(std::fs::read(s.folder.at("data/out")).unwrap(), written, "the host's file is as it was");
}

#[test]
fn a_tar_file_serves_as_a_directory() {
    let s = setup();
    let mut tar = std::process::Command::new("tar");
    tar.arg("-C").arg(s.folder.at("data")).arg("-cf").arg(s.folder.at("data.tar")).arg(".");
    assert!(tar.status().unwrap().success());
    let map = format!("--map-dir=/::{}", s.folder.text("data.tar"));
    iwasm(["--wasi=memory", &map, &s.guest]).expect(TEXT, 0);
    let on_linux = iwasm([map.as_str(), s.guest.as_str()]);
    assert_ne!(on_linux.status, Some(0), "it is no directory");
    std::fs::write(s.folder.at("data.tar"), "this is no tar file at all").unwrap();
    let broken = iwasm(["--wasi=memory", &map, &s.guest]);
    let said = broken.stdout + &broken.stderr;
    assert!(broken.status != Some(0) && said.contains("data.tar"), "{said}");
}
