//! Makes a set: `WAYFARER_BLESS_IMAGES=SET cargo test --release --test golden`. What is in a set already stays as it is, since its images
//! are of a version that was released. `WAYFARER_BLESS_IMAGES_WITH`: the iwasm that writes them, if it is another one than this build's.

use crate::case::{Case, Content, Input, Set};
use crate::support::{Folder, built, command, iwasm_command, run, until};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Status after a checkpoint, with `--checkpoint-then=exit`.
const CHECKPOINTED: i32 = 86;

/// Where a program is stopped.
enum Stop {
    /// At its Nth stable point.
    At(u64),
    /// While it waits, having printed this much. Of its input it gets the first bytes.
    Waiting { printed: usize, input: usize },
    /// While it sleeps, having printed this much, together with another program, which has sent it the first bytes of its input: those
    /// are on their way then.
    Together { printed: usize, input: usize },
}

struct Scenario {
    name: &'static str,
    /// Its guest: one of this folder's, or of `tests/guests`.
    guest: &'static str,
    compiled: bool,
    stop: Stop,
    case: fn() -> Case,
    /// Files that are not there when it is restored.
    gone: &'static [&'static str],
}

fn plain(name: &'static str, guest: &'static str, at: u64) -> Scenario {
    Scenario { name, guest, compiled: false, stop: Stop::At(at), case: Case::default, gone: &[] }
}

fn compiled(name: &'static str, guest: &'static str, at: u64) -> Scenario {
    Scenario { compiled: true, ..plain(name, guest, at) }
}

/// What a program of `guests/files.c` finds.
fn with_files() -> Case {
    let file = |path: &str, text: &str, modified| Content { path: path.into(), text: text.into(), modified };
    let mut files = vec![
        file("in.txt", &"the quick brown fox jumps over the lazy dog, ".repeat(4), 1_700_000_000_123_456_789),
        file("log.txt", "begun earlier\n", 1_600_000_000_000_000_000),
        file("table.txt", "0123456789abcdef", 1_650_000_000_500_000_000),
    ];
    files.extend((0..5).map(|n| file(&format!("shelf/item-{n}"), "", 1_500_000_000_000_000_000)));
    Case {
        options: vec!["--env=PLACE=the shelf".into()],
        args: vec!["the log".into()],
        files: Some(files),
        ..Case::default()
    }
}

/// What a program of `guests/streams.c` finds.
fn with_streams() -> Case {
    let mut case = with_files();
    let second = Content {
        path: "second.txt".into(),
        text: "fedcba9876543210".into(),
        modified: 1_710_000_000_250_000_000,
    };
    case.files.as_mut().expect("it has some").push(second);
    Case { files: case.files, ..Case::default() }
}

/// With this option, too.
fn with_option(option: &str, mut case: Case) -> Case {
    case.options.push(option.into());
    case
}

const TEXT: &str = "twelve bytes and some more, to the end";

