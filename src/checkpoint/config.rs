//! The settings in force in this process: what the program configured, else the environment.

use std::sync::{Mutex, PoisonError};

use super::policy::{Resolved, Settings};

static IN_FORCE: Mutex<Option<Result<Resolved, String>>> = Mutex::new(None);

/// Sets when instances made from now on are checkpointed, and what the next one is restored from. The environment is not
/// looked at then.
pub fn configure(settings: Resolved) {
    *IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ok(settings));
}

/// The settings in force.
///
/// # Errors
/// What is wrong with the environment.
pub(crate) fn in_force() -> Result<Resolved, String> {
    let mut in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    in_force.get_or_insert_with(|| Settings::from_env().resolve().map_err(|e| e.to_string())).clone()
}

/// Takes the order to restore: it holds for one instance.
pub(crate) fn restored() {
    let mut in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Ok(resolved)) = in_force.as_mut() {
        resolved.restore = None;
    }
}
