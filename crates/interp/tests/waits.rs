//! Places in wait queues that an image says, and that cannot be.

use std::sync::Arc;
use wayfarer_interp::Interpreter;
use wayfarer_module::{PointKind, parse};
use wayfarer_runtime::{InstantiateOptions, Runtime, Store};
use wayfarer_snapshot::view::{Entry, Frame, FuncId, Position, Thread, Wait, WaitPlace};

/// A store with these memories, each of an instance of its own.
fn store(memories: &[&str]) -> Arc<Store> {
    let runtime = Runtime::new(Arc::new(Interpreter));
    let store = Store::new(&runtime);
    for memory in memories {
        let wasm = wat::parse_str(format!("(module (memory {memory}))")).expect("it is well-formed");
        let loaded = runtime.load(Arc::new(parse(wasm.into()).expect("it is valid")));
        // SAFETY: it has no imports.
        unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) }.expect("an instance");
    }
    store
}

fn thread(tid: u32, kind: PointKind, place: WaitPlace) -> Thread {
    let func = FuncId { instance: 0, func: 0 };
    let frame = Frame { func, position: Position { kind, offset: 1 }, locals: vec![], stack: vec![] };
    let waits = Some(Wait { waiter: u64::MAX - u64::from(tid), place });
    Thread { entry: Entry::Call, frames: vec![frame], tid, number: 0, watched: vec![], waits }
}

fn at(memory: u32, addr: u64, before: u32) -> WaitPlace {
    WaitPlace::Address { memory, addr, before, left: None }
}

#[test]
fn places_are_kept_in_their_order_whatever_that_of_the_threads() {
    let store = store(&["1 2 shared"]);
    let waiting = PointKind::BeforeCall;
    let threads = [
        thread(0, waiting, at(0, 64, 2)),
        thread(1, waiting, at(0, 64, 0)),
        thread(2, waiting, WaitPlace::Woken),
        thread(3, waiting, at(0, 64, 1)),
        thread(4, waiting, at(0, 65_532, 0)),
    ];
    store.reserve_places(&threads).unwrap();
    let queues = store.memory(0).unwrap().waits().unwrap();
    let places: Vec<(u64, Vec<u64>)> = queues
        .places()
        .into_iter()
        .map(|(addr, places)| (addr, places.iter().map(|place| u64::MAX - place.waiter).collect()))
        .collect();
    assert_eq!(places, [(64, vec![1, 3, 0]), (65_532, vec![4])]);
    // An image that is taken before anybody goes on has them again.
    assert_eq!(queues.wake(64, 1), 1);
    let mut again = threads.clone();
    store.complete_waits(&mut again);
    let places: Vec<_> = again.iter().map(|thread| thread.waits.as_ref().unwrap().place.clone()).collect();
    assert_eq!(places, [at(0, 64, 1), WaitPlace::Woken, WaitPlace::Woken, at(0, 64, 0), at(0, 65_532, 0)]);
}

#[test]
fn places_that_cannot_be_are_refused() {
    let store = store(&["1 2 shared", "1 2"]);
    let elsewhere = "waits for an address that is in no shared memory";
    for (kind, place, why) in [
        (PointKind::Loop, at(0, 64, 0), "has a place in a queue, and does not wait"),
        (PointKind::BeforeCall, at(0, 65, 0), elsewhere),
        (PointKind::BeforeCall, at(0, 65_536, 0), elsewhere),
        (PointKind::BeforeCall, at(0, u64::MAX - 3, 0), elsewhere),
        (PointKind::BeforeCall, at(1, 64, 0), elsewhere),
        (PointKind::BeforeCall, at(2, 64, 0), elsewhere),
    ] {
        assert_eq!(store.reserve_places(&[thread(3, kind, place)]), Err(format!("thread 3 {why}")));
    }
    assert_eq!(store.memory(0).unwrap().waits().unwrap().places(), []);
}
