//! Two instances that call each other, with a memory, a table and a global in common: frames of both are on
//! one stack, each interpreted or compiled.

use crate::harness::engine::Engine;
use crate::harness::fingerprint;
use crate::harness::take::Visitor;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use wayfarer_module::{ImportType, Module};
use wayfarer_runtime::{AfterCheckpoint, ExecEnv, Extern, InstantiateOptions, LoadedModule, Runtime, Store};
use wayfarer_snapshot::view::{StoreView, Thread};
use wayfarer_snapshot::{Image, Info, Reason, WriteOptions, save_to_vec};

const LIBRARY: &str = r#"(module
    (type $f (func (param i64) (result i64)))
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (global (export "count") (mut i64) (i64.const 0))
    (func (export "leaf") (param $x i64) (result i64) (local $i i32)
        (loop $again
            (local.set $x (i64.rotl (i64.add (local.get $x) (i64.const 0x9e3779b97f4a7c15)) (i64.const 7)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 3))))
        (global.set 0 (i64.add (global.get 0) (i64.const 1)))
        (i64.store (i32.wrap_i64 (i64.and (local.get $x) (i64.const 0xfff8))) (local.get $x))
        (local.get $x))
    ;; Through the table, in the middle of an expression, with a vector among the locals.
    (func (export "bounce") (param $x i64) (param $slot i32) (result i64 i64) (local $v v128)
        (local.set $v (i64x2.splat (local.get $x)))
        (i64.mul (local.get $x) (i64.const 3))
        (i64.xor
            (call_indirect (type $f) (i64.add (local.get $x) (i64.const 5)) (local.get $slot))
            (i64x2.extract_lane 1 (local.get $v)))))"#;

const PROGRAM: &str = r#"(module
    (type $f (func (param i64) (result i64)))
    (import "library" "leaf" (func $leaf (param i64) (result i64)))
    (import "library" "bounce" (func $bounce (param i64 i32) (result i64 i64)))
    (import "library" "memory" (memory 1))
    (import "library" "table" (table 4 funcref))
    (import "library" "count" (global $count (mut i64)))
    (elem (i32.const 0) $leaf $plain $tail $tail_indirect)
    (func $plain (param $x i64) (result i64)
        (i64.add (call $leaf (local.get $x)) (call $leaf (i64.const 1))))
    (func $tail (param $x i64) (result i64)
        (return_call $leaf (i64.sub (local.get $x) (global.get $count))))
    (func $tail_indirect (param $x i64) (result i64)
        (return_call_indirect (type $f)
            (i64.xor (local.get $x) (i64.const -1))
            (i32.wrap_i64 (i64.and (local.get $x) (i64.const 1)))))
    (func (export "run") (param $x i64) (result i64) (local $round i32)
        (loop $again
            (call $bounce (local.get $x) (i32.and (local.get $round) (i32.const 3)))
            (local.set $x (i64.sub))
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $round) (i32.const 24))))
        (i64.add (local.get $x) (i64.load (i32.const 4088)))))"#;

/// What it computes, and what it leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Ended {
    results: Vec<u64>,
    store: StoreView,
    memories: u64,
}

fn end(store: &Store, results: Vec<u64>) -> Ended {
    let view = store.capture().expect("everything has a name");
    Ended { results, store: view, memories: fingerprint::memories(store) }
}

fn modules() -> [Arc<Module>; 2] {
    [LIBRARY, PROGRAM].map(|text| {
        let bytes = wat::parse_str(text).expect("the text is right");
        Arc::new(wayfarer_module::parse(bytes.into()).expect("it is valid"))
    })
}

/// Both in one runtime, each on an engine of its own.
fn load(modules: &[Arc<Module>; 2], engines: [Engine; 2]) -> (Arc<Runtime>, [Arc<LoadedModule>; 2]) {
    // What runs compiled code also interprets.
    let engine = engines.into_iter().find(|&engine| engine != Engine::Interp).unwrap_or(Engine::Interp);
    let runtime = engine.runtime();
    let loaded = [0, 1].map(|at| engines[at].load(&runtime, &modules[at]));
    (runtime, loaded)
}

/// Instantiates both and runs the second.
fn run(modules: &[Arc<Module>; 2], engines: [Engine; 2], prepare: impl FnOnce(&Arc<Store>)) -> Ended {
    let (runtime, [library, program]) = load(modules, engines);
    let store = Store::new(&runtime);
    let options = InstantiateOptions::default();
    // SAFETY: it imports nothing.
    let library = unsafe { store.instantiate(&library, &[], &options) }.expect("the library");
    let imports: Vec<Extern> =
        program.module.imports.iter().map(|i| library.export(&i.name).expect("it is exported")).collect();
    // SAFETY: objects of this store.
    let program = unsafe { store.instantiate(&program, &imports, &options) }.expect("the program");
    let Some(Extern::Func(run)) = program.export("run") else { panic!("no function run") };
    let mut env = ExecEnv::new(store.clone(), 0).expect("stacks");
    prepare(&store);
    // SAFETY: a function of this store, from i64 to i64.
    let results = unsafe { runtime.engine.call(&mut env, run, &[42]) }.expect("it returns");
    end(&store, results)
}

