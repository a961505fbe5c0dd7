//! Sections of images that this build does not know: skipped if they are marked as ancillary, refused by name if not.

use crate::assemble::{Part, assemble, take_apart};
use crate::support::{Folder, iwasm, wayfarer};

const COUNTER: &str = r#"(module (memory (export "memory") 1)
    (func (export "run") (param $n i32) (result i32) (local $i i32)
        (loop $next
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
        (local.get $i)))"#;

/// A host section: its version, its name, and what is in it.
fn host(version: u32, name: &str, flags: u32) -> Part {
    let length = (name.len() as u32).to_le_bytes();
    let bytes = [&version.to_le_bytes(), &length, name.as_bytes(), b"from the future"].concat();
    Part { kind: 4, flags, index: 0, raw_len: None, bytes }
}

/// An image with another section; what becomes of it.
struct Setup {
    folder: Folder,
    guest: String,
    parts: Vec<Part>,
}

impl Setup {
    fn new() -> Setup {
        let folder = Folder::new();
        let guest = folder.module("guest.wasm", COUNTER);
        let image = folder.text("the.image");
        let checkpoint = format!("--checkpoint={image}");
        let options =
            [&checkpoint, "--checkpoint-at=50", "--checkpoint-then=exit", "-f", "run", &guest, "100"];
        let ran = iwasm(options);
        assert_eq!(ran.status, Some(86), "{ran:?}");
        let parts = take_apart(&std::fs::read(image).expect("it was written"));
        Setup { folder, guest, parts }
    }

    fn with(&self, part: Part) -> String {
        let mut parts = self.parts.clone();
        // Host sections come behind each other, and are numbered.
        let hosts = parts.iter().filter(|part| part.kind == 4).count();
        let last = parts.iter().rposition(|part| part.kind == 4).expect("WASI's, for one");
        let index = if part.kind == 4 { hosts as u32 } else { part.index };
        parts.insert(last + 1, Part { index, ..part });
        self.folder.write("changed.image", assemble(&parts))
    }

    fn restore(&self, part: Part) -> crate::support::Ran {
        iwasm([&format!("--restore={}", self.with(part)), "-f", "run", &self.guest, "100"])
    }
}

#[test]
fn ancillary_sections_that_nobody_knows_are_skipped_and_said_to_be() {
    let s = Setup::new();
    let kind = Part { kind: 77, flags: 2, index: 0, raw_len: None, bytes: b"of a kind to come".to_vec() };
    for (part, said) in [
        (host(1, "sockets", 2), "host section \"sockets\": version 1, 15 bytes, ancillary"),
        (host(1, "host:device", 2), "host section \"host:device\": version 1, 15 bytes, ancillary"),
        (kind, "unknown_77 0: 17 bytes"),
    ] {
        s.restore(part.clone()).expect("0x64:i32\n", 0);
        let image = s.with(part);
        let inspected = wayfarer(["inspect", &image]);
        assert!(inspected.stdout.contains(said), "no {said:?} in {inspected:?}");
        let json = wayfarer(["inspect", "--json", &image]);
        let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        assert_eq!(json["format_version"], 2);
        assert_eq!(wayfarer(["verify", &image]).status, Some(0));
    }
}

#[test]
fn critical_sections_that_nobody_knows_are_refused_by_name() {
    let s = Setup::new();
    let kind = Part { kind: 77, flags: 0, index: 0, raw_len: None, bytes: b"of a kind to come".to_vec() };
    for (part, why) in [
        (host(1, "sockets", 0), "the image has a section 'sockets', which this runtime does not know"),
        (host(1, "host:device", 0), "state of native module 'device', which is not registered here"),
        (kind, "is of kind 77, which this runtime does not know and the program needs"),
    ] {
        s.restore(part).expect_error(1, why);
    }
    // A version of a known one that is not known, ancillary or not: every program has it.
    let wasi = |part: &&Part| part.kind == 4 && part.bytes[8..].starts_with(b"wasi");
    let nth = s.parts.iter().position(|part| wasi(&part)).expect("WASI's section");
    for (flags, why) in
        [(0, "section 'wasi' is of version 9, known is 1"), (2, "the image has no section 'wasi'")]
    {
        let mut parts = s.parts.clone();
        parts[nth].flags = flags;
        parts[nth].bytes[0] = 9;
        let image = s.folder.write("changed.image", assemble(&parts));
        iwasm([&format!("--restore={image}"), "-f", "run", &s.guest, "100"]).expect_error(1, why);
    }
}
