//! State of the host's own native modules: saved with an image, and handed back when an instance is made from it.
//!
//! Each module has a section and a version of its own, so that what a kind does is done here for all of them: [`save`],
//! [`verify`], [`restore`]. What is in them, only the modules know.

use std::sync::Arc;

use wayfarer_snapshot::view::HostSection;

use super::is_ours;
use crate::embedder::NativeModule;
use crate::instance::HostParts;

/// Native modules that take part.
type Natives = [Arc<dyn NativeModule>];

/// Before the host's names, so that they do not collide with the library's own sections.
const PREFIX: &str = "host:";

/// Checks that there are modules for the sections of an image, but for ancillary ones.
///
/// # Errors
/// Text that names a section without one, or of another version.
pub(crate) fn verify(natives: &Natives, sections: &[HostSection]) -> Result<(), String> {
    theirs(sections).try_for_each(|section| find(natives, section).map(drop))
}

/// Sections that are not this library's own.
fn theirs(sections: &[HostSection]) -> impl Iterator<Item = &HostSection> {
    sections.iter().filter(|section| !is_ours(&section.name))
}

/// The module for a section; none if it is to be skipped.
fn find<'a>(natives: &'a Natives, section: &HostSection) -> Result<Option<&'a dyn NativeModule>, String> {
    let of_module = section.name.strip_prefix(PREFIX);
    let name = of_module.unwrap_or(&section.name);
    match natives.iter().find(|native| native.name() == name) {
        Some(native) if native.version() == section.version => Ok(Some(&**native)),
        _ if section.ancillary => Ok(None),
        Some(native) => Err(format!(
            "the image holds version {} of the state of native module '{name}', registered is version {}",
            section.version,
            native.version()
        )),
        None if of_module.is_some() => {
            Err(format!("the image holds state of native module '{name}', which is not registered here"))
        }
        None => Err(format!("the image has a section '{name}', which this runtime does not know")),
    }
}

/// What all modules save of an instance.
///
/// # Errors
/// Text that names a module that can't.
pub(crate) fn save(natives: &Natives, instance: &HostParts) -> Result<Vec<HostSection>, String> {
    let save_one = |native: &Arc<dyn NativeModule>| {
        let name = native.name();
        let state = native.save(instance);
        let state = state.ok_or_else(|| format!("the state of native module '{name}' cannot be saved"))?;
        Ok(HostSection::new(format!("{PREFIX}{name}"), native.version(), state))
    };
    natives.iter().map(save_one).collect()
}

/// Gives the sections of an image back to the modules that wrote them.
///
/// # Errors
/// Text that names a section without a module, or a module that refuses.
pub(crate) fn restore(
    natives: &Natives,
    instance: &HostParts,
    sections: &[HostSection],
) -> Result<(), String> {
    for section in theirs(sections) {
        let Some(native) = find(natives, section)? else { continue };
        if !native.restore(instance, &section.bytes) {
            return Err(format!("native module '{}' refuses its state", native.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mine;

    impl NativeModule for Mine {
        fn name(&self) -> &str {
            "mine"
        }

        fn version(&self) -> u32 {
            2
        }

        fn save(&self, _: &HostParts) -> Option<Vec<u8>> {
            Some(vec![7])
        }

        fn restore(&self, _: &HostParts, state: &[u8]) -> bool {
            state == [7]
        }
    }

    #[test]
    fn sections_without_a_module_are_refused_by_name_or_skipped_if_they_are_ancillary() {
        let natives: [Arc<dyn NativeModule>; 1] = [Arc::new(Mine)];
        let found = |name: &str, version, ancillary| {
            let section = HostSection { ancillary, ..HostSection::new(name, version, vec![]) };
            find(&natives, &section).map(|native| native.is_some())
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
