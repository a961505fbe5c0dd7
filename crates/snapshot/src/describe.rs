//! An image as data for people and tools: what `wayfarer inspect --json` prints.

use crate::format::{FORMAT_VERSION, SectionKind};
use crate::pages::PageKind;
use crate::read::Image;
use crate::view::{Entry, Frame, FuncId, Thread, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};
use wayfarer_module::PointKind;

/// Everything an image says, but for the content of memories.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Where the image came from.
    pub origin: String,
    /// Version of the format.
    pub format_version: u32,
    /// Length of the image in bytes.
    pub image_len: u64,
    /// When, where and why it was made.
    pub info: InfoDescription,
    /// Modules in use.
    pub modules: Vec<ModuleDescription>,
    /// Instances.
    pub instances: Vec<InstanceDescription>,
    /// Memories.
    pub memories: Vec<MemoryDescription>,
    /// Tables.
    pub tables: Vec<TableDescription>,
    /// Globals.
    pub globals: Vec<GlobalDescription>,
    /// Threads, main first.
    pub threads: Vec<ThreadDescription>,
    /// The host's contributions.
    pub host: Vec<HostDescription>,
    /// The section table.
    pub sections: Vec<SectionDescription>,
}

/// When, where and why an image was made.
#[derive(Clone, Debug, Serialize)]
pub struct InfoDescription {
    /// Identifies the image; hexadecimal.
    pub id: String,
    /// The image it is relative to; hexadecimal.
    pub parent: Option<String>,
    /// Which checkpoint of its program it is.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub created_unix_ms: u64,
    /// The same, as ISO 8601.
    pub created: String,
    /// Version of the runtime that wrote it.
    pub runtime_version: String,
    /// Architecture of the writer.
    pub arch: String,
    /// Operating system of the writer.
    pub os: String,
    /// Process id of the writer.
    pub pid: u32,
    /// `api`, `signal`, `timer` or `count`.
    pub reason: String,
}

/// A module.
#[derive(Clone, Debug, Serialize)]
pub struct ModuleDescription {
    /// Name given by the host.
    pub name: String,
    /// SHA-256 of the binary; hexadecimal.
    pub sha256: String,
    /// Size of the binary in bytes.
    pub size: u64,
}

/// An instance.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceDescription {
    /// Index of its module.
    pub module: u32,
    /// Indices of its memories.
    pub memories: Vec<u32>,
    /// Indices of its tables.
    pub tables: Vec<u32>,
    /// Indices of its globals.
    pub globals: Vec<u32>,
    /// Indices of data segments it has dropped.
    pub dropped_datas: Vec<usize>,
    /// Indices of element segments it has dropped.
    pub dropped_elems: Vec<usize>,
    /// What its imported functions are linked to; null is a host function.
    pub imported_funcs: Vec<Option<FuncId>>,
}

/// A memory.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryDescription {
    /// Size in bytes.
    pub len: u64,
    /// Maximum size in bytes.
    pub max: u64,
    /// Bytes a Wasm page stands for.
    pub page_size: u64,
    /// Shared between threads.
    pub shared: bool,
    /// Bytes in pages left out because they are zero.
    pub zero_len: u64,
    /// Bytes in pages left out because the module has them.
    pub initial_len: u64,
    /// Bytes in pages that are stored.
    pub stored_len: u64,
    /// Bytes those take in the image.
    pub data_len: u64,
    /// Whether they are compressed.
    pub zstd: bool,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableDescription {
    /// `funcref` or `externref`.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// Size in elements.
    pub len: u64,
    /// Maximum size in elements.
    pub max: Option<u64>,
    /// Elements that are not null: `[index, value]`.
    pub elements: Vec<(usize, Json)>,
}

