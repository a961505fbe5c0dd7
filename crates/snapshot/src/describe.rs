//! An image as data for people and tools: what `wayfarer inspect --json` prints.

use crate::format::SectionKind;
use crate::items::{Items, Shown};
use crate::pages::PageKind;
use crate::read::Image;
use crate::view::{
    Entry, Frame, FuncId, GlobalView, InstanceView, ModuleId, StoreView, TableView, Thread, Value,
};
use serde::Serialize;
use serde_json::Value as Json;
use wayfarer_module::PointKind;

/// Everything an image says, but for the content of memories.
#[derive(Clone, Debug, Serialize)]
pub struct Description<'a> {
    /// Where the image came from.
    pub origin: String,
    /// Version of the format.
    pub format_version: u32,
    /// Length of the image in bytes.
    pub image_len: u64,
    /// When, where and why it was made.
    pub info: InfoDescription,
    /// Modules in use.
    pub modules: Items<'a, ModuleId, ModuleDescription>,
    /// Instances.
    pub instances: Items<'a, InstanceView, InstanceDescription<'a>>,
    /// Memories.
    pub memories: Vec<MemoryDescription>,
    /// Tables.
    pub tables: Items<'a, TableView, TableDescription<'a>>,
    /// Globals.
    pub globals: Items<'a, GlobalView, GlobalDescription>,
    /// Threads, main first.
    pub threads: Items<'a, Thread, ThreadDescription<'a>>,
    /// The host's contributions.
    pub host: Vec<HostDescription>,
    /// Who waits for whom, if the caller knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_graph: Option<Json>,
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
pub struct InstanceDescription<'a> {
    /// Index of its module.
    pub module: u32,
    /// Indices of its memories.
    pub memories: &'a [u32],
    /// Indices of its tables.
    pub tables: &'a [u32],
    /// Indices of its globals.
    pub globals: &'a [u32],
    /// Indices of data segments it has dropped.
    pub dropped_datas: Items<'a, bool, usize>,
    /// Indices of element segments it has dropped.
    pub dropped_elems: Items<'a, bool, usize>,
    /// What its imported functions are linked to; null is a host function.
    pub imported_funcs: &'a [Option<FuncId>],
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
pub struct TableDescription<'a> {
    /// `funcref` or `externref`.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// Size in elements.
    pub len: u64,
    /// Maximum size in elements.
    pub max: Option<u64>,
    /// Elements that are not null: `[index, value]`.
    pub elements: Items<'a, Value, (usize, Shown)>,
}

/// A global.
#[derive(Clone, Debug, Serialize)]
pub struct GlobalDescription {
    /// Whether it may change.
    pub mutable: bool,
    /// Its value, with its type.
    pub value: Shown,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadDescription<'a> {
    /// WASI thread id.
    pub tid: u32,
    /// How it was entered.
    pub entry: &'static str,
    /// Frames, outermost first.
    pub frames: Items<'a, Frame, FrameDescription<'a>>,
}

/// A frame.
#[derive(Clone, Debug, Serialize)]
pub struct FrameDescription<'a> {
    /// Name of the instance's module.
    pub module: &'a str,
    /// Index of the instance.
    pub instance: u32,
    /// Index of the function.
    pub func: u32,
    /// `entry`, `loop`, `call` or `before_call`.
    pub kind: &'static str,
    /// Byte offset in the code section's payload.
    pub offset: u32,
    /// Locals, with their types.
    pub locals: Items<'a, Value, Shown>,
    /// Operand stack, bottom first.
    pub stack: Items<'a, Value, Shown>,
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
    /// Who does not know it can do without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ancillary: bool,
    /// It was not decoded, because it expands too far.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expands: bool,
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
    /// Who does not know it can do without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ancillary: bool,
    /// It is not known here, and skipped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
}

/// Turns the bytes of a host section, given its name and version, into something to show, if it knows how.
pub type HostDecoder<'a> = dyn Fn(&str, u32, &[u8]) -> Option<Json> + 'a;

/// A host section is decoded if it has no more bytes than this, or not many more than it takes in the image.
const DECODED: u64 = 1 << 20;
const EXPANSION: u64 = 8;

