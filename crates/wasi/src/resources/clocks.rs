//! The guest's clocks.

use super::{FormatError, Ready, Record, Resource, Restoring, Saving};
use crate::clock::{ClockRecord, Clocks};
use crate::ctx::WasiCtx;
use crate::restore::RestoreError;
use crate::save::SaveError;
use crate::table::lock;
use serde_json::{Value, json};

/// The kind.
pub(crate) struct GuestClocks;

impl Resource for GuestClocks {
    type Part = ClockRecord;
    const VERSION: u32 = 1;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<ClockRecord, SaveError> {
        Ok(lock(&ctx.clocks).save())
    }

    /// Any time will do: sums saturate.
    fn verify(_: &Record) -> Result<(), FormatError> {
        Ok(())
    }

    fn restore<'a>(record: &Record, ctx: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        let record = record.clocks.clone();
        // From when on they go on is from when they are put there.
        Ok(Box::new(move || *lock(&ctx.clocks) = Clocks::restore(&record)))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        let clocks = &record.clocks;
        let described = json!({
            "monotonic_ns": clocks.monotonic,
            "process_cpu_ns": clocks.process,
            "thread_cpu_ns": clocks.thread,
        });
        vec![("clocks", described)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, record};
    use crate::restore::RestorePolicy;
    use crate::save::SavePolicy;

    #[test]
    fn they_are_saved_and_described() {
        let ctx = context();
        let before = lock(&ctx.clocks).monotonic();
        let clocks = GuestClocks::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
        assert!(clocks.monotonic >= before && clocks.monotonic <= lock(&ctx.clocks).monotonic());
        let record =
            Record { clocks: ClockRecord { monotonic: 5, process: 6, thread: 7, ..clocks }, ..record() };
        GuestClocks::verify(&record).unwrap();
        let described = json!({ "monotonic_ns": 5, "process_cpu_ns": 6, "thread_cpu_ns": 7 });
        assert_eq!(GuestClocks::describe(&record), [("clocks", described)]);
    }

    #[test]
    fn they_are_restored_when_nothing_can_fail_any_more() {
        let ctx = context();
        let later = lock(&ctx.clocks).monotonic() + 3_600_000_000_000;
        let mut record = record();
        record.clocks.monotonic = later;
        let ready = GuestClocks::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).unwrap();
        assert!(lock(&ctx.clocks).monotonic() < later);
        ready();
        assert!(lock(&ctx.clocks).monotonic() >= later);
    }
}
