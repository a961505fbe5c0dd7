//! A [`Description`] as text for people: what `wayfarer inspect` prints.

use crate::describe::{Description, FrameDescription, ThreadDescription};
use crate::items::{Items, Shown};
use serde_json::Value as Json;
use std::fmt::{self, Write};

/// How much to print.
#[derive(Clone, Copy, Debug)]
pub struct RenderOptions {
    /// Frames printed of each thread: half from the innermost end, half from the outermost.
    pub max_frames: usize,
    /// Whether locals and operand stacks are printed.
    pub values: bool,
    /// Most lines, or values on a line, printed of any other list.
    pub max_items: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        RenderOptions { max_frames: 40, values: true, max_items: 1000 }
    }
}

/// Renders a description as text, ending in a newline.
pub fn render(description: &Description<'_>, options: &RenderOptions) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = text(&mut out, description, options);
    out
}

/// The first of a list, each printed by `print`; says how many more there are.
fn list<T>(
    out: &mut String,
    most: usize,
    mut items: impl Iterator<Item = T>,
    mut print: impl FnMut(&mut String, usize, T) -> fmt::Result,
) -> fmt::Result {
    for (n, item) in items.by_ref().take(most).enumerate() {
        print(out, n, item)?;
    }
    match items.count() {
        0 => Ok(()),
        more => writeln!(out, "  ... {more} more ..."),
    }
}

fn text(out: &mut String, d: &Description<'_>, options: &RenderOptions) -> fmt::Result {
    let (i, most) = (&d.info, options.max_items);
    writeln!(out, "{}: image, format version {}, {}", d.origin, d.format_version, size(d.image_len))?;
    writeln!(
        out,
        "  made {} by process {} on {} {}, runtime {}",
        i.created, i.pid, i.os, i.arch, i.runtime_version
    )?;
    writeln!(out, "  checkpoint {} ({}), id {}", i.sequence, i.reason, i.id)?;
    list(out, most, d.modules.iter(), |out, n, m| {
        let name = if m.name.is_empty() { "without a name" } else { &m.name };
        writeln!(out, "module {n}: {name} ({}, sha256 {})", size(m.size), m.sha256)
    })?;
    list(out, most, d.instances.iter(), |out, n, inst| {
        let linked = inst.imported_funcs.iter().flatten().count();
        writeln!(
            out,
            "instance {n}: module {}, memories {}, tables {}, {} globals, {} imported functions ({linked} from \
             other instances)",
            inst.module,
            indices(inst.memories, most),
            indices(inst.tables, most),
            inst.globals.len(),
            inst.imported_funcs.len(),
        )
    })?;
    list(out, most, d.memories.iter(), |out, n, m| {
        writeln!(
            out,
            "memory {n}: {}{}: {} zero, {} as in the module, {} stored{}",
            size(m.len),
            if m.shared { ", shared" } else { "" },
            size(m.zero_len),
            size(m.initial_len),
            size(m.stored_len),
            if m.zstd { format!(" in {} (zstd)", size(m.data_len)) } else { String::new() },
        )
    })?;
    list(out, most, d.tables.iter(), |out, n, t| {
        writeln!(out, "table {n}: {} {} elements, {} not null", t.len, t.ty, t.elements.iter().count())
    })?;
    if !d.globals.is_empty() {
        writeln!(out, "globals:")?;
        list(out, most, d.globals.iter(), |out, n, g| {
            writeln!(out, "  {n}: {}{}", if g.mutable { "mut " } else { "" }, g.value)
        })?;
    }
    list(out, most, d.threads.iter(), |out, _, t| thread(out, &t, options))?;
    if d.threads.is_empty() {
        writeln!(out, "no threads: between two calls from the host")?;
    }
    for h in &d.host {
        let ancillary = if h.ancillary { ", ancillary: skipped where nobody knows it" } else { "" };
        writeln!(out, "host section {:?}: version {}, {}{ancillary}", h.name, h.version, size(h.len))?;
        if h.expands {
            writeln!(out, "  (not shown: it takes far less in the image)")?;
        }
        if let Some(content) = &h.content {
            members(out, content, 1)?;
        }
    }
    writeln!(out, "sections:")?;
    list(out, most, d.sections.iter(), |out, _, s| {
        let zstd = if s.zstd { format!(", zstd of {}", size(s.raw_len)) } else { String::new() };
        let kind = serde_json::to_value(s.kind).map_err(|_| fmt::Error)?;
        let kind = kind.as_str().unwrap_or_default();
        let skipped = if s.skipped { ", ancillary, not known here: skipped" } else { "" };
        writeln!(
            out,
            "  {:#010x} {kind} {}: {}{zstd}, crc {}{skipped}",
            s.offset,
            s.index,
            size(s.stored_len),
            s.crc32
        )
    })
}

/// `[0, 1]`.
fn indices(list: &[u32], most: usize) -> String {
    match list.len().checked_sub(most) {
        None | Some(0) => format!("{list:?}"),
        Some(more) => format!("{:?} and {more} more", &list[..most]),
    }
}

