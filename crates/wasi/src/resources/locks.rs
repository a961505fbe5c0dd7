//! Locks on ranges of files, which the host has taken for the guest. They are taken again together with the descriptors.

use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving};
use crate::ctx::WasiCtx;
use crate::locks::{LockRecord, RangeRecord};
use crate::restore::RestoreError;
use crate::save::SaveError;
use crate::table::lock;
use serde_json::{Value, json};

/// The kind.
pub(crate) struct FileLocks;

impl Resource for FileLocks {
    type Part = Vec<LockRecord>;
    /// As 1, with those on whole files.
    const VERSION: u32 = 2;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<Vec<LockRecord>, SaveError> {
        Ok(lock(&ctx.locks).save(&ctx.table()))
    }

    /// Version 0: records that know nothing of them.
    fn read(version: u32, reader: &mut Reader<'_>) -> Result<Vec<LockRecord>, FormatError> {
        match version {
            0 => Ok(Vec::new()),
            1 => Ok(reader.next::<Vec<RangeRecord>>()?.into_iter().map(Into::into).collect()),
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        for LockRecord { fd, start, end, whole, .. } in &record.locks {
            let known = record.descriptors.descriptors.binary_search_by_key(fd, |d| d.fd).is_ok();
            if !known || start >= end || *whole && (*start, *end) != (0, u64::MAX) {
                return Err(FormatError::Malformed(format!("a lock of descriptor {fd} is of nothing")));
            }
        }
        Ok(())
    }

    fn restore<'a>(_: &Record, _: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        Ok(Box::new(|| ()))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        if record.locks.is_empty() {
            return Vec::new();
        }
        let lock = |lock: &LockRecord| {
            json!({
                "fd": lock.fd,
                "exclusive": lock.exclusive,
                "start": lock.start,
                "end": (lock.end != u64::MAX).then_some(lock.end),
                "kind": if lock.whole { "flock" } else { "range" },
            })
        };
        vec![("locks", record.locks.iter().map(lock).collect())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, record};
    use crate::save::SavePolicy;

    #[test]
    fn they_are_described_and_those_of_nothing_refused() {
        let of = |fd, start, end, whole| {
            let ctx = context();
            let descriptors =
                super::super::Descriptors::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
            let locks = vec![LockRecord { fd, exclusive: true, start, end, whole }];
            Record { descriptors, locks, ..record() }
        };
        let whole = of(3, 0, u64::MAX, false);
        FileLocks::verify(&whole).unwrap();
        let described = json!([{ "fd": 3, "exclusive": true, "start": 0, "end": null, "kind": "range" }]);
        assert_eq!(FileLocks::describe(&whole), [("locks", described)]);
        let whole = of(3, 0, u64::MAX, true);
        FileLocks::verify(&whole).unwrap();
        assert_eq!(FileLocks::describe(&whole)[0].1[0]["kind"], "flock");
        for bad in [of(3, 4, 4, false), of(9, 0, 1, false), of(3, 0, 1, true)] {
            assert!(FileLocks::verify(&bad).is_err());
        }
    }

    #[test]
    fn the_first_version_knew_ranges_only() {
        let bytes = crate::resources::tests::encode(&vec![(3u32, true, 4u64, 5u64)]);
        let locks = FileLocks::read(1, &mut Reader(&bytes)).unwrap();
        assert_eq!(locks, [LockRecord { fd: 3, exclusive: true, start: 4, end: 5, whole: false }]);
    }
}
