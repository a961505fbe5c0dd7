//! What is on its way to the guest: in pipes and streams whose other end is checkpointed with it, or in named pipes that nobody
//! else keeps; and what of that it has not read yet since it was restored.

use super::descriptors::pipes::is_ended;
use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving};
use crate::channels::{Ahead, ChannelEnd, MOST_BYTES, in_flight};
use crate::ctx::WasiCtx;
use crate::restore::RestoreError;
use crate::save::{SaveError, SavePolicy};
use crate::table::Origin;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind.
pub(crate) struct Channels;

/// What comes to some descriptors, which share it, before all else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ChannelRecord {
    /// In ascending order.
    pub(crate) fds: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}

impl Resource for Channels {
    type Part = Vec<ChannelRecord>;
    const VERSION: u32 = 1;

    fn save(ctx: &WasiCtx, saving: &mut Saving<'_>) -> Result<Vec<ChannelRecord>, SaveError> {
        let mut channels: Vec<(Option<ChannelEnd>, Option<Arc<Ahead>>, ChannelRecord)> = Vec::new();
        let table = ctx.table();
        let own: Vec<_> = table
            .iter()
            .filter_map(|(fd, descriptor)| Some((fd, descriptor, descriptor.channel()?)))
            .collect();
        for &(fd, descriptor, end) in own.iter().filter(|(_, _, end)| end.reads) {
            let ahead = descriptor.ahead.get();
            let known = channels.iter_mut().find(|(known, theirs, _)| {
                known.is_some_and(|known| known.is(&end))
                    && theirs.as_ref().map(Arc::as_ptr) == ahead.map(Arc::as_ptr)
            });
            if let Some((_, _, record)) = known {
                record.fds.push(fd);
                continue;
            }
            let mut bytes = ahead.map(|ahead| ahead.to_vec()).unwrap_or_default();
            let by_path = matches!(descriptor.origin, Origin::Path(_));
            let from_self = own.iter().any(|(_, other, writer)| {
                let both = by_path && matches!(other.origin, Origin::Path(_));
                writer.feeds(&end) && (both || saving.policy.together.is_some())
            });
            // Two descriptors of one pipe may have had other things ahead: what is in it comes to the first.
            let seen = channels.iter().any(|(known, _, _)| known.is_some_and(|known| known.is(&end)));
            if !seen && (from_self || by_path && is_ended(descriptor) || comes_from(saving.policy, fd, &end)?)
            {
                let io = |source| SaveError::Io { fd, what: "what is on its way to it".to_owned(), source };
                let fd = descriptor.fd().map_err(|errno| io(errno.into()))?;
                bytes.extend(in_flight(fd).map_err(io)?);
            }
            channels.push((Some(end), ahead.cloned(), ChannelRecord { fds: vec![fd], bytes }));
        }
        // What is no channel here may have been one where it comes from.
        for (fd, descriptor) in table.iter().filter(|(fd, _)| own.iter().all(|(other, _, _)| other != fd)) {
            let Some(ahead) = descriptor.ahead.get() else { continue };
            let bytes = ahead.to_vec();
            channels.push((None, None, ChannelRecord { fds: vec![fd], bytes }));
        }
        let mut records: Vec<_> =
            channels.into_iter().map(|(_, _, record)| record).filter(|r| !r.bytes.is_empty()).collect();
        records.sort_by(|a, b| a.fds.cmp(&b.fds));
        Ok(records)
    }

    /// Version 0: records that know nothing of it.
    fn read(version: u32, reader: &mut Reader<'_>) -> Result<Vec<ChannelRecord>, FormatError> {
        match version {
            0 => Ok(Vec::new()),
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        let malformed = |what: String| Err(FormatError::Malformed(what));
        let mut seen = std::collections::HashSet::new();
        for channel in &record.channels {
            if channel.bytes.len() > 2 * MOST_BYTES {
                return malformed(format!("{} bytes are on their way", channel.bytes.len()));
            }
            for fd in &channel.fds {
                let known = record.descriptors.descriptors.binary_search_by_key(fd, |d| d.fd).is_ok();
                if !known || !seen.insert(*fd) {
                    return malformed(format!(
                        "what is on its way to descriptor {fd} is there twice, or it is not"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Called behind the descriptors: what this gives finds them.
    fn restore<'a>(record: &Record, ctx: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        let channels = record.channels.clone();
        Ok(Box::new(move || {
            let table = ctx.table();
            for channel in channels {
                let ahead = Arc::new(Ahead::new(channel.bytes));
                for descriptor in channel.fds.iter().filter_map(|fd| table.get(*fd).ok()) {
                    let _ = descriptor.ahead.set(ahead.clone());
                }
            }
        }))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        if record.channels.is_empty() {
            return Vec::new();
        }
        let channel = |channel: &ChannelRecord| json!({ "fds": channel.fds, "bytes": channel.bytes.len() });
        vec![("in_flight", record.channels.iter().map(channel).collect())]
    }
}

/// Whether what is on its way to this end comes from a guest that is checkpointed at the same time.
fn comes_from(policy: &SavePolicy, fd: u32, end: &ChannelEnd) -> Result<bool, SaveError> {
    let Some(others) = &policy.together else { return Ok(false) };
    if end.is_obscure() {
        return Err(SaveError::Obscure { fd });
    }
    if !others.iter().any(|other| other.feeds(end)) {
        return Ok(false);
    }
    if others.iter().any(|other| other.reads && other.is(end)) {
        return Err(SaveError::SharedPipe { fd });
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, record};
    use crate::restore::RestorePolicy;

    #[test]
    fn it_is_restored_saved_and_described() {
        let ctx = context();
        let record = Record {
            descriptors: super::super::Descriptors::save(&ctx, &mut Saving::from(&SavePolicy::default()))
                .unwrap(),
            channels: vec![ChannelRecord { fds: vec![0], bytes: b"abc".to_vec() }],
            ..record()
        };
        Channels::verify(&record).unwrap();
        let ready = Channels::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).unwrap();
        assert!(Channels::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap().is_empty());
        ready();
        assert_eq!(Channels::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap(), record.channels);
        let described = json!([{ "fds": [0], "bytes": 3 }]);
        assert_eq!(Channels::describe(&record), [("in_flight", described)]);
        assert_eq!(Channels::describe(&super::super::tests::record()), []);
    }

    #[test]
    fn what_comes_to_nobody_is_refused() {
        let to = |fds: &[&[u32]]| {
            let ctx = context();
            let channels = fds.iter().map(|fds| ChannelRecord { fds: fds.to_vec(), bytes: vec![1] });
            let descriptors =
                super::super::Descriptors::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
            Channels::verify(&Record { descriptors, channels: channels.collect(), ..record() })
        };
        assert!(to(&[&[0, 1], &[2]]).is_ok());
        assert!(to(&[&[9]]).is_err() && to(&[&[0, 0]]).is_err() && to(&[&[0], &[0]]).is_err());
    }
}
