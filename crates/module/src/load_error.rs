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
    /// A section other than those below.
    Section,
    /// The import section.
    Imports,
    /// The export or the start section, which name things of the module.
    Names,
    /// The code section, between function bodies.
    Code,
    /// A function body whose last byte is at `end - 1`.
    Body {
        /// Offset behind the body.
        end: usize,
        /// Whether the module has a memory.
        memory: bool,
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
    ("unknown label",                                     "unknown label, unexpected end of section or function"),
    ("duplicate export name",                             "duplicate export name"),
    ("multiple memories",                                 "multiple memories"),
    ("memory size must be at most",                       "memory size must be at most 65536 pages (4GiB)"),
    ("size minimum must not be greater than maximum",     "size minimum must not be greater than maximum"),
    ("shared memory must have maximum",                   "shared memory must have maximum"),
    ("invalid memory limits flags",                       "invalid limits flags"),
    ("invalid table resizable limits flags",              "invalid limits flags"),
    ("type mismatch: values remaining on stack",          "type mismatch: stack size does not match block type"),
    ("type mismatch: br_table target labels have",
                                            "type mismatch: br_table targets must all use same result type"),
    ("type mismatch: select only takes integral types",   "type mismatch"),
    ("type mismatch: expected ref but found",             "type mismatch"),
    ("invalid result arity",                              "invalid result arity"),
    ("malformed global flags",                            "invalid mutability"),
    ("shared globals require",                            "invalid mutability"),
    ("global is immutable",                               "global is immutable"),
    ("invalid start function type",                       "invalid start function"),
    ("malformed reference type",                          "invalid reference type or unknown type"),
    ("function and code section have inconsistent",
                                            "function and code section have inconsistent lengths or unexpected end"),
    ("function section has non-zero count but code",
                                            "function and code section have inconsistent lengths or unexpected end"),
    ("function section is absent but code section",       "function and code section have inconsistent lengths"),
    ("data count and data section have inconsistent",     "data count and data section have inconsistent lengths"),
    ("data count is non-zero but data section is absent", "data count and data section have inconsistent lengths"),
    ("data count section required",                       "data count section required"),
    ("undeclared function reference",                     "undeclared function reference"),
    ("constant expression required: non-constant",        NOT_CONSTANT),
    ("constant expression required",                      "constant expression required"),
    ("too many locals",                                   "too many locals"),
    ("zero byte expected",                                "zero byte expected"),
    ("nonzero byte after `atomic.fence`",                 "zero byte expected"),
    ("invalid memop alignment: alignment must not be",    ALIGNMENT),
    ("malformed memop: reserved flags",                   ALIGNMENT),
    ("atomic instructions must always specify maximum",   "alignment isn't equal to natural"),
    ("SIMD index out of bounds",                          "invalid lane index"),
    // Nothing enables them.
    ("exceptions proposal not enabled",                   "invalid section id (exceptions are not implemented)"),
    ("memory64 must be enabled for 64-bit memories",      "invalid limits flags (64-bit memories are not implemented)"),
    ("memory64 must be enabled for 64-bit tables",        "invalid limits flags (64-bit tables are not implemented)"),
    ("`else` found outside `If` block",                   "opcode else found without matched opcode if"),
    ("array indexed types not supported",                 "invalid type flag"),
    ("gc proposal must be enabled to use subtypes",       "invalid type flag"),
];

const ALIGNMENT: &str = "invalid memop flags: alignment must not be larger than natural";
const NOT_CONSTANT: &str = "illegal opcode or constant expression required or type mismatch";
const STACK_SIZE: &str = "type mismatch: stack size does not match block type";

/// Opcodes whose faults WAMR words in a way of their own.
mod opcode {
    pub(super) const ELSE: u8 = 0x05;
    pub(super) const END: u8 = 0x0b;
    pub(super) const CALL_INDIRECT: u8 = 0x11;
    pub(super) const DROP: u8 = 0x1a;
    pub(super) const SELECT: u8 = 0x1b;
    pub(super) const BULK: u8 = 0xfc;
    /// The second byte of `memory.init`, behind `BULK`.
    pub(super) const MEMORY_INIT: u8 = 0x08;
}

fn wamr_wording(bytes: &[u8], place: Place, message: &str, offset: usize) -> Option<Cow<'static, str>> {
    if message.starts_with("invalid var_") {
        return ["integer representation too long", "integer too large"]
            .into_iter()
            .find(|text| message.ends_with(text))
            .map(Cow::Borrowed);
    }
    if let Place::Body { end, .. } = place
        // WAMR looks at it before anything but the number of locals.
        && end <= bytes.len()
        && bytes.get(end.wrapping_sub(1)) != Some(&opcode::END)
        && !message.starts_with("too many locals")
    {
        return Some(Cow::Borrowed("section size mismatch: function body END opcode expected"));
    }
    let proposal_off =
        message.ends_with(" support is not enabled") || message.starts_with("legacy_exceptions feature");
    let illegal = message.starts_with("illegal opcode:") || message.contains(" subopcode: 0x");
    match place {
        Place::Body { .. } if illegal || proposal_off => return unsupported_opcode(bytes, offset),
        _ if illegal => return Some(Cow::Borrowed(NOT_CONSTANT)),
        Place::Body { memory: false, .. } if message.starts_with("invalid memop alignment") => {
            return Some(Cow::Borrowed("unknown memory"));
        }
        Place::Code if message.starts_with("unexpected end-of-file") => {
            return Some(Cow::Borrowed("invalid function code size"));
        }
        _ => {}
    }
    if message.starts_with("control frames remain at end of") {
        return Some(Cow::Borrowed("unexpected end opcodes from unbalanced control flow structures"));
    }
    if message.starts_with("invalid leading byte") {
        return match place {
            Place::Imports => Some(Cow::Borrowed("invalid import kind")),
            Place::Names => Some(Cow::Borrowed("invalid export kind")),
            _ if message.ends_with(" for type") => Some(Cow::Borrowed("invalid type flag")),
            _ => None,
        };
    }
    unknown(bytes, place, message, offset).or_else(|| mismatch(bytes, place, message, offset)).or_else(|| {
        WORDINGS.iter().find(|(theirs, _)| message.starts_with(theirs)).map(|&(_, wamr)| Cow::Borrowed(wamr))
    })
}