fn thread(out: &mut String, t: &ThreadDescription<'_>, options: &RenderOptions) -> fmt::Result {
    let n = t.frames.len();
    writeln!(out, "thread {} (entered by {}): {n} frames, innermost first", t.tid, t.entry)?;
    let (inner, outer) = (options.max_frames.div_ceil(2), options.max_frames / 2);
    let print = |out: &mut String, i: usize| match t.frames.get(i) {
        Some(f) => frame(out, i, &f, options),
        None => Ok(()),
    };
    // All that are further in than these, and further out than those.
    let (inside, outside) = (n.saturating_sub(inner).max(outer.min(n)), outer.min(n));
    (inside..n).rev().try_for_each(|i| print(out, i))?;
    if inside > outside {
        writeln!(out, "  ... {} more ...", inside - outside)?;
    }
    (0..outside).rev().try_for_each(|i| print(out, i))
}

fn frame(out: &mut String, i: usize, f: &FrameDescription<'_>, options: &RenderOptions) -> fmt::Result {
    writeln!(out, "  #{i} {} func {} at {} {:#x}", f.module, f.func, f.kind, f.offset)?;
    if options.values {
        for (what, values) in [("locals", &f.locals), ("stack", &f.stack)] {
            if !values.is_empty() {
                writeln!(out, "     {what}: {}", line(values, options.max_items))?;
            }
        }
    }
    Ok(())
}

/// Longest line that values are put on together.
const LINE: usize = 110;

/// Most lines of one list.
const LINES: usize = 40;

/// The members of an object, each on a line if it fits there, else one member or element a line below it.
fn members(out: &mut String, value: &Json, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let mut member = |name: &str, value: &Json| -> fmt::Result {
        let line = format!("{indent}{name}: {}", flat(value));
        if line.chars().count() <= LINE || !(value.is_array() || value.is_object()) {
            return writeln!(out, "{line}");
        }
        writeln!(out, "{indent}{name}:")?;
        let Json::Array(elements) = value else { return members(out, value, depth + 1) };
        for element in elements.iter().take(LINES) {
            writeln!(out, "{indent}  {}", flat(element))?;
        }
        match elements.len().saturating_sub(LINES) {
            0 => Ok(()),
            more => writeln!(out, "{indent}  ... {more} more ..."),
        }
    };
    match value {
        Json::Object(object) => object.iter().try_for_each(|(name, value)| member(name, value)),
        _ => writeln!(out, "{indent}{}", flat(value)),
    }
}

/// A value on one line. Names and texts are without quotes where nothing in them could be mistaken.
fn flat(value: &Json) -> String {
    match value {
        Json::String(text) => {
            let plain = |c: char| c.is_alphanumeric() || "_-./=+ ".contains(c);
            let is_plain = !text.is_empty() && text.chars().all(plain) && text.trim() == text;
            if is_plain { text.clone() } else { format!("{text:?}") }
        }
        Json::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(flat).collect();
            if elements.is_empty() { "none".to_owned() } else { elements.join(", ") }
        }
        Json::Object(object) => {
            let members: Vec<String> = object.iter().map(|(name, v)| format!("{name} {}", flat(v))).collect();
            format!("({})", members.join(", "))
        }
        Json::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// `i32:7 f64:1.5 funcref:0.12 externref:null`.
fn line(values: &Items<'_, crate::view::Value, Shown>, most: usize) -> String {
    let mut shown: Vec<String> = values.iter().take(most).map(|value| value.to_string()).collect();
    if values.len() > most {
        shown.push(format!("... {} more ...", values.len() - most));
    }
    shown.join(" ")
}

/// `12 bytes`, `1.5 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match UNITS.iter().find(|(shift, _)| bytes >> shift != 0) {
        Some((shift, unit)) if bytes.trailing_zeros() >= *shift => format!("{} {unit}", bytes >> shift),
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn contents_are_lines_for_people() {
        let long = "x".repeat(70);
        let content = json!({
            "args": ["a.wasm", "two words", "x\ty", ""],
            "clocks": { "monotonic_ns": 7, "cpu": null },
            "descriptors": [{ "fd": 0, "flags": [], "name": long }, { "fd": 1, "flags": ["append"], "name": long }],
            "env": [],
            "nested": { "long": long, "longer": long },
        });
        let mut out = String::new();
        members(&mut out, &content, 1).unwrap();
        let expected = [
            "  args: a.wasm, two words, \"x\\ty\", \"\"".to_owned(),
            "  clocks: (cpu none, monotonic_ns 7)".to_owned(),
            "  descriptors:".to_owned(),
            format!("    (fd 0, flags none, name {long})"),
            format!("    (fd 1, flags append, name {long})"),
            "  env: none".to_owned(),
            "  nested:".to_owned(),
            format!("    long: {long}"),
            format!("    longer: {long}"),
        ];
        assert_eq!(out.lines().collect::<Vec<_>>(), expected);
        out.clear();
        members(&mut out, &json!({ "many": vec!["1234567890"; 100] }), 0).unwrap();
        assert_eq!((out.lines().count(), out.lines().last()), (42, Some("  ... 60 more ...")));
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(65536), "64 KiB");
        assert_eq!(size(3 << 19), "1.5 MiB");
    }
}
