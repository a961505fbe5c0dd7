//! Metadata to bytes and back: the one place that knows the bincode configuration and how metadata is compressed.

use crate::error::ReadErrorKind;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::DecodeError;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest encoded metadata section (info, store, threads, memory map) in bytes. With nothing but one-byte values,
/// decoding takes about sixteen times the memory of the bytes, so this also bounds what a hostile image can cost.
pub const METADATA_LIMIT: u64 = 256 << 20;

/// Most bytes all host sections together may hold.
pub const HOST_LIMIT: u64 = 1 << 30;

/// bincode counts an integer as its full width where it takes one byte, hence the distance to [`METADATA_LIMIT`].
const DECODE_LIMIT: usize = u32::MAX as usize;

/// The configuration of every bincode section, for good: little-endian, variable-length integers. The limit is the
/// reader's own affair and has no influence on the bytes.
const CONFIG: Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT>> =
    bincode::config::standard().with_limit::<DECODE_LIMIT>();

/// Encodes a metadata structure.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, bincode::error::EncodeError> {
    bincode::serde::encode_to_vec(value, CONFIG)
}

/// Decodes a metadata structure that takes up all of `bytes`. The error is the reason, in words.
///
/// Allocation is bounded by the input: lists grow as their elements are read (serde reserves at most 1 MiB ahead) and
/// strings are copied out of the input.
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    match decode_first(bytes)? {
        (value, []) => Ok(value),
        (_, rest) => Err(format!("ends after {} of {} bytes", bytes.len() - rest.len(), bytes.len())),
    }
}

/// The same for a structure at the beginning of `bytes`, with what is behind it.
pub fn decode_first<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<(T, &'de [u8]), String> {
    match bincode::serde::borrow_decode_from_slice::<T, _>(bytes, CONFIG) {
        Ok((value, read)) => Ok((value, &bytes[read..])),
        Err(e) => Err(explain(&e, bytes.len())),
    }
}

/// The library's messages are written for its callers; these are for the image's owner.
fn explain(e: &DecodeError, len: usize) -> String {
    match e {
        DecodeError::UnexpectedEnd { .. } => format!("its {len} bytes end in the middle of a value"),
        DecodeError::LimitExceeded => "it holds more than this reader accepts".into(),
        DecodeError::Utf8 { inner } => format!("a string is not UTF-8: {inner}"),
        DecodeError::OtherString(s) => s.clone(),
        e => format!("{e}"),
    }
}

/// Deserializes a string by borrowing it from the input first. serde's own `String` would have bincode allocate
/// whatever length the input claims before it looks whether that many bytes follow.
pub fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Owned;
    impl serde::de::Visitor<'_> for Owned {
        type Value = String;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E>(self, s: &str) -> Result<String, E> {
            Ok(s.to_owned())
        }
    }
    deserializer.deserialize_str(Owned)
}

/// How much the compressed sections of an image (memory data apart) expand: together by 16 MiB, or beyond that to 16
/// times what is stored. Without such a bound a file of a few bytes could cost a reader any amount of memory. The writer
/// leaves a section uncompressed that would exceed it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Expansion {
    stored: u64,
    raw: u64,
}

impl Expansion {
    const FREE: u64 = 16 << 20;
    const FACTOR: u64 = 16;

    /// Counts one more section in; `None` if that exceeds the bound.
    pub(crate) fn with(self, stored_len: u64, raw_len: u64) -> Option<Self> {
        let sum =
            Expansion { stored: self.stored.checked_add(stored_len)?, raw: self.raw.checked_add(raw_len)? };
        (sum.raw <= Self::FREE.max(sum.stored.saturating_mul(Self::FACTOR))).then_some(sum)
    }
}

/// Compresses a section if that makes it smaller.
pub(crate) fn compress(raw: &[u8], level: i32) -> std::io::Result<Option<Vec<u8>>> {
    // Below this a frame's own header eats the gain.
    if raw.len() < 64 {
        return Ok(None);
    }
    let stored = zstd::bulk::compress(raw, level)?;
    Ok((stored.len() < raw.len()).then_some(stored))
}

/// Undoes [`compress`]. `raw_len` is what the section table claims, after it was checked against [`Expansion`].
pub(crate) fn decompress(stored: &[u8], raw_len: u64) -> Result<Vec<u8>, String> {
    let mut raw = vec![0; usize::try_from(raw_len).map_err(|_| "too large for this machine".to_owned())?];
    decompress_exact(&mut zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?, stored, &mut raw)?;
    Ok(raw)
}

