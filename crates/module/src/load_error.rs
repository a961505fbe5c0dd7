//! Why a module was refused, in the words WAMR's loader uses where its hosts and test suites rely on them.
//!
//! `wasmparser` finds the faults; [`LoadError::from_wasmparser`] says them the way WAMR does. What WAMR has no words for
//! keeps `wasmparser`'s message and gets its byte offset.

use std::borrow::Cow;
use std::fmt;
use wasmparser::BinaryReader;

/// Why a module was refused. Displays as the text behind WAMR's `WASM module load failed: ` prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// What is wrong.
    pub message: String,
    /// Byte offset in the module, where known.
    pub offset: Option<usize>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoadError {}

impl LoadError {
    /// A fault that is not at one place in the module.
    pub(crate) fn new(message: impl Into<String>) -> LoadError {
        LoadError { message: message.into(), offset: None }
    }

    /// A fault at byte `offset` of the module.
    pub(crate) fn at(offset: usize, message: impl Into<String>) -> LoadError {
        LoadError { message: message.into(), offset: Some(offset) }
    }

    /// Rewords `error`, which `wasmparser` found at `place` of the module `bytes`.
    pub(crate) fn from_wasmparser(bytes: &[u8], place: Place, error: &wasmparser::Error) -> LoadError {
        let offset = error.offset() as usize;
        let message = match wamr_wording(bytes, place, error.message(), offset) {
            Some(text) => text.into_owned(),
            None => error.to_string(),
        };
        LoadError { message, offset: Some(offset) }
    }
}

/// What was being read when a fault was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A section other than the code section.
    Section,
    /// The code section, between function bodies.
    Code,
    /// A function body whose last byte is at `end - 1`.
    Body {
        /// Offset behind the body.
        end: usize,
    },
}

/// `wasmparser` messages (whole, or the part in front of what varies) and what WAMR says instead.
#[rustfmt::skip]
const WORDINGS: &[(&str, &str)] = &[
    ("unexpected end-of-file",                            "unexpected end of section or function"),
    ("section size mismatch",                             "section size mismatch"),
    ("trailing bytes at end of section",                  "code section size mismatch"),
    ("unexpected content in the ",                        "section size mismatch"),
    ("operators remaining after end of function body",    "section size mismatch"),
    ("malformed UTF-8 encoding",                          "invalid UTF-8 encoding"),
    ("unknown type",                                      "unknown type"),
    ("unknown table",                                     "unknown table"),
    ("unknown memory",                                    "unknown memory"),
    ("unknown global",                                    "unknown global"),
    ("unknown local",                                     "unknown local"),
    ("unknown label",                                     "unknown label"),
    ("unknown data segment",                              "unknown data segment"),
    ("duplicate export name",                             "duplicate export name"),
    ("multiple memories",                                 "multiple memories"),
    ("memory size must be at most",                       "memory size must be at most 65536 pages (4GiB)"),
    ("size minimum must not be greater than maximum",     "size minimum must not be greater than maximum"),
    ("shared memory must have maximum",                   "shared memory must have maximum"),
    ("invalid memory limits flags",                       "invalid limits flags"),
    ("invalid table resizable limits flags",              "invalid limits flags"),
    ("type mismatch: values remaining on stack",          "type mismatch: stack size does not match block type"),
    ("invalid result arity",                              "invalid result arity"),
    ("malformed global flags",                            "invalid mutability"),
    ("shared globals require",                            "invalid mutability"),
    ("global is immutable",                               "global is immutable"),
    ("invalid start function type",                       "invalid start function"),
    ("function and code section have inconsistent",       "function and code section have inconsistent lengths"),
    ("function section has non-zero count but code",      "function and code section have inconsistent lengths"),
    ("function section is absent but code section",       "function and code section have inconsistent lengths"),
    ("data count and data section have inconsistent",     "data count and data section have inconsistent lengths"),
    ("data count is non-zero but data section is absent", "data count and data section have inconsistent lengths"),
    ("data count section required",                       "data count section required"),
    ("undeclared function reference",                     "undeclared function reference"),
    ("constant expression required",                      "constant expression required"),
    ("too many locals",                                   "too many locals"),
    ("zero byte expected",                                "zero byte expected"),
    ("invalid memop alignment: alignment must not be",
                                            "invalid memop flags: alignment must not be larger than natural"),
    ("SIMD index out of bounds",                          "invalid lane index"),
    // Nothing enables them.
    ("exceptions proposal not enabled",                   "invalid section id (exceptions are not implemented)"),
    ("memory64 must be enabled for 64-bit memories",      "invalid limits flags (64-bit memories are not implemented)"),
    ("memory64 must be enabled for 64-bit tables",        "invalid limits flags (64-bit tables are not implemented)"),
    ("threads must be enabled for shared memories",       "invalid limits flags (shared memories are not implemented)"),
    ("`else` found outside `If` block",                   "opcode else found without matched opcode if"),
];

fn wamr_wording(bytes: &[u8], place: Place, message: &str, offset: usize) -> Option<Cow<'static, str>> {
    if message.starts_with("invalid var_") {
        return ["integer representation too long", "integer too large"]
            .into_iter()
            .find(|text| message.ends_with(text))
            .map(Cow::Borrowed);
    }
    let proposal_off =
        message.ends_with(" support is not enabled") || message.starts_with("legacy_exceptions feature");
    if message.starts_with("illegal opcode:")
        || message.contains(" subopcode: 0x")
        || (proposal_off && matches!(place, Place::Body { .. }))
    {
        return unsupported_opcode(bytes, offset);
    }
    if message.starts_with("control frames remain at end of") {
        return Some(Cow::Borrowed(match place {
            Place::Body { end } if bytes.get(end.wrapping_sub(1)) != Some(&OPCODE_END) => {
                "section size mismatch: function body END opcode expected"
            }
            _ => "unexpected end opcodes from unbalanced control flow structures",
        }));
    }
    for kind in ["unknown function ", "unknown elem segment "] {
        if let Some(rest) = message.strip_prefix(kind) {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            return Some(Cow::Owned(format!("{kind}{}", &rest[..digits])));
        }
    }
    if let Some(rest) = message.strip_prefix("type mismatch: expected ") {
        if rest.ends_with(" but nothing on stack") {
            return Some(Cow::Borrowed("type mismatch: expect data but stack was empty"));
        }
        let (expected, _) = rest.split_once(", found ")?;
        let simple = ["i32", "i64", "f32", "f64", "v128", "funcref", "externref"].contains(&expected);
        return simple.then(|| Cow::Owned(format!("type mismatch: expect {expected} but got other")));
    }
    WORDINGS.iter().find(|(theirs, _)| message.starts_with(theirs)).map(|&(_, wamr)| Cow::Borrowed(wamr))
}

const OPCODE_END: u8 = 0x0b;

/// WAMR's words for the instruction at `offset`, whose opcode is unknown or belongs to a proposal that is off.
fn unsupported_opcode(bytes: &[u8], offset: usize) -> Option<Cow<'static, str>> {
    let opcode = *bytes.get(offset)?;
    if !(0xfb..=0xfe).contains(&opcode) {
        return Some(Cow::Owned(format!("unsupported opcode {opcode:02x}")));
    }
    let sub = BinaryReader::new(&bytes[offset + 1..], 0).read_var_u32().ok()?;
    Some(Cow::Owned(match opcode {
        0xfd => format!("invalid opcode 0xfd {sub:02x}."),
        _ => format!("unsupported opcode {opcode:02x} {sub:02x}"),
    }))
}
