//! What the texts of settings mean: signals, times, places.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::Then;
use crate::group::{GroupSettings, MOST_MEMBERS};

/// Of what is text only.
pub(super) fn in_text<T>(
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(&OsStr) -> Result<T, String> {
    |value| parse(value.to_str().ok_or("not UTF-8")?)
}

/// A folder, and how many meet there.
pub(super) fn parse_group(value: &OsStr) -> Result<GroupSettings, String> {
    let bytes = value.as_bytes();
    let split = bytes.iter().rposition(|&byte| byte == b':').filter(|&at| at > 0);
    let size = split.and_then(|at| parse_number(std::str::from_utf8(&bytes[at + 1..]).ok()?));
    match (split, size) {
        (Some(at), Some(size @ 1..=MOST_MEMBERS)) => {
            Ok(GroupSettings { folder: PathBuf::from(OsStr::from_bytes(&bytes[..at])), size })
        }
        _ => Err("expected a folder and the number of members, like FOLDER:3".to_owned()),
    }
}

/// A path to write an image to: it must end in a name, or no file could be put there.
pub(super) fn path(value: &OsStr) -> Result<PathBuf, String> {
    let path = path_of_image(value)?;
    if value.as_bytes().ends_with(b"/") || path.file_name().is_none() {
        return Err("not the name of a file".to_owned());
    }
    Ok(path)
}

/// A path of an image to read.
pub(super) fn path_of_image(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the name of a file is missing".to_owned());
    }
    Ok(PathBuf::from(value))
}

/// Signals by name. Those that faults raise, and that cannot be caught, are left out: they can't ask for a checkpoint.
const SIGNALS: [(&str, i32); 20] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
];

/// Signals that no handler can be set for, or that say that the process itself is broken.
const UNUSABLE: [(&str, i32); 9] = [
    ("KILL", libc::SIGKILL),
    ("STOP", libc::SIGSTOP),
    ("SEGV", libc::SIGSEGV),
    ("BUS", libc::SIGBUS),
    ("ILL", libc::SIGILL),
    ("FPE", libc::SIGFPE),
    ("ABRT", libc::SIGABRT),
    ("TRAP", libc::SIGTRAP),
    ("SYS", libc::SIGSYS),
];

/// A signal that can ask for a checkpoint, by name (with or without `SIG`, in capitals or not), as `RTMIN+n` or
/// `RTMAX-n`, or by number.
///
/// # Errors
/// Why it is none.
pub fn parse_signal(text: &str) -> Result<i32, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let by_name = || SIGNALS.iter().chain(&UNUSABLE).find(|(n, _)| *n == name).map(|&(_, number)| number);
    let number = parse_number(name).or_else(by_name).or_else(|| real_time_signal(name));
    let Some(number) = number else {
        return Err("not a signal; expected a name like USR2, or a number".to_owned());
    };
    if let Some((name, _)) = UNUSABLE.iter().find(|(_, n)| *n == number) {
        return Err(format!("SIG{name} cannot be used to ask for a checkpoint"));
    }
    let usable = SIGNALS.iter().any(|(_, n)| *n == number) || real_time_range().contains(&number);
    if usable { Ok(number) } else { Err(format!("there is no signal {number} that could be used")) }
}

/// Decimal digits and nothing else; Rust's own parser takes a sign as well.
fn parse_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// C's library keeps the first real-time signals for itself, and says which are left.
fn real_time_range() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

fn real_time_signal(name: &str) -> Option<i32> {
    let range = real_time_range();
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        _ => parse_number::<i32>(text.strip_prefix(sign)?),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => range.start().checked_add(offset(rest, '+')?)?,
        (_, Some(rest)) => range.end().checked_sub(offset(rest, '-')?)?,
        _ => return None,
    };
    range.contains(&number).then_some(number)
}

/// Name of a signal, with `SIG`; a number if it has none here.
pub fn signal_name(signal: i32) -> String {
    match SIGNALS.iter().chain(&UNUSABLE).find(|(_, n)| *n == signal) {
        Some((name, _)) => format!("SIG{name}"),
        None if real_time_range().contains(&signal) => format!("SIGRTMIN+{}", signal - libc::SIGRTMIN()),
        None => format!("signal {signal}"),
    }
}

