//! A first look at a binary: header, and the order and extent of its sections. Like WAMR's loader, it is done before any
//! section is read, so that a cut-off file is reported as such and not as whatever its last bytes happen to mean.

use crate::load_error::{LoadError, Place};
use wasmparser::BinaryReader;

const MAGIC: &[u8; 4] = b"\0asm";
const VERSION: u32 = 1;

/// Section ids in the order the specification demands (core specification, section "Modules" of "Binary Format");
/// 13 is the tag section of the exception handling proposal, whose place is fixed though it is not accepted yet.
const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

/// Checks header and section headers of the module `bytes`.
pub(crate) fn check_sections(bytes: &[u8]) -> Result<(), LoadError> {
    let unexpected_end = || LoadError::at(bytes.len(), "unexpected end");
    if bytes.first_chunk().ok_or_else(unexpected_end)? != MAGIC {
        return Err(LoadError::at(0, "magic header not detected"));
    }
    let version = bytes[MAGIC.len()..].first_chunk().ok_or_else(unexpected_end)?;
    if u32::from_le_bytes(*version) != VERSION {
        return Err(LoadError::at(MAGIC.len(), "unknown binary version"));
    }

    let header_len = MAGIC.len() + version.len();
    let mut reader = BinaryReader::new(&bytes[header_len..], header_len as u64);
    let mut last_rank = None;
    while !reader.eof() {
        let start = reader.original_position() as usize;
        let id = bytes[start];
        if id != 0 {
            let rank = ORDER
                .iter()
                .position(|&known| known == id)
                .ok_or_else(|| LoadError::at(start, "invalid section id"))?;
            if last_rank.is_some_and(|last| rank <= last) {
                return Err(LoadError::at(
                    start,
                    "unexpected content after last section or junk after last section",
                ));
            }
            last_rank = Some(rank);
        }
        let size =
            reader.read_u8().and_then(|_| reader.read_var_u32()).map_err(|error| match error.message() {
                "unexpected end-of-file" => unexpected_end(),
                _ => LoadError::from_wasmparser(bytes, Place::Section, &error),
            })?;
        reader.read_bytes(size as usize).map_err(|_| unexpected_end())?;
    }
    Ok(())
}
