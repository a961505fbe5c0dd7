//! Entries as text, a line each, and as JSON.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use crate::entry::{Arg, Call, Direction, Entry, Happened, Outcome, Value};

/// Names of WASI's error numbers, from 0.
const ERRORS: &str = "success 2big acces addrinuse addrnotavail afnosupport again already badf badmsg busy canceled child \
    connaborted connrefused connreset deadlk destaddrreq dom dquot exist fault fbig hostunreach idrm ilseq inprogress intr \
    inval io isconn isdir loop mfile mlink msgsize multihop nametoolong netdown netreset netunreach nfile nobufs nodev noent \
    noexec nolck nolink nomem nomsg noprotoopt nospc nosys notconn notdir notempty notrecoverable notsock notsup notty nxio \
    overflow ownerdead perm pipe proto protonosupport prototype range rofs spipe srch stale timedout txtbsy xdev notcapable";

fn error_name(errno: u16) -> &'static str {
    ERRORS.split_whitespace().nth(errno.into()).unwrap_or("unknown")
}

/// An entry as a line, without its end. `number`: which one of the file it is.
pub fn text(number: u64, entry: &Entry) -> String {
    let mut line = format!("{number} {}", time(entry.time));
    if entry.instance > 0 {
        let _ = write!(line, " instance {}", entry.instance);
    }
    let _ = match &entry.happened {
        Happened::Begun { pid, runtime, module, sha256, restored, torn } => {
            let how = match restored {
                Some(image) => format!("restored from image {image}"),
                None => "begun".to_owned(),
            };
            let name = if module.is_empty() { String::new() } else { format!(" {module}") };
            let torn = match torn {
                0 => String::new(),
                torn => format!("; {torn} bytes of a torn block were cut off here"),
            };
            write!(
                line,
                " -- {how}: module{name} {}, process {pid}, runtime {runtime}{torn}",
                &hex(sha256)[..16]
            )
        }
        Happened::Call(call) => {
            line.push_str(&of_call(call));
            Ok(())
        }
        Happened::Checkpoint { image, sequence } => write!(line, " -- checkpoint {sequence} to {image}"),
        Happened::Ended => write!(line, " -- ended"),
    };
    line
}

fn of_call(call: &Call) -> String {
    let list = |args: &[Arg]| args.iter().map(of_arg).collect::<Vec<_>>().join(", ");
    let mut line = format!(" thread {} {}({}) = ", call.thread, call.function, list(&call.args));
    let _ = match &call.outcome {
        Outcome::Errno(0) => write!(line, "0"),
        Outcome::Errno(errno) => write!(line, "{errno} {}", error_name(*errno)),
        Outcome::Exit(status) => write!(line, "exit {status}"),
        Outcome::Trap(text) => write!(line, "trap: {text}"),
    };
    if !call.results.is_empty() {
        let _ = write!(line, " ({})", list(&call.results));
    }
    for range in &call.ranges {
        let at = range.offset.map(|offset| format!(" at {offset}")).unwrap_or_default();
        let done = direction(range.direction);
        let _ = write!(line, ", {done} {} bytes{at} sha256 {}", range.len, hex(&range.sha256));
    }
    let _ = write!(line, " [{}.{:03} us]", call.took / 1000, call.took % 1000);
    line
}

fn of_arg(arg: &Arg) -> String {
    let name = &arg.name;
    match &arg.value {
        Value::Number(number) => format!("{name}={number}"),
        Value::Signed(number) => format!("{name}={number}"),
        Value::Bits(bits) => format!("{name}={bits:#x}"),
        Value::Descriptor { fd, path: None } => format!("{name}={fd}"),
        Value::Descriptor { fd, path: Some(path) } => format!("{name}={fd} {}", quoted(path)),
        Value::Path(path) => format!("{name}={}", quoted(path)),
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read",
        Direction::Written => "wrote",
    }
}

/// In quotation marks, on one line.
fn quoted(path: &[u8]) -> String {
    format!("\"{}\"", path.escape_ascii())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry as JSON. `number`: which one of the file it is.
pub fn json(number: u64, entry: &Entry) -> Json {
    let mut object = Map::new();
    let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
    put("number", number.into());
    put("time", time(entry.time).into());
    put("instance", entry.instance.into());
    match &entry.happened {
        Happened::Begun { pid, runtime, module, sha256, restored, torn } => {
            put("kind", if restored.is_some() { "restored" } else { "begun" }.into());
            put("pid", (*pid).into());
            put("runtime", runtime.as_str().into());
            put("module", module.as_str().into());
            put("sha256", hex(sha256).into());
            put("image", restored.as_deref().into());
            put("torn_bytes", (*torn).into());
        }
        Happened::Call(call) => {
            put("kind", "call".into());
            put("thread", call.thread.into());
            put("function", call.function.as_str().into());
            put("args", args(&call.args));
            match &call.outcome {
                Outcome::Errno(errno) => {
                    put("errno", (*errno).into());
                    put("error", error_name(*errno).into());
                }
                Outcome::Exit(status) => drop(put("exit", (*status).into())),
                Outcome::Trap(text) => drop(put("trap", text.as_str().into())),
            }
            put("results", args(&call.results));
            let range = |range: &crate::Range| {
                json!({
                    "direction": direction(range.direction),
                    "offset": range.offset,
                    "len": range.len,
                    "sha256": hex(&range.sha256),
                })
            };
            put("ranges", call.ranges.iter().map(range).collect());
            put("nanoseconds", call.took.into());
        }
        Happened::Checkpoint { image, sequence } => {
            put("kind", "checkpoint".into());
            put("image", image.as_str().into());
            put("sequence", (*sequence).into());
        }
        Happened::Ended => drop(put("kind", "ended".into())),
    }
    Json::Object(object)
}

/// A list: two arguments may have the same name.
fn args(args: &[Arg]) -> Json {
    let arg = |Arg { name, value }: &Arg| match value {
        Value::Number(number) | Value::Bits(number) => json!({ "name": name, "value": number }),
        Value::Signed(number) => json!({ "name": name, "value": number }),
        Value::Descriptor { fd, path } => {
            json!({ "name": name, "fd": fd, "path": path.as_deref().map(String::from_utf8_lossy) })
        }
        Value::Path(path) => json!({ "name": name, "path": String::from_utf8_lossy(path) }),
    };
    args.iter().map(arg).collect()
}

/// Nanoseconds since 1970 as ISO 8601.
fn time(nanoseconds: u64) -> String {
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z", month + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000000007Z"),
            (1_796_057_518, "2026-11-30T16:51:58.000000007Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000007Z"),
        ] {
            assert_eq!(time(seconds * 1_000_000_000 + 7), expected);
        }
        assert!(time(u64::MAX).starts_with("2554-"));
    }

    #[test]
    fn error_numbers_have_wasis_names() {
        assert_eq!(error_name(0), "success");
        assert_eq!((error_name(8), error_name(44), error_name(76)), ("badf", "noent", "notcapable"));
        assert_eq!(error_name(77), "unknown");
    }
}