/// A time span: a number, with a fraction or not, and one of the units `ms`, `s`, `m`, `h`.
///
/// # Errors
/// Why it is none. 0 is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const NANOSECONDS: [(&str, u64); 4] =
        [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let expected = || "expected a number and a unit, like 500ms, 10s, 2m or 1h".to_owned();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(expected());
    }
    let &(_, unit) = NANOSECONDS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    let too_long = || "too long".to_owned();
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    // Digits behind the ninth are less than any unit here can show.
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let fraction: u128 = fraction.parse().map_err(|_| expected())?;
    let nanoseconds = u128::from(whole) * u128::from(unit) + fraction * u128::from(unit) / 1_000_000_000;
    match u64::try_from(nanoseconds) {
        Ok(0) => Err("must be more than nothing".to_owned()),
        Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        Err(_) => Err(too_long()),
    }
}

/// The number of a stable point.
pub(super) fn parse_point(text: &str) -> Result<u64, String> {
    match parse_number(text) {
        Some(0) => Err("stable points are counted from 1".to_owned()),
        Some(n) => Ok(n),
        None => Err("expected the number of a stable point, counted from 1".to_owned()),
    }
}

/// Whether a file may have these permissions and be of any use as an image.
pub fn is_image_mode(mode: u32) -> bool {
    mode <= 0o777 && mode & 0o400 != 0
}

/// Permissions, as chmod(1) takes them in octal.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| octal && is_image_mode(mode));
    mode.ok_or_else(|| "expected permissions in octal that let the owner read, like 0640".to_owned())
}

/// What to do after a checkpoint.
pub(super) fn parse_then(text: &str) -> Result<Then, String> {
    match text {
        "continue" => Ok(Then::Continue),
        "exit" => Ok(Then::Exit),
        _ => Err("expected `continue` or `exit`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for (text, number) in [
            ("USR1", libc::SIGUSR1),
            ("SIGUSR1", libc::SIGUSR1),
            ("sigterm", libc::SIGTERM),
            ("10", 10),
            ("RTMIN", libc::SIGRTMIN()),
            ("SIGRTMIN+2", libc::SIGRTMIN() + 2),
            ("RTMAX-1", libc::SIGRTMAX() - 1),
        ] {
            assert_eq!(parse_signal(text), Ok(number), "{text}");
        }
        let last = libc::SIGRTMAX() + 1;
        let none =
            ["", "SIG", "FOO", "0", "-1", "+10", "RTMIN-1", "RTMIN+99", "RTMAX+1", "RTMIN+", "99999999999"];
        for text in none.into_iter().chain(["KILL", "SIGSTOP", "11", "SEGV", "33", &last.to_string()]) {
            assert!(parse_signal(text).is_err(), "{text}");
        }
        assert_eq!(signal_name(libc::SIGUSR2), "SIGUSR2");
        assert_eq!(signal_name(libc::SIGKILL), "SIGKILL");
        assert_eq!(signal_name(libc::SIGRTMIN() + 3), "SIGRTMIN+3");
        assert_eq!(signal_name(1000), "signal 1000");
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1500),
            ("0.25m", 15_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse_duration("0.0000000019s"), Ok(Duration::from_nanos(1)));
        assert_eq!(parse_duration("1.1234567890123ms"), Ok(Duration::from_nanos(1_123_456)));
        for text in ["", "10", "s", "-1s", "1 s", "1S", "1.s", ".5s", "1.2.3s", "1d", "1e3s"] {
            assert!(parse_duration(text).unwrap_err().starts_with("expected"), "{text}");
        }
        for text in ["0s", "0.0ms", "0.0000000001s"] {
            assert_eq!(parse_duration(text), Err("must be more than nothing".to_owned()), "{text}");
        }
        for text in ["99999999999999999999s", "9999999999h"] {
            assert_eq!(parse_duration(text), Err("too long".to_owned()), "{text}");
        }
    }
}
