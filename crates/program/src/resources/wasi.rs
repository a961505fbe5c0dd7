//! WASI: descriptors, clocks, arguments, calls that wait.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::RangeInclusive;

use serde_json::Value as Json;
use wayfarer_module::Module;
use wayfarer_snapshot::{FileReader, Image};
use wayfarer_wasi::{ContentBeside, RestorePolicy, Sparse, WasiCtx};

use super::{Resource, Saving, missing};

/// The kind.
pub(crate) struct Wasi;

impl Resource for Wasi {
    /// As `wayfarer-wasi` encodes it, behind a version of its own.
    type Record<'a> = Cow<'a, [u8]>;
    type Into<'a> = (&'a WasiCtx, &'a RestorePolicy, &'a Image<'static>);
    type Made = ();

    const NAME: &'static str = "wasi";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Cow<'static, [u8]>>, String> {
        let saved = from.instance.wasi.save_beside(from.files, from.beside);
        saved.map(|bytes| Some(bytes.into())).map_err(|e| e.to_string())
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

    fn restore(record: &Cow<'_, [u8]>, (ctx, policy, image): Self::Into<'_>) -> Result<(), String> {
        ctx.restore_beside(record, &FilesOf(image), policy).map_err(|e| e.to_string())
    }

    fn describe(record: &Cow<'_, [u8]>) -> Option<Json> {
        wayfarer_wasi::describe_record(record).ok()
    }
}

/// What went beside records into an image.
struct FilesOf<'a>(&'a Image<'static>);

impl ContentBeside for FilesOf<'_> {
    fn size(&self, number: u32) -> Option<u64> {
        self.0.file_len(number)
    }

    fn open(&self, number: u32) -> io::Result<Box<dyn Sparse + '_>> {
        let file = self.0.file(number)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FileOf(file)))
    }
}

struct FileOf<'a>(FileReader<'a>);

impl Read for FileOf<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Sparse for FileOf<'_> {
    fn skip_zeros(&mut self) -> u64 {
        self.0.skip_zeros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::{HostSection, ProgramView};
    use wayfarer_snapshot::{Info, Reason, WriteOptions, save_to_vec};
    use wayfarer_wasi::WasiBuilder;

    fn context(arg: &str) -> WasiCtx {
        WasiBuilder::new().arg(arg).build().unwrap()
    }

    /// One of nothing.
    fn image() -> Image<'static> {
        let info = Info::now(Reason::Api, 1);
        Image::from_bytes(save_to_vec(&ProgramView::default(), &info, &[], &WriteOptions::default()).unwrap())
            .unwrap()
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
        let image = image();
        Wasi::restore(&saved, (&other, &RestorePolicy::default(), &image)).unwrap();
        assert_eq!(wayfarer_wasi::describe_record(&other.save().unwrap()).unwrap()["args"][0], "first");
        let cut = saved[..saved.len() - 1].into();
        let error = Wasi::restore(&cut, (&other, &RestorePolicy::default(), &image)).unwrap_err();
        assert!(error.contains("malformed WASI record"), "{error}");
    }
}
