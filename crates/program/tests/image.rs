//! A host in Rust, without the C API: images to memory, and programs that are made from them.

mod support;

use std::sync::{Arc, Mutex};

use support::{COUNTING, Guest, Running, Taken, Tick, image, module, order, runtime, silent, source};
use wayfarer_program::embedder::Plain;
use wayfarer_program::{Embedder, Failure, HostParts, Made, NativeModule, restore_store};
use wayfarer_runtime::{AfterCheckpoint, Store, Trap, Used};

fn plain() -> Arc<dyn Embedder> {
    Arc::new(Plain)
}

/// What a guest has said.
fn said(guest: &Guest) -> String {
    use std::io::{Read, Seek};
    let (mut out, mut text) = (&guest.out, String::new());
    out.rewind().expect("a file");
    out.read_to_string(&mut text).expect("what it has said");
    text
}

/// Orders a checkpoint when the guest has come to a number.
fn order_at(number: u32, then: AfterCheckpoint) -> (Tick, Arc<Mutex<Option<Taken>>>) {
    let taken = Arc::new(Mutex::new(None));
    let kept = taken.clone();
    let tick: Tick = Arc::new(move |program, i| {
        if i == number {
            *kept.lock().expect("nobody panicked") = Some(order(program, then));
        }
    });
    (tick, taken)
}

fn taken(kept: &Mutex<Option<Taken>>) -> Vec<u8> {
    image(kept.lock().expect("nobody panicked").as_ref().expect("it was ordered"))
}

/// Interpreted and compiled code.
const ENGINES: [bool; 2] = [false, true];

#[test]
fn a_call_goes_on_in_another_program_and_engine() {
    let module = module(COUNTING);
    let undisturbed = Guest::new(&runtime(), &module, false, tempfile::tempfile().unwrap(), silent());
    let running = undisturbed.instantiate(&Store::new(&undisturbed.runtime), &plain()).unwrap();
    running.call("count", &[7]).unwrap();
    let expected = running.call("count", &[500]).unwrap();

    for (from, to) in ENGINES.into_iter().flat_map(|from| ENGINES.map(|to| (from, to))) {
        let (tick, kept) = order_at(100 + 7 + 250, AfterCheckpoint::Stop);
        let first = Guest::new(&runtime(), &module, from, tempfile::tempfile().unwrap(), tick);
        let running = first.instantiate(&Store::new(&first.runtime), &plain()).unwrap();
        running.call("count", &[7]).unwrap();
        assert_eq!(running.call("count", &[500]), Err(Failure::Trap(Trap::Stopped)));
        let image = taken(&kept);

        let second = Guest::new(&runtime(), &module, to, tempfile::tempfile().unwrap(), silent());
        let restored = second.restore(image.clone(), &plain()).unwrap();
        let program = restored.parts.program();
        assert_eq!((program.count(), program.call_in_progress().map(|(instance, _)| instance)), (1, Some(0)));
        assert_eq!(restored.parts.heap.as_ref().map(|heap| heap.size()), Some(4096));
        assert_eq!(restored.resume(), Ok(expected.clone()), "{from} to {to}");
        assert_eq!(restored.resume(), Err(Failure::Refused("no call is in progress")));
        assert_eq!(said(&first) + &said(&second), said(&undisturbed), "{from} to {to}");

        // Or by making the call again.
        let third = Guest::new(&runtime(), &module, to, tempfile::tempfile().unwrap(), silent());
        let restored = third.restore(image, &plain()).unwrap();
        assert_eq!(restored.call("count", &[500]), Ok(expected.clone()));
    }
}