/// A global.
#[derive(Clone, Debug, Serialize)]
pub struct GlobalDescription {
    /// Whether it may change.
    pub mutable: bool,
    /// Its value, with its type.
    pub value: Json,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadDescription {
    /// WASI thread id.
    pub tid: u32,
    /// How it was entered.
    pub entry: &'static str,
    /// Frames, outermost first.
    pub frames: Vec<FrameDescription>,
}

/// A frame.
#[derive(Clone, Debug, Serialize)]
pub struct FrameDescription {
    /// Name of the instance's module.
    pub module: String,
    /// Index of the instance.
    pub instance: u32,
    /// Index of the function.
    pub func: u32,
    /// `entry`, `loop`, `call` or `before_call`.
    pub kind: &'static str,
    /// Byte offset in the code section's payload.
    pub offset: u32,
    /// Locals, with their types.
    pub locals: Vec<Json>,
    /// Operand stack, bottom first.
    pub stack: Vec<Json>,
}

/// A host section.
#[derive(Clone, Debug, Serialize)]
pub struct HostDescription {
    /// Who wrote it.
    pub name: String,
    /// Version of its own format.
    pub version: u32,
    /// Length in bytes.
    pub len: u64,
    /// What the caller's decoder made of it.
    pub content: Option<Json>,
}

/// A section.
#[derive(Clone, Debug, Serialize)]
pub struct SectionDescription {
    /// What it holds.
    pub kind: SectionKind,
    /// Which host section or memory.
    pub index: u32,
    /// Offset in the image.
    pub offset: u64,
    /// Bytes in the image.
    pub stored_len: u64,
    /// Bytes after decompression.
    pub raw_len: u64,
    /// CRC-32 of the bytes in the image; hexadecimal.
    pub crc32: String,
    /// Whether it is compressed.
    pub zstd: bool,
}

/// Turns the bytes of a host section, given its name and version, into something to show, if it knows how.
pub type HostDecoder<'a> = dyn Fn(&str, u32, &[u8]) -> Option<Json> + 'a;

/// Describes an image. `host` is asked what the bytes of a host section mean, by name and version; `None` leaves them
/// undescribed.
pub fn describe(image: &Image<'_>, host: &HostDecoder<'_>) -> Description {
    let program = image.program();
    let store = &program.store;
    let module_name = |instance: u32| -> String {
        let module =
            store.instances.get(instance as usize).and_then(|i| store.modules.get(i.module as usize));
        module.map(|m| m.name.clone()).unwrap_or_default()
    };
    let memories = store.memories.iter().zip(&image.memories).map(|(view, stored)| MemoryDescription {
        len: view.len,
        max: view.max,
        page_size: view.page_size,
        shared: view.shared,
        zero_len: stored.map.bytes_of(PageKind::Zero),
        initial_len: stored.map.bytes_of(PageKind::Initial),
        stored_len: stored.data.raw_len,
        data_len: stored.data.stored_len,
        zstd: stored.data.zstd,
    });
    Description {
        origin: image.origin().to_owned(),
        format_version: FORMAT_VERSION,
        image_len: image.len(),
        info: info(image),
        modules: store
            .modules
            .iter()
            .map(|m| ModuleDescription { name: m.name.clone(), sha256: hex(&m.sha256), size: m.size })
            .collect(),
        instances: store
            .instances
            .iter()
            .map(|i| InstanceDescription {
                module: i.module,
                memories: i.memories.clone(),
                tables: i.tables.clone(),
                globals: i.globals.clone(),
                dropped_datas: set_bits(&i.dropped_datas),
                dropped_elems: set_bits(&i.dropped_elems),
                imported_funcs: i.imported_funcs.clone(),
            })
            .collect(),
        memories: memories.collect(),
        tables: store
            .tables
            .iter()
            .map(|t| TableDescription {
                ty: if t.funcref { "funcref" } else { "externref" },
                len: t.elems.len() as u64,
                max: t.max,
                elements: t
                    .elems
                    .iter()
                    .enumerate()
                    .filter(|(_, v)| !matches!(v, Value::FuncRef(None) | Value::ExternRef(None)))
                    .map(|(i, v)| (i, value(v)))
                    .collect(),
            })
            .collect(),
        globals: store
            .globals
            .iter()
            .map(|g| GlobalDescription { mutable: g.mutable, value: value(&g.value) })
            .collect(),
        threads: program.threads.iter().map(|t| thread(t, &module_name)).collect(),
        host: program
            .host
            .iter()
            .map(|h| HostDescription {
                name: h.name.clone(),
                version: h.version,
                len: h.bytes.len() as u64,
                content: host(&h.name, h.version, &h.bytes),
            })
            .collect(),
        sections: image
            .sections()
            .iter()
            .map(|s| SectionDescription {
                kind: s.kind,
                index: s.index,
                offset: s.offset,
                stored_len: s.stored_len,
                raw_len: s.raw_len,
                crc32: format!("{:08x}", s.crc32),
                zstd: s.zstd,
            })
            .collect(),
    }
}

fn info(image: &Image<'_>) -> InfoDescription {
    let i = image.info();
    InfoDescription {
        id: hex(&i.id),
        parent: i.parent.map(|p| hex(&p)),
        sequence: i.sequence,
        created_unix_ms: i.created_unix_ms,
        created: iso_8601(i.created_unix_ms),
        runtime_version: i.runtime_version.clone(),
        arch: i.arch.clone(),
        os: i.os.clone(),
        pid: i.pid,
        reason: i.reason.to_string(),
    }
}

fn thread(thread: &Thread, module_name: &dyn Fn(u32) -> String) -> ThreadDescription {
    let frame = |f: &Frame| FrameDescription {
        module: module_name(f.func.instance),
        instance: f.func.instance,
        func: f.func.func,
        kind: match f.position.kind {
            PointKind::Entry => "entry",
            PointKind::Loop => "loop",
            PointKind::Call => "call",
            PointKind::BeforeCall => "before_call",
        },
        offset: f.position.offset,
        locals: f.locals.iter().map(value).collect(),
        stack: f.stack.iter().map(value).collect(),
    };
    ThreadDescription {
        tid: thread.tid,
        entry: match thread.entry {
            Entry::Start => "start",
            Entry::Initialize => "initialize",
            Entry::PostInstantiate => "post_instantiate",
            Entry::CallCtors => "call_ctors",
            Entry::Main => "main",
            Entry::Call => "call",
        },
        frames: thread.frames.iter().map(frame).collect(),
    }
}

/// A value with its type. Floats come with their bits, as JSON has no NaN; so do vectors.
fn value(v: &Value) -> Json {
    match *v {
        Value::I32(n) => json!({ "type": "i32", "value": n }),
        Value::I64(n) => json!({ "type": "i64", "value": n }),
        Value::F32(bits) => {
            json!({ "type": "f32", "value": f32::from_bits(bits), "bits": format!("{bits:#010x}") })
        }
        Value::F64(bits) => {
            json!({ "type": "f64", "value": f64::from_bits(bits), "bits": format!("{bits:#018x}") })
        }
        Value::V128(bits) => json!({ "type": "v128", "bits": format!("{bits:#034x}") }),
        Value::FuncRef(f) => json!({ "type": "funcref", "value": f }),
        Value::ExternRef(r) => json!({ "type": "externref", "value": r }),
    }
}

/// Indices of the elements that are true.
fn set_bits(bits: &[bool]) -> Vec<usize> {
    bits.iter().enumerate().filter_map(|(i, &b)| b.then_some(i)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `2026-11-23T01:02:03.004Z`, by the calendar arithmetic of 400-year cycles that begin on March 1st.
fn iso_8601(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Days since 0000-03-01, a date from which leap days come last in each cycle.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (s, ms) = (ms / 1000, ms % 1000);
    format!(
        "{:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        cycle * 400 + year + carry,
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        // Checked against `date -u -d @N`.
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_8601(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_8601(1_763_860_684_005), "2025-11-23T01:18:04.005Z");
        assert_eq!(iso_8601(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(iso_8601(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn values_keep_their_bits() {
        assert_eq!(value(&Value::I32(u32::MAX)), json!({ "type": "i32", "value": 4294967295u32 }));
        assert_eq!(
            value(&Value::F32(0x7fc0_0001)),
            json!({ "type": "f32", "value": null, "bits": "0x7fc00001" })
        );
        assert_eq!(value(&Value::F64(1.5f64.to_bits()))["value"], json!(1.5));
        assert_eq!(value(&Value::V128(1))["bits"], json!("0x00000000000000000000000000000001"));
        let f = FuncId { instance: 1, func: 2 };
        assert_eq!(value(&Value::FuncRef(Some(f)))["value"], json!({ "instance": 1, "func": 2 }));
        assert_eq!(value(&Value::ExternRef(None))["value"], Json::Null);
    }
}
