//! The command line.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use wayfarer_module::Stdio;
use wayfarer_program::policy::{Setting, Settings};
use wayfarer_wasi::BackEnd;

/// Most entries that an option which makes a list can have.
const LIST_MAX: usize = 8;

/// Bytes of operand stack to ask for if the user does not. Like any small number, it gives the least that there is.
const STACK_SIZE: u32 = 64 * 1024;

/// Optimization and size levels of the compiler, lowest and highest.
const JIT_LEVELS: (i64, i64) = (1, 3);

/// Highest log level that is accepted. The highest there is, is one less.
const LOG_LEVEL_MAX: i64 = 5;

/// As a number of milliseconds: no timeout.
const NEVER: i64 = u32::MAX as i64;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Options>),
    /// Print the help text.
    Help,
    /// Print the version.
    Version,
}

/// Why a command line is not accepted.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// There is none: only the help text can say what there could be.
    Empty,
    /// What is wrong with it; the help text is pointed to.
    Usage(String),
    /// A message of WAMR's program's, and the help text after it.
    MessageAndHelp(String),
    /// A message of WAMR's program's.
    Message(String),
}

fn usage<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Usage(what.into()))
}

/// Options that are words of their own.
const FLAGS: &[&str] = &[
    "--interp",
    "--fast-jit",
    "--llvm-jit",
    "--multi-tier-jit",
    "--enable-linux-perf",
    "--deterministic",
    "--repl",
    "--help",
    "--version",
];

/// Options with a value behind `=`, and what the help text calls it.
const VALUED: &[(&str, &str)] = &[
    ("-v", "N"),
    ("--stack-size", "N"),
    ("--heap-size", "N"),
    ("--llvm-jit-opt-level", "N"),
    ("--llvm-jit-size-level", "N"),
    ("--timeout", "MS"),
    ("--max-threads", "N"),
    ("--env", "NAME=VALUE"),
    ("--dir", "DIRECTORY"),
    ("--map-dir", "GUEST::HOST"),
    ("--wasi", "NAME"),
    ("--addr-pool", "A/BITS[,...]"),
    ("--allow-resolve", "DOMAIN"),
    ("--native-lib", "FILE.so"),
    ("--stdio-map", "NAME=INDEX,..."),
];

/// Options of WAMR's program that there are not, as in builds of it without what they are about.
const NOT_HERE: &[(&str, &str)] = &[
    ("--module-path", "modules that import from other modules are not implemented"),
    ("--shared-heap-size", "shared heaps are not implemented"),
    ("--gc-heap-size", "garbage-collected types are not implemented"),
    ("--jit-codecache-size", "compiled code has no size that it is limited to"),
    ("--enable-segue", "memory is not accessed by segment registers"),
    ("--disable-bounds-checks", "they are always on"),
    ("--gen-prof-file", "code that writes profiles cannot be made"),
    ("-g", "there is no debug server"),
];

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
    /// Whose files the program sees.
    pub(crate) wasi: Option<BackEnd>,
    pub(crate) addr_pool: Vec<CString>,
    pub(crate) ns_lookup_pool: Vec<CString>,
    pub(crate) native_libs: Vec<CString>,
    pub(crate) timeout: Option<Duration>,
    /// How many threads the program may start, if that is said.
    pub(crate) max_threads: Option<u32>,
    pub(crate) mode: Mode,
    pub(crate) jit_opt_level: u32,
    pub(crate) jit_size_level: u32,
    pub(crate) linux_perf: bool,
    pub(crate) deterministic: bool,
    /// Where the module has the functions of C's streams, if that is said.
    pub(crate) stdio: Option<Stdio>,
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
            wasi: None,
            addr_pool: Vec::new(),
            ns_lookup_pool: Vec::new(),
            native_libs: Vec::new(),
            timeout: None,
            max_threads: None,
            mode: Mode::default(),
            jit_opt_level: JIT_LEVELS.1 as u32,
            jit_size_level: JIT_LEVELS.1 as u32,
            linux_perf: false,
            deterministic: false,
            stdio: None,
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
    if words.peek().is_none() {
        return Err(Refusal::Empty);
    }
    while let Some(word) = words.next_if(|w| w.as_bytes().first() == Some(&b'-')) {
        match word.as_bytes() {
            b"-f" | b"--function" => {
                // At least the file must come after the name, even where that would be an option.
                let (Some(name), Some(_)) = (words.next(), words.peek()) else {
                    return usage(format!("{0} needs two words after it: {0} NAME FILE", word.display()));
                };
                options.function = Some(c_string(&name));
            }
            b"--interp" => options.mode = Mode::Interpreter,
            b"--fast-jit" => options.mode = Mode::FastJit,
            b"--llvm-jit" => options.mode = Mode::LlvmJit,
            b"--multi-tier-jit" => options.mode = Mode::MultiTierJit,
            b"--enable-linux-perf" => options.linux_perf = true,
            b"--deterministic" => options.deterministic = true,
            b"--repl" => options.repl = true,
            b"--help" | b"-h" => return Ok(Command::Help),
            b"--version" => return Ok(Command::Version),
            _ => valued(&mut options, &word)?,
        }
    }
    options.words = words.map(|w| c_string(&w)).collect();
    if options.words.is_empty() {
        return usage("the name of the FILE to run is missing");
    }
    Ok(Command::Run(Box::new(options)))
}

