//! Deterministic mode: which modules run in it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::compiled::variable;

/// Switches it on (`1`) or off (`0`) where the host says nothing.
pub const VARIABLE: &str = wayfarer_program::DETERMINISTIC;

/// The host has said nothing.
const UNSET: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

/// What the host said.
static CHOSEN: AtomicU8 = AtomicU8::new(UNSET);

/// Has modules that are loaded from now on run in it, or not.
pub(crate) fn choose(deterministic: bool) {
    CHOSEN.store(if deterministic { ON } else { OFF }, Ordering::Relaxed);
}

/// Whether modules that are loaded now run in deterministic mode.
///
/// # Errors
/// The variable says neither.
pub(crate) fn is_default() -> Result<bool, String> {
    match CHOSEN.load(Ordering::Relaxed) {
        UNSET => {}
        chosen => return Ok(chosen == ON),
    }
    match variable(c"WAYFARER_DETERMINISTIC") {
        None => Ok(false),
        Some(value) if value == "0" => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(value) => Err(format!("{VARIABLE}={}: expected 0 or 1", value.display())),
    }
}
