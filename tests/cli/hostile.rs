//! Images that lie about their module, with every checksum right: refused when restored, by name.

use std::path::Path;

use wayfarer_runtime::image::baselines;
use wayfarer_snapshot::view::{
    Entry, Frame, FuncId, GlobalView, InstanceView, ModuleId, PointKind, Position, ProgramView, TableView,
    Thread, Value,
};
use wayfarer_snapshot::{
    Compression, Image, Info, LoadOptions, MemorySource, Reason, WriteOptions, save_to_path,
};

use crate::sparse::took;
use crate::support::{Folder, iwasm, wayfarer_command};

/// Counts, and keeps the count where its memory ends.
const COUNTER: &str = r#"(module
    (memory (export "memory") 4 4)
    (table 3 funcref) (table 1 externref) (global $g (mut externref) (ref.null extern))
    (func (export "run") (param $n i32) (result i32) (local $i i32) (local $r externref)
        (loop $next
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (i32.store (i32.const 262140) (local.get $i))
            (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
        (i32.add (i32.load (i32.const 262140)) (ref.is_null (local.get $r)))))"#;

struct Setup {
    folder: Folder,
    guest: String,
    image: String,
}

fn setup(options: &[&str]) -> Setup {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", COUNTER);
    let image = folder.text("the.image");
    let checkpoint = format!("--checkpoint={image}");
    let mut args = vec![&checkpoint, "--checkpoint-at=50", "--checkpoint-then=exit"];
    args.extend(options);
    args.extend(["-f", "run", &guest, "100"]);
    assert_eq!(iwasm(args).status, Some(86));
    Setup { folder, guest, image }
}

impl Setup {
    /// Writes the image with a lie in it, and restores it.
    fn told(&self, lie: impl FnOnce(&mut ProgramView)) -> crate::support::Ran {
        self.told_with(&[], lie)
    }

    fn told_with(&self, options: &[&str], lie: impl FnOnce(&mut ProgramView)) -> crate::support::Ran {
        let image = Image::open(&self.image).expect("it is good");
        let module = std::fs::read(&self.guest).expect("it is there");
        let module = wayfarer_module::parse(module.into()).expect("it is valid");
        let mut program = image.program().clone();
        let old = baselines(&program.store, &[&module]);
        let mut bytes = vec![0; program.store.memories[0].len as usize];
        image.load_memory(0, &mut bytes, &old[0], &LoadOptions::default()).expect("it is sound");
        lie(&mut program);
        let memories: Vec<Vec<u8>> = program
            .store
            .memories
            .iter()
            .map(|m| {
                let mut bytes = bytes.clone();
                bytes.resize(m.len as usize, 0);
                bytes
            })
            .collect();
        let baselines = baselines(&program.store, &[&module]);
        let sources: Vec<_> = memories
            .iter()
            .zip(&baselines)
            .map(|(data, baseline)| MemorySource::new(data, baseline))
            .collect();
        let told = self.folder.text("told.image");
        let info = Info::now(Reason::Api, 1);
        save_to_path(Path::new(&told), &program, &info, &sources, &WriteOptions::default())
            .expect("the writer believes it");
        let restore = format!("--restore={told}");
        iwasm([options, &[&restore, "-f", "run", &self.guest, "100"]].concat())
    }
}

#[test]
fn objects_that_the_module_does_not_declare_so() {
    let s = setup(&[]);
    s.told(|_| {}).expect("0x65:i32\n", 0);
    s.told(|p| {
        p.store.memories[0].len = 65536;
        p.store.memories[0].max = 65536;
        p.store.memories[0].page_size = 65536;
    })
    .expect_error(1, "memory 0: its 65536 bytes are less than its module's minimum of 262144");
    s.told(|p| p.store.memories[0].max = 1 << 32).expect_error(1, "memory 0: its ");
    s.told(|p| p.store.tables[0].elems.truncate(2)).expect_error(1, "table 0: its 2 elements are less");
    s.told(|p| p.store.memories.push(p.store.memories[0].clone()))
        .expect_error(1, "memory 1: no instance uses it");
}

#[test]
fn app_heaps_are_told_apart_from_lies() {
    for heap in ["0", "8", "4096", "65536"] {
        setup(&[&format!("--heap-size={heap}")]).told(|_| {}).expect("0x65:i32\n", 0);
    }
    setup(&["--heap-size=4096"])
        .told(|p| {
            p.store.memories[0].len += 8;
            p.store.memories[0].max += 8;
            p.store.memories[0].page_size += 8;
        })
        .expect_error(1, "memory 0: its pages of 266248 bytes");
}

#[test]
fn references_to_objects_of_the_host() {
    let s = setup(&[]);
    let object = Value::ExternRef(Some(1));
    type Put = fn(&mut ProgramView, Value);
    let places: [(&str, Put); 3] = [
        ("table 1", |p, object| p.store.tables[1].elems[0] = object),
        ("global 0", |p, object| p.store.globals[0].value = object),
        ("a frame of function 0", |p, object| p.threads[0].frames[0].locals[2] = object),
    ];
    for (place, put) in places {
        s.told(|p| put(p, object)).expect_error(1, &format!("{place} holds a reference to an object"));
    }
}

/// A few kilobytes that hold millions of values: inspecting them takes as much memory as reading them, and prints what is
/// worth looking at.
#[test]
fn small_images_with_a_great_deal_in_them() {
    const MANY: usize = 600_000;
    let func = FuncId { instance: 0, func: 0 };
    let frame = Frame {
        func,
        position: Position { kind: PointKind::Loop, offset: 0 },
        locals: vec![Value::I32(0); MANY],
        stack: Vec::new(),
    };
    let mut program = ProgramView::default();
    let store = &mut program.store;
    store.modules.push(ModuleId { sha256: [0; 32], size: 0, name: "m".to_owned() });
    store.globals = vec![GlobalView { value: Value::I32(0), mutable: true }; MANY];
    store.tables.push(TableView { funcref: true, elems: vec![Value::FuncRef(Some(func)); MANY], max: None });
    store.instances.push(InstanceView {
        module: 0,
        memories: vec![],
        tables: vec![0],
        globals: vec![],
        dropped_datas: vec![false; MANY],
        dropped_elems: vec![],
        imported_funcs: vec![None; MANY],
    });
    program.threads.push(Thread {
        entry: Entry::Main,
        frames: vec![frame],
        tid: 0,
        watched: Vec::new(),
        number: 0,
        waits: None,
    });
    let folder = Folder::new();
    let image = folder.text("the.image");
    let options = WriteOptions { compression: Compression::Zstd(3), ..WriteOptions::default() };
    save_to_path(Path::new(&image), &program, &Info::now(Reason::Api, 1), &[], &options)
        .expect("it is consistent");
    assert!(std::fs::metadata(&image).expect("it is there").len() < 100_000);

    let out = folder.at("out");
    let text = took(wayfarer_command(["inspect", &image]), &out);
    assert!(std::fs::metadata(&out).expect("it is there").len() < 200_000, "nobody reads on");
    let json = took(wayfarer_command(["inspect", "--json", &image]), &out);
    let printed = std::io::BufReader::new(std::fs::File::open(&out).expect("it is there"));
    let funcrefs = std::io::BufRead::lines(printed)
        .filter(|line| line.as_ref().is_ok_and(|line| line.contains("\"type\": \"funcref\"")));
    assert_eq!(funcrefs.count(), MANY + 1, "all elements, and the table's type");
    for took in [text, json] {
        assert_eq!(took.status, 0);
        assert!(took.memory < 400 << 20, "{} bytes of memory", took.memory);
    }
}

/// An image of a program that is within a call of a watched function, and has a stream.
fn with_streams() -> Setup {
    let folder = Folder::new();
    let guest = folder.module(
        "guest.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 4 4)
            (data (i32.const 64) "w\00") (data (i32.const 72) "file.txt\00")
            (global $n (mut i32) (i32.const 0))
            ;; Opens the file, unless it is told not to, and waits.
            (func $fopen (export "fopen") (param i32 i32) (result i32)
                (if (local.get 0) (then (drop (call $open (i32.const 3) (i32.const 0) (local.get 0) (i32.const 8)
                    (i32.const 9) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)))))
                (call $wait (select (i32.const 0) (global.get $n) (local.get 0)))
                (i32.const 4096))
            (func $fclose (export "fclose") (param i32) (result i32) (i32.const 0))
            (func $wait (param i32)
                (loop $next (br_if $next (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))))
            (func (export "run") (param i32) (result i32)
                (drop (call $fopen (i32.const 72) (i32.const 64)))
                (global.set $n (local.get 0))
                (call $fopen (i32.const 0) (i32.const 64))))"#,
    );
    let image = folder.text("the.image");
    let (checkpoint, dir) = (format!("--checkpoint={image}"), format!("--map-dir=.::{}", folder.text("")));
    let args =
        [&*checkpoint, "--checkpoint-at=50", "--checkpoint-then=exit", &dir, "-f", "run", &guest, "100"];
    assert_eq!(iwasm(args).status, Some(86));
    Setup { folder, guest, image }
}