/// Options of the form `--name=value`.
fn valued(options: &mut Options, word: &OsStr) -> Result<(), Refusal> {
    let bytes = word.as_bytes();
    let (name, value) = match bytes.iter().position(|&b| b == b'=') {
        Some(equals) => (&bytes[..equals], Some(&bytes[equals + 1..])),
        None => (bytes, None),
    };
    let shown = String::from_utf8_lossy(name);
    if let Some((_, why)) = NOT_HERE.iter().find(|(n, _)| n.as_bytes() == name) {
        return usage(format!("the option `{shown}` is not supported: {why}"));
    }
    if let Some((_, what)) = VALUED.iter().find(|(n, _)| n.as_bytes() == name) {
        let Some(value) = value.filter(|v| !v.is_empty()) else {
            return usage(format!("{shown} needs a value: {shown}={what}"));
        };
        return take(options, &shown, value);
    }
    if FLAGS.iter().any(|n| n.as_bytes() == name) {
        return usage(format!("{shown} takes no value"));
    }
    if options.checkpoint.take_flag(word) {
        return Ok(());
    }
    match Setting::ALL.iter().any(|s| s.flag().as_bytes() == name) {
        true => usage(format!("{shown} needs a value: {shown}=...")),
        false => usage(format!("there is no option `{}`", word.display())),
    }
}

/// One of [`VALUED`].
fn take(options: &mut Options, name: &str, value: &[u8]) -> Result<(), Refusal> {
    let bad = |what: &str| usage(format!("{name}={}: expected {what}", String::from_utf8_lossy(value)));
    let whole = number(value);
    match name {
        "-v" => match whole {
            Some(level @ 0..=LOG_LEVEL_MAX) => options.log_level = level as u32,
            _ => return bad("a log level, 0 to 5"),
        },
        "--stack-size" | "--heap-size" => {
            let Some(bytes) = whole.and_then(|n| u32::try_from(n).ok()) else {
                return bad("a number of bytes, 4294967295 at most");
            };
            *(if name == "--stack-size" { &mut options.stack_size } else { &mut options.heap_size }) = bytes;
        }
        "--llvm-jit-opt-level" | "--llvm-jit-size-level" => {
            let Some(level) = whole else { return bad("a level, 1 to 3") };
            if name == "--llvm-jit-opt-level" {
                options.jit_opt_level = jit_level(level, "opt", &mut options.notes);
            } else {
                options.jit_size_level = jit_level(level, "size", &mut options.notes);
            }
        }
        "--timeout" => match whole {
            // As for WAMR's program, for which this is the largest number.
            Some(-1) => options.timeout = None,
            Some(milliseconds @ 0..=NEVER) => {
                options.timeout = (milliseconds != NEVER).then(|| Duration::from_millis(milliseconds as u64));
            }
            _ => return bad("a number of milliseconds, or -1 for none"),
        },
        "--max-threads" => match whole {
            Some(threads @ 1..=NEVER) => options.max_threads = u32::try_from(threads).ok(),
            _ => return bad("a number of threads, at least 1"),
        },
        "--env" => {
            push(&mut options.env, value, "env")?;
            if matches!(value.iter().position(|&b| b == b'='), None | Some(0)) {
                return Err(Refusal::MessageAndHelp(format!(
                    "Wasm parse env string failed: expect \"key=value\", got \"{}\"",
                    String::from_utf8_lossy(value)
                )));
            }
        }
        "--dir" => push(&mut options.dirs, value, "dir")?,
        "--map-dir" => push(&mut options.map_dirs, value, "map dir")?,
        "--wasi" => match String::from_utf8_lossy(value).parse() {
            Ok(back_end) => options.wasi = Some(back_end),
            Err(_) => return bad(&format!("one of {}", BackEnd::ALL.map(BackEnd::name).join(", "))),
        },
        "--addr-pool" => {
            for address in value.split(|&b| b == b',').filter(|a| !a.is_empty()) {
                push(&mut options.addr_pool, address, "address")?;
            }
        }
        "--stdio-map" => match Stdio::parse(&String::from_utf8_lossy(value)) {
            Ok(stdio) => options.stdio = Some(stdio),
            Err(why) => return usage(format!("{name}={}: {why}", String::from_utf8_lossy(value))),
        },
        "--allow-resolve" => push(&mut options.ns_lookup_pool, value, "ns lookup")?,
        _ => push(&mut options.native_libs, value, "native lib")?,
    }
    Ok(())
}

