//! The command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use wayfarer_program::policy::{DEFAULT_SIGNAL, parse_duration, parse_signal};
use wayfarer_record::Filter;

pub(crate) const HELP: &str = "\
Usage: wayfarer COMMAND
Looks at images of WebAssembly programs, at modules and at records of calls, and asks running programs for an image.

Commands:
  inspect IMAGE [--json]  print what an image holds, as text or as JSON
    --dot                 only which threads wait for whom, for Graphviz
  log FILE [OPTION...]    print the WASI calls that a program has recorded (iwasm --record=FILE), oldest first
    --json                as JSON, an object on each line
    --path=PREFIX         only those about files below this path of the program's, or about itself
    --fd=N                only those about this descriptor
    --thread=N            only those of this thread
    --function=NAME       only those of this function
  verify IMAGE            read all of an image and check it
  request PID [OPTION...] ask a process for the checkpoint it was set up for
    --signal=NAME         the signal it was set up with (USR2)
    --wait=IMAGE          wait until it is ready to be asked, then until there is a new image in this file
    --timeout=TIME        wait no longer than this, like 500ms, 10s, 2m, 1h
  disasm FILE [FUNCTION]  print the code that the interpreter runs of a module (.wasm or .aot): of all functions, or of
                          one, by index or name
    --native              the compiled code, with its stable points: needs the compiler
  --help, -h              print this
  --version, -V           print the version

Exit status: 0 if done, 1 if not or if the image or record is bad, 2 if the command line is wrong.
";

/// What to do.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Inspect(Inspect),
    Log(Log),
    Verify(PathBuf),
    Disasm(Disasm),
    Request(Request),
}

/// `wayfarer inspect`
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Inspect {
    pub(crate) path: PathBuf,
    pub(crate) json: bool,
    /// Only who waits for whom, for Graphviz.
    pub(crate) dot: bool,
}

/// `wayfarer log`
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    pub(crate) json: bool,
    pub(crate) filter: Filter,
}

/// `wayfarer disasm`
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Disasm {
    pub(crate) path: PathBuf,
    /// Index or name of the function; all if there is none.
    pub(crate) func: Option<String>,
    /// The compiled code, not the interpreter's.
    pub(crate) native: bool,
}

/// `wayfarer request`
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) pid: i32,
    pub(crate) signal: i32,
    pub(crate) wait: Option<PathBuf>,
    pub(crate) timeout: Option<Duration>,
}

/// Reads the words after the program's name.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let command = words.next().ok_or("a command is missing")?;
    let rest = Words::new(words);
    if rest.options.iter().any(|w| w == "--help") {
        return Ok(Command::Help);
    }
    match command.as_bytes() {
        b"--help" | b"-h" | b"help" => Ok(Command::Help),
        b"--version" | b"-V" => Ok(Command::Version),
        b"inspect" => {
            let (mut json, mut dot) = (false, false);
            for option in &rest.options {
                match option.as_bytes() {
                    b"--json" => json = true,
                    b"--dot" => dot = true,
                    _ => return Err(unknown(option)),
                }
            }
            if json && dot {
                return Err("either --json or --dot, not both".to_owned());
            }
            Ok(Command::Inspect(Inspect { path: rest.only("IMAGE")?.into(), json, dot }))
        }
        b"log" => log(&rest).map(Command::Log),
        b"verify" => match rest.options.first() {
            Some(option) => Err(unknown(option)),
            None => Ok(Command::Verify(rest.only("IMAGE")?.into())),
        },
        b"disasm" => disasm(&rest).map(Command::Disasm),
        b"request" => request(&rest).map(Command::Request),
        _ => Err(format!("there is no command `{}`", command.to_string_lossy())),
    }
}