fn scenarios() -> Vec<Scenario> {
    vec![
        plain("recursion", "deep_recursion", 300),
        plain("call_indirect", "call_indirect_nested", 90),
        plain("funcref_table", "funcref_table", 60),
        plain("externref_table", "externref_table", 40),
        plain("table_operations", "table_operations", 60),
        plain("vectors", "v128_locals", 50),
        plain("multi_value", "multi_value", 40),
        plain("dropped_segments", "bulk_memory", 30),
        plain("memory_grow", "memory_grow", 30),
        plain("start_function", "start_function", 5),
        plain("tail_calls", "tail_calls", 60),
        plain("operand_stack", "deep_operand_stack", 40),
        compiled("compiled_vectors", "v128_locals", 50),
        compiled("compiled_call_indirect", "call_indirect_nested", 90),
        compiled("compiled_operand_stack", "deep_operand_stack", 40),
        compiled("compiled_memory_grow", "memory_grow", 30),
        Scenario {
            case: || Case {
                options: vec!["--deterministic".into()],
                wamrc: vec!["--deterministic".into()],
                ..Case::default()
            },
            ..plain("deterministic", "nan_payloads", 60)
        },
        Scenario {
            case: || Case {
                options: ["-f", "run"].map(String::from).into(),
                args: vec!["1000".into()],
                ..Case::default()
            },
            ..plain("sparse", "sparse", 500)
        },
        Scenario {
            case: || Case { options: vec!["--heap-size=20000".into()], ..Case::default() },
            ..plain("app_heap", "loops", 30)
        },
        Scenario { case: with_files, ..plain("files", "files", 2000) },
        Scenario { case: with_files, ..compiled("compiled_files", "files", 2500) },
        Scenario {
            case: || Case {
                stdin: Input::File(Content {
                    path: "input".into(),
                    text: TEXT.into(),
                    modified: 1_700_000_000_000_000_000,
                }),
                ..Case::default()
            },
            ..plain("input_from_a_file", "echo", 7)
        },
        Scenario {
            case: || Case { stdin: Input::Pipe(TEXT.into()), ..Case::default() },
            stop: Stop::Waiting { printed: 12, input: 12 },
            ..plain("waiting_read", "echo", 0)
        },
        Scenario { stop: Stop::Waiting { printed: 6, input: 0 }, ..plain("sleep", "sleep", 0) },
        Scenario {
            case: || with_option("--checkpoint-files=carry", with_files()),
            gone: &["in.txt", "log.txt", "table.txt"],
            ..plain("carried", "files", 2000)
        },
        Scenario { case: || with_option("--wasi=memory", with_files()), ..plain("in_memory", "files", 2000) },
        Scenario { case: with_streams, ..plain("streams", "streams", 2000) },
        Scenario { case: with_streams, ..compiled("compiled_streams", "streams", 1500) },
        Scenario { stop: Stop::Waiting { printed: 6, input: 0 }, ..plain("wait_queue", "wait", 0) },
        Scenario {
            case: || Case { stdin: Input::Pipe(TEXT.into()), ..Case::default() },
            stop: Stop::Together { printed: 6, input: 17 },
            ..plain("on_its_way", "late", 0)
        },
    ]
}

/// Makes what a set does not have yet.
pub(crate) fn set(folder: &Path) {
    std::fs::create_dir_all(folder).expect("the folder can be written to");
    let cases = if folder.join("manifest.json").exists() { Set::read(folder).cases } else { Vec::new() };
    let mut set = Set { folder: folder.to_owned(), cases };
    for scenario in scenarios() {
        if set.cases.iter().any(|case| case.name == scenario.name) {
            continue;
        }
        match scenario.make(&set) {
            Ok(case) => set.cases.push(case),
            Err(why) => println!("{} is left out: {why}", scenario.name),
        }
        set.write();
    }
}

/// The iwasm that writes images.
fn writer(args: Vec<String>) -> Command {
    match std::env::var("WAYFARER_BLESS_IMAGES_WITH") {
        Ok(path) => command(&[&path], args),
        Err(_) => iwasm_command(args),
    }
}

impl Scenario {
    fn make(&self, set: &Set) -> Result<Case, String> {
        let mut case = Case { name: self.name.into(), module: self.guest.into(), ..(self.case)() };
        let module = set.module(&case);
        if !module.exists() {
            build(&source(self.guest), &module);
        }
        let scratch = Folder::new();
        let program = if self.compiled { compile(&scratch, &module, &case) } else { module };
        let undisturbed = Folder::new();
        case.prepare(&undisturbed);
        let whole = case.run(&undisturbed, Vec::new(), &program, writer);

        let folder = Folder::new();
        case.prepare(&folder);
        let image = set.image(&case);
        let printed = self.stop(&mut case, &folder, &program, &image)?;
        let rest = whole.stdout.strip_prefix(&printed);
        case.stdout = rest.ok_or_else(|| format!("{printed:?} is not how {whole:?} begins"))?.to_owned();
        case.status = whole.status.ok_or("a signal ended it")?;
        if let Some(files) = &mut case.files {
            let data = undisturbed.at("data");
            let texts = files.iter().map(|file| (file.path.clone(), Content::of(&data, &file.path).text));
            case.files_after = texts.collect();
            files.retain(|file| !self.gone.contains(&file.path.as_str()));
            for file in files {
                *file = Content::of(&folder.at("data"), &file.path);
            }
        }
        // The build that wrote it restores it, too.
        let restored = case.restore(set, &Folder::new(), &program, writer);
        if restored.is_err() {
            std::fs::remove_file(&image).map_err(|e| e.to_string())?;
        }
        restored.map(|()| case)
    }