/// Decompresses one frame that must fill `raw` to the last byte.
pub(crate) fn decompress_exact(
    context: &mut zstd::bulk::Decompressor<'_>,
    stored: &[u8],
    raw: &mut [u8],
) -> Result<(), String> {
    match context.decompress_to_buffer(stored, raw) {
        Ok(n) if n == raw.len() => Ok(()),
        Ok(n) => Err(format!("decompresses to {n} bytes instead of {}", raw.len())),
        Err(e) => Err(format!("cannot be decompressed: {e}")),
    }
}

/// A host section is `version`, name length, name, bytes: raw, because it may hold whole files.
pub(crate) fn host_prefix(version: u32, name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(8 + name.len());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&u32::try_from(name.len()).ok()?.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    Some(out)
}

/// Takes a host section apart: `(version, name, offset of its bytes)`.
pub(crate) fn split_host(payload: &[u8]) -> Result<(u32, String, usize), String> {
    if payload.len() < 8 {
        return Err(format!("{} bytes are too few for a version and a name", payload.len()));
    }
    let version = crate::format::u32_at(payload, 0);
    let name_len = crate::format::u32_at(payload, 4) as usize;
    let name =
        payload[8..].get(..name_len).ok_or_else(|| format!("its name of {name_len} bytes is cut off"))?;
    let name = std::str::from_utf8(name).map_err(|e| format!("its name is not UTF-8: {e}"))?;
    Ok((version, name.to_owned(), 8 + name_len))
}

/// Wraps a reason into the error for a section.
pub(crate) fn malformed(what: impl Into<String>, offset: u64, why: impl Into<String>) -> ReadErrorKind {
    ReadErrorKind::Malformed { what: what.into(), offset, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_the_documented_one() {
        // 250 fits a byte, 251 needs a marker, wider ones their width; lists carry their length.
        let bytes =
            encode(&(250u32, 251u32, 0x1_0000u64, u64::MAX, vec![1u8, 2], Some(true), None::<u8>)).unwrap();
        assert_eq!(
            bytes,
            [
                &[250][..],
                &[251, 251, 0],
                &[252, 0, 0, 1, 0],
                &[253, 255, 255, 255, 255, 255, 255, 255, 255],
                &[2, 1, 2],
                &[1, 1],
                &[0]
            ]
            .concat()
        );
    }

    #[test]
    fn trailing_bytes_and_early_ends_are_errors() {
        assert_eq!(decode::<u32>(&[7]), Ok(7));
        assert!(decode::<u32>(&[7, 0]).unwrap_err().contains("1 of 2"));
        assert!(decode::<u64>(&[253, 1]).unwrap_err().contains("in the middle"));
    }

    #[test]
    fn a_huge_claimed_length_fails_without_allocating_it() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only decoded")]
        struct S(#[serde(deserialize_with = "string")] String);
        let claim = [253, 0, 0, 0, 0, 0, 1, 0, 0]; // 2^40
        assert!(decode::<S>(&claim).is_err());
        assert!(decode::<Vec<u128>>(&claim).is_err());
    }

    #[test]
    fn compression_round_trips() {
        let raw = b"stable point ".repeat(100);
        let stored = compress(&raw, 1).unwrap().unwrap();
        assert!(stored.len() < raw.len());
        assert_eq!(decompress(&stored, raw.len() as u64).unwrap(), raw);
        assert!(decompress(&stored, raw.len() as u64 + 1).is_err());
        assert!(decompress(&stored, raw.len() as u64 - 1).is_err());
        assert_eq!(compress(&[0; 63], 1).unwrap(), None);
    }

    #[test]
    fn expansion_is_bounded_over_all_sections() {
        let none = Expansion::default();
        let free = none.with(1, 16 << 20).unwrap();
        assert!(free.with(1, 1).is_none());
        let more = free.with(1 << 20, 1).unwrap();
        assert!(more.with(0, 15).is_some() && more.with(0, 16).is_none());
        assert!(none.with(2 << 20, 32 << 20).is_some());
        assert!(none.with(2 << 20, (32 << 20) + 1).is_none());
        assert!(none.with(u64::MAX, u64::MAX).unwrap().with(1, 1).is_none());
    }

    #[test]
    fn host_payload_splits_again() {
        let mut payload = host_prefix(3, "wasi").unwrap();
        payload.extend_from_slice(b"rest");
        let (version, name, at) = split_host(&payload).unwrap();
        assert_eq!((version, name.as_str(), &payload[at..]), (3, "wasi", &b"rest"[..]));
        assert!(split_host(&payload[..7]).is_err());
        assert!(split_host(&payload[..11]).is_err());
    }
}
