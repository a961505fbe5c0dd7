//! State of the host's own native modules: saved with an image, and handed back when an instance is made from it.

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use wayfarer_snapshot::view::HostSection;

use super::mode;
use super::record;
use crate::capi::instance::WASMModuleInstanceCommon;
use crate::capi::types::wasm_module_inst_t;

/// Collects what a save hook writes.
#[derive(Debug, Default)]
pub struct Writer(pub(crate) Vec<u8>);

/// Writes a module's state; false if it can't be saved.
pub(crate) type Save = unsafe extern "C" fn(wasm_module_inst_t, *mut Writer, *mut c_void) -> bool;

/// Takes a module's state back; false if it can't be used.
pub(crate) type Restore = unsafe extern "C" fn(wasm_module_inst_t, *const c_void, usize, *mut c_void) -> bool;

/// A native module's hooks.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) save: Save,
    pub(crate) restore: Restore,
    pub(crate) user_data: *mut c_void,
}

// SAFETY: functions and a pointer of the host's, which it gave to be used by whichever thread takes a checkpoint.
unsafe impl Send for Hook {}

static HOOKS: Mutex<Vec<Hook>> = Mutex::new(Vec::new());

/// Before the host's names, so that they do not collide with the library's own sections.
const PREFIX: &str = "host:";

fn hooks() -> Vec<Hook> {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Whether there are any.
pub(crate) fn any() -> bool {
    !HOOKS.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

/// Checks that there are hooks for the sections of an image.
///
/// # Errors
/// Text that names a section without one, or of another version.
pub(crate) fn check(sections: &[HostSection]) -> Result<(), String> {
    let hooks = hooks();
    sections.iter().filter(|s| !is_ours(&s.name)).try_for_each(|s| find(&hooks, s).map(drop))
}

/// The hook for a section.
fn find<'a>(hooks: &'a [Hook], section: &HostSection) -> Result<&'a Hook, String> {
    let name = section.name.strip_prefix(PREFIX).unwrap_or(&section.name);
    let hook = hooks.iter().find(|h| h.name == name).ok_or_else(|| {
        format!("the image holds state of native module '{name}', which is not registered here")
    })?;
    if hook.version != section.version {
        return Err(format!(
            "the image holds version {} of the state of native module '{name}', registered is version {}",
            section.version, hook.version
        ));
    }
    Ok(hook)
}

/// Adds hooks, or replaces those of the same name.
pub(crate) fn register(hook: Hook) {
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    hooks.retain(|h| h.name != hook.name);
    hooks.push(hook);
}

/// Removes the hooks of this name; false if there are none.
pub(crate) fn unregister(name: &str) -> bool {
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = hooks.len();
    hooks.retain(|h| h.name != name);
    hooks.len() < before
}

/// What all hooks save of an instance.
///
/// # Errors
/// Text that names a hook that can't.
pub(crate) fn save(instance: &WASMModuleInstanceCommon) -> Result<Vec<HostSection>, String> {
    let save_one = |hook: Hook| {
        let mut writer = Writer::default();
        // SAFETY: the host registered the function with this signature and pointer.
        if !unsafe { (hook.save)(instance.as_ptr(), &raw mut writer, hook.user_data) } {
            return Err(format!("the state of native module '{}' cannot be saved", hook.name));
        }
        Ok(HostSection { name: format!("{PREFIX}{}", hook.name), version: hook.version, bytes: writer.0 })
    };
    hooks().into_iter().map(save_one).collect()
}

/// Whether a section is this library's own.
fn is_ours(name: &str) -> bool {
    [record::NAME, record::WASI.0, record::HOST.0, mode::NAME].contains(&name)
}

/// Gives the sections of an image back to the hooks that wrote them.
///
/// # Errors
/// Text that names a section without a hook, or a hook that refuses.
pub(crate) fn restore(instance: &WASMModuleInstanceCommon, sections: &[HostSection]) -> Result<(), String> {
    let hooks = hooks();
    for section in sections.iter().filter(|s| !is_ours(&s.name)) {
        let hook = find(&hooks, section)?;
        let (data, len) = (section.bytes.as_ptr().cast(), section.bytes.len());
        // SAFETY: as in `save`; the data lives until the call returns.
        if !unsafe { (hook.restore)(instance.as_ptr(), data, len, hook.user_data) } {
            return Err(format!("native module '{}' refuses its state", hook.name));
        }
    }
    Ok(())
}
