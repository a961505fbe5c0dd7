//! `wayfarer log`: prints a record of WASI calls, entry by entry.

use std::io::{BufWriter, ErrorKind, Write};

use wayfarer_record::{Reader, render};

use crate::args::Log;

/// Prints what is asked for, as far as the file can be read.
///
/// # Errors
/// What is wrong with the file, or with standard output.
pub(crate) fn run(log: &Log) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", log.path.display());
    let reader = Reader::open(&log.path).map_err(|e| failed(&e))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut broken = None;
    // Numbers are those in the file, whatever is shown of it.
    for (number, entry) in (1..).zip(reader) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                broken = Some(failed(&error));
                break;
            }
        };
        if !log.filter.passes(&entry) {
            continue;
        }
        let written = if log.json {
            writeln!(out, "{}", render::json(number, &entry))
        } else {
            writeln!(out, "{}", render::text(number, &entry))
        };
        match written {
            Ok(()) => {}
            // Readers that stop reading, like `head`, are no error.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(format!("standard output: {e}")),
        }
    }
    match out.flush() {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {e}")),
        _ => broken.map_or(Ok(()), Err),
    }
}
