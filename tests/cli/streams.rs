//! C's streams in images: which `FILE` belongs to which descriptor.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::compiled::{compile, wamrc, with_cache};
use crate::support::{Folder, Ran, how_often, iwasm, iwasm_command, run, wayfarer};

/// Status of a program that ended with its checkpoint.
const CHECKPOINTED: i32 = 86;

/// A guest in C.
#[track_caller]
fn guest(folder: &Folder, name: &str, options: &[&str]) -> String {
    let wasm = folder.text(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/streams.c");
    let compiled = Command::new("clang-19")
        .args(["--target=wasm32-wasi", "--sysroot=/usr", "-o", &wasm])
        .args(options)
        .arg(source)
        // Without clang's own call of a wasm-opt that may be in PATH.
        .env("PATH", "/usr/bin:/bin")
        .status();
    assert!(compiled.expect("clang-19 is installed (make setup)").success());
    wasm
}

/// A run in a directory of its own.
struct Place<'a> {
    folder: &'a Folder,
    name: String,
}

impl<'a> Place<'a> {
    fn new(folder: &'a Folder, name: &str) -> Self {
        let _ = std::fs::remove_dir_all(folder.at(name));
        std::fs::create_dir(folder.at(name)).unwrap();
        Place { folder, name: name.to_owned() }
    }

    fn run(&self, options: &[&str], program: &str) -> Ran {
        let dir = format!("--map-dir=.::{}", self.folder.text(&self.name));
        let mut command = iwasm_command([options, &[&dir, program]].concat());
        command.stdin(std::process::Stdio::null());
        run(command)
    }

    fn stopped(&self, at: u64, options: &[&str], program: &str, image: &str) -> Ran {
        let at = format!("--checkpoint-at={at}");
        let checkpoint = format!("--checkpoint={image}");
        self.run(&[options, &[&checkpoint, &at, "--checkpoint-then=exit"]].concat(), program)
    }
}

