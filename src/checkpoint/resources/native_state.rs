//! State of the host's own native modules: saved with an image, and handed back when an instance is made from it.
//!
//! Each module has a section and a version of its own, so that what a kind does is done here for all of them: [`save`],
//! [`verify`], [`restore`]. What is in them, only the modules know.

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use wayfarer_snapshot::view::HostSection;

use super::is_ours;
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

/// Checks that there are hooks for the sections of an image, but for ancillary ones.
///
/// # Errors
/// Text that names a section without one, or of another version.
pub(crate) fn verify(sections: &[HostSection]) -> Result<(), String> {
    let hooks = hooks();
    theirs(sections).try_for_each(|section| find(&hooks, section).map(drop))
}

/// Sections that are not this library's own.
fn theirs(sections: &[HostSection]) -> impl Iterator<Item = &HostSection> {
    sections.iter().filter(|section| !is_ours(&section.name))
}

/// The hook for a section; none if it is to be skipped.
fn find<'a>(hooks: &'a [Hook], section: &HostSection) -> Result<Option<&'a Hook>, String> {
    let of_module = section.name.strip_prefix(PREFIX);
    let name = of_module.unwrap_or(&section.name);
    match hooks.iter().find(|hook| hook.name == name) {
        Some(hook) if hook.version == section.version => Ok(Some(hook)),
        _ if section.ancillary => Ok(None),
        Some(hook) => Err(format!(
            "the image holds version {} of the state of native module '{name}', registered is version {}",
            section.version, hook.version
        )),
        None if of_module.is_some() => {
            Err(format!("the image holds state of native module '{name}', which is not registered here"))
        }
        None => Err(format!("the image has a section '{name}', which this runtime does not know")),
    }
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
        Ok(HostSection::new(format!("{PREFIX}{}", hook.name), hook.version, writer.0))
    };
    hooks().into_iter().map(save_one).collect()
}

/// Gives the sections of an image back to the hooks that wrote them.
///
/// # Errors
/// Text that names a section without a hook, or a hook that refuses.
pub(crate) fn restore(instance: &WASMModuleInstanceCommon, sections: &[HostSection]) -> Result<(), String> {
    let hooks = hooks();
    for section in theirs(sections) {
        let Some(hook) = find(&hooks, section)? else { continue };
        let (data, len) = (section.bytes.as_ptr().cast(), section.bytes.len());
        // SAFETY: as in `save`; the data lives until the call returns.
        if !unsafe { (hook.restore)(instance.as_ptr(), data, len, hook.user_data) } {
            return Err(format!("native module '{}' refuses its state", hook.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn save(_: wasm_module_inst_t, _: *mut Writer, _: *mut c_void) -> bool {
        true
    }

    unsafe extern "C" fn restore(_: wasm_module_inst_t, _: *const c_void, _: usize, _: *mut c_void) -> bool {
        true
    }

    #[test]
    fn sections_without_a_hook_are_refused_by_name_or_skipped_if_they_are_ancillary() {
        let user_data = std::ptr::null_mut();
        let hooks = [Hook { name: "mine".into(), version: 2, save, restore, user_data }];
        let found = |name: &str, version, ancillary| {
            let section = HostSection { ancillary, ..HostSection::new(name, version, vec![]) };
            find(&hooks, &section).map(|hook| hook.is_some())
        };
        assert_eq!(found("host:mine", 2, false), Ok(true));
        assert_eq!(found("host:mine", 2, true), Ok(true));
        // Images of old had no prefix.
        assert_eq!(found("mine", 2, false), Ok(true));
        for (name, version, expected) in [
            ("host:mine", 3, "version 3 of the state of native module 'mine', registered is version 2"),
            ("host:other", 1, "state of native module 'other', which is not registered here"),
            ("sockets", 1, "the image has a section 'sockets', which this runtime does not know"),
        ] {
            let error = found(name, version, false).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert_eq!(found(name, version, true), Ok(false));
        }
        let ours = super::super::OURS.map(|name| HostSection::new(name, 99, vec![]));
        assert_eq!(theirs(&ours).count(), 0);
    }
}
