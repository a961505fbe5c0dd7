//! C's streams: which `FILE` belongs to which descriptor. They are the guest's own, in its memory: this says what is known of them,
//! and has it checked that their descriptors are there.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_runtime::Store;

use super::{Resource, Saving, within};
use crate::instance::HostParts;
use crate::streams::{Stream, StreamsRecord};

/// Longest record that is decoded (bytes).
const LIMIT: usize = 64 << 20;

/// The kind.
pub(crate) struct Streams;

/// Of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct OfInstance {
    /// Its place in the store.
    pub(crate) instance: u32,
    pub(crate) record: StreamsRecord,
}

impl Resource for Streams {
    /// Of those that have any.
    type Record<'a> = Vec<OfInstance>;
    /// The store that the instances are in, with their descriptors.
    type Into<'a> = &'a Store;
    type Made = ();

    const NAME: &'static str = "streams";
    const VERSIONS: RangeInclusive<u32> = 1..=2;
    /// They are in the guest's memory.
    const ANCILLARY: bool = true;

    fn save(from: &mut Saving<'_>) -> Result<Option<Vec<OfInstance>>, String> {
        let calls = || from.threads.iter().flat_map(|thread| &thread.watched);
        let save = |(place, instance): (u32, _)| {
            let parts = HostParts::of(instance)?;
            let streams = parts.streams.get()?;
            let opening =
                calls().any(|call| call.func.instance == place && streams.is_watched(call.func.func));
            let record = streams.save(&parts.wasi, opening);
            (record != StreamsRecord::default()).then_some(OfInstance { instance: place, record })
        };
        let all: Vec<OfInstance> = (0..).zip(from.store.instances()).filter_map(save).collect();
        Ok((!all.is_empty()).then_some(all))
    }

    fn encode(record: Vec<OfInstance>) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], version: u32) -> Result<Vec<OfInstance>, String> {
        within(bytes, LIMIT, "streams")?;
        match version {
            1 => version1::decode(bytes),
            _ => wayfarer_snapshot::record::decode(bytes),
        }
    }

    /// Whether their descriptors are there is found out when those are.
    fn verify(_: Option<&Vec<OfInstance>>, _: &Module) -> Result<(), String> {
        Ok(())
    }

    fn restore(record: &Vec<OfInstance>, store: &Store) -> Result<(), String> {
        for OfInstance { instance, record } in record {
            let parts = store.instance(*instance as usize).and_then(HostParts::of);
            // Where the functions cannot be watched nobody knows what becomes of the streams from here on.
            if let Some(parts) = parts
                && let Some(streams) = parts.streams.get()
            {
                streams.restore(record, &parts.wasi)?;
            }
        }
        Ok(())
    }

    /// How their descriptors were opened WASI's record says: see [`complete`].
    fn describe(record: &Vec<OfInstance>) -> Option<Json> {
        let of = |OfInstance { instance, record }: &OfInstance| {
            let option = |fd: u32| {
                let asked = record.opens.iter().find(|(of, _)| *of == fd);
                asked.map(|(_, asked)| asked.describe())
            };
            let stream = |stream: &Stream| {
                json!({
                    "fd": stream.fd,
                    "path": stream.path.as_deref().map(String::from_utf8_lossy),
                    "mode": String::from_utf8_lossy(&stream.mode),
                    "file": format!("{:#x}", stream.file),
                    "offset": stream.offset,
                    "fits": stream.fits,
                    "option": option(stream.fd),
                })
            };
            json!({
                "instance": instance,
                "streams": record.streams.iter().map(stream).collect::<Vec<_>>(),
                "opening": record.recent.iter().map(|recent| json!({
                    "fd": recent.fd,
                    "path": recent.path.as_deref().map(String::from_utf8_lossy),
                    "option": option(recent.fd),
                })).collect::<Vec<_>>(),
            })
        };
        Some(record.iter().map(of).collect())
    }
}

/// Adds to streams, as they are described, how their descriptors were opened, as far as the image's descriptions of WASI's state say
/// it: that of the first instance, and those of the others.
pub(super) fn complete(streams: &mut Json, wasi: Option<&Json>, others: Option<&Json>) {
    for of in streams.as_array_mut().into_iter().flatten() {
        let wasi = match of["instance"].as_u64() {
            Some(0) => wasi,
            Some(nth) => others.and_then(|others| others.get(nth as usize - 1)?.get("wasi")),
            None => None,
        };
        let descriptors = wasi.and_then(|wasi| wasi["descriptors"].as_array());
        let opened = |fd: &Json| {
            let found = descriptors?.iter().find(|descriptor| descriptor["fd"] == *fd)?;
            found.get("opened").cloned()
        };
        for list in ["streams", "opening"] {
            for entry in of[list].as_array_mut().into_iter().flatten() {
                if entry["option"].is_null()
                    && let Some(opened) = opened(&entry["fd"])
                {
                    entry["option"] = opened;
                }
            }
        }
    }
}

/// What version 1 wrote: it had with each stream what `path_open` was given for its descriptor.
mod version1 {
    use super::OfInstance;
    use crate::streams::{Recent, Stream, StreamsRecord};
    use serde::Deserialize;
    use wayfarer_wasi::PathOpen;

    #[derive(Deserialize)]
    struct OfInstance1 {
        instance: u32,
        streams: Vec<Stream1>,
        recent: Vec<Recent1>,
        others: Vec<(u32, Opened1)>,
    }