#[test]
fn streams_whose_descriptors_are_not_theirs() {
    let s = with_streams();
    let at = |p: &ProgramView| {
        p.host.iter().position(|section| section.name == "streams").expect("it has a stream")
    };
    let map = format!("--map-dir=.::{}", s.folder.text(""));
    let told = |lie: &dyn Fn(&mut Vec<u8>)| {
        s.told_with(&[&map], |p| {
            let at = at(p);
            lie(&mut p.host[at].bytes);
        })
    };
    told(&|_| {}).expect("0x1000:i32\n", 0);
    // One instance, one stream: address, descriptor, mode.
    let fd = 6;
    told(&|bytes| {
        assert_eq!(bytes[..9], [1, 0, 1, 251, 0, 16, 4, 1, b'w']);
        bytes[fd] = 200;
    })
    .expect_error(1, "the stream at 0x1000 of file.txt, mode \"w\": there is no descriptor 200");
    told(&|bytes| bytes[fd + 2] = b'r')
        .expect_error(1, "the stream at 0x1000 of file.txt, mode \"r\": descriptor 4 cannot be read from");
    told(&|bytes| bytes.truncate(9)).expect_error(1, "");
}

#[test]
fn watched_calls_that_cannot_be() {
    let s = with_streams();
    let map = format!("--map-dir=.::{}", s.folder.text(""));
    let told = |from: &[u8], to: &[u8]| {
        s.told_with(&[&map], |p| {
            let section = p.host.iter_mut().find(|section| section.name == "watched").expect("it is in one");
            // One thread, one call: its frame, function and arguments.
            assert_eq!(section.bytes[..5], [1, 1, 1, 0, 1]);
            let place =
                section.bytes.windows(from.len()).position(|bytes| bytes == from).expect("it is there");
            section.bytes[place..place + to.len()].copy_from_slice(to);
        })
    };
    told(&[1, 1, 1], &[1, 1, 1]).expect("0x1000:i32\n", 0);
    for (from, to, why) in [
        (&[1, 1, 1, 0][..], &[1, 1, 9, 0][..], "a watched call returns with it, and it does not exist"),
        (&[1, 1, 1, 0, 1], &[1, 1, 1, 0, 0], "a watched call is of no function of a module"),
        (&[1, 1, 1, 0, 1], &[1, 1, 1, 0, 99], "a watched call is of no function of a module"),
        (&[1, 1, 1, 0, 1], &[1, 1, 1, 7, 1], "a watched call is of no function of a module"),
        (&[1, 1, 1, 0, 1], &[1, 1, 1, 0, 2], "the arguments of a watched call are of other types"),
        (&[1, 1, 1, 0, 1], &[1, 1, 1, 0, 3], "its results are not those of the watched call"),
    ] {
        let ran = told(from, to);
        assert_ne!(ran.status, Some(0), "{ran:?}");
        assert!((ran.stdout.clone() + &ran.stderr).contains(why), "{why}: {ran:?}");
    }
}
