//! Programs that are checkpointed together, and what is in the pipes between them: `--checkpoint-group`.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::compiled::wamrc;
use crate::support::{Folder, Ran, command, how_often, iwasm_command, until, wait, wayfarer};

const CHECKPOINTED: i32 = 86;

/// What all three begin with: work that takes some time, a buffer at 65536, and `fail`.
const COMMON: &str = r#"
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 8)
    (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (local.get $errno)))))
    (func $work (local $n i32)
        (loop $again
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const WORK)))))
    (func $write (param $length i32)
        (i32.store (i32.const 0) (i32.const 65536))
        (i32.store (i32.const 4) (local.get $length))
        (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (if (i32.ne (i32.load (i32.const 8)) (local.get $length)) (then (call $exit (i32.const 99)))))
"#;

/// Writes 300 pieces of all sizes, some larger than a pipe.
const FIRST: &str = r#"(module COMMON
    (global $seed (mut i32) (i32.const 12345))
    (func (export "_start") (local $piece i32) (local $length i32) (local $at i32)
        (loop $pieces
            (call $work)
            (local.set $length (select
                (i32.const 150001)
                (i32.add (i32.rem_u (i32.mul (local.get $piece) (i32.const 7919)) (i32.const 5000)) (i32.const 1))
                (i32.eq (i32.rem_u (local.get $piece) (i32.const 30)) (i32.const 17))))
            (local.set $at (i32.const 0))
            (loop $bytes
                (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))
                (i32.store8 (i32.add (i32.const 65536) (local.get $at)) (i32.shr_u (global.get $seed) (i32.const 16)))
                (br_if $bytes (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $length))))
            (call $write (local.get $length))
            (br_if $pieces (i32.lt_u (local.tee $piece (i32.add (local.get $piece) (i32.const 1))) (i32.const 300))))))
"#;

/// Changes each byte as a sum of all before says, and passes it on. Polls before every other read.
const NEXT: &str = r#"(module COMMON
    (global $sum (mut i32) (i32.const 0))
    (func (export "_start") (local $round i32) (local $length i32) (local $at i32) (local $byte i32)
        (i32.store8 (i32.const 72) (i32.const 1))
        (loop $rounds
            (call $work)
            (if (i32.and (local.get $round) (i32.const 1)) (then
                (call $check (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))))
            (i32.store (i32.const 16) (i32.const 65536))
            (i32.store (i32.const 20)
                (i32.add (i32.rem_u (i32.mul (local.get $round) (i32.const 3571)) (i32.const 9000)) (i32.const 1)))
            (call $check (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
            (if (local.tee $length (i32.load (i32.const 24))) (then
                (local.set $at (i32.const 65536))
                (loop $bytes
                    (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31))
                        (local.tee $byte (i32.load8_u (local.get $at)))))
                    (i32.store8 (local.get $at) (i32.xor (local.get $byte) (i32.shr_u (global.get $sum) (i32.const 8))))
                    (br_if $bytes (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))
                        (i32.add (local.get $length) (i32.const 65536)))))
                (call $write (local.get $length))
                (local.set $round (i32.add (local.get $round) (i32.const 1)))
                (br $rounds))))))
"#;

/// What the last of them writes.
fn expected() -> Vec<u8> {
    let (mut seed, mut bytes) = (12345u32, Vec::new());
    for piece in 0..300u32 {
        let length = if piece % 30 == 17 { 150_001 } else { piece * 7919 % 5000 + 1 };
        for _ in 0..length {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
            bytes.push((seed >> 16) as u8);
        }
    }
    for _ in 0..2 {
        let mut sum = 0u32;
        for byte in &mut bytes {
            sum = sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
            *byte ^= (sum >> 8) as u8;
        }
    }
    bytes
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The three programs, with so much work in each between its calls.
fn guests(folder: &Folder, work: [u32; 3], compiled: bool) -> [String; 3] {
    std::array::from_fn(|nth| {
        let text = if nth == 0 { FIRST } else { NEXT };
        let text = text.replace("COMMON", COMMON).replace("WORK", &work[nth].to_string());
        let wasm = folder.module(&format!("{nth}.wasm"), &text);
        if !compiled {
            return wasm;
        }
        let aot = folder.text(&format!("{nth}.aot"));
        assert_eq!(wamrc(["-o", &aot, &wasm]).status, Some(0));
        aot
    })
    .map(|guest| guest.to_owned())
}

/// What connects two of them.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    Pipe,
    Socket,
}

