//! The WebAssembly modules that are run: built from `programs/`, or fetched.

use crate::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Brings all programs up to date and gives the directory they are in.
///
/// # Errors
/// What is missing, or does not compile.
pub fn programs() -> Result<PathBuf, Error> {
    let programs = benches().join("programs");
    output(Command::new("make").arg("--silent").arg("-C").arg(programs))?;
    Ok(build())
}

/// Where artifacts are.
pub fn build() -> PathBuf {
    benches().join("build")
}

/// Path of CPython's module; fetched if it is not there yet.
///
/// # Errors
/// What went wrong with fetching it.
pub fn cpython() -> Result<PathBuf, Error> {
    let script = benches().join("../scripts/fetch-python.sh");
    let path = output(Command::new(script).arg(benches().join("build")))?;
    Ok(path.trim_end().into())
}

fn benches() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the command writes to its standard output.
fn output(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_owned();
    let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", OsStr::display(&name));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