#[test]
fn a_program_goes_on_after_its_checkpoint_and_between_calls() {
    let module = module(COUNTING);
    let (tick, kept) = order_at(103, AfterCheckpoint::Continue);
    let guest = Guest::new(&runtime(), &module, false, tempfile::tempfile().unwrap(), tick);
    let running = guest.instantiate(&Store::new(&guest.runtime), &plain()).unwrap();
    let results = running.call("count", &[10]).unwrap();
    let idle = image(&order(running.parts.program(), AfterCheckpoint::Continue));
    let after = running.call("count", &[1]).unwrap();
    assert_eq!(running.parts.program().count(), 2);

    let restored = guest.restore(taken(&kept), &plain()).unwrap();
    assert_eq!((restored.resume(), restored.call("count", &[1])), (Ok(results), Ok(after.clone())));
    let restored = guest.restore(idle, &plain()).unwrap();
    assert_eq!(restored.parts.program().call_in_progress(), None);
    assert_eq!(restored.call("count", &[1]), Ok(after));
}

/// Two instances of two modules in one store: what they have on the host's side is saved and restored with both.
#[test]
fn instances_of_a_store_are_one_program() {
    let modules = [module(COUNTING), module(&COUNTING.replace("i64.const 7", "i64.const 11"))];
    let made = |runtime: &Arc<_>, which: usize, tick| {
        Guest::new(runtime, &modules[which], which == 1, tempfile::tempfile().unwrap(), tick)
    };
    let undisturbed = runtime();
    let guests = [made(&undisturbed, 0, silent()), made(&undisturbed, 1, silent())];
    let store = Store::new(&undisturbed);
    let [a, b] = [0, 1].map(|which| guests[which].instantiate(&store, &plain()).unwrap());
    let heap = |running: &Running| running.parts.heap.as_ref().map(|heap| heap.range());
    let heaps = [heap(&a), heap(&b)];
    a.call("count", &[30]).unwrap();
    let expected =
        [b.call("count", &[40]).unwrap(), a.call("count", &[5]).unwrap(), b.call("count", &[5]).unwrap()];

    let (tick, kept) = order_at(120, AfterCheckpoint::Stop);
    let first = runtime();
    let befores = [made(&first, 0, silent()), made(&first, 1, tick)];
    let store = Store::new(&first);
    let [a, b] = [0, 1].map(|which| befores[which].instantiate(&store, &plain()).unwrap());
    assert!(Arc::ptr_eq(a.parts.store(), b.parts.store()));
    a.call("count", &[30]).unwrap();
    assert_eq!(b.call("count", &[40]), Err(Failure::Trap(Trap::Stopped)));
    let image = taken(&kept);

    let second = runtime();
    let afters = [made(&second, 0, silent()), made(&second, 1, silent())];
    let image = source(image);
    let few = restore_store(&Store::new(&second), &plain(), &[&afters[0]], &image);
    assert!(few.unwrap_err().why.starts_with("memory: none of the modules given is "));
    let alone = wayfarer_program::restore(&Store::new(&second), &plain(), &afters[0], &image);
    assert_eq!(alone.unwrap_err().why, "memory: the image is of 2 modules, not of one");

    // In any order: they are known by their modules.
    let restored = restore_store(&Store::new(&second), &plain(), &[&afters[1], &afters[0]], &image).unwrap();
    let [a, b] =
        <[_; 2]>::try_from(restored).expect("two").map(|parts| restored_at(parts.expect("it was there")));
    assert_eq!([heap(&a), heap(&b)], heaps);
    let program = b.parts.program();
    assert_eq!(program.call_in_progress().map(|(instance, _)| instance), Some(1));
    let call = program.take_call(0).expect("a call that was in progress");
    assert!(program.take_call(0).is_none() && program.call_in_progress().is_none());
    let results = [
        b.parts.go_on(&b.env, &call).unwrap(),
        a.call("count", &[5]).unwrap(),
        b.call("count", &[5]).unwrap(),
    ];
    assert_eq!(results, expected);
    for which in [0, 1] {
        assert_eq!(said(&befores[which]) + &said(&afters[which]), said(&guests[which]));
    }
}

/// An instance that was made in the state of an image.
fn restored_at(owner: Box<HostParts>) -> Running {
    Running::new(Made { owner, in_place: true })
}