/// A level of the compiler. What is out of its range is brought into it, with a note.
fn jit_level(asked: i64, what: &str, notes: &mut Vec<String>) -> u32 {
    let (lowest, highest) = JIT_LEVELS;
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

/// A decimal number, with a sign or not, and nothing else. WAMR's program takes what begins like one, and anything else for
/// 0: a mistake would only be noticed by what it leads to.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
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

    fn missing() -> Refusal {
        Refusal::Usage("the name of the FILE to run is missing".to_owned())
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
        for words in [&["-f"][..], &["-f", "a.wasm"]] {
            let needs = "-f needs two words after it: -f NAME FILE";
            assert_eq!(refusal(words), Refusal::Usage(needs.to_owned()), "{words:?}");
        }
        assert_eq!(refusal(&["-f", "f", "--repl"]), missing());
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
            assert_eq!(refusal(&[flag; 8]), missing(), "no file, but {flag} is not too many");
        }
    }

    #[test]
    fn numbers() {
        for (text, value) in [("12", Some(12)), ("-3", Some(-3)), ("+4", Some(4)), ("007", Some(7))] {
            assert_eq!(number(text.as_bytes()), value, "{text}");
        }
        for text in ["", "x", "3x", " 3", "3 ", "0x10", "64k", "1e3", "99999999999999999999", "\u{663}"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(number(b"\xff"), None);
        assert_eq!(options(&["--stack-size=4294967295", "a"]).stack_size, u32::MAX);
        assert_eq!(options(&["--timeout=250", "a"]).timeout, Some(Duration::from_millis(250)));
        for none in ["--timeout=-1", "--timeout=4294967295"] {
            assert_eq!(options(&["--timeout=250", none, "a"]).timeout, None);
        }
        assert_eq!(options(&["--max-threads=64", "a"]).max_threads, Some(64));
        assert_eq!(options(&["-v=5", "a"]).log_level, 5);
    }

    /// What is said about a word.
    fn said(word: &str) -> String {
        match refusal(&[word, "a.wasm"]) {
            Refusal::Usage(what) => what,
            other => panic!("{word}: {other:?}"),
        }
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        let bytes = "expected a number of bytes, 4294967295 at most";
        let levels = "expected a level, 1 to 3";
        for (word, what) in [
            ("-v=6", "expected a log level, 0 to 5"),
            ("-v=-1", "expected a log level, 0 to 5"),
            ("-v=high", "expected a log level, 0 to 5"),
            ("--stack-size=abc", bytes),
            ("--stack-size=64k", bytes),
            ("--stack-size=-1", bytes),
            ("--heap-size=4294967296", bytes),
            ("--llvm-jit-opt-level=O3", levels),
            ("--llvm-jit-size-level=x", levels),
            ("--timeout=abc", "expected a number of milliseconds, or -1 for none"),
            ("--timeout=5s", "expected a number of milliseconds, or -1 for none"),
            ("--timeout=-2", "expected a number of milliseconds, or -1 for none"),
            ("--max-threads=0", "expected a number of threads, at least 1"),
            ("--max-threads=x", "expected a number of threads, at least 1"),
        ] {
            assert_eq!(said(word), format!("{word}: {what}"));
        }
        for &(name, value) in VALUED {
            for word in [name.to_owned(), format!("{name}=")] {
                assert_eq!(said(&word), format!("{name} needs a value: {name}={value}"));
            }
        }
        for setting in Setting::ALL {
            let name = setting.flag();
            assert_eq!(said(name), format!("{name} needs a value: {name}=..."));
        }
        for &name in FLAGS {
            assert_eq!(said(&format!("{name}=1")), format!("{name} takes no value"));
        }
    }

    #[test]
    fn what_is_not_known_or_not_here() {
        for word in ["--nonsense", "-x", "-", "--", "--nonsense=1", "--checkpoints=a", "-help"] {
            assert_eq!(said(word), format!("there is no option `{word}`"));
        }
        for &(name, why) in NOT_HERE {
            for word in [name.to_owned(), format!("{name}=1")] {
                assert_eq!(said(&word), format!("the option `{name}` is not supported: {why}"));
            }
        }
        assert_eq!(refusal(&[]), Refusal::Empty);
        assert_eq!(refusal(&["--interp"]), missing());
        for entry in ["--env=A", "--env==1"] {
            assert!(matches!(refusal(&[entry, "a"]), Refusal::MessageAndHelp(_)), "{entry}");
        }
        assert!(matches!(run(&["--version", "--nonsense"]), Ok(Command::Version)));
        for word in ["--help", "-h"] {
            assert!(matches!(run(&["--interp", word, "--nonsense"]), Ok(Command::Help)));
        }
    }

    #[test]
    fn the_help_text_lists_every_option() {
        let help = crate::text::help();
        let words: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        let with_values = VALUED.iter().map(|(name, _)| *name);
        let settings = Setting::ALL.iter().map(|setting| setting.flag());
        for name in FLAGS.iter().copied().chain(with_values).chain(settings).chain(["-f", "--function", "-h"])
        {
            assert!(words.contains(&name), "{name}");
        }
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