fn connection(by: By) -> (Stdio, Stdio) {
    match by {
        By::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            (reader.into(), writer.into())
        }
        By::Socket => {
            let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
            (std::os::fd::OwnedFd::from(a).into(), std::os::fd::OwnedFd::from(b).into())
        }
    }
}

/// A pipeline that runs.
struct Pipeline {
    /// Those that run, with their places.
    members: Vec<(usize, Child)>,
    output: std::thread::JoinHandle<Vec<u8>>,
}

/// Starts those of `which` that have something to go on from, or all. Images are `0.image` and so on.
fn start(folder: &Folder, guests: &[String; 3], which: &[usize], from: Option<&Folder>, by: By) -> Pipeline {
    let mut streams: [Option<(Stdio, Stdio)>; 3] = [None, None, None];
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut output = Some(Stdio::from(writer));
    let mut inputs = Vec::new();
    for nth in (0..3).rev() {
        let (input, out) = if nth == 0 { (Stdio::null(), Stdio::null()) } else { connection(by) };
        streams[nth] = output.take().map(|output| (input, output));
        output = Some(out);
        inputs.push(nth);
    }
    let members = which.iter().map(|&nth| {
        let mut args = vec![
            format!("--checkpoint={}", folder.text(&format!("{nth}.image"))),
            "--checkpoint-then=exit".to_owned(),
            format!("--checkpoint-group={}:{}", folder.text("group"), which.len()),
        ];
        args.extend(from.map(|from| format!("--restore={}", from.text(&format!("{nth}.image")))));
        args.push(guests[nth].clone());
        let (input, output) = streams[nth].take().expect("each once");
        (nth, iwasm_command(args).stdin(input).stdout(output).spawn().expect("the program was built"))
    });
    let members = members.collect();
    // Who has ended is not there to write.
    drop(streams);
    let output = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a pipe");
        bytes
    });
    Pipeline { members, output }
}