#[test]
fn an_instance_that_had_ended_is_not_made_again() {
    let guest = Guest::new(&runtime(), &module(COUNTING), false, tempfile::tempfile().unwrap(), silent());
    let store = Store::new(&guest.runtime);
    let [first, gone, last] = [(); 3].map(|()| guest.instantiate(&store, &plain()).unwrap());
    last.call("count", &[3]).unwrap();
    // Its host's parts are gone, and somebody still uses it.
    // SAFETY: it is an instance of the store, and there.
    let used = unsafe { Used::new(&store, gone.parts.instance()) };
    drop(gone);
    let bytes = order(first.parts.program(), AfterCheckpoint::Continue);
    // Nobody does.
    drop(used);
    let without = source(image(&order(first.parts.program(), AfterCheckpoint::Continue)));
    assert_eq!(store.instance_count(), 2);
    let restored = restore_store(&Store::new(&guest.runtime), &plain(), &[&guest], &without).unwrap();
    assert_eq!(restored.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true]);
    let image = source(image(&bytes));
    let expected = last.call("count", &[2]).unwrap();
    let restored = restore_store(&Store::new(&guest.runtime), &plain(), &[&guest], &image).unwrap();
    assert_eq!(restored.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let last = restored_at(restored.into_iter().flatten().next_back().expect("the last one"));
    assert_eq!(last.call("count", &[2]), Ok(expected));
    drop(first);
    let again = restore_store(last.parts.store(), &plain(), &[&guest], &image);
    let error = again.unwrap_err().why;
    assert_eq!(error, "the store has instances, memories, tables or globals already");
}

/// A native module that counts how often it was restored, for each instance on its own.
struct Device(Mutex<Vec<(usize, u8)>>);

impl Device {
    fn of(&self, instance: &HostParts) -> Option<u8> {
        let place = std::ptr::from_ref(instance) as usize;
        self.0.lock().unwrap().iter().find(|(at, _)| *at == place).map(|&(_, state)| state)
    }

    fn set(&self, instance: &HostParts, state: u8) {
        self.0.lock().unwrap().push((std::ptr::from_ref(instance) as usize, state));
    }
}

impl NativeModule for Device {
    fn name(&self) -> &str {
        "device"
    }

    fn version(&self) -> u32 {
        1
    }

    fn save(&self, instance: &HostParts) -> Option<Vec<u8>> {
        self.of(instance).map(|state| vec![state])
    }

    fn restore(&self, instance: &HostParts, state: &[u8]) -> bool {
        if let [state] = *state {
            self.set(instance, state);
        }
        state.len() == 1
    }
}

struct WithDevice(Arc<Device>);

impl Embedder for WithDevice {
    fn native_modules(&self) -> Vec<Arc<dyn NativeModule>> {
        vec![self.0.clone()]
    }
}

#[test]
fn native_modules_have_state_of_each_instance() {
    let guest = Guest::new(&runtime(), &module(COUNTING), false, tempfile::tempfile().unwrap(), silent());
    let device = Arc::new(Device(Mutex::default()));
    let embedder: Arc<dyn Embedder> = Arc::new(WithDevice(device.clone()));
    let store = Store::new(&guest.runtime);
    let made = [(); 2].map(|()| guest.instantiate(&store, &embedder).unwrap());
    let order = || order(made[0].parts.program(), AfterCheckpoint::Continue);
    device.set(&made[0].parts, 3);
    let refused = order();
    let error = refused.get().unwrap().as_ref().unwrap_err();
    assert_eq!(error, "the state of native module 'device' cannot be saved");
    device.set(&made[1].parts, 4);
    let image = image(&order());

    let image = source(image);
    let without = restore_store(&Store::new(&guest.runtime), &plain(), &[&guest], &image);
    assert!(
        without.unwrap_err().why.contains("state of native module 'device', which is not registered here")
    );
    device.0.lock().unwrap().clear();
    let restored = restore_store(&Store::new(&guest.runtime), &embedder, &[&guest], &image).unwrap();
    let states: Vec<_> = restored.iter().flatten().map(|parts| device.of(parts)).collect();
    assert_eq!(states, [Some(3), Some(4)]);
}
