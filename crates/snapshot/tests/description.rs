//! What `inspect` prints, as text and as JSON.

mod common;

use common::{Sample, info};
use serde_json::json;
use wayfarer_snapshot::view::*;
use wayfarer_snapshot::*;

fn sample() -> Sample {
    let mut info = info(&mut common::Random(7));
    info.id = *b"0123456789abcdef";
    info.created_unix_ms = 1_763_860_684_005;
    (info.sequence, info.pid, info.reason) = (12, 4711, Reason::Signal);
    let func = |func| FuncId { instance: 0, func };
    let frame = |kind, offset, n| Frame {
        func: func(n),
        position: Position { kind, offset },
        locals: vec![Value::I32(n), Value::F64(2.5f64.to_bits())],
        stack: vec![Value::FuncRef(Some(func(9)))],
    };
    let mut frames: Vec<Frame> = (0..99).map(|n| frame(PointKind::Call, 0x100 + n, n)).collect();
    frames.push(frame(PointKind::Loop, 0x2a, 99));
    let mut bytes = vec![0; 3 * PAGE_SIZE];
    bytes[0] = 5;
    bytes[PAGE_SIZE] = 6;
    let len = bytes.len() as u64;
    Sample {
        program: ProgramView {
            store: StoreView {
                modules: vec![ModuleId { sha256: [0xab; 32], size: 1 << 20, name: "python.wasm".into() }],
                memories: vec![MemoryView { len, max: 1 << 32, page_size: 4096, shared: false }],
                tables: vec![TableView {
                    funcref: true,
                    elems: vec![Value::FuncRef(None), Value::FuncRef(Some(func(3)))],
                    max: None,
                }],
                globals: vec![GlobalView { value: Value::V128(0xff), mutable: true }],
                instances: vec![InstanceView {
                    module: 0,
                    memories: vec![0],
                    tables: vec![0],
                    globals: vec![0],
                    dropped_datas: vec![false, true],
                    dropped_elems: vec![true],
                    imported_funcs: vec![None, Some(func(8))],
                }],
            },
            threads: vec![Thread {
                entry: Entry::Main,
                frames,
                tid: 0,
                watched: Vec::new(),
                number: 0,
                waits: None,
            }],
            host: vec![
                HostSection::new("wasi", 2, b"xyz".to_vec()),
                HostSection::new("other", 1, vec![0; 10]),
            ],
        },
        info,
        memories: vec![common::Memory { bytes, segments: vec![(PAGE_SIZE as u64, vec![6])] }],
        files: vec![],
    }
}

fn image() -> Image<'static> {
    Image::from_bytes(sample().write(Compression::None)).unwrap()
}

fn description<'a>(image: &'a Image<'_>) -> Description<'a> {
    describe(image, &|name, version, bytes| {
        (name == "wasi").then(|| json!({ "version": version, "text": String::from_utf8_lossy(bytes) }))
    })
}

#[test]
fn json_has_everything() {
    let d = serde_json::to_value(description(&image())).unwrap();
    assert_eq!(d["format_version"], 1);
    assert_eq!(d["info"]["created"], "2025-11-23T01:18:04.005Z");
    assert_eq!(d["info"]["id"], "30313233343536373839616263646566");
    assert_eq!((&d["info"]["reason"], &d["info"]["pid"]), (&json!("signal"), &json!(4711)));
    assert_eq!(d["modules"][0]["sha256"], "ab".repeat(32));
    let m = &d["memories"][0];
    let lens = ["len", "zero_len", "initial_len", "stored_len", "data_len"].map(|k| m[k].as_u64().unwrap());
    assert_eq!(lens, [12288, 4096, 4096, 4096, 4096]);
    assert_eq!(
        d["tables"][0],
        json!({ "type": "funcref", "len": 2, "max": null,
                "elements": [[1, { "type": "funcref", "value": { "instance": 0, "func": 3 } }]] })
    );
    assert_eq!(d["globals"][0]["value"]["bits"], "0x000000000000000000000000000000ff");
    let i = &d["instances"][0];
    assert_eq!((&i["dropped_datas"], &i["dropped_elems"]), (&json!([1]), &json!([0])));
    assert_eq!(i["imported_funcs"], json!([null, { "instance": 0, "func": 8 }]));
    let t = &d["threads"][0];
    assert_eq!((&t["entry"], &t["tid"]), (&json!("main"), &json!(0)));
    assert_eq!(t["frames"].as_array().unwrap().len(), 100);
    assert_eq!(
        t["frames"][99],
        json!({ "module": "python.wasm", "instance": 0, "func": 99, "kind": "loop", "offset": 42,
                "locals": [{ "type": "i32", "value": 99 },
                           { "type": "f64", "value": 2.5, "bits": "0x4004000000000000" }],
                "stack": [{ "type": "funcref", "value": { "instance": 0, "func": 9 } }] })
    );
    assert_eq!(
        d["host"][0],
        json!({ "name": "wasi", "version": 2, "len": 3, "content": { "version": 2, "text": "xyz" } })
    );
    assert_eq!(d["host"][1]["content"], json!(null));
    assert_eq!(d["sections"].as_array().unwrap().len(), 7);
    assert_eq!(d["sections"][5]["kind"], "memory_data");
}