impl Pipeline {
    /// Asks one of them; whether it was there to be asked.
    fn ask(&mut self, which: usize) -> bool {
        let (_, child) = &mut self.members[which];
        let pid = child.id().to_string();
        loop {
            if child.try_wait().expect("a child").is_some() {
                return false;
            }
            if wayfarer(["request", &pid]).status == Some(0) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What it has printed, and who stands where a checkpoint was taken.
    fn end(self) -> (Vec<u8>, Vec<usize>) {
        let mut stopped = Vec::new();
        for (nth, child) in self.members {
            let ran = wait(child);
            match ran.status {
                Some(CHECKPOINTED) => stopped.push(nth),
                _ => assert_eq!(ran.status, Some(0), "member {nth}: {}", ran.stderr),
            }
        }
        (self.output.join().expect("it reads"), stopped)
    }
}

/// Runs the pipeline with up to `hops` checkpoints, each at a random moment of `within` milliseconds, and restores it in another
/// folder each time. How many were taken.
fn run(work: [u32; 3], compiled: bool, by: By, numbers: &mut Numbers, hops: usize, within: u64) -> usize {
    let code = Folder::new();
    let guests = guests(&code, work, compiled);
    let (mut which, mut printed, mut from) = (vec![0, 1, 2], Vec::new(), None::<Folder>);
    for hop in 0..=hops {
        let folder = Folder::new();
        let mut pipeline = start(&folder, &guests, &which, from.as_ref(), by);
        if hop < hops {
            std::thread::sleep(Duration::from_millis(numbers.below(within)));
            let first = numbers.below(which.len() as u64) as usize;
            let _ = (0..which.len()).any(|n| pipeline.ask((first + n) % which.len()));
        }
        let (bytes, stopped) = pipeline.end();
        printed.extend(bytes);
        if stopped.is_empty() {
            assert!(
                printed == expected(),
                "other bytes: {work:?}, {by:?}, after {hop} hops: {}",
                printed.len()
            );
            return hop;
        }
        for nth in 0..3 {
            let image = folder.at(&format!("{nth}.image"));
            assert_eq!(image.exists(), stopped.contains(&nth), "an image of each that stopped");
        }
        (which, from) = (stopped, Some(folder));
    }
    panic!("the last run is not asked");
}

/// At random moments, with every pace of the three: pipes are full or empty, writers and readers wait.
fn at_random_moments(compiled: bool) {
    let quick = if compiled { 60_000 } else { 2_000 };
    let slow = 40 * quick;
    let paces = [[quick, quick, quick], [quick, quick, slow], [slow, quick, quick], [quick, slow, quick]];
    let times = how_often(1, 5, 15);
    let (mut numbers, mut taken) = (Numbers(u64::from(compiled) + 7), 0);
    for _ in 0..times {
        for pace in paces {
            taken += run(pace, compiled, By::Pipe, &mut numbers, 3, 150);
        }
        taken += run(paces[1], compiled, By::Socket, &mut numbers, 3, 150);
    }
    assert!(taken >= 3 * times, "{taken} checkpoints");
}

#[test]
fn an_interpreted_pipeline_goes_on_elsewhere_with_the_same_bytes() {
    at_random_moments(false);
}

#[test]
fn so_does_a_compiled_one() {
    at_random_moments(true);
}

/// A guest that reads until the end, and one that works for a long time.
fn member(folder: &Folder, name: &str, size: usize, limit: &str, guest: &str) -> std::process::Command {
    let mut command = iwasm_command([
        &format!("--checkpoint={}", folder.text(&format!("{name}.image"))),
        &format!("--checkpoint-group={}:{size}", folder.text("group")),
        &format!("--group-limit={limit}"),
        guest,
    ]);
    command.stdin(Stdio::piped());
    command
}

fn spin(folder: &Folder) -> String {
    folder.module(
        "spin.wasm",
        r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#,
    )
}

/// Asks when it can be asked.
fn ask(child: &Child) {
    until(|| wayfarer(["request", &child.id().to_string()]).status == Some(0));
}

/// Whether two members have joined.
fn both_are_there(folder: &Folder) -> bool {
    std::fs::read_dir(folder.at("group")).is_ok_and(|all| {
        all.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "json")).count() == 2
    })
}

/// Ends a member, and gives what it has said.
fn kill(mut child: Child) -> Ran {
    child.kill().expect("a child");
    wait(child)
}

/// Waits until a member has said something on standard error.
fn first_line(child: &mut Child) -> String {
    use std::io::BufRead;
    let stderr = child.stderr.take().expect("it is piped");
    let mut line = String::new();
    std::io::BufReader::new(stderr).read_line(&mut line).expect("a pipe");
    line
}

#[test]
fn all_go_on_and_each_checkpoint_is_of_all() {
    let folder = Folder::new();
    let guest = spin(&folder);
    let members = ["a", "b"].map(|name| member(&folder, name, 2, "30s", &guest).spawn().unwrap());
    let inspect = |name: &str| wayfarer(["inspect", &folder.text(&format!("{name}.image"))]);
    for n in 1..=3 {
        ask(&members[n % 2]);
        let count = format!("checkpoint {n} ");
        until(|| ["a", "b"].iter().all(|name| inspect(name).stdout.contains(&count)));
    }
    for member in members {
        assert_eq!(kill(member).stderr, "");
    }
}

