//! Deterministic mode in images: a host section, without content, says that the program ran in it. One that goes on in the
//! other mode could get other NaNs than it would have got.

use wayfarer_module::Module;
use wayfarer_snapshot::view::HostSection;

use crate::capi::deterministic::VARIABLE;

/// Name and version of the host section.
pub(crate) const NAME: &str = "deterministic";
const VERSION: u32 = 1;

/// The section of an image of this module, if there has to be one.
pub(crate) fn section(module: &Module) -> Option<HostSection> {
    let section = || HostSection { name: NAME.to_owned(), version: VERSION, bytes: Vec::new() };
    module.deterministic.then(section)
}

/// Checks that an image with these sections was taken in the mode that this module runs in.
///
/// # Errors
/// It was taken in the other one.
pub(crate) fn check(sections: &[HostSection], module: &Module) -> Result<(), String> {
    match (sections.iter().any(|section| section.name == NAME), module.deterministic) {
        (true, false) => Err(format!(
            "the image was taken in deterministic mode: restore it with --deterministic or {VARIABLE}=1"
        )),
        (false, true) => Err(format!(
            "the image was not taken in deterministic mode: restore it without --deterministic, {VARIABLE}=1, or code compiled so"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_go_on_in_their_own_mode_only() {
        let mut module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        let free = Vec::from_iter(section(&module));
        assert!(free.is_empty() && check(&free, &module).is_ok());
        module.deterministic = true;
        let deterministic = Vec::from_iter(section(&module));
        assert!(check(&deterministic, &module).is_ok());
        let error = check(&free, &module).unwrap_err();
        assert!(error.contains("not taken in deterministic mode"), "{error}");
        module.deterministic = false;
        let error = check(&deterministic, &module).unwrap_err();
        assert!(error.contains("was taken in deterministic mode") && error.contains("=1"), "{error}");
    }
}
