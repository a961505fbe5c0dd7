//! Running programs and looking at what they did.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longest time any of these programs may take to compute, and longest time without a sign of life; `WAYFARER_TEST_SECONDS` if that is
/// set, for those that are slow.
fn patience() -> Duration {
    let seconds = std::env::var("WAYFARER_TEST_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `None` if a signal ended it.
    pub(crate) status: Option<i32>,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(&self, stdout: &str, status: i32) {
        assert_eq!((self.stdout.as_str(), self.status), (stdout, Some(status)), "stderr: {}", self.stderr);
    }

    /// It failed, and only standard error says why.
    #[track_caller]
    pub(crate) fn expect_error(&self, status: i32, part: &str) {
        assert_eq!((self.stdout.as_str(), self.status), ("", Some(status)), "stderr: {}", self.stderr);
        assert!(self.stderr.contains(part), "stderr: {}", self.stderr);
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code(),
        }
    }
}

/// A program with arguments, in an environment without our variables.
fn program<S: AsRef<OsStr>>(path: &str, args: impl IntoIterator<Item = S>) -> Command {
    // One that is of another architecture is started by an emulator.
    let emulator = std::env::var("WAYFARER_TEST_EMULATOR").unwrap_or_default();
    let words: Vec<&str> = emulator.split_whitespace().chain([path]).collect();
    command(&words, args)
}

/// A program, given by the words that start it, with arguments, in an environment without our variables.
pub(crate) fn command<S: AsRef<OsStr>>(words: &[&str], args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WAYFARER_") {
            command.env_remove(name);
        }
    }
    // SAFETY: the call is async-signal-safe.
    unsafe { command.pre_exec(end_with_its_test) };
    command
}

/// A program that a test has left behind, because it failed, would take its processor from all others.
fn end_with_its_test() -> std::io::Result<()> {
    // SAFETY: it takes a number.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The folder that programs and libraries are built to. The first call builds those of other packages: cargo does that
/// only for its own package's. Those in the folder that `WAYFARER_TEST_COMPILERS` names are put there instead: a sanitizer is
/// not for them.
pub(crate) fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_iwasm")).parent().expect("it is in a folder");
        if let Some(compilers) = std::env::var_os("WAYFARER_TEST_COMPILERS") {
            for name in ["wamrc", "libwayfarer_compiler.so"] {
                let place = folder.join(name);
                let _ = std::fs::remove_file(&place);
                std::fs::copy(Path::new(&compilers).join(name), &place).expect("it was built");
            }
            return folder.to_owned();
        }
        let profile = match folder.file_name().and_then(OsStr::to_str).expect("named by its profile") {
            "debug" => "dev",
            name => name,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "wamrc", "-p", "wayfarer-compiler", "--profile", profile])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(folder.parent().expect("of the profiles"))
            .status();
        assert!(status.expect("cargo").success(), "the compiler can be built");
        folder.to_owned()
    })
}

pub(crate) fn iwasm_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    program(env!("CARGO_BIN_EXE_iwasm"), args)
}

pub(crate) fn iwasm<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    run(iwasm_command(args))
}

pub(crate) fn wayfarer_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    program(env!("CARGO_BIN_EXE_wayfarer"), args)
}

pub(crate) fn wayfarer<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    run(wayfarer_command(args))
}

pub(crate) fn run(mut command: Command) -> Ran {
    wait(command.spawn().expect("the program was built"))
}

pub(crate) fn run_with_input(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program was built");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    wait(child)
}

/// Waits for a program's end, but not for ever. On a machine with much else to do it may wait long for its turn: that does not count.
pub(crate) fn wait(child: Child) -> Ran {
    let pid = child.id() as i32;
    let waiting = std::thread::spawn(move || child.wait_with_output());
    let (mut last, mut sign) = (Duration::ZERO, Instant::now());
    for turn in 1.. {
        if waiting.is_finished() {
            break;
        }
        let looked = (turn % 100 == 0).then(|| life(pid)).flatten();
        if let Some((computed, wants_turn)) = looked
            && (computed > last || wants_turn)
        {
            (last, sign) = (computed, Instant::now());
        }
        if last > patience() || sign.elapsed() > patience() {
            // SAFETY: a child that was not waited for yet, so the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("process {pid} did not end, after {last:?} of computing");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    waiting.join().expect("waiting does not panic").expect("its output can be read").into()
}

/// How long all threads of a process have computed, and whether its first one could go on (proc(5)).
fn life(pid: i32) -> Option<(Duration, bool)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may have any.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // SAFETY: it takes a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    Some((Duration::from_millis(ticks * 1000 / per_second), fields[0] == "R"))
}

/// How often something is done: in a sample, with `WAYFARER_TEST_FULL`, and with `WAYFARER_TEST_LONG`.
pub(crate) fn how_often<T>(sample: T, full: T, long: T) -> T {
    let asked = |name| std::env::var_os(name).is_some_and(|value| value != "0");
    match (asked("WAYFARER_TEST_LONG"), asked("WAYFARER_TEST_FULL")) {
        (true, _) => long,
        (_, true) => full,
        _ => sample,
    }
}

/// Waits until something is so. If it takes long to find out, that is looked at some more times before it is given up.
#[track_caller]
pub(crate) fn until(mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut looked = 0;
    while !so() {
        looked += 1;
        assert!(looked < 1000 || start.elapsed() < patience(), "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A folder for one test, gone at its end.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in it, as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.at(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.at(name), bytes).expect("the folder can be written to");
        self.text(name)
    }

    /// A module from its text.
    pub(crate) fn module(&self, name: &str, wat: &str) -> String {
        self.write(name, wat::parse_str(wat).expect("the module's text is right"))
    }
}

/// Whether a program has come so far that the signal that asks for a checkpoint does not end it (proc(5)).
pub(crate) fn handles_requests(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).unwrap_or_default() >> (libc::SIGUSR2 - 1) & 1 == 1
}