fn log(words: &Words) -> Result<Log, String> {
    let (mut json, mut filter) = (false, Filter::default());
    for option in &words.options {
        let (name, value) = split(option);
        let needs = |what| format!("{} needs {what}", String::from_utf8_lossy(name));
        // Rust's own parser takes a sign as well.
        let digits = |value: &OsStr| value.as_bytes().iter().all(u8::is_ascii_digit);
        let number = value.filter(|value| digits(value)).and_then(OsStr::to_str);
        match name {
            b"--json" if value.is_none() => json = true,
            b"--path" => {
                let path = value.filter(|value| !value.is_empty()).ok_or_else(|| needs("a path"))?;
                filter.path = Some(path.as_bytes().to_vec());
            }
            b"--fd" => {
                let fd = number.and_then(|number| number.parse().ok());
                filter.fd = Some(fd.ok_or_else(|| needs("the number of a descriptor"))?);
            }
            b"--thread" => {
                let thread = number.and_then(|number| number.parse().ok());
                filter.thread = Some(thread.ok_or_else(|| needs("the number of a thread"))?);
            }
            b"--function" => {
                let function = value.and_then(OsStr::to_str);
                let known = |name: &&str| wayfarer_wasi::WasiFunction::find(name).is_some();
                let function = function.filter(known).ok_or_else(|| needs("the name of a WASI function"))?;
                filter.function = Some(function.to_owned());
            }
            _ => return Err(unknown(option)),
        }
    }
    Ok(Log { path: words.only("FILE")?.into(), json, filter })
}

fn disasm(words: &Words) -> Result<Disasm, String> {
    let mut native = false;
    for option in &words.options {
        match option.as_bytes() {
            b"--native" => native = true,
            _ => return Err(unknown(option)),
        }
    }
    match &*words.values {
        [_, _, other, ..] => Err(format!("one FUNCTION only, not `{}` as well", other.to_string_lossy())),
        [path, func] => {
            let func = func.to_str().ok_or("FUNCTION is not UTF-8")?;
            Ok(Disasm { path: path.into(), func: Some(func.to_owned()), native })
        }
        _ => Ok(Disasm { path: words.only("FILE")?.into(), func: None, native }),
    }
}

fn request(words: &Words) -> Result<Request, String> {
    let pid = words.only("PID")?;
    let pid = pid.to_str().and_then(|s| s.parse().ok()).filter(|&pid: &i32| pid > 0);
    let pid =
        pid.ok_or_else(|| format!("`{}` is not the number of a process", words.values[0].to_string_lossy()))?;
    let mut request = Request { pid, signal: DEFAULT_SIGNAL, wait: None, timeout: None };
    for option in &words.options {
        let bad = |why| format!("{}: {why}", option.to_string_lossy());
        match split(option) {
            (b"--signal", Some(value)) => {
                request.signal = parse_signal(&value.to_string_lossy()).map_err(bad)?;
            }
            (b"--timeout", Some(value)) => {
                request.timeout = Some(parse_duration(&value.to_string_lossy()).map_err(bad)?);
            }
            (b"--wait", Some(value)) if !value.is_empty() => request.wait = Some(value.into()),
            (b"--wait", _) => return Err("--wait needs the name of a file: --wait=IMAGE".to_owned()),
            _ => return Err(unknown(option)),
        }
    }
    if request.timeout.is_some() && request.wait.is_none() {
        return Err("--timeout is about how long to --wait".to_owned());
    }
    Ok(request)
}

fn unknown(option: &OsStr) -> String {
    format!("there is no option `{}` here", option.to_string_lossy())
}

/// `--name=value` as name and value.
fn split(option: &OsStr) -> (&[u8], Option<&OsStr>) {
    let bytes = option.as_bytes();
    match bytes.iter().position(|&b| b == b'=') {
        Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (bytes, None),
    }
}

/// The words after a command.
struct Words {
    /// Those that begin with `-`.
    options: Vec<OsString>,
    values: Vec<OsString>,
}

impl Words {
    /// After `--`, nothing is an option.
    fn new(words: impl Iterator<Item = OsString>) -> Self {
        let (mut options, mut values, mut all_values) = (Vec::new(), Vec::new(), false);
        for word in words {
            if !all_values && word == "--" {
                all_values = true;
            } else if !all_values && word.as_bytes().first() == Some(&b'-') {
                options.push(word);
            } else {
                values.push(word);
            }
        }
        Words { options, values }
    }

