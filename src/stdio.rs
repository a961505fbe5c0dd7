//! Where modules have the functions of C's streams, if somebody says so.

use std::sync::{Mutex, PoisonError};

use wayfarer_module::Stdio;

use crate::compiled::variable;

/// Says so where the program does not: `fopen=17,fdopen=23,freopen=24,fclose=19`, or `none`.
pub const VARIABLE: &str = "WAYFARER_STDIO_MAP";

static CHOSEN: Mutex<Option<Stdio>> = Mutex::new(None);

/// Where modules that are loaded from now on have them. For the program that this library is part of.
pub fn choose(stdio: Stdio) {
    set(Some(stdio));
}

/// The same; `None`: the environment says it.
pub(crate) fn set(stdio: Option<Stdio>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = stdio;
}

/// Where modules that are loaded now have them.
///
/// # Errors
/// The variable says nothing that can be understood.
pub(crate) fn chosen() -> Result<Stdio, String> {
    if let Some(chosen) = &*CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) {
        return Ok(chosen.clone());
    }
    match variable(c"WAYFARER_STDIO_MAP") {
        None => Ok(Stdio::default()),
        Some(value) => Stdio::parse(&value.to_string_lossy())
            .map_err(|why| format!("{VARIABLE}={}: {why}", value.display())),
    }
}
