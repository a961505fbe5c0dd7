//! Deterministic mode in images: a host section, without content, says that the program ran in it. One that goes on in the
//! other mode could get other NaNs than it would have got.

use std::ops::RangeInclusive;

use serde_json::Value as Json;
use wayfarer_module::Module;

use super::{Resource, Saving};

/// Switches deterministic mode on (`1`) or off (`0`) where the host says nothing.
pub const VARIABLE: &str = "WAYFARER_DETERMINISTIC";

/// The kind.
pub(crate) struct Mode;

impl Resource for Mode {
    /// That there is one says it all.
    type Record<'a> = ();
    type Into<'a> = ();
    type Made = ();

    const NAME: &'static str = "deterministic";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<()>, String> {
        Ok(section(from.module))
    }

    fn encode((): ()) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    /// What a section of this version may hold beside was never said.
    fn decode(_: &[u8], _: u32) -> Result<(), String> {
        Ok(())
    }

    fn verify(record: Option<&()>, module: &Module) -> Result<(), String> {
        match (record.is_some(), module.deterministic) {
            (true, false) => Err(format!(
                "the image was taken in deterministic mode: restore it with --deterministic or {VARIABLE}=1"
            )),
            (false, true) => Err(format!(
                "the image was not taken in deterministic mode: restore it without --deterministic, {VARIABLE}=1, or code compiled so"
            )),
            _ => Ok(()),
        }
    }

    /// The module is in it, or [`Mode::verify`] has refused.
    fn restore((): &(), (): ()) -> Result<(), String> {
        Ok(())
    }

    fn describe((): &()) -> Option<Json> {
        None
    }
}

/// What an image of this module says.
fn section(module: &Module) -> Option<()> {
    module.deterministic.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::HostSection;

    fn module(deterministic: bool) -> Module {
        let mut module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        module.deterministic = deterministic;
        module
    }

    #[test]
    fn it_is_dumped_if_it_is_deterministic() {
        assert_eq!((section(&module(false)), section(&module(true))), (None, Some(())));
        let dumped = HostSection::new(Mode::NAME, 1, Mode::encode(()).unwrap());
        assert_eq!((read::<Mode>(&[dumped]), read::<Mode>(&[])), (Ok(Some(())), Ok(None)));
        assert_eq!(describe(Mode::NAME, 1, &[]), None);
    }

    #[test]
    fn images_are_restored_in_their_own_mode_only() {
        for deterministic in [false, true] {
            let module = module(deterministic);
            Mode::verify(section(&module).as_ref(), &module).unwrap();
        }
        let error = Mode::verify(None, &module(true)).unwrap_err();
        assert!(error.contains("not taken in deterministic mode"), "{error}");
        let error = Mode::verify(Some(&()), &module(false)).unwrap_err();
        assert!(error.contains("was taken in deterministic mode") && error.contains("=1"), "{error}");
        Mode::restore(&(), ()).unwrap();
    }
}