    #[derive(Deserialize)]
    struct Stream1 {
        file: u32,
        fd: u32,
        mode: Vec<u8>,
        path: Option<Vec<u8>>,
        opened: Option<Opened1>,
        offset: Option<u64>,
        fits: bool,
    }

    #[derive(Deserialize)]
    struct Recent1 {
        fd: u32,
        opened: Option<Opened1>,
        path: Option<Vec<u8>>,
    }

    #[derive(Deserialize)]
    struct Opened1 {
        dir: u32,
        path: Vec<u8>,
        lookup: u32,
        oflags: u32,
        fdflags: u32,
        rights: u64,
        inheriting: u64,
    }

    impl From<Opened1> for PathOpen {
        fn from(old: Opened1) -> Self {
            let Opened1 { dir, path, lookup, oflags, fdflags, rights, inheriting } = old;
            // Other bits were refused when it was opened.
            let (oflags, fdflags) = (oflags as u16, fdflags as u16);
            PathOpen { dir, path, lookup, oflags, fdflags, rights, inheriting, ..PathOpen::default() }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Vec<OfInstance>, String> {
        let old: Vec<OfInstance1> = wayfarer_snapshot::record::decode(bytes)?;
        Ok(old.into_iter().map(Into::into).collect())
    }

    impl From<OfInstance1> for OfInstance {
        fn from(old: OfInstance1) -> Self {
            let mut opens: Vec<(u32, PathOpen)> =
                old.others.into_iter().map(|(fd, opened)| (fd, opened.into())).collect();
            let mut note = |fd: u32, opened: Option<Opened1>| {
                opens.extend(opened.map(|opened| (fd, opened.into())));
            };
            let streams = old.streams.into_iter().map(|stream| {
                let Stream1 { file, fd, mode, path, opened, offset, fits } = stream;
                note(fd, opened);
                Stream { file, fd, mode, path, offset, fits }
            });
            let streams = streams.collect();
            let recent = old.recent.into_iter().map(|recent| {
                note(recent.fd, recent.opened);
                Recent { fd: recent.fd, path: recent.path }
            });
            let recent = recent.collect();
            OfInstance { instance: old.instance, record: StreamsRecord { streams, recent, opens } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use crate::streams::Recent;
    use wayfarer_snapshot::view::HostSection;

    fn streams() -> Vec<Stream> {
        vec![Stream {
            file: 4096,
            fd: 5,
            mode: b"a".to_vec(),
            path: Some(b"/d/f".to_vec()),
            offset: Some(7),
            fits: true,
        }]
    }

    #[test]
    fn they_are_dumped_described_and_read() {
        let recent = vec![Recent { fd: 6, path: None }];
        let record = StreamsRecord { streams: streams(), recent, opens: Vec::new() };
        let record = vec![OfInstance { instance: 0, record }];
        let bytes = Streams::encode(record.clone()).unwrap();
        // If this changes, the version must.
        let expected: &[u8] =
            &[1, 0, 1, 251, 0, 16, 5, 1, b'a', 1, 4, b'/', b'd', b'/', b'f', 1, 7, 1, 1, 6, 0];
        assert_eq!(bytes, expected);
        let mut described = describe(Streams::NAME, 2, &bytes).unwrap();
        let expected = json!({
            "fd": 5, "path": "/d/f", "mode": "a", "file": "0x1000", "offset": 7, "fits": true, "option": null,
        });
        assert_eq!(described[0]["streams"][0], expected);
        let wasi =
            json!({ "descriptors": [{ "fd": 5, "opened": { "dir": 3 } }, { "fd": 6, "opened": null }] });
        complete(&mut described, Some(&wasi), None);
        assert_eq!(described[0]["streams"][0]["option"], json!({ "dir": 3 }));
        described[0]["instance"] = json!(2);
        described[0]["streams"][0]["option"] = Json::Null;
        complete(&mut described, None, Some(&json!([{}, { "wasi": wasi }])));
        assert_eq!(described[0]["streams"][0]["option"], json!({ "dir": 3 }), "that of another instance");
        let section = HostSection { ancillary: true, ..HostSection::new(Streams::NAME, 2, bytes.clone()) };
        assert_eq!(read::<Streams>(&[section]).unwrap(), Some(record));
        assert!(Streams::decode(&bytes[..9], 2).is_err());
    }

    #[test]
    fn what_version_1_knew_is_kept() {
        let bytes: &[u8] = &[
            1, 0, 1, 251, 0, 16, 5, 1, b'a', 1, 4, b'/', b'd', b'/', b'f', 1, 3, 1, b'f', 1, 9, 1, 2, 0, 1,
            7, 1, 1, 6, 0, 0, 1, 7, 3, 1, b'f', 1, 9, 1, 2, 0,
        ];
        let [OfInstance { instance: 0, record }] = &Streams::decode(bytes, 1).unwrap()[..] else {
            panic!("one instance")
        };
        assert_eq!((&record.streams, &record.recent[..]), (&streams(), &[Recent { fd: 6, path: None }][..]));
        let fds: Vec<u32> = record.opens.iter().map(|(fd, _)| *fd).collect();
        assert_eq!(fds, [7, 5]);
        let described = describe(Streams::NAME, 1, bytes).unwrap();
        let option = &described[0]["streams"][0]["option"];
        assert_eq!((&option["dir"], &option["oflags"]), (&json!(3), &json!(["creat", "trunc"])));
    }
}
