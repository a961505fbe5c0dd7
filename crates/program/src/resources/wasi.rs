//! WASI: descriptors, clocks, arguments, calls that wait.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::Value as Json;
use wayfarer_module::Module;
use wayfarer_wasi::{RestorePolicy, WasiCtx};

use super::{Resource, Saving, missing};

/// The kind.
pub(crate) struct Wasi;

impl Resource for Wasi {
    /// As `wayfarer-wasi` encodes it, behind a version of its own.
    type Record<'a> = Cow<'a, [u8]>;
    type Into<'a> = (&'a WasiCtx, &'a RestorePolicy);
    type Made = ();

    const NAME: &'static str = "wasi";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Cow<'static, [u8]>>, String> {
        from.instance.wasi.save().map(|bytes| Some(bytes.into())).map_err(|e| e.to_string())
    }

    fn encode(record: Cow<'_, [u8]>) -> Result<Vec<u8>, String> {
        Ok(record.into_owned())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Cow<'_, [u8]>, String> {
        Ok(bytes.into())
    }

    /// What it says of descriptors is checked as they are made again, before anything has changed.
    fn verify(record: Option<&Cow<'_, [u8]>>, _: &Module) -> Result<(), String> {
        record.map(|_| ()).ok_or_else(missing::<Self>)
    }

    fn restore(record: &Cow<'_, [u8]>, (ctx, policy): Self::Into<'_>) -> Result<(), String> {
        ctx.restore_with(record, policy).map_err(|e| e.to_string())
    }

    fn describe(record: &Cow<'_, [u8]>) -> Option<Json> {
        wayfarer_wasi::describe_record(record).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::HostSection;
    use wayfarer_wasi::WasiBuilder;

    fn context(arg: &str) -> WasiCtx {
        WasiBuilder::new().arg(arg).build().unwrap()
    }

    #[test]
    fn it_is_dumped_and_described() {
        let bytes = Cow::from(context("first").save().unwrap());
        let section = HostSection::new(Wasi::NAME, 1, Wasi::encode(bytes.clone()).unwrap());
        assert_eq!(describe(&section.name, section.version, &section.bytes).unwrap()["args"][0], "first");
        assert_eq!(read::<Wasi>(&[section]).unwrap(), Some(bytes));
    }

    #[test]
    fn it_is_restored() {
        let (saved, other) = (Cow::from(context("first").save().unwrap()), context("second"));
        Wasi::restore(&saved, (&other, &RestorePolicy::default())).unwrap();
        assert_eq!(wayfarer_wasi::describe_record(&other.save().unwrap()).unwrap()["args"][0], "first");
        let cut = saved[..saved.len() - 1].into();
        let error = Wasi::restore(&cut, (&other, &RestorePolicy::default())).unwrap_err();
        assert!(error.contains("malformed WASI record"), "{error}");
    }
}
