//! The settings in force in this process: what the program configured, else the environment.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use wayfarer_wasi::{ByPrefix, FilePolicy, SavePolicy};

use super::driver::complain;
use super::policy::{Resolved, Settings};
use super::watcher;

/// The settings, and whether they are the program's: the environment's otherwise.
static IN_FORCE: Mutex<Option<(Result<Resolved, String>, bool)>> = Mutex::new(None);

/// Sets when instances made from now on are checkpointed, and what the next one is restored from. The environment is not
/// looked at then. The program that does this must not look at the guest's memory between its calls, as `iwasm` does not.
pub fn configure(settings: Resolved) {
    *IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner) = Some((Ok(settings), true));
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
    in_force.get_or_insert_with(|| (from_environment(), false)).0.clone()
}

/// Handles the signal that asks for checkpoints, before there is anything to take one of: it would end the process. What
/// is wrong with the settings is said when an instance is made.
pub fn listen() {
    let in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    // The environment may still be changed until then.
    let settings = in_force.as_ref().map_or_else(from_environment, |(settings, _)| settings.clone());
    if let Some(policy) = settings.ok().and_then(|settings| settings.policy) {
        let _ = watcher::listen(policy.signal);
    }
}

/// Says on stderr, once, why there is no instance if that has to do with the environment's settings: whoever set them
/// may not see what the host does with the library's messages. The message.
pub fn refused(why: String) -> String {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let by_program = matches!(*IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner), Some((_, true)));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if !by_program && *last != why {
        complain(&why);
        last.clone_from(&why);
    }
    why
}

/// Takes the order to restore: it holds for one instance.
pub(crate) fn restored() {
    let mut in_force = IN_FORCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((Ok(resolved), _)) = in_force.as_mut() {
        resolved.restore = None;
    }
}

/// What an image holds of open files: as its order says, or else as the settings do.
pub(crate) fn save_policy(ordered: Option<&ByPrefix<FilePolicy>>) -> SavePolicy {
    let files = ordered.cloned().or_else(|| in_force().ok().map(|resolved| resolved.checkpoint_files));
    SavePolicy { files: files.unwrap_or_default(), ..SavePolicy::default() }
}

/// Permissions of images that the program asked for; `u32::MAX`: it did not.
static IMAGE_MODE: AtomicU32 = AtomicU32::new(u32::MAX);

/// Sets the permissions of images from now on, whatever the settings say.
pub fn set_image_mode(mode: u32) {
    IMAGE_MODE.store(mode, Ordering::Relaxed);
}

/// Permissions of images; `None`: their owner's alone.
pub(crate) fn image_mode() -> Option<u32> {
    match IMAGE_MODE.load(Ordering::Relaxed) {
        u32::MAX => in_force().ok().and_then(|resolved| resolved.image_mode),
        mode => Some(mode),
    }
}