/// WAMR's words for a name that nothing has: with its index in some places, without it in others.
fn unknown(bytes: &[u8], place: Place, message: &str, offset: usize) -> Option<Cow<'static, str>> {
    let body = matches!(place, Place::Body { .. });
    let byte = |at: usize| bytes.get(at).copied().filter(|_| body);
    if message == "invalid value type" {
        let index = || BinaryReader::new(&bytes[offset..], 0).read_var_s33().ok();
        return match place {
            // A block's type is read as an index.
            Place::Body { .. } => index().map(|index| Cow::Owned(format!("unknown type {index}"))),
            _ => Some(Cow::Borrowed("unknown type")),
        };
    }
    let (kind, rest) = KINDS.iter().find_map(|kind| Some((*kind, message.strip_prefix(kind)?)))?;
    if kind == "unknown type" && byte(offset) == Some(opcode::CALL_INDIRECT) {
        // WAMR prints a type's index with its sign.
        let index = BinaryReader::new(bytes.get(offset + 1..)?, 0).read_var_u32().ok()?;
        return Some(Cow::Owned(format!("{kind} {}", index.cast_signed())));
    }
    let digits = rest.trim_start();
    let digits = &digits[..digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len()];
    let indexed = !digits.is_empty()
        && match kind {
            _ if place == Place::Names => false,
            "unknown function" | "unknown elem segment" | "unknown table" => true,
            "unknown memory" => !body || byte(offset) == Some(opcode::BULK),
            "unknown type" => !body,
            "unknown data segment" => {
                byte(offset) == Some(opcode::BULK) && byte(offset + 1) == Some(opcode::MEMORY_INIT)
            }
            "unknown global" => !body,
            _ => false,
        };
    Some(match digits.parse::<u32>() {
        // WAMR prints a type's index with its sign.
        Ok(index) if indexed && kind == "unknown type" => {
            Cow::Owned(format!("{kind} {}", index.cast_signed()))
        }
        Ok(index) if indexed => Cow::Owned(format!("{kind} {index}")),
        _ => Cow::Borrowed(kind),
    })
}

const KINDS: [&str; 8] = [
    "unknown function",
    "unknown elem segment",
    "unknown table",
    "unknown memory",
    "unknown type",
    "unknown data segment",
    "unknown global",
    "unknown local",
];

/// WAMR's words for operands of the wrong type, or none. It counts cells of four bytes before it compares types.
fn mismatch(bytes: &[u8], place: Place, message: &str, offset: usize) -> Option<Cow<'static, str>> {
    let rest = message.strip_prefix("type mismatch")?;
    if rest.is_empty() {
        return Some(Cow::Borrowed("type mismatch"));
    }
    if matches!(place, Place::Section | Place::Imports | Place::Names) {
        return Some(Cow::Borrowed(if rest.ends_with(" but nothing on stack") {
            "type mismatch: const expr stack underflow"
        } else if rest.starts_with(": values remaining on stack") {
            "type mismatch: illegal constant opcode sequence"
        } else {
            "type mismatch"
        }));
    }
    if rest.starts_with(": indirect calls must go through a table") {
        let mut operands = BinaryReader::new(bytes.get(offset + 1..)?, 0);
        let table = operands.read_var_u32().and_then(|_| operands.read_var_u32()).ok()?;
        return Some(Cow::Owned(format!(
            "type mismatch: instruction requires table of functions but table {table} has externref"
        )));
    }
    let opcode = bytes.get(offset).copied();
    let ends_block = matches!(opcode, Some(opcode::END | opcode::ELSE));
    let rest = rest.strip_prefix(": expected ")?;
    if rest.ends_with(" but nothing on stack") {
        return Some(Cow::Borrowed(match opcode {
            _ if ends_block => STACK_SIZE,
            Some(opcode::DROP) => "type mismatch, opcode drop was found but stack was empty",
            // Not its condition, whose type is known.
            Some(opcode::SELECT) if rest.starts_with("a type ") => {
                "type mismatch or invalid result arity, opcode select was found but stack was empty"
            }
            _ => "type mismatch: expect data but stack was empty",
        }));
    }
    let (expected, found) = rest.split_once(", found ")?;
    let cells = |ty: &str| match ty {
        "i32" | "f32" | "funcref" | "externref" => Some(1),
        "i64" | "f64" => Some(2),
        "v128" => Some(4),
        _ => None,
    };
    let needed = cells(expected)?;
    let there = cells(found).unwrap_or(needed);
    if ends_block && there != needed {
        return Some(Cow::Borrowed(STACK_SIZE));
    }
    Some(Cow::Owned(format!("type mismatch: expect {expected} but got other")))
}

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
