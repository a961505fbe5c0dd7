//! Sections that a reader does not know: skipped if they are marked as ancillary, and said to be; refused by name if not.

#[path = "common/assemble.rs"]
mod assemble;
mod common;

use assemble::{Part, assemble, assemble_as, take_apart};
use common::{Sample, sample};
use serde_json::json;
use wayfarer_snapshot::view::HostSection;
use wayfarer_snapshot::*;

/// A program with memories and host sections, none of them ancillary.
fn plain() -> Sample {
    let mut sample = (0..).map(sample).find(|s| s.memories.len() > 1 && s.program.host.len() > 1).unwrap();
    sample.program.host.iter_mut().for_each(|section| section.ancillary = false);
    sample
}

fn unknown(kind: u32, flags: u32, bytes: &[u8]) -> Part {
    Part { kind, flags, index: 3, raw_len: None, bytes: bytes.to_vec() }
}

/// The memories of an image.
fn memories(sample: &Sample, image: &Image<'_>) -> Vec<Vec<u8>> {
    let load = |(i, memory): (usize, &common::Memory)| {
        let mut bytes = vec![0; memory.bytes.len()];
        image.load_memory(i, &mut bytes, &memory.baseline(), &LoadOptions::default()).unwrap();
        bytes
    };
    sample.memories.iter().enumerate().map(load).collect()
}

fn error(image: &[u8]) -> String {
    Image::from_bytes(image).expect_err("it is refused").to_string()
}

#[test]
fn ancillary_sections_of_unknown_kinds_are_skipped_wherever_they_are() {
    let sample = plain();
    for compression in [Compression::None, Compression::Zstd(1)] {
        let bytes = sample.write(compression);
        let parts = take_apart(&bytes);
        for at in 0..=parts.len() {
            let mut more = parts.clone();
            more.insert(at, unknown(77, 2, b"of the future"));
            more.insert(at, unknown(0, 2, &[]));
            let image = assemble(&more);
            let image = Image::from_bytes(&image).unwrap();
            assert_eq!(image.version(), 2);
            assert_eq!(image.program(), &sample.program);
            let expected: Vec<_> = sample.memories.iter().map(|memory| memory.bytes.clone()).collect();
            assert!(memories(&sample, &image) == expected);
            image.verify_data().unwrap();
            assert_eq!(image.sections().len(), parts.len() + 2);
        }
    }
}

#[test]
fn what_is_skipped_is_said() {
    let mut parts = take_apart(&plain().write(Compression::None));
    parts.push(unknown(77, 2, b"of the future"));
    let image = assemble(&parts);
    let image = Image::from_bytes(&image).unwrap();
    let description = describe(&image, &|_, _, _| None);
    let json = serde_json::to_value(&description).unwrap();
    assert_eq!(json["format_version"], 2);
    let last = json["sections"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["ancillary"], &last["skipped"]),
        (&json!("unknown_77"), &json!(true), &json!(true))
    );
    assert!(json["sections"][0].get("skipped").is_none());
    let text = render(&description, &RenderOptions::default());
    assert!(
        text.contains("unknown_77 3: 13 bytes, crc") && text.contains("not known here: skipped"),
        "{text}"
    );
}

#[test]
fn a_section_that_is_skipped_is_looked_at_when_all_is_verified() {
    let mut parts = take_apart(&plain().write(Compression::None));
    parts.push(unknown(77, 2, &[5; 600_000]));
    let mut image = assemble(&parts);
    let at = Image::from_bytes(&image).unwrap().sections().last().unwrap().offset as usize + 599_999;
    image[at] ^= 1;
    let image = Image::from_bytes(&image).unwrap();
    let why = image.verify_data().unwrap_err().to_string();
    assert!(why.contains("unknown 77 section 3") && why.ends_with("checksum mismatch"), "{why}");
}

#[test]
fn what_cannot_be_done_without_is_refused_by_name() {
    let parts = take_apart(&plain().write(Compression::None));
    let mut more = parts.clone();
    more.push(unknown(77, 0, b"needed"));
    let nth = parts.len();
    let expected = format!(
        "memory: section {nth} is of kind 77, which this runtime does not know and the program needs"
    );
    for version in [1, 2] {
        assert_eq!(error(&assemble_as(version, &more)), expected);
    }
    // Other marks may come, and it cannot be known what they mean.
    more[nth].flags = 6;
    assert!(error(&assemble_as(2, &more)).contains("has unknown flags 0x6"));
    // In the first version there were no marks.
    more[nth].flags = 2;
    assert!(error(&assemble_as(1, &more)).contains("has unknown flags 0x2"));
    Image::from_bytes(assemble_as(2, &more)).unwrap();
    Image::from_bytes(assemble_as(2, &parts)).unwrap();
    // What each program consists of is not ancillary.
    for (nth, part) in parts.iter().enumerate().filter(|(_, part)| part.kind != SectionKind::Host.number()) {
        let mut marked = parts.clone();
        marked[nth].flags |= 2;
        let kind = SectionKind::of(part.kind);
        assert!(error(&assemble(&marked)).contains(&format!("({kind}) says that it is ancillary")));
    }
}

#[test]
fn host_sections_keep_their_mark() {
    let mut sample = plain();
    assert_eq!(Image::from_bytes(sample.write(Compression::None)).unwrap().version(), 1);
    sample.program.host.push(HostSection { ancillary: true, ..HostSection::new("extra", 9, vec![1; 99]) });
    for compression in [Compression::None, Compression::Zstd(3)] {
        let image = sample.write(compression);
        let image = Image::from_bytes(&image).unwrap();
        assert_eq!((image.version(), image.program()), (2, &sample.program));
        let description = describe(&image, &|_, _, _| None);
        let json = serde_json::to_value(&description).unwrap();
        let hosts = json["host"].as_array().unwrap();
        assert_eq!(hosts.last().unwrap()["ancillary"], true);
        assert!(hosts[0].get("ancillary").is_none());
        let text = render(&description, &RenderOptions::default());
        assert!(text.contains("host section \"extra\": version 9, 99 bytes, ancillary"), "{text}");
    }
}

#[test]
fn hostile_sections_of_unknown_kinds_cost_nothing() {
    let parts = take_apart(&plain().write(Compression::None));
    let mut more = parts.clone();
    more.push(Part { raw_len: Some(1 << 60), ..unknown(77, 3, b"a bomb") });
    assert!(error(&assemble(&more)).contains("expand further than the format allows"));
    more.pop();
    more.push(Part { raw_len: Some(1 << 60), ..unknown(77, 2, b"a lie") });
    assert!(error(&assemble(&more)).contains("is not compressed but stores 5 bytes"));
    // Many of them.
    let mut many = parts.clone();
    many.extend(std::iter::repeat_n(unknown(77, 2, &[]), 100_000));
    Image::from_bytes(assemble(&many)).unwrap().verify_data().unwrap();
}