    /// Has an image written; what the program had printed before.
    fn stop(&self, case: &mut Case, folder: &Folder, program: &Path, image: &Path) -> Result<String, String> {
        let mut options =
            vec![format!("--checkpoint={}", image.display()), "--checkpoint-then=exit".to_owned()];
        let (printed, input) = match self.stop {
            Stop::At(n) => {
                options.push(format!("--checkpoint-at={n}"));
                let ran = case.run(folder, options, program, writer);
                return match ran.status {
                    Some(CHECKPOINTED) => Ok(ran.stdout),
                    _ => Err(format!("{ran:?}")),
                };
            }
            Stop::Waiting { printed, input } | Stop::Together { printed, input } => (printed, input),
        };
        let scratch = Folder::new();
        let together = matches!(self.stop, Stop::Together { .. });
        let group = format!("--checkpoint-group={}:2", scratch.text("group"));
        if together {
            options.push(group.clone());
        }
        let mut child = writer(case.command_line(folder, options, program));
        let (reader, mut pipe) = std::io::pipe().map_err(|e| e.to_string())?;
        let there = reader.try_clone().map_err(|e| e.to_string())?;
        let mut child = child.stdin(reader).spawn().map_err(|e| e.to_string())?;
        let mut other = None;
        if together {
            let echo = scratch.at("echo.wasm");
            build(&source("echo"), &echo);
            let image = format!("--checkpoint={}", scratch.text("other.image"));
            let words = [image, "--checkpoint-then=exit".into(), group, echo.display().to_string()];
            let (reader, to_other) = std::io::pipe().map_err(|e| e.to_string())?;
            let output = std::mem::replace(&mut pipe, to_other);
            let mut command = writer(words.into());
            other = Some(command.stdin(reader).stdout(output).spawn().map_err(|e| e.to_string())?);
        }
        if let Input::Pipe(text) = &mut case.stdin {
            let rest = text.split_off(input);
            pipe.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
            *text = rest;
        }
        let mut first = vec![0; printed];
        child.stdout.as_mut().ok_or("it is piped")?.read_exact(&mut first).map_err(|e| e.to_string())?;
        if together {
            until(|| {
                let mut waiting: libc::c_int = 0;
                // SAFETY: the kernel writes a number.
                unsafe { libc::ioctl(there.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
                waiting as usize == input
            });
        }
        drop(there);
        // What it does next is to wait.
        let stat = format!("/proc/{}/stat", child.id());
        until(|| std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S ")));
        // SAFETY: a child that was not waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGUSR2) };
        let ended = crate::support::wait(child);
        if let Some(other) = other {
            crate::support::wait(other);
        }
        drop(pipe);
        match ended.status {
            Some(CHECKPOINTED) => String::from_utf8(first).map_err(|e| e.to_string()),
            _ => Err(format!("{ended:?}")),
        }
    }
}

/// The source of a guest.
fn source(guest: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources = ["golden/guests", "guests"]
        .iter()
        .flat_map(|f| ["wat", "c"].map(|e| tests.join(f).join(format!("{guest}.{e}"))));
    sources.into_iter().find(|path| path.exists()).expect("there is such a guest")
}

fn build(source: &Path, module: &Path) {
    if source.extension().is_some_and(|extension| extension == "wat") {
        let bytes = wat::parse_file(source).expect("the guest's text is right");
        return std::fs::write(module, bytes).expect("the folder can be written to");
    }
    let text = std::fs::read_to_string(source).expect("the guest's text");
    let flags = text.lines().filter_map(|line| line.strip_prefix("// clang: "));
    let status = Command::new("clang-19")
        .args(["--target=wasm32-wasi", "--sysroot=/usr", "-Os", "-Wl,-s"])
        .args(flags.flat_map(str::split_whitespace))
        .arg("-o")
        .args([module, source])
        .status()
        .expect("clang-19");
    assert!(status.success(), "{} does not build", source.display());
}

fn compile(scratch: &Folder, module: &Path, case: &Case) -> PathBuf {
    let compiled = scratch.at("program.aot");
    let wamrc = built().join("wamrc");
    let paths = [compiled.as_path(), module].map(|path| path.to_str().expect("UTF-8").to_owned());
    let args = [case.wamrc.as_slice(), &["-o".into()], &paths].concat();
    let ran = run(command(&[wamrc.to_str().expect("UTF-8")], args));
    assert_eq!(ran.status, Some(0), "{ran:?}");
    compiled
}