#[test]
fn a_member_that_dies_or_does_not_stop_is_named_and_the_others_go_on() {
    let folder = Folder::new();
    let guest = spin(&folder);
    let [mut a, b] = ["a", "b"].map(|name| member(&folder, name, 2, "500ms", &guest).spawn().unwrap());
    until(|| both_are_there(&folder));
    let pid = b.id();
    // SAFETY: a child that was not waited for.
    unsafe { libc::kill(pid as i32, libc::SIGSTOP) };
    ask(&a);
    let line = first_line(&mut a);
    assert!(
        line.contains(&format!(
            "no checkpoint taken: member b.image (process {pid}) did not stop within 500ms"
        )),
        "{line}"
    );
    assert!(!folder.at("a.image").exists() && a.try_wait().unwrap().is_none());
    kill(a);
    let mut a = member(&folder, "a", 2, "30s", &guest).spawn().unwrap();
    // It has come before the other dies: a folder of the dead is nobody's.
    until(|| folder.at("group").join(format!("{}.json", a.id())).exists());
    kill(b);
    ask(&a);
    let line = first_line(&mut a);
    assert!(line.contains(&format!("member b.image (process {pid}) has died")), "{line}");
    kill(a);
}

#[test]
fn members_that_are_missing_are_waited_for_and_those_that_are_too_many_refused() {
    let folder = Folder::new();
    let guest = spin(&folder);
    let mut a = member(&folder, "a", 2, "100ms", &guest).spawn().unwrap();
    ask(&a);
    let line = first_line(&mut a);
    assert!(line.contains("only 1 of 2 members of the group are there, also after 100ms"), "{line}");
    let b = member(&folder, "b", 2, "100ms", &guest).spawn().unwrap();
    until(|| both_are_there(&folder));
    let third = wait(member(&folder, "c", 2, "100ms", &guest).spawn().unwrap());
    assert!(third.status != Some(0), "{third:?}");
    let said = third.stdout + &third.stderr;
    assert!(said.contains("it has its 2 members already"), "{said}");
    kill(a);
    kill(b);
}

#[test]
fn one_that_cannot_be_saved_is_why_none_is() {
    let folder = Folder::new();
    let guest = spin(&folder);
    let mut a = member(&folder, "a", 2, "30s", &guest).spawn().unwrap();
    let mut b = member(&folder, "b", 2, "30s", &guest).spawn().unwrap();
    until(|| both_are_there(&folder));
    // Its image finds no place.
    let part = folder.text(&format!("b.image.{}.part", b.id()));
    std::fs::create_dir(part).unwrap();
    ask(&a);
    for (name, child) in [("a", &mut a), ("b", &mut b)] {
        let line = first_line(child);
        assert!(line.contains("no checkpoint taken") && line.contains("b.image"), "{name}: {line}");
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
    }
    assert!(!folder.at("a.image").exists());
    kill(a);
    kill(b);
}

#[test]
fn a_pipeline_of_a_shell_is_restored_by_the_same_pipeline() {
    let folder = Folder::new();
    let guests = guests(&folder, [2000, 2000, 2000], false);
    let (iwasm, to) = (env!("CARGO_BIN_EXE_iwasm"), folder.text("out"));
    let script = |options: [&str; 3]| {
        format!(
            "{iwasm} {} {} | {iwasm} {} {} | {iwasm} {} {} >>{to}; echo ${{PIPESTATUS[@]}}",
            options[0], guests[0], options[1], guests[1], options[2], guests[2]
        )
    };
    let options = ["0", "1", "2"].map(|nth| {
        let at = if nth == "1" { "--checkpoint-at=20000" } else { "" };
        let (image, group) = (folder.text(nth), folder.text("group"));
        format!("--checkpoint={image} {at} --checkpoint-then=exit --checkpoint-group={group}:3")
    });
    let first = script(options.each_ref().map(String::as_str));
    let ran = crate::support::run(command(&["bash", "-c"], [first]));
    ran.expect("86 86 86\n", 0);
    let options = ["0", "1", "2"].map(|nth| format!("--restore={}", folder.text(nth)));
    let ran = crate::support::run(command(&["bash", "-c"], [script(options.each_ref().map(String::as_str))]));
    ran.expect("0 0 0\n", 0);
    assert!(std::fs::read(to).unwrap() == expected());
}