    fn only(&self, what: &str) -> Result<OsString, String> {
        match &*self.values {
            [] => Err(format!("{what} is missing")),
            [one] => Ok(one.clone()),
            [_, second, ..] => Err(format!("one {what} only, not `{}` as well", second.to_string_lossy())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        super::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands() {
        assert_eq!(parse("--help"), Ok(Command::Help));
        assert_eq!(parse("request --help"), Ok(Command::Help));
        assert_eq!(parse("--version"), Ok(Command::Version));
        let inspect = |json, dot| Ok(Command::Inspect(Inspect { path: "a".into(), json, dot }));
        assert_eq!(parse("inspect a"), inspect(false, false));
        assert_eq!(parse("inspect --json a"), inspect(true, false));
        assert_eq!(parse("inspect a --dot"), inspect(false, true));
        let log = |json, filter| Log { path: "a".into(), json, filter };
        assert_eq!(parse("log a"), Ok(Command::Log(log(false, Filter::default()))));
        let filter = Filter {
            path: Some(b"/b=c".to_vec()),
            fd: Some(3),
            thread: Some(4),
            function: Some("fd_read".to_owned()),
        };
        assert_eq!(
            parse("log --path=/b=c --fd=3 --thread=4 --function=fd_read --json a"),
            Ok(Command::Log(log(true, filter)))
        );
        assert_eq!(parse("verify -- -a"), Ok(Command::Verify("-a".into())));
        let disasm =
            |func: Option<&str>| Disasm { path: "a".into(), func: func.map(str::to_owned), native: false };
        let native = Disasm { native: true, ..disasm(Some("7")) };
        assert_eq!(parse("disasm a 7 --native"), Ok(Command::Disasm(native)));
        assert_eq!(parse("disasm a"), Ok(Command::Disasm(disasm(None))));
        assert_eq!(parse("disasm a 7"), Ok(Command::Disasm(disasm(Some("7")))));
        assert_eq!(parse("disasm -- a -b"), Ok(Command::Disasm(disasm(Some("-b")))));
        let plain = Request { pid: 12, signal: libc::SIGUSR2, wait: None, timeout: None };
        assert_eq!(parse("request 12"), Ok(Command::Request(plain)));
        let all = Request {
            pid: 12,
            signal: libc::SIGHUP,
            wait: Some("a=b".into()),
            timeout: Some(Duration::from_secs(120)),
        };
        assert_eq!(parse("request --signal=HUP 12 --wait=a=b --timeout=2m"), Ok(Command::Request(all)));
    }

    #[test]
    fn mistakes() {
        for (line, message) in [
            ("", "a command is missing"),
            ("look", "there is no command `look`"),
            ("inspect", "IMAGE is missing"),
            ("inspect a b", "one IMAGE only, not `b` as well"),
            ("inspect a --dot --json", "either --json or --dot, not both"),
            ("inspect a --yaml", "there is no option `--yaml` here"),
            ("verify a --json", "there is no option `--json` here"),
            ("log", "FILE is missing"),
            ("log a --path=", "--path needs a path"),
            ("log a --fd=+3", "--fd needs the number of a descriptor"),
            ("log a --fd", "--fd needs the number of a descriptor"),
            ("log a --thread=", "--thread needs the number of a thread"),
            ("log a --function=read", "--function needs the name of a WASI function"),
            ("log a --json=1", "there is no option `--json=1` here"),
            ("disasm", "FILE is missing"),
            ("disasm a b c", "one FUNCTION only, not `c` as well"),
            ("disasm a --all", "there is no option `--all` here"),
            ("request", "PID is missing"),
            ("request me", "`me` is not the number of a process"),
            ("request 0", "`0` is not the number of a process"),
            ("request -- -1", "`-1` is not the number of a process"),
            ("request 1 --signal", "there is no option `--signal` here"),
            ("request 1 --signal=KILL", "--signal=KILL: SIGKILL cannot be used to ask for a checkpoint"),
            ("request 1 --wait=", "--wait needs the name of a file: --wait=IMAGE"),
            ("request 1 --timeout=1s", "--timeout is about how long to --wait"),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()), "{line}");
        }
        assert!(
            parse("request 1 --wait=a --timeout=soon").unwrap_err().starts_with("--timeout=soon: expected")
        );
    }
}
