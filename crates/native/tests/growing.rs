//! Code that comes while the module runs: who asks for it, who gets it, and that threads which run meanwhile never see half
//! of it.
#![cfg(target_arch = "x86_64")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use wayfarer_compiler::{Options, Session};
use wayfarer_module::{Module, PointKind, stable_points};
use wayfarer_native::{GrowingModule, NativeEngine, Part, Wanted};
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, Checkpointer, ExecEnv, Extern, InstantiateOptions, LoadedModule, Loop,
    NativeCode, Runtime, Store, Trap,
};
use wayfarer_snapshot::view::Thread;

type Asked = (u32, Option<u32>, u32);

fn module(text: &str) -> Module {
    wayfarer_module::parse(wat::parse_str(text).expect("it is well-formed").into()).expect("it is valid")
}

fn session(text: &str) -> Session {
    Session::new(module(text), Options::default()).expect("it can be compiled")
}

fn compile(session: &Session, part: &Part) -> Vec<u8> {
    session.compile(&part.funcs, &part.loops, &|why| panic!("{why}")).expect("it can be compiled")
}

fn publish(growing: &GrowingModule, session: &Session, funcs: &[u32], loops: &[Loop]) -> Part {
    let part = Part { funcs: funcs.into(), loops: loops.into() };
    growing.publish(wayfarer_abi::VERSION, &compile(session, &part), &part, |_| ()).expect("it can be loaded")
}

/// Offsets of a function's loops.
fn loops(module: &Module, func: u32) -> Vec<u32> {
    let points = stable_points(module, func).unwrap();
    points.points.iter().filter(|point| point.kind == PointKind::Loop).map(|point| point.offset).collect()
}

/// Notes what is asked for.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Asked>>>);

impl Wanted for Notes {
    fn wanted(&self, func: u32, offset: Option<u32>, count: u32) {
        self.0.lock().unwrap().push((func, offset, count));
    }
}

struct Guest {
    store: Arc<Store>,
    growing: Arc<GrowingModule>,
    loaded: Arc<LoadedModule>,
}

impl Guest {
    fn new(text: &str, wanted: Box<dyn Wanted>) -> Guest {
        let module = Arc::new(module(text));
        let growing = GrowingModule::new(&module, true, wanted);
        let runtime = Runtime::new(Arc::new(NativeEngine));
        let loaded = runtime.load_compiled(module, Some(growing.clone()));
        let guest = Guest { store: Store::new(&runtime), growing, loaded };
        guest.instantiate(&guest.store);
        guest
    }

    fn instantiate(&self, store: &Arc<Store>) {
        // SAFETY: there are no imports.
        let instance = unsafe { store.instantiate(&self.loaded, &[], &InstantiateOptions::default()) };
        instance.expect("it can be instantiated");
    }

    fn call(&self, name: &str, args: &[u64]) -> Result<Vec<u64>, Trap> {
        call(&self.store, name, args)
    }
}

fn call(store: &Arc<Store>, name: &str, args: &[u64]) -> Result<Vec<u64>, Trap> {
    let instance = store.instance(0).expect("an instance");
    let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
    let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
    // SAFETY: a function of the store; the tests know the parameters.
    unsafe { store.runtime().engine.call(&mut env, func, args) }
}

