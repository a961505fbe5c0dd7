//! Calls that wait, or have done a part of what they are to do: they are made again.

use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving};
use crate::ctx::WasiCtx;
use crate::interrupted::{InterruptedCall, MOST, Progress};
use crate::restore::RestoreError;
use crate::save::SaveError;
use serde::Deserialize;
use serde_json::{Value, json};

/// The kind.
pub(crate) struct Calls;

impl Resource for Calls {
    type Part = Vec<InterruptedCall>;
    const VERSION: u32 = 2;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<Vec<InterruptedCall>, SaveError> {
        match ctx.interrupted.alike() {
            Some(function) => Err(SaveError::Alike { function }),
            None => Ok(ctx.interrupted.save()),
        }
    }

    fn read(version: u32, reader: &mut Reader<'_>) -> Result<Vec<InterruptedCall>, FormatError> {
        match version {
            1 => {
                let waits: Vec<Wait1> = reader.next()?;
                // The wait that was begun last; others, if there are any, were given up.
                Ok(waits.into_iter().next_back().map(InterruptedCall::from).into_iter().collect())
            }
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        match record.interrupted.len() {
            calls if calls > MOST => Err(FormatError::Malformed(format!("{calls} interrupted calls"))),
            _ => Ok(()),
        }
    }

    fn restore<'a>(record: &Record, ctx: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        let calls = record.interrupted.clone();
        Ok(Box::new(move || ctx.interrupted.restore(calls)))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        let now = record.clocks.monotonic;
        let call = |call: &InterruptedCall| {
            json!({
                "function": call.function,
                "waited_ns": call.progress.start.map(|start| now.saturating_sub(start)),
                "transferred": call.progress.bytes,
            })
        };
        vec![("interrupted_calls", record.interrupted.iter().map(call).collect())]
    }
}

/// In version 1: a wait of `poll_oneoff`. Other calls were begun anew.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Wait1 {
    args: [u32; 4],
    /// What it waited for; told apart by its arguments, too.
    #[serde(rename = "subscriptions")]
    _subscriptions: Vec<u8>,
    start: u64,
}

impl From<Wait1> for InterruptedCall {
    fn from(wait: Wait1) -> Self {
        let progress = Progress { start: Some(wait.start), ..Progress::default() };
        InterruptedCall::restored("poll_oneoff", wait.args.map(u64::from).into(), progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, encode, record};
    use crate::restore::RestorePolicy;
    use crate::save::SavePolicy;

    fn call(start: u64) -> InterruptedCall {
        let progress = Progress { start: Some(start), bytes: 0, connecting: false };
        InterruptedCall::restored("poll_oneoff", vec![1, 2, 3, 4], progress)
    }

    #[test]
    fn they_are_saved_and_described() {
        let ctx = context();
        ctx.interrupted.put("fd_write", &[1, 2], Progress { start: None, bytes: 50, connecting: false });
        let interrupted = Calls::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
        let mut record = Record { interrupted, ..record() };
        record.clocks.monotonic = 9;
        record.interrupted.push(call(5));
        Calls::verify(&record).unwrap();
        let described = json!([
            { "function": "fd_write", "waited_ns": null, "transferred": 50 },
            { "function": "poll_oneoff", "waited_ns": 4, "transferred": 0 },
        ]);
        assert_eq!(Calls::describe(&record), [("interrupted_calls", described)]);
        record.interrupted = vec![call(5); MOST + 1];
        assert!(Calls::verify(&record).unwrap_err().to_string().contains("4097 interrupted calls"));
    }

    #[test]
    fn they_are_restored_when_nothing_can_fail_any_more() {
        let ctx = context();
        let record = Record { interrupted: vec![call(5)], ..record() };
        let ready = Calls::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).unwrap();
        assert_eq!(ctx.interrupted.save(), []);
        ready();
        assert_eq!(ctx.interrupted.take("poll_oneoff", &[1, 2, 3, 4]).start, Some(5));
    }

    #[test]
    fn of_the_waits_of_version_1_the_last_is_taken() {
        let wait = |start| Wait1 { args: [1, 2, 3, 4], _subscriptions: vec![0; 48], start };
        for (waits, expected) in [(vec![], vec![]), (vec![wait(3), wait(5)], vec![call(5)])] {
            let bytes = encode(&waits);
            assert_eq!(Calls::read(1, &mut Reader(&bytes)).unwrap(), expected);
        }
    }
}
