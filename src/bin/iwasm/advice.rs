//! What is said on standard error besides the messages of WAMR's program: what is the matter with a file, and what to do.
//! Scripts that compare standard output see what they know.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use wayfarer_snapshot::Image;

use crate::args::Options;
use crate::text::flush;

/// Says something, after what was printed so far.
fn say(what: &str) {
    flush();
    eprintln!("iwasm: {what}");
}

/// An error of the system's, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Why a file could not be read.
pub(crate) fn unreadable(path: &CStr) {
    let shown = path.to_string_lossy();
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    say(&match File::open(path) {
        Err(error) => format!("{shown}: {}", reason(&error)),
        Ok(_) if path.is_dir() => format!("{shown} is a directory; the name of a file in it is needed"),
        Ok(_) => return,
    });
}

/// What a file is that was refused.
pub(crate) fn refused(path: &CStr, bytes: &[u8]) {
    if let Some(what) = wayfarer_module::diagnose(bytes) {
        say(&format!("{}: {what}", path.to_string_lossy()));
    }
}

/// Why a directory could not be given to the program. Nothing is said about other messages.
pub(crate) fn surroundings(message: &str, options: &Options) {
    const DIR: &str = "error while pre-opening directory ";
    const MAPPED: &str = "error while pre-opening mapped directory ";
    let fails = |host: &[u8]| {
        let path = Path::new(OsStr::from_bytes(host));
        let error = match std::fs::read_dir(path) {
            Err(error) => reason(&error),
            Ok(_) => return None,
        };
        Some(format!("{}: {error}", path.display()))
    };
    if message.starts_with("error while pre-opening mapped directory: invalid map") {
        let bad = options.map_dirs.iter().find(|map| !map.to_bytes().windows(2).any(|w| w == b"::"));
        if let Some(bad) = bad {
            say(&format!("--map-dir={}: expected GUEST::HOST", bad.to_string_lossy()));
        }
    } else if message.starts_with(MAPPED) {
        for map in &options.map_dirs {
            let map = map.to_bytes();
            let host = map.windows(2).position(|w| w == b"::").map(|at| &map[at + 2..]);
            if let Some(why) = host.and_then(fails) {
                return say(&format!("--map-dir={}: {why}", String::from_utf8_lossy(map)));
            }
        }
    } else if message.starts_with(DIR)
        && let Some((dir, why)) = options.dirs.iter().find_map(|d| Some((d, fails(d.to_bytes())?)))
    {
        let why = why.strip_prefix(&*format!("{}: ", dir.to_string_lossy())).unwrap_or(&why);
        say(&format!("--dir={}: {why}", dir.to_string_lossy()));
    }
}

/// Says that the time was up, where the exception only says that somebody ended the program.
pub(crate) fn time_was_up(after: Duration) {
    say(&format!("the time was up: the program was stopped after {} ms (--timeout)", after.as_millis()));
}

/// Says which words of this command line are of no use, because the restored program has the ones it was started with.
pub(crate) fn restored(image: &Path, options: &Options) {
    let args = &options.words[1..];
    // Those of a function are compared with the first run's.
    let args = if options.function.is_some() || options.repl { &[] } else { args };
    if args.is_empty() && options.env.is_empty() {
        return;
    }
    // An image that cannot be read is another's matter.
    let Some(saved) = saved(image) else { return };
    let strings = |of: &str| -> Vec<String> {
        let list = saved[of].as_array().into_iter().flatten();
        list.filter_map(|s| s.as_str().map(str::to_owned)).collect()
    };
    let given: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let before = strings("args");
    let before = before.get(1..).unwrap_or_default();
    if !given.is_empty() && given != before {
        say(&format!(
            "the restored program has the arguments it was started with ({}): {} is not used",
            if before.is_empty() { "none".to_owned() } else { before.join(" ") },
            given.join(" ")
        ));
    }
    let before = strings("env");
    let given = options.env.iter().map(|e| e.to_string_lossy().into_owned());
    let unused: Vec<String> = given.filter(|e| !before.contains(e)).map(|e| format!("--env={e}")).collect();
    if !unused.is_empty() {
        say(&format!(
            "the restored program has the environment it was started with: {} is not used",
            unused.join(" ")
        ));
    }
}

/// What an image holds of the program's surroundings.
fn saved(image: &Path) -> Option<serde_json::Value> {
    let image = Image::open(image).ok()?;
    let section = image.program().host.iter().find(|section| section.name == "wasi")?;
    wayfarer_wasi::describe_record(&section.bytes).ok()
}
