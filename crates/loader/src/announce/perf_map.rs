//! perf's map of functions that are in no file: a line each, `START SIZE NAME`, numbers in hexadecimal.

use super::{one_line, open_in_tmp};
use crate::Function;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Adds functions to this process's map.
pub(crate) fn write(functions: &[Function]) -> io::Result<()> {
    let mut lines = String::new();
    for f in functions {
        let _ = writeln!(lines, "{:x} {:x} {}", f.address, f.size, one_line(&f.name));
    }
    // In one go: other threads, and other copies of this library, append to the same file.
    open_in_tmp(&format!("perf-{}.map", std::process::id()))?.write_all(lines.as_bytes())
}