#[test]
fn text_shows_the_ends_of_a_deep_stack() {
    let text = render(&description(&image()), &RenderOptions { max_frames: 4, ..RenderOptions::default() });
    for line in [
        "memory: image, format version 1, ",
        "  made 2025-11-23T01:18:04.005Z by process 4711 on linux x86_64, runtime 0.1.0-tést",
        "  checkpoint 12 (signal), id 30313233343536373839616263646566",
        "module 0: python.wasm (1 MiB, sha256 abab",
        "memory 0: 12 KiB: 4 KiB zero, 4 KiB as in the module, 4 KiB stored",
        "table 0: 2 funcref elements, 1 not null",
        "  0: mut v128:0x000000000000000000000000000000ff",
        "thread 0 (entered by main): 100 frames, innermost first",
        "  #99 python.wasm func 99 at loop 0x2a",
        "     locals: i32:99 f64:2.5",
        "     stack: funcref:0.9",
        "  #98 python.wasm func 98 at call 0x162",
        "  ... 96 more ...",
        "  #1 python.wasm func 1 at call 0x101",
        "  #0 python.wasm",
        "host section \"wasi\": version 2, 3 bytes",
        "  text: xyz",
        "  version: 2",
        "host section \"other\": version 1, 10 bytes",
    ] {
        assert!(text.lines().any(|l| l.starts_with(line)), "no line {line:?} in\n{text}");
    }
    assert!(!text.contains("#97") && !text.contains("#2 "), "{text}");
    let brief =
        render(&description(&image()), &RenderOptions { max_frames: 200, values: false, max_items: 1000 });
    assert!(!brief.contains("locals:") && brief.contains("#50 ") && !brief.contains("more"), "{brief}");
}

#[test]
fn long_lists_are_cut_and_said_to_be() {
    let mut sample = sample();
    let global = sample.program.store.globals[0].clone();
    sample.program.store.globals = vec![global; 50];
    sample.program.threads[0].frames[99].locals = vec![Value::I32(7); 30];
    let image = Image::from_bytes(sample.write(Compression::None)).unwrap();
    let options = RenderOptions { max_items: 20, ..RenderOptions::default() };
    let text = render(&description(&image), &options);
    let locals = format!("     locals: {}... 10 more ...", "i32:7 ".repeat(20));
    for line in ["  19: mut v128", "  ... 30 more ...", &locals] {
        assert!(text.lines().any(|l| l.starts_with(line)), "no line {line:?} in\n{text}");
    }
    assert!(!text.contains("  20: mut"), "{text}");
}

#[test]
fn host_sections_that_expand_far_are_not_decoded() {
    let mut sample = sample();
    sample.program.host[0].bytes = vec![b'x'; 3 << 20];
    let packed = Image::from_bytes(sample.write(Compression::Zstd(1))).unwrap();
    assert!(packed.len() < 100_000, "{}", packed.len());
    let d = serde_json::to_value(description(&packed)).unwrap();
    assert_eq!((&d["host"][0]["content"], &d["host"][0]["expands"]), (&json!(null), &json!(true)));
    let text = render(&description(&packed), &RenderOptions::default());
    assert!(text.contains("not shown"), "{text}");
    let plain = Image::from_bytes(sample.write(Compression::None)).unwrap();
    let d = serde_json::to_value(description(&plain)).unwrap();
    assert_eq!(d["host"][0]["content"]["text"].as_str().unwrap().len(), 3 << 20);
}
