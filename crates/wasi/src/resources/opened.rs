//! What `path_open` was given for the descriptors that it made. How they are made again is another matter: a file may have another
//! name by now, and what was created is there.

use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving};
use crate::ctx::WasiCtx;
use crate::path_open::PathOpen;
use crate::restore::RestoreError;
use crate::save::SaveError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind.
pub(crate) struct Opens;

/// What an image holds of it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct OpensRecord {
    /// Names of preopened directories, as they turn up.
    preopens: Vec<Vec<u8>>,
    /// In ascending order of descriptors.
    opens: Vec<OpenRecord>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct OpenRecord {
    fd: u32,
    /// Which of the names.
    preopen: u32,
    dir: u32,
    parent: Vec<u8>,
    path: Vec<u8>,
    lookup: u32,
    oflags: u16,
    fdflags: u16,
    rights: u64,
    inheriting: u64,
}

impl OpensRecord {
    fn add(&mut self, fd: u32, asked: &PathOpen) {
        let known = self.preopens.iter().position(|name| *name == asked.preopen);
        let preopen = known.unwrap_or_else(|| {
            self.preopens.push(asked.preopen.clone());
            self.preopens.len() - 1
        }) as u32;
        let PathOpen { dir, parent, path, lookup, oflags, fdflags, rights, inheriting, .. } = asked.clone();
        let open = OpenRecord { fd, preopen, dir, parent, path, lookup, oflags, fdflags, rights, inheriting };
        self.opens.push(open);
    }

    /// What was given for a descriptor.
    pub(crate) fn of(&self, fd: u32) -> Option<PathOpen> {
        let at = self.opens.binary_search_by_key(&fd, |open| open.fd).ok()?;
        let OpenRecord { preopen, dir, parent, path, lookup, oflags, fdflags, rights, inheriting, .. } =
            self.opens[at].clone();
        let preopen = self.preopens.get(preopen as usize)?.clone();
        Some(PathOpen { preopen, dir, parent, path, lookup, oflags, fdflags, rights, inheriting })
    }
}

impl Resource for Opens {
    type Part = OpensRecord;
    const VERSION: u32 = 1;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<OpensRecord, SaveError> {
        let mut record = OpensRecord::default();
        for (fd, descriptor) in ctx.table().iter() {
            if let Some(asked) = descriptor.origin.opened().and_then(|opened| opened.asked.get()) {
                record.add(fd, asked);
            }
        }
        Ok(record)
    }

    /// Version 0: records that do not know it.
    fn read(version: u32, reader: &mut Reader<'_>) -> Result<OpensRecord, FormatError> {
        match version {
            0 => Ok(OpensRecord::default()),
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        let OpensRecord { preopens, opens } = &record.opens;
        let malformed = |open: &OpenRecord, what: &str| {
            Err(FormatError::Malformed(format!("how descriptor {} was opened: {what}", open.fd)))
        };
        for pair in opens.windows(2) {
            if pair[0].fd >= pair[1].fd {
                return malformed(&pair[1], "it is out of order");
            }
        }
        match opens.iter().find(|open| open.preopen as usize >= preopens.len()) {
            Some(open) => malformed(open, "there is no such preopened directory"),
            None => Ok(()),
        }
    }

    /// The descriptors are there by then.
    fn restore<'a>(record: &Record, ctx: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        let opens = record.opens.clone();
        Ok(Box::new(move || {
            for (fd, descriptor) in ctx.table().iter() {
                if let Some(opened) = descriptor.origin.opened()
                    && let Some(asked) = opens.of(fd)
                {
                    let _ = opened.asked.set(Box::new(asked));
                }
            }
        }))
    }

    /// It is shown with the descriptors.
    fn describe(_: &Record) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::record;

    fn asked(path: &[u8]) -> PathOpen {
        PathOpen {
            preopen: b"/".to_vec(),
            dir: 3,
            parent: b"d".to_vec(),
            path: path.to_vec(),
            lookup: 1,
            oflags: 9,
            fdflags: 1,
            rights: 2,
            inheriting: 4,
        }
    }

    #[test]
    fn what_was_given_is_saved_and_read_again() {
        let mut opens = OpensRecord::default();
        opens.add(4, &asked(b"a"));
        opens.add(6, &asked(b"b"));
        assert_eq!(opens.preopens, [b"/".to_vec()], "a name is there once");
        let record = Record { opens, ..record() };
        let again = Record::decode(&record.encode().unwrap()).unwrap();
        assert_eq!((again.opens.of(4), again.opens.of(6)), (Some(asked(b"a")), Some(asked(b"b"))));
        assert_eq!((again.opens.of(5), again.opens.of(7)), (None, None));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |opens: OpensRecord| {
            let record = Record { opens, ..record() };
            Record::decode(&record.encode().unwrap()).unwrap_err().to_string()
        };
        let mut twice = OpensRecord::default();
        twice.add(4, &asked(b"a"));
        twice.add(4, &asked(b"b"));
        assert!(refused(twice).contains("descriptor 4 was opened: it is out of order"));
        let mut nowhere = OpensRecord::default();
        nowhere.add(4, &asked(b"a"));
        nowhere.preopens.clear();
        assert!(refused(nowhere).contains("no such preopened directory"));
    }
}
