//! The command line.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use iwasm::checkpoint::policy::Settings;

/// Most entries that an option which makes a list can have.
const LIST_MAX: usize = 8;

/// Bytes of operand stack to ask for if the user does not. Like any small number, it gives the least that there is.
const STACK_SIZE: u32 = 64 * 1024;

/// Optimization and size levels of the compiler, lowest and highest.
const JIT_LEVELS: (i64, i64) = (1, 3);

/// Highest log level that is accepted. The highest there is, is one less.
const LOG_LEVEL_MAX: u32 = 5;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Options>),
    /// Print the version.
    Version,
}

/// Why a command line is not accepted.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Only the help text can say it.
    Help,
    /// A message, and the help text after it.
    MessageAndHelp(String),
    /// A message.
    Message(String),
}

/// How to run modules that are not compiled.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Mode {
    /// As the library does if nobody asks.
    #[default]
    Default,
    Interpreter,
    FastJit,
    LlvmJit,
    MultiTierJit,
}

/// How to run a program.
#[derive(Debug)]
pub(crate) struct Options {
    /// The file, and the program's arguments. Not empty.
    pub(crate) words: Vec<CString>,
    /// Function to call in place of the entry point.
    pub(crate) function: Option<CString>,
    pub(crate) repl: bool,
    pub(crate) log_level: u32,
    pub(crate) stack_size: u32,
    pub(crate) heap_size: u32,
    pub(crate) env: Vec<CString>,
    pub(crate) dirs: Vec<CString>,
    pub(crate) map_dirs: Vec<CString>,
    pub(crate) addr_pool: Vec<CString>,
    pub(crate) ns_lookup_pool: Vec<CString>,
    pub(crate) native_libs: Vec<CString>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) mode: Mode,
    pub(crate) jit_opt_level: u32,
    pub(crate) jit_size_level: u32,
    pub(crate) linux_perf: bool,
    pub(crate) deterministic: bool,
    /// What is to be said before anything else.
    pub(crate) notes: Vec<String>,
    /// Flags on top of the environment.
    pub(crate) checkpoint: Settings,
}

impl Options {
    fn new(checkpoint: Settings) -> Self {
        Options {
            words: Vec::new(),
            function: None,
            repl: false,
            log_level: 2,
            stack_size: STACK_SIZE,
            heap_size: 0,
            env: Vec::new(),
            dirs: Vec::new(),
            map_dirs: Vec::new(),
            addr_pool: Vec::new(),
            ns_lookup_pool: Vec::new(),
            native_libs: Vec::new(),
            timeout: None,
            mode: Mode::default(),
            jit_opt_level: JIT_LEVELS.1 as u32,
            jit_size_level: JIT_LEVELS.1 as u32,
            linux_perf: false,
            deterministic: false,
            notes: Vec::new(),
            checkpoint,
        }
    }
}

/// Reads the words after the program's own name. `environment` holds the checkpoint settings to start from.
///
/// # Errors
/// What to print before ending with status 1.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    environment: Settings,
) -> Result<Command, Refusal> {
    let mut options = Options::new(environment);
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next_if(|w| w.as_bytes().first() == Some(&b'-')) {
        match word.as_bytes() {
            b"-f" | b"--function" => {
                let name = words.next().ok_or(Refusal::Help)?;
                // At least the file must come after it, even where that would be an option.
                words.peek().ok_or(Refusal::Help)?;
                options.function = Some(c_string(&name));
            }
            b"--interp" => options.mode = Mode::Interpreter,
            b"--fast-jit" => options.mode = Mode::FastJit,
            b"--llvm-jit" => options.mode = Mode::LlvmJit,
            b"--multi-tier-jit" => options.mode = Mode::MultiTierJit,
            b"--enable-linux-perf" => options.linux_perf = true,
            b"--deterministic" => options.deterministic = true,
            b"--repl" => options.repl = true,
            b"--version" => return Ok(Command::Version),
            _ => valued(&mut options, &word)?,
        }
    }
    options.words = words.map(|w| c_string(&w)).collect();
    if options.words.is_empty() { Err(Refusal::Help) } else { Ok(Command::Run(Box::new(options))) }
}