/// Restores both into a new store and finishes.
fn finish(modules: &[Arc<Module>; 2], engines: [Engine; 2], image: Vec<u8>) -> Result<Ended, String> {
    let mut image = Image::from_bytes(image).map_err(|e| e.to_string())?;
    let (runtime, loaded) = load(modules, engines);
    let store = Store::new(&runtime);
    assert!(loaded.iter().all(|l| l.module.imports.iter().all(|i| &*i.module == "library")));
    store.restore_image(&image, &loaded, |_, _| None).map_err(|e| e.to_string())?;
    let thread = image.take_program().threads.pop().ok_or("no thread")?;
    let mut env = ExecEnv::new(store.clone(), 0).map_err(|e| e.to_string())?;
    let results = runtime.engine.resume(&mut env, &thread).map_err(|e| e.to_string())?;
    Ok(end(&store, results))
}

fn image_of(store: &Store, thread: Thread) -> Result<Vec<u8>, String> {
    let program = store.program(vec![thread], Vec::new()).map_err(|e| e.to_string())?;
    let info = Info::now(Reason::Count, 1);
    store
        .with_memories(&program, |m| save_to_vec(&program, &info, m, &WriteOptions::default()))
        .map_err(|e| e.to_string())
}

#[test]
fn two_instances_on_one_stack() {
    let modules = modules();
    assert!(modules[1].imports.iter().any(|i| matches!(i.ty, ImportType::Table(_))));
    let reference = run(&modules, [Engine::Interp; 2], |_| {});
    let mut all = None;
    let combinations: Vec<[Engine; 2]> = Engine::pairs().collect();
    // The first are interpreted.
    for (nth, &from) in combinations.iter().enumerate() {
        assert_eq!(run(&modules, from, |_| {}), reference, "{from:?}");
        // All combinations, in turn.
        let to = combinations[nth..].iter().chain(&combinations[..nth]).copied().collect();
        let points = stopped_everywhere(&modules, from, to, &reference);
        match from.iter().all(|engine| engine.counts()) {
            true => assert_eq!(points, *all.get_or_insert(points), "{from:?}"),
            false => assert!(points > 50, "{points} stable points in {from:?}"),
        }
    }
    assert!(all > Some(100), "{all:?} stable points");
}

/// Stops a run at every stable point, and goes on from each in the next of these combinations of engines. How many points
/// it has.
fn stopped_everywhere(
    modules: &[Arc<Module>; 2],
    from: [Engine; 2],
    to: Vec<[Engine; 2]>,
    reference: &Ended,
) -> u64 {
    let (points, shapes) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(BTreeSet::new())));
    let visitor: Arc<Mutex<Option<Arc<Visitor>>>> = Arc::default();
    let ended = run(modules, from, |store| {
        let (modules, reference) = (modules.clone(), reference.clone());
        let (points, shapes) = (points.clone(), shapes.clone());
        store.control().checkpoint_at(1);
        let visiting = Visitor::new(store, move |store, thread| {
            store.control().checkpoint_at(1);
            let at = points.fetch_add(1, Ordering::Relaxed) + 1;
            let to = to[at as usize % to.len()];
            let thread = thread.map_err(|e| e.to_string())?;
            let shape: Vec<u32> = thread.frames.iter().map(|f| f.func.instance).collect();
            shapes.lock().map_err(|e| e.to_string())?.insert(shape);
            let ended = finish(&modules, to, image_of(store, thread)?)?;
            match ended == reference {
                true => Ok(AfterCheckpoint::Continue),
                false => Err(format!("from point {at} in {to:?}: {ended:?}, not {reference:?}")),
            }
        });
        *visitor.lock().expect("nobody panics") = Some(visiting);
    });
    let complaints = visitor.lock().expect("nobody panics").take().expect("it visited").complaints();
    assert_eq!(complaints, [""; 0], "stopped in {from:?}");
    assert_eq!(ended, *reference, "stopped in {from:?}");
    let shapes = shapes.lock().expect("nobody panics").clone();
    // The program; a library frame above it; and the program's again, and the library's again.
    let mut wanted = vec![&[1][..], &[1, 0], &[1, 0, 1], &[1, 0, 1, 0], &[1, 0, 0]];
    if !from.iter().all(|engine| engine.counts()) {
        // Functions that call nothing have no points at their entries.
        wanted.truncate(2);
    }
    assert!(wanted.iter().all(|shape| shapes.contains(*shape)), "{shapes:?} in {from:?}");
    points.load(Ordering::Relaxed)
}