fn inspected(image: &str) -> Value {
    let ran = wayfarer(["inspect", "--json", image]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The streams of an image, as the guest writes them, by their `FILE`.
fn streams(image: &Value) -> BTreeMap<String, String> {
    let section = image["host"].as_array().unwrap().iter().find(|section| section["name"] == "streams");
    let Some(section) = section else { return BTreeMap::new() };
    let described = section["content"][0]["streams"].as_array().unwrap().iter().map(|stream| {
        assert_eq!(stream["fits"], true, "{stream}");
        check_option(stream);
        let (mode, path) = (stream["mode"].as_str().unwrap(), stream["path"].as_str().unwrap_or("-"));
        (stream["file"].as_str().unwrap().to_owned(), format!("{}:{mode}:{path}", stream["fd"]))
    });
    described.collect()
}

/// The streams that are open after each step, by what the guest writes.
fn states(written: &str) -> Vec<BTreeMap<String, String>> {
    let mut all = vec![BTreeMap::new()];
    for line in written.lines().filter(|line| line.starts_with('E')) {
        let mut state = all[all.len() - 1].clone();
        for change in line.split(' ').skip(1) {
            match change.split_at(1) {
                ("-", file) => drop(state.remove(file)),
                (_, opened) => {
                    let (file, of) = opened.split_once(':').unwrap();
                    state.insert(file.to_owned(), of.to_owned());
                }
            }
        }
        all.push(state);
    }
    all
}

/// What `path_open` was given is what follows from path and mode.
fn check_option(stream: &Value) {
    let option = &stream["option"];
    let mode = stream["mode"].as_str().unwrap();
    let expected: &[&str] = match (stream["path"].as_str(), mode.as_bytes()[0]) {
        (None, _) => &["creat", "trunc"],
        (_, b'r') => &[],
        (_, b'a') => &["creat"],
        _ if mode.contains('x') => &["creat", "excl", "trunc"],
        _ => &["creat", "trunc"],
    };
    assert_eq!(option["oflags"], serde_json::json!(expected), "{stream}");
    assert_eq!(
        option["fdflags"],
        serde_json::json!(if mode.starts_with('a') { &["append"][..] } else { &[] })
    );
    assert_eq!(option["path"].as_str().unwrap(), stream["path"].as_str().unwrap_or("raw.txt"), "{stream}");
    assert_eq!(option["lookup"], serde_json::json!(["symlink_follow"]), "{stream}");
}

/// What was known when so much had been written is what the guest knew before or after the step that it was in. Which step that was,
/// and whether it is done.
#[track_caller]
fn check(image: &Value, written: &str, states: &[BTreeMap<String, String>], place: &str) -> (usize, bool) {
    let known = streams(image);
    let whole = &written[..written.rfind('\n').map_or(0, |end| end + 1)];
    let marks = || whole.lines().filter(|line| matches!(*line, "B" | "R") || line.starts_with('E'));
    let ended = marks().filter(|line| line.starts_with('E')).count();
    let last = marks().next_back().unwrap_or("E");
    // Of a line that is half written the rest waits.
    let within = !last.starts_with('E') || whole.len() < written.len();
    let (before, after) = (&states[ended], states.get(ended + 1).filter(|_| within));
    let changed = after == Some(&known) && *before != known;
    let reopening = last == "R" && after.is_some_and(|after| is_reopening(&known, before, after));
    assert!(*before == known || changed || reopening, "{place}\n{known:?}\n{before:?}\n{after:?}");
    (ended, changed)
}

/// Whether this is as before, with the stream that `freopen` has opened: on another descriptor than that which it is to have.
fn is_reopening(
    known: &BTreeMap<String, String>,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> bool {
    let added: Vec<&String> =
        known.iter().filter(|stream| before.get(stream.0).is_none()).map(|s| s.1).collect();
    let [opened] = added[..] else { return false };
    let what = |stream: &str| stream.split_once(':').map(|(_, what)| what.to_owned());
    let new = after.iter().filter(|(file, stream)| before.get(*file) != Some(*stream));
    known.len() == before.len() + 1
        && before.iter().all(|(file, stream)| known.get(file) == Some(stream))
        && new.into_iter().any(|(_, stream)| what(stream) == what(opened) && stream != opened)
}

/// Places all over a program, up to the last at which it can be stopped.
fn places(stop: impl Fn(u64) -> bool, count: u64) -> Vec<u64> {
    let mut past = 64;
    while stop(past) {
        past *= 2;
    }
    let mut last = past / 2;
    while past - last > last / 64 + 1 {
        let middle = u64::midpoint(last, past);
        if stop(middle) { last = middle } else { past = middle }
    }
    // Not at even distances: what is repeated at one would be met at the same point each time.
    (0..count).map(|nth| 1 + (last - 1) * (nth * nth + nth) / (count * count + count)).collect()
}

/// Stops a program at many places, in `program`'s engine, and goes on in `other`'s: in the middle and at the end all is as in
/// a run that nobody disturbed.
fn everywhere(folder: &Folder, name: &str, program: &str, other: &str, options: &[&str], count: u64) {
    let image = folder.text(&format!("{name}.image"));
    let undisturbed = Place::new(folder, name).run(options, program);
    assert_eq!(undisturbed.status, Some(0), "{undisturbed:?}");
    let states = states(&undisturbed.stdout);
    assert!(states.len() > 400 && states.iter().any(|state| state.len() > 200));
    assert_eq!(states.last(), Some(&BTreeMap::new()));
    let stop = |at| Place::new(folder, name).stopped(at, options, program, &image);
    let places = places(|at| stop(at).status == Some(CHECKPOINTED), count);
    for (nth, &at) in places.iter().enumerate() {
        let place = Place::new(folder, name);
        let first = place.stopped(at, options, program, &image);
        assert_eq!(first.status, Some(CHECKPOINTED), "{at}: {first:?}");
        check(&inspected(&image), &first.stdout, &states, &format!("{name} at {at}"));
        let restore = format!("--restore={image}");
        // Twice: once in the middle of the other engine, and on from there in the first one.
        let again = folder.text(&format!("{name}.again"));
        let _ = std::fs::remove_file(&again);
        let further = place.stopped(1 + nth as u64 * 37, &[options, &[&restore]].concat(), other, &again);
        let mut written = first.stdout + &further.stdout;
        if further.status == Some(CHECKPOINTED) {
            check(&inspected(&again), &written, &states, &format!("{name} at {at}, and further"));
            let last = place.run(&[options, &[&format!("--restore={again}")]].concat(), program);
            assert_eq!(last.status, Some(0), "{last:?}");
            written += &last.stdout;
        } else {
            assert_eq!(further.status, Some(0), "{further:?}");
        }
        assert!(written == undisturbed.stdout, "{name} at {at}:\n{written}\n{}", undisturbed.stdout);
    }
}

/// Goes through a program with few streams from its first stable point to its last, at so many points or at all: once a step has
/// changed what is known, it stays so, and the program goes on from there in `other`'s engine as if nothing had been.
fn through(folder: &Folder, name: &str, program: &str, other: &str, count: Option<u64>) {
    let image = folder.text(&format!("{name}.image"));
    let undisturbed = Place::new(folder, name).run(&[], program);
    assert_eq!(undisturbed.status, Some(0), "{undisturbed:?}");
    let states = states(&undisturbed.stdout);
    let stop = |at| Place::new(folder, name).stopped(at, &[], program, &image).status == Some(CHECKPOINTED);
    let places: Box<dyn Iterator<Item = u64>> = match count {
        Some(count) => Box::new(places(stop, count).into_iter()),
        None => Box::new(1..),
    };
    let mut last = (0, false);
    for at in places {
        let place = Place::new(folder, name);
        let first = place.stopped(at, &[], program, &image);
        if first.status == Some(0) && count.is_none() {
            break;
        }
        assert_eq!(first.status, Some(CHECKPOINTED), "{at}: {first:?}");
        let reached = check(&inspected(&image), &first.stdout, &states, &format!("{name} at {at}"));
        assert!(reached >= last, "{name} at {at}: what was changed at {last:?} is as before at {reached:?}");
        last = reached;
        let further = place.run(&[&format!("--restore={image}")], other);
        assert_eq!(further.status, Some(0), "{further:?}");
        assert!(first.stdout + &further.stdout == undisturbed.stdout, "{name} at {at}");
    }
    assert!(last.0 > 30, "{last:?}");
}

#[test]
fn what_a_step_has_changed_stays_so_at_each_point_behind() {
    let folder = Folder::new();
    let count = how_often(Some(40), Some(150), None);
    for (name, options) in [("O0", &["-O0", "-DMANY=4"][..]), ("lto", &["-O2", "-flto", "-DMANY=4"])] {
        let wasm = guest(&folder, &format!("{name}.wasm"), options);
        let aot = compile(&wasm, &[]);
        through(&folder, &format!("{name}-interpreted"), &wasm, &aot, count);
        through(&folder, &format!("{name}-compiled"), &aot, &wasm, count);
    }
}

/// At how many places a program is stopped.
fn count() -> u64 {
    how_often(12, 40, 300)
}

#[test]
fn they_are_known_at_every_point_interpreted() {
    let folder = Folder::new();
    for (name, options) in [("O0", &["-O0"][..]), ("O2", &["-O2"]), ("lto", &["-O2", "-flto"])] {
        let wasm = guest(&folder, &format!("{name}.wasm"), options);
        let aot = compile(&wasm, &["--opt-level=1"]);
        everywhere(&folder, name, &wasm, &aot, &[], count());
    }
}

#[test]
fn they_are_known_at_every_point_compiled() {
    let folder = Folder::new();
    for (name, options) in [("O0", &["-O0"][..]), ("O2", &["-O2"]), ("lto", &["-O2", "-flto"])] {
        let wasm = guest(&folder, &format!("{name}.wasm"), options);
        let aot = compile(&wasm, &[]);
        everywhere(&folder, name, &aot, &wasm, &[], count());
    }
}

/// Indices of functions, by name, from the module's own listing.
fn indices(wasm: &str) -> String {
    let module = wayfarer_module::parse(std::fs::read(wasm).unwrap().into()).unwrap();
    let functions = module.stdio_functions().unwrap();
    assert!(functions.len() >= 4, "{functions:?}");
    let item =
        |(function, index): &(wayfarer_module::StdioFunction, u32)| format!("{}={index}", function.name());
    functions.iter().map(item).collect::<Vec<_>>().join(",")
}

#[test]
fn who_knows_where_the_functions_are_may_say_so_for_a_module_without_names() {
    let folder = Folder::new();
    let named = guest(&folder, "named.wasm", &["-O2"]);
    let stripped = guest(&folder, "stripped.wasm", &["-O2", "-s"]);
    let map = format!("--stdio-map={}", indices(&named));
    let aot = compile(&stripped, &[&map]);
    everywhere(&folder, "stripped", &stripped, &stripped, &[&map], 3);

    // Whoever says nothing is told nothing, and all is as it was.
    let image = folder.text("image");
    let place = Place::new(&folder, "silent");
    let stopped = place.stopped(3000, &[], &stripped, &image);
    assert_eq!(stopped.status, Some(CHECKPOINTED), "{stopped:?}");
    assert!(streams(&inspected(&image)).is_empty());
    let whole = Place::new(&folder, "whole").run(&[&map], &aot).stdout;
    assert_eq!(stopped.stdout + &place.run(&[&format!("--restore={image}")], &stripped).stdout, whole);
    let place = Place::new(&folder, "compiled");
    let stopped = place.stopped(3000, &[&map], &aot, &image);
    assert_eq!(stopped.status, Some(CHECKPOINTED), "{stopped:?}");
    assert!(streams(&inspected(&image)).values().any(|stream| stream.ends_with(":w:w.txt")));

    // Names can be left aside.
    let place = Place::new(&folder, "off");
    let stopped = place.stopped(3000, &["--stdio-map=none"], &named, &image);
    assert_eq!((stopped.status, streams(&inspected(&image)).len()), (Some(CHECKPOINTED), 0));

    // And what is wrong is refused.
    let wrong = iwasm(["--stdio-map=fopen", &stripped]);
    assert!(wrong.stdout.starts_with("iwasm: --stdio-map=fopen: expected none, or a list"), "{wrong:?}");
    let wrong = iwasm(["--stdio-map=fopen=0,fclose=1", &stripped]);
    assert!(wrong.stdout.contains("function 0 cannot be fopen: it is imported"), "{wrong:?}");
    let wrong = wamrc(["--stdio-map=fopen=99999,fclose=1", "-o", &folder.text("x.aot"), &stripped]);
    assert!(wrong.stdout.contains("function 99999 cannot be fopen: the module has no such"), "{wrong:?}");
    let plain = compile(&stripped, &[]);
    let wrong = Place::new(&folder, "plain").run(&[&map], &plain);
    assert!(wrong.stdout.contains("cannot be watched: it is compiled"), "{wrong:?}");
}

#[test]
fn the_variable_says_it_for_hosts_that_have_no_flag() {
    let folder = Folder::new();
    let stripped = guest(&folder, "stripped.wasm", &["-O2", "-s"]);
    let map = indices(&guest(&folder, "named.wasm", &["-O2"]));
    let image = folder.text("image");
    let dir = format!("--map-dir=.::{}", folder.text("variable"));
    std::fs::create_dir(folder.at("variable")).unwrap();
    let checkpoint = format!("--checkpoint={image}");
    let words = [&*dir, &checkpoint, "--checkpoint-at=3000", "--checkpoint-then=exit", &stripped];
    let mut command = iwasm_command(words);
    command.env("WAYFARER_STDIO_MAP", &map);
    let ran = run(command);
    assert_eq!(ran.status, Some(CHECKPOINTED), "{ran:?}");
    assert!(streams(&inspected(&image)).values().any(|stream| stream.ends_with(":w:w.txt")));
    let mut command = iwasm_command([&stripped]);
    command.env("WAYFARER_STDIO_MAP", "fopen");
    let ran = run(command);
    assert!(ran.stdout.contains("WAYFARER_STDIO_MAP=fopen: expected none"), "{ran:?}");
}

#[test]
fn they_are_known_in_code_that_is_compiled_when_it_is_loaded() {
    let folder = Folder::new();
    let named = guest(&folder, "named.wasm", &["-O2"]);
    let stripped = guest(&folder, "stripped.wasm", &["-O2", "-s"]);
    let map = format!("--stdio-map={}", indices(&named));
    let whole = Place::new(&folder, "whole").run(&[], &named).stdout;
    // From the cache the second time.
    for (program, map) in [(&named, None), (&named, None), (&stripped, Some(&*map)), (&stripped, Some(&*map))]
    {
        let place = Place::new(&folder, "jit");
        let (dir, image) = (format!("--map-dir=.::{}", folder.text("jit")), folder.text("image"));
        let checkpoint = format!("--checkpoint={image}");
        let mut words =
            vec!["--llvm-jit", &dir, &checkpoint, "--checkpoint-at=3000", "--checkpoint-then=exit"];
        words.extend(map);
        words.push(program);
        let ran = run(with_cache(&folder, words));
        assert_eq!(ran.status, Some(CHECKPOINTED), "{ran:?}");
        assert!(streams(&inspected(&image)).values().any(|stream| stream.ends_with(":w:w.txt")));
        assert_eq!(ran.stdout + &place.run(&[&format!("--restore={image}")], program).stdout, whole);
    }
}

#[test]
fn an_image_is_shown_with_its_streams() {
    let folder = Folder::new();
    let named = guest(&folder, "named.wasm", &["-O2"]);
    let image = folder.text("image");
    let place = Place::new(&folder, "shown");
    let stopped = place.stopped(3000, &[], &named, &image);
    assert_eq!(stopped.status, Some(CHECKPOINTED), "{stopped:?}");
    let shown = wayfarer(["inspect", &image]).stdout;
    let section = shown.split("host section \"streams\"").nth(1).expect("it has one");
    for part in ["ancillary", "w.txt", "file", "mode", "offset"] {
        assert!(section.contains(part), "{part}: {section}");
    }
    // What was written to the descriptor, and not what waits in the stream.
    let all = inspected(&image);
    let section =
        all["host"].as_array().unwrap().iter().find(|section| section["name"] == "streams").unwrap();
    let of = |path: &str| {
        let streams = section["content"][0]["streams"].as_array().unwrap();
        streams.iter().find(|stream| stream["path"] == path).unwrap()["offset"].clone()
    };
    assert_eq!((of("w.txt"), of("a.txt")), (0.into(), 4.into()));
}