/// `f` gives a number, `sum` calls it so often, `through` calls it through a table, `other` calls it in tail position.
fn counter(number: u32) -> String {
    format!(
        r#"(module (table funcref (elem $f $g))
        (type $t (func (result i32)))
        (func $f (export "f") (result i32) (i32.const {number}))
        (func $g (export "g") (result i32) (i32.add (call $f) (i32.const 100)))
        (func $sum (export "sum") (param i32) (result i32) (local i32)
            (loop (local.set 1 (i32.add (local.get 1) (call $f)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1))
        (func $through (export "through") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
        (func (export "other") (param i32) (result i32)
            (return_call_indirect (type $t) (local.get 0))))"#
    )
}

/// The code that is published is that of another module, so that it can be told which one runs.
#[test]
fn what_is_published_runs_and_what_is_not_is_interpreted() {
    let guest = Guest::new(&counter(1), Box::new(Notes::default()));
    let session = session(&counter(2));
    let now = || {
        let value = |name, args: &[u64]| guest.call(name, args).expect("it returns")[0];
        [
            value("f", &[]),
            value("g", &[]),
            value("sum", &[3]),
            value("through", &[0]),
            value("through", &[1]),
            value("other", &[0]),
        ]
    };
    assert_eq!(now(), [1, 101, 3, 1, 101, 1]);
    // Callers first: what they call is interpreted, through the table, too.
    publish(&guest.growing, &session, &[2], &[]);
    assert_eq!(now(), [1, 101, 3, 1, 101, 1]);
    publish(&guest.growing, &session, &[3, 4], &[]);
    assert_eq!(now(), [1, 101, 3, 1, 101, 1]);
    assert!(guest.growing.has(3) && !guest.growing.has(0));
    publish(&guest.growing, &session, &[0], &[]);
    assert_eq!(now(), [2, 102, 6, 2, 102, 2]);
    publish(&guest.growing, &session, &[1], &[]);
    assert_eq!(now(), [2, 102, 6, 2, 102, 2]);
    // What there is code of stays as it is.
    publish(&guest.growing, &self::session(&counter(9)), &[0, 1], &[]);
    assert_eq!(now(), [2, 102, 6, 2, 102, 2]);
    assert_eq!(guest.growing.parts(), 5);
    // Instances that are made later have it from the start.
    let store = Store::new(guest.store.runtime());
    guest.instantiate(&store);
    assert_eq!(call(&store, "through", &[0]), Ok(vec![2]));
}

#[test]
fn what_is_hot_is_asked_for() {
    let notes = Notes::default();
    let guest = Guest::new(&counter(1), Box::new(notes.clone()));
    let asked = || std::mem::take(&mut *notes.0.lock().unwrap());
    let header = loops(guest.store.instance(0).unwrap().module(), 2)[0];
    guest.call("sum", &[1000]).unwrap();
    assert_eq!(asked(), []);
    guest.call("sum", &[100]).unwrap();
    assert_eq!(asked(), [(0, None, 1024)]);
    guest.call("sum", &[4000]).unwrap();
    let ways = [(0, None, 2048), (0, None, 4096), (2, Some(header), 4096)];
    assert_eq!(asked(), ways);
    // What is compiled is not asked for any more.
    publish(&guest.growing, &session(&counter(1)), &[0, 2], &[]);
    guest.call("sum", &[100_000]).unwrap();
    assert_eq!(asked(), []);
}

/// Compiles what is asked for at once, of another module.
struct AtOnce {
    session: Session,
    growing: Arc<OnceLock<Weak<GrowingModule>>>,
}

impl Wanted for AtOnce {
    fn wanted(&self, func: u32, offset: Option<u32>, _: u32) {
        let growing = self.growing.get().and_then(Weak::upgrade).expect("it is set");
        let part = match offset {
            None => Part { funcs: vec![func], loops: vec![] },
            Some(offset) => Part { funcs: vec![], loops: vec![Loop { func, offset }] },
        };
        let object = compile(&self.session, &part);
        growing.publish(wayfarer_abi::VERSION, &object, &part, |_| ()).expect("it can be loaded");
    }
}

/// A function that runs once, and long, gets into code while it runs: a nested loop, with operands below.
#[test]
fn a_running_loop_goes_on_in_code() {
    let text = |step: u32| {
        format!(
            r#"(module (func (export "run") (param i32) (result i64) (local i64 i32)
            (i64.const 7)
            (loop
                (local.set 2 (i32.const 10))
                (loop
                    (local.set 1 (i64.add (local.get 1) (i64.const {step})))
                    (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (i64.add (local.get 1))))"#
        )
    };
    let place = Arc::new(OnceLock::new());
    // Both constants are as long: a continuation says where in the function's body it was left.
    let wanted = AtOnce { session: session(&text(1000)), growing: place.clone() };
    let guest = Guest::new(&text(100), Box::new(wanted));
    place.set(Arc::downgrade(&guest.growing)).unwrap();
    let result = guest.call("run", &[10_000]).unwrap()[0];
    let less = 100_000 * 1000 + 7 - result;
    assert_eq!(less % 900, 0, "{result}");
    // 4096 rounds of the inner loop were counted where it goes back, after nine of ten of its bodies each. Then each first
    // round of ten was interpreted, until the outer loop was counted so often.
    let interpreted = less / 900;
    assert!((8192..8300).contains(&interpreted), "{interpreted}");
}

/// Goes on after each.
#[derive(Default)]
struct Views(Mutex<usize>);

impl Checkpointer for Views {
    fn checkpoint(&self, _: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        assert!(thread.is_ok_and(|thread| !thread.frames.is_empty()));
        *self.0.lock().unwrap() += 1;
        AfterCheckpoint::Continue
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}

/// Recursion of several functions among each other, directly and through a table, with loops and host calls between; the
/// result is known.
const MAZE: &str = r#"(module (table funcref (elem $a $b $c)) (memory 1)
    (type $t (func (param i32) (result i32)))
    (func $a (export "a") (param i32) (result i32)
        (if (result i32) (i32.le_s (local.get 0) (i32.const 1)) (then (i32.const 1))
            (else (i32.add (call $b (i32.sub (local.get 0) (i32.const 1)))
                (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 2))
                    (i32.rem_u (local.get 0) (i32.const 3)))))))
    (func $b (param i32) (result i32) (local i32 i32)
        (local.set 1 (i32.const 5))
        (loop (local.set 2 (i32.add (local.get 2) (i32.load8_u (local.get 1))))
            (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        (i32.add (local.get 2) (call $a (local.get 0))))
    (func $c (param i32) (result i32) (call $d (local.get 0) (f64.const 1.5)))
    (func $d (param i32 f64) (result i32)
        (drop (i32.trunc_f64_s (local.get 1)))
        (call_indirect (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 1)))))"#;

#[test]
fn threads_run_while_code_comes() {
    let expected = Guest::new(MAZE, Box::new(Notes::default())).call("a", &[24]).unwrap();
    let session = session(MAZE);
    for round in 0..20u32 {
        let guest = Guest::new(MAZE, Box::new(Notes::default()));
        let header = loops(guest.store.instance(0).unwrap().module(), 1)[0];
        let done = AtomicBool::new(false);
        let views = Arc::new(Views::default());
        let stores: Vec<_> = (0..3).map(|_| Store::new(guest.store.runtime())).collect();
        for store in &stores {
            guest.instantiate(store);
            store.set_checkpointer(Some(views.clone()));
        }
        thread::scope(|scope| {
            let runs: Vec<_> = stores
                .iter()
                .map(|store| scope.spawn(|| (0..4).map(|_| call(store, "a", &[24])).collect::<Vec<_>>()))
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    stores.iter().for_each(|store| store.control().request_checkpoint());
                    thread::sleep(std::time::Duration::from_micros(300));
                }
            });
            let mut order = [0, 1, 2, 3];
            order.rotate_left(round as usize % 4);
            for (nth, func) in order.into_iter().enumerate() {
                publish(&guest.growing, &session, &[func], &[]);
                if nth == round as usize % 3 {
                    publish(&guest.growing, &session, &[], &[Loop { func: 1, offset: header }]);
                }
            }
            for run in runs {
                assert!(run.join().unwrap().into_iter().all(|result| result == Ok(expected.clone())));
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!((0..4).all(|func| guest.growing.has(func)));
        assert!(*views.0.lock().unwrap() > 0);
    }
}

/// Frames of either kind call each other, deeper than the native stack would go; ends where interpreted ones do.
#[test]
fn mixed_recursion_is_not_shorter_than_interpreted() {
    const TEXT: &str = r#"(module
        (func $even (export "even") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
        (func $odd (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))"#;
    const DEPTH: u64 = 100_001;
    for compiled in [0, 1] {
        let guest = Guest::new(TEXT, Box::new(Notes::default()));
        publish(&guest.growing, &session(TEXT), &[compiled], &[]);
        let run = move || guest.call("even", &[DEPTH]);
        let ended = thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
        assert_eq!(ended, Ok(vec![0]), "function {compiled} compiled");
    }
}

#[test]
fn what_cannot_be_compiled_is_said() {
    let guest = Guest::new(&counter(1), Box::new(Notes::default()));
    let session = session(&counter(1));
    assert!(session.compile(&[77], &[], &|_| ()).is_err());
    let part = Part { funcs: vec![0], loops: vec![] };
    let object = compile(&session, &part);
    let refused = |abi, object: &[u8], part: &Part| {
        let error = guest.growing.publish(abi, object, part, |_| ()).expect_err("it is refused");
        error.to_string()
    };
    assert!(refused(wayfarer_abi::VERSION + 1, &object, &part).contains("interface"));
    assert!(refused(wayfarer_abi::VERSION, &object[..100], &part).len() > 10);
    let other = Part { funcs: vec![1], loops: vec![] };
    assert!(refused(wayfarer_abi::VERSION, &object, &other).contains("f1"));
    let beyond = Part { funcs: vec![77], loops: vec![] };
    assert!(refused(wayfarer_abi::VERSION, &object, &beyond).contains("f77"));
    assert_eq!(guest.growing.generation(), 0);
    // Loops are only missing.
    let part = Part { funcs: vec![0], loops: vec![Loop { func: 2, offset: 5 }] };
    let published = guest.growing.publish(wayfarer_abi::VERSION, &object, &part, |_| ());
    assert_eq!(published.unwrap(), Part { funcs: vec![], loops: vec![Loop { func: 2, offset: 5 }] });
}

#[test]
fn code_goes_with_the_module() {
    struct Dropped(Arc<AtomicBool>);
    impl Wanted for Dropped {
        fn wanted(&self, _: u32, _: Option<u32>, _: u32) {}
    }
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let guest = Guest::new(&counter(1), Box::new(Dropped(dropped.clone())));
    publish(&guest.growing, &session(&counter(1)), &[0], &[]);
    let growing = Arc::downgrade(&guest.growing);
    drop(guest);
    assert!(dropped.load(Ordering::Relaxed) && growing.upgrade().is_none());
}
