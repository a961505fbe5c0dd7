//! Descriptors as JSON, for people.

use super::{DescriptorsRecord, Operation};
use crate::abi::fdflags;
use crate::dir::show;
use crate::path_open::names;
use crate::resources::opened::OpensRecord;
use serde_json::{Value, json};

/// What they are, and how they are made again. Bytes that are no UTF-8 are shown with replacement characters.
pub(super) fn describe(record: &DescriptorsRecord, opens: &OpensRecord) -> Vec<(&'static str, Value)> {
    let descriptors: Vec<Value> = record
        .descriptors
        .iter()
        .map(|descriptor| {
            json!({
                "fd": descriptor.fd,
                "type": filetype(descriptor.filetype),
                "rights": format!("{:#x}", descriptor.base),
                "rights_inheriting": format!("{:#x}", descriptor.inheriting),
                "flags": names(descriptor.flags.into(), &fdflags::NAMES),
                "opened": opens.of(descriptor.fd).map(|asked| asked.describe()),
                "operations": descriptor.operations.iter().map(|o| operation(record, o)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let preopens = record.preopens.iter().map(|p| show(&p.guest_name)).collect::<Vec<_>>();
    vec![("preopens", json!(preopens)), ("descriptors", json!(descriptors))]
}

fn operation(record: &DescriptorsRecord, operation: &Operation) -> Value {
    let preopen = |index: u32| record.preopens.get(index as usize).map(|p| show(&p.guest_name));
    match operation {
        Operation::Stdio { stream, file } => json!({
            "op": "stdio", "stream": stream, "offset": file.as_ref().map(|file| file.offset),
        }),
        Operation::Preopen { preopen: index } => json!({ "op": "preopen", "name": preopen(*index) }),
        Operation::Open { preopen: index, path, follow, directory, identity } => json!({
            "op": "open",
            "preopen": preopen(*index),
            "path": show(path),
            "follow": follow,
            "directory": directory,
            "size": identity.as_ref().map(|identity| identity.size),
            "modified_ns": identity.as_ref().map(|identity| identity.modified),
            "sha256": identity.as_ref().and_then(|identity| identity.sha256).map(hex),
        }),
        Operation::Carry { preopen: index, path, file } => json!({
            "op": "carry", "preopen": preopen(*index), "path": show(path), "size": file.bytes.len(),
        }),
        Operation::CarryBeside { preopen: index, path, file } => json!({
            "op": "carry", "preopen": preopen(*index), "path": show(path), "size": file.size,
        }),
        Operation::CarryAgain { preopen: index, path, fd } => json!({
            "op": "carry_again", "preopen": preopen(*index), "path": show(path), "of": fd,
        }),
        Operation::Seek { offset } => json!({ "op": "seek", "offset": offset }),
        Operation::ReadDir { listing } => json!({
            "op": "readdir", "entries": listing.entries.len(), "seen": listing.seen,
        }),
        Operation::Ended => json!({ "op": "ended" }),
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn filetype(number: u8) -> &'static str {
    match number {
        1 => "block device",
        2 => "character device",
        3 => "directory",
        4 => "regular file",
        5 => "datagram socket",
        6 => "stream",
        7 => "symbolic link",
        _ => "unknown",
    }
}