/// Describes an image. `host` is asked what the bytes of a host section mean, by name and version; `None` leaves them
/// undescribed. What it costs is bounded by the image's length: what a small one expands to is described when it is
/// printed.
pub fn describe<'a>(image: &'a Image<'_>, host: &HostDecoder<'_>) -> Description<'a> {
    let program = image.program();
    let store = &program.store;
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
    let host_sections = image.sections().iter().filter(|s| s.kind == SectionKind::Host);
    let host_sections = program.host.iter().zip(host_sections).map(|(h, section)| {
        let expands = section.raw_len > DECODED.max(section.stored_len.saturating_mul(EXPANSION));
        HostDescription {
            name: h.name.clone(),
            version: h.version,
            len: h.bytes.len() as u64,
            content: if expands { None } else { host(&h.name, h.version, &h.bytes) },
            ancillary: h.ancillary,
            expands,
        }
    });
    let sections = image.sections().iter().map(|s| SectionDescription {
        kind: s.kind,
        index: s.index,
        offset: s.offset,
        stored_len: s.stored_len,
        raw_len: s.raw_len,
        crc32: format!("{:08x}", s.crc32),
        zstd: s.zstd,
        ancillary: s.ancillary,
        skipped: matches!(s.kind, SectionKind::Unknown(_)),
    });
    Description {
        origin: image.origin().to_owned(),
        format_version: image.version(),
        image_len: image.len(),
        info: info(image),
        modules: Items::new(store, &store.modules, module),
        instances: Items::new(store, &store.instances, instance),
        memories: memories.collect(),
        tables: Items::new(store, &store.tables, table),
        globals: Items::new(store, &store.globals, |_, _, g| {
            Some(GlobalDescription { mutable: g.mutable, value: Shown(g.value) })
        }),
        threads: Items::new(store, &program.threads, thread),
        host: host_sections.collect(),
        wait_graph: None,
        sections: sections.collect(),
    }
}

fn module(_: &StoreView, _: usize, m: &ModuleId) -> Option<ModuleDescription> {
    Some(ModuleDescription { name: m.name.clone(), sha256: hex(&m.sha256), size: m.size })
}

fn instance<'a>(store: &'a StoreView, _: usize, i: &'a InstanceView) -> Option<InstanceDescription<'a>> {
    // Indices of what is true.
    let set = |flags: &'a [bool]| Items::new(store, flags, |_, nth, &flag| flag.then_some(nth));
    Some(InstanceDescription {
        module: i.module,
        memories: &i.memories,
        tables: &i.tables,
        globals: &i.globals,
        dropped_datas: set(&i.dropped_datas),
        dropped_elems: set(&i.dropped_elems),
        imported_funcs: &i.imported_funcs,
    })
}

fn table<'a>(store: &'a StoreView, _: usize, t: &'a TableView) -> Option<TableDescription<'a>> {
    const fn is_null(v: &Value) -> bool {
        matches!(v, Value::FuncRef(None) | Value::ExternRef(None))
    }
    Some(TableDescription {
        ty: if t.funcref { "funcref" } else { "externref" },
        len: t.elems.len() as u64,
        max: t.max,
        elements: Items::new(store, &t.elems, |_, nth, v| (!is_null(v)).then_some((nth, Shown(*v)))),
    })
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

fn thread<'a>(store: &'a StoreView, _: usize, thread: &'a Thread) -> Option<ThreadDescription<'a>> {
    Some(ThreadDescription {
        tid: thread.tid,
        entry: match thread.entry {
            Entry::Start => "start",
            Entry::Initialize => "initialize",
            Entry::PostInstantiate => "post_instantiate",
            Entry::CallCtors => "call_ctors",
            Entry::Main => "main",
            Entry::Call => "call",
        },
        frames: Items::new(store, &thread.frames, frame),
    })
}

fn frame<'a>(store: &'a StoreView, _: usize, f: &'a Frame) -> Option<FrameDescription<'a>> {
    let instance = store.instances.get(f.func.instance as usize);
    let module = instance.and_then(|i| store.modules.get(i.module as usize));
    let values = |values| Items::new(store, values, |_, _, v: &Value| Some(Shown(*v)));
    Some(FrameDescription {
        module: module.map_or("", |m| &m.name),
        instance: f.func.instance,
        func: f.func.func,
        kind: match f.position.kind {
            PointKind::Entry => "entry",
            PointKind::Loop => "loop",
            PointKind::Call => "call",
            PointKind::BeforeCall => "before_call",
        },
        offset: f.position.offset,
        locals: values(&f.locals),
        stack: values(&f.stack),
    })
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
}
