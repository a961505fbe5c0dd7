//! The settings in force in this process: what the program configured, else the environment.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::policy::{Resolved, Settings};

static IN_FORCE: Mutex<Option<Result<Resolved, String>>> = Mutex::new(None);

/// Sets when instances made from now on are checkpointed, and what the next one is restored from. The environment is not
/// looked at then. The program that does this must not look at the guest's memory between its calls, as `iwasm` does not.
pub fn configure(settings: Resolved) {
    *IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ok(settings));
}

fn from_environment() -> Result<Resolved, String> {
    let resolved = Settings::from_env().resolve_here().map_err(|e| e.to_string())?;
    Ok(Resolved { observed: true, ..resolved })
}

/// The settings in force.
///
/// # Errors
/// What is wrong with the environment.
pub(crate) fn in_force() -> Result<Resolved, String> {
    let mut in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    in_force.get_or_insert_with(|| from_environment()).clone()
}

/// Takes the order to restore: it holds for one instance.
pub(crate) fn restored() {
    let mut in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Ok(resolved)) = in_force.as_mut() {
        resolved.restore = None;
    }
}

/// Permissions of images that the program asked for; `u32::MAX`: it did not.
static IMAGE_MODE: AtomicU32 = AtomicU32::new(u32::MAX);

/// Sets the permissions of images from now on, whatever the settings say.
pub(crate) fn set_image_mode(mode: u32) {
    IMAGE_MODE.store(mode, Ordering::Relaxed);
}

/// Permissions of images; `None`: their owner's alone.
pub(crate) fn image_mode() -> Option<u32> {
    match IMAGE_MODE.load(Ordering::Relaxed) {
        u32::MAX => in_force().ok().and_then(|resolved| resolved.image_mode),
        mode => Some(mode),
    }
}
