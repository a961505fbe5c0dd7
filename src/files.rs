//! Whose files WASI programs see, where the host says nothing.

use wayfarer_wasi::BackEnd;

use crate::compiled::variable;

/// Says it.
pub const VARIABLE: &str = "WAYFARER_WASI";

/// What the variable says, if anything.
///
/// # Errors
/// It is no name of a file system.
pub(crate) fn of_environment() -> Result<Option<BackEnd>, String> {
    let Some(value) = variable(c"WAYFARER_WASI") else { return Ok(None) };
    let named = value.to_string_lossy().parse();
    named.map(Some).map_err(|unknown| format!("{VARIABLE}={}: {unknown}", value.display()))
}