/// Options of the form `--name=value`.
fn valued(options: &mut Options, word: &OsStr) -> Result<(), Refusal> {
    let bytes = word.as_bytes();
    let equals = bytes.iter().position(|&b| b == b'=').ok_or(Refusal::Help)?;
    let (name, value) = (&bytes[..equals], &bytes[equals + 1..]);
    let not_empty = || if value.is_empty() { Err(Refusal::Help) } else { Ok(value) };
    match name {
        b"-v" => match u32::try_from(number(value)) {
            Ok(level @ 0..=LOG_LEVEL_MAX) => options.log_level = level,
            _ => return Err(Refusal::Help),
        },
        b"--stack-size" => options.stack_size = number(not_empty()?) as u32,
        b"--heap-size" => options.heap_size = number(not_empty()?) as u32,
        b"--llvm-jit-opt-level" => {
            options.jit_opt_level = jit_level(not_empty()?, "opt", &mut options.notes);
        }
        b"--llvm-jit-size-level" => {
            options.jit_size_level = jit_level(not_empty()?, "size", &mut options.notes);
        }
        b"--timeout" => {
            // The largest number, and so -1, means none.
            let milliseconds = number(not_empty()?) as u32;
            options.timeout = (milliseconds != u32::MAX).then(|| Duration::from_millis(milliseconds.into()));
        }
        b"--env" => {
            let entry = not_empty()?;
            push(&mut options.env, entry, "env")?;
            if matches!(entry.iter().position(|&b| b == b'='), None | Some(0)) {
                return Err(Refusal::MessageAndHelp(format!(
                    "Wasm parse env string failed: expect \"key=value\", got \"{}\"",
                    String::from_utf8_lossy(entry)
                )));
            }
        }
        b"--dir" => push(&mut options.dirs, not_empty()?, "dir")?,
        b"--map-dir" => push(&mut options.map_dirs, not_empty()?, "map dir")?,
        b"--addr-pool" => {
            for address in not_empty()?.split(|&b| b == b',').filter(|a| !a.is_empty()) {
                push(&mut options.addr_pool, address, "address")?;
            }
        }
        b"--allow-resolve" => push(&mut options.ns_lookup_pool, not_empty()?, "ns lookup")?,
        b"--native-lib" => push(&mut options.native_libs, not_empty()?, "native lib")?,
        _ if options.checkpoint.take_flag(word) => {}
        _ => return Err(Refusal::Help),
    }
    Ok(())
}

/// A level of the compiler. What is out of its range is brought into it, with a note.
fn jit_level(value: &[u8], what: &str, notes: &mut Vec<String>) -> u32 {
    let (asked, (lowest, highest)) = (number(value), JIT_LEVELS);
    let level = asked.clamp(lowest, highest);
    if level != asked {
        notes.push(format!(
            "LLVM JIT {what} level {asked} is not between {lowest} and {highest}, taken as {level}"
        ));
    }
    level as u32
}

fn push(list: &mut Vec<CString>, entry: &[u8], what: &str) -> Result<(), Refusal> {
    if list.len() == LIST_MAX {
        return Err(Refusal::Message(format!("Only allow max {what} number {LIST_MAX}")));
    }
    list.push(c_string(OsStr::from_bytes(entry)));
    Ok(())
}

/// The words of a command line come from C strings: there is no NUL to stop at.
fn c_string(word: &OsStr) -> CString {
    let bytes = word.to_owned().into_vec().into_iter().take_while(|&b| b != 0);
    CString::new(bytes.collect::<Vec<_>>()).unwrap_or_default()
}

