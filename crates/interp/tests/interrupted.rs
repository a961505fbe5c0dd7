//! A host function that the host calls itself, and that a request interrupts: no guest stands at a stable point then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wayfarer_interp::Interpreter;
use wayfarer_module::{FuncType, parse};
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, Checkpointer, ExecEnv, Extern, HostError, HostFunc, InstantiateOptions,
    Runtime, Store,
};
use wayfarer_snapshot::view::Thread;

/// Counts checkpoints, within the guest and between calls.
#[derive(Default)]
struct Counter(AtomicU32, AtomicU32);

impl Checkpointer for Counter {
    fn checkpoint(&self, _: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        assert!(thread.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
        AfterCheckpoint::Continue
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        self.1.fetch_add(1, Ordering::Relaxed);
        AfterCheckpoint::Continue
    }
}

#[test]
fn a_checkpoint_request_is_served_between_calls() {
    let runtime = Runtime::new(Arc::new(Interpreter));
    let store = Store::new(&runtime);
    let counter = Arc::new(Counter::default());
    store.set_checkpointer(Some(counter.clone()));
    let wasm = wat::parse_str(r#"(module (import "host" "wait" (func)) (func (export "guest")))"#);
    let module = parse(wasm.expect("it is well-formed").into()).expect("it is valid");
    let loaded = runtime.load(Arc::new(module));
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let wait = HostFunc {
        name: ("host".into(), "wait".into()),
        restartable: true,
        call: Box::new(move |caller, _| match counted.fetch_add(1, Ordering::Relaxed) {
            0 => {
                caller.env.store().control().request_checkpoint();
                Err(HostError::Interrupted)
            }
            _ => Ok(()),
        }),
        data: None,
    };
    let wait = store.add_host_func(&FuncType { params: Box::default(), results: Box::default() }, wait);
    // SAFETY: a function of this store.
    let made = unsafe { store.instantiate(&loaded, &[Extern::Func(wait)], &InstantiateOptions::default()) };
    let instance = made.expect("it can be instantiated");
    let mut env = ExecEnv::new(store.clone(), 0).expect("stacks");
    env.instance = instance;

    // SAFETY: a function of this store that takes nothing.
    unsafe { runtime.engine.call(&mut env, wait, &[]) }.expect("the host function returns");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!((counter.0.load(Ordering::Relaxed), counter.1.load(Ordering::Relaxed)), (0, 1));
    // SAFETY: as above.
    unsafe { runtime.engine.call(&mut env, instance.funcs()[1], &[]) }.expect("the guest returns");
    assert_eq!((counter.0.load(Ordering::Relaxed), counter.1.load(Ordering::Relaxed)), (0, 1), "only once");
}