/// C's `atoi`: leading space, a sign, digits up to the first character that is none; 0 if there are none. What does not
/// fit an `int` ends at its limits.
fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    let value = digits.fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    (if negative { -value } else { value }).clamp(i32::MIN.into(), i32::MAX.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Command, Refusal> {
        parse(words.iter().map(OsString::from), Settings::default())
    }

    fn options(words: &[&str]) -> Box<Options> {
        match run(words) {
            Ok(Command::Run(options)) => options,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn refusal(words: &[&str]) -> Refusal {
        run(words).unwrap_err()
    }

    fn strings(list: &[CString]) -> Vec<&str> {
        list.iter().map(|s| s.to_str().unwrap()).collect()
    }

    #[test]
    fn the_file_ends_the_options() {
        let o = options(&["--stack-size=1", "a.wasm", "--heap-size=2", "-f"]);
        assert_eq!(strings(&o.words), ["a.wasm", "--heap-size=2", "-f"]);
        assert_eq!((o.stack_size, o.heap_size, o.function), (1, 0, None));
        let defaults = options(&["a.wasm"]);
        assert_eq!((defaults.stack_size, defaults.log_level, defaults.repl), (65536, 2, false));
    }

    #[test]
    fn a_function_needs_a_file_after_it() {
        let o = options(&["-f", "--odd", "a.wasm", "1"]);
        assert_eq!(o.function.as_deref(), Some(c"--odd"));
        assert_eq!(strings(&o.words), ["a.wasm", "1"]);
        assert_eq!(options(&["--function", "f", "--repl", "a.wasm"]).function.as_deref(), Some(c"f"));
        for words in [&["-f"][..], &["-f", "a.wasm"], &["-f", "f", "--repl"]] {
            assert_eq!(refusal(words), Refusal::Help, "{words:?}");
        }
    }

    #[test]
    fn every_list() {
        let o = options(&[
            "--env=A=1",
            "--env=B==",
            "--dir=.",
            "--map-dir=/a::b",
            "--addr-pool=1.2.3.4/8,,::1/128",
            "--addr-pool=5.6.7.8/9",
            "--allow-resolve=*.org",
            "--native-lib=./x.so",
            "--interp",
            "a.wasm",
        ]);
        assert_eq!(strings(&o.env), ["A=1", "B=="]);
        assert_eq!(strings(&o.dirs), ["."]);
        assert_eq!(strings(&o.map_dirs), ["/a::b"]);
        assert_eq!(strings(&o.addr_pool), ["1.2.3.4/8", "::1/128", "5.6.7.8/9"]);
        assert_eq!(strings(&o.ns_lookup_pool), ["*.org"]);
        assert_eq!(strings(&o.native_libs), ["./x.so"]);
    }

    #[test]
    fn lists_are_limited() {
        for (flag, what) in [
            ("--env=A=1", "env"),
            ("--dir=.", "dir"),
            ("--map-dir=a::b", "map dir"),
            ("--addr-pool=1.2.3.4/8", "address"),
            ("--allow-resolve=a", "ns lookup"),
            ("--native-lib=a", "native lib"),
        ] {
            assert_eq!(refusal(&[flag; 9]), Refusal::Message(format!("Only allow max {what} number 8")));
            assert_eq!(refusal(&[flag; 8]), Refusal::Help, "no file, but {flag} is not too many");
        }
    }

    #[test]
    fn numbers_are_read_like_atoi() {
        for (text, value) in
            [("12", 12), (" -3x", -3), ("+4", 4), ("x", 0), ("", 0), ("99999999999", i64::from(i32::MAX))]
        {
            assert_eq!(number(text.as_bytes()), value, "{text}");
        }
        assert_eq!(options(&["--stack-size=-1", "a"]).stack_size, u32::MAX);
        assert_eq!(options(&["--timeout=250", "a"]).timeout, Some(Duration::from_millis(250)));
        assert_eq!(options(&["--timeout=250", "--timeout=-1", "a"]).timeout, None);
        assert_eq!(options(&["-v=5", "a"]).log_level, 5);
    }

    #[test]
    fn what_is_not_known_or_not_here() {
        for word in [
            "--help",
            "-h",
            "-v=6",
            "-v=-1",
            "-v",
            "--stack-size=",
            "--env=",
            "--dir",
            "--dir=",
            "-",
            "--",
            "--timeout=",
            "--shared-heap-size=1",
            "--gc-heap-size=1",
            "--jit-codecache-size=1",
            "--enable-segue",
            "--disable-bounds-checks",
            "--module-path=.",
            "--max-threads=4",
            "-g=127.0.0.1:1",
            "--checkpoint",
            "--gen-prof-file=x",
            "--llvm-jit-opt-level=",
            "--llvm-jit-size-level",
        ] {
            assert_eq!(refusal(&[word, "a.wasm"]), Refusal::Help, "{word}");
        }
        assert_eq!(refusal(&[]), Refusal::Help);
        for entry in ["--env=A", "--env==1"] {
            assert!(matches!(refusal(&[entry, "a"]), Refusal::MessageAndHelp(_)), "{entry}");
        }
        assert!(matches!(run(&["--version", "--nonsense"]), Ok(Command::Version)));
    }

    #[test]
    fn modes_and_levels() {
        for (word, mode) in [
            ("--interp", Mode::Interpreter),
            ("--fast-jit", Mode::FastJit),
            ("--llvm-jit", Mode::LlvmJit),
            ("--multi-tier-jit", Mode::MultiTierJit),
        ] {
            assert_eq!(options(&[word, "a"]).mode, mode);
        }
        let o = options(&["a"]);
        assert_eq!((o.mode, o.jit_opt_level, o.jit_size_level, o.linux_perf), (Mode::Default, 3, 3, false));
        let o = options(&["--llvm-jit-opt-level=2", "--llvm-jit-size-level=1", "--enable-linux-perf", "a"]);
        assert_eq!((o.jit_opt_level, o.jit_size_level, o.linux_perf), (2, 1, true));
        assert!(o.notes.is_empty() && !o.deterministic);
        assert!(options(&["--deterministic", "a"]).deterministic);
        let o = options(&["--llvm-jit-opt-level=0", "--llvm-jit-size-level=7", "a"]);
        assert_eq!((o.jit_opt_level, o.jit_size_level, o.notes.len()), (1, 3, 2));
        assert_eq!(o.notes[0], "LLVM JIT opt level 0 is not between 1 and 3, taken as 1");
    }

    #[test]
    fn checkpoint_flags_are_kept_as_text() {
        let o = options(&["--checkpoint=a.image", "--checkpoint-at=0", "a.wasm"]);
        assert_eq!(o.checkpoint.resolve().unwrap_err().name, "--checkpoint-at");
    }
}
