//! Room that a host finds in a guest's memory, and where programs begin.

mod support;

use std::sync::Arc;

use support::{Guest, Running, module, runtime, silent};
use wayfarer_program::app_heap::Corrupted;
use wayfarer_program::embedder::Plain;
use wayfarer_program::entry_point::{Main, NoMain, NotAStart, wasi_start};
use wayfarer_program::guest_heap::GuestHeap;
use wayfarer_runtime::{Func, Store};

fn instance(text: &str, heap_size: u32) -> Running {
    let mut guest = Guest::new(&runtime(), &module(text), false, tempfile::tempfile().unwrap(), silent());
    guest.heap_size = heap_size;
    guest.instantiate(&Store::new(&guest.runtime), &(Arc::new(Plain) as _)).unwrap()
}

fn heap(running: &Running) -> GuestHeap<'_, impl Fn(&Func, &[u64]) -> Option<Vec<u64>>> {
    GuestHeap::new(&running.parts, |func, args| running.call_func(func, args).ok())
}

#[test]
fn a_host_has_room_in_the_app_heap() {
    let running = instance(r#"(module (memory 1))"#, 4096);
    let heap = heap(&running);
    let (start, end) = running.parts.heap.as_ref().unwrap().range();
    let one = heap.allocate(100).unwrap().unwrap();
    assert!((start..end).contains(&one));
    let memory = running.parts.instance().guest_memory();
    memory.write(one.into(), b"kept").unwrap();
    let _between = heap.allocate(8).unwrap().unwrap();
    let moved = heap.reallocate(one, 1000).unwrap().unwrap();
    assert_ne!(moved, one);
    assert_eq!(memory.read_vec(moved.into(), 4).unwrap(), b"kept");
    assert_eq!(heap.free(one), Err(Corrupted), "it has moved");
    heap.free(moved).unwrap();
    assert_eq!(heap.allocate(end - start), Ok(None), "no room for its header");
}

#[test]
fn a_guest_with_an_allocator_is_asked_for_room() {
    let running = instance(
        r#"(module (memory 1)
          (global $next (mut i32) (i32.const 1000)) (global $freed (export "freed") (mut i32) (i32.const 0))
          (func (export "malloc") (param $size i32) (result i32)
            (if (i32.gt_u (local.get $size) (i32.const 5000)) (then unreachable))
            (if (i32.gt_u (local.get $size) (i32.const 500)) (then (return (i32.const 0))))
            (global.set $next (i32.add (global.get $next) (local.get $size)))
            (i32.sub (global.get $next) (local.get $size)))
          (func (export "realloc") (param $old i32) (param $size i32) (result i32)
            (i32.add (local.get $old) (local.get $size)))
          (func (export "free") (param $at i32) (global.set $freed (local.get $at)))
          (func (export "last") (result i32) (global.get $freed)))"#,
        4096,
    );
    assert!(running.parts.heap.is_none());
    let heap = heap(&running);
    assert_eq!([heap.allocate(10), heap.allocate(500)], [Ok(Some(1000)), Ok(Some(1010))]);
    assert_eq!(heap.allocate(501), Ok(None), "it has none");
    assert_eq!(heap.allocate(5001), Ok(None), "it traps");
    assert_eq!(heap.reallocate(1000, 24), Ok(Some(1024)));
    heap.free(1024).unwrap();
    assert_eq!(running.call("last", &[]), Ok(vec![1024]));
}

#[test]
fn an_allocator_of_assembly_script_pins_what_it_makes() {
    let running = instance(
        r#"(module (memory 1) (global $pinned (mut i32) (i32.const 0))
          (func (export "__new") (param $size i32) (param $class i32) (result i32)
            (if (result i32) (i32.eq (local.get $class) (i32.const 1))
              (then (i32.mul (local.get $size) (i32.const 2))) (else (i32.const 0))))
          (func (export "__pin") (param $at i32) (result i32)
            (global.set $pinned (i32.add (global.get $pinned) (local.get $at))) (local.get $at))
          (func (export "__unpin") (param $at i32)
            (global.set $pinned (i32.sub (global.get $pinned) (local.get $at))))
          (func (export "pinned") (result i32) (global.get $pinned)))"#,
        0,
    );
    let heap = heap(&running);
    assert_eq!(heap.allocate(32), Ok(Some(64)));
    assert_eq!(running.call("pinned", &[]), Ok(vec![64]));
    heap.free(64).unwrap();
    assert_eq!(running.call("pinned", &[]), Ok(vec![0]));
    assert_eq!(heap.allocate(0), Ok(None), "nothing is not pinned");
}

#[test]
fn a_program_begins_at_start_or_main() {
    let main = |text: &str| {
        let running = instance(text, 0);
        Main::of(running.parts.instance()).map(|main| main.takes_arguments)
    };
    assert_eq!(main(r#"(module (func (export "main")))"#), Ok(false));
    assert_eq!(main(r#"(module (func (export "_main") (result i32) (i32.const 0)))"#), Ok(false));
    let with_arguments = r#"(func (export "__main_argc_argv") (param i32 i32) (result i32) (i32.const 0))"#;
    assert_eq!(main(&format!("(module {with_arguments})")), Ok(true));
    // The first of its names is the one, whatever the others are.
    assert_eq!(main(&format!(r#"(module {with_arguments} (func (export "main")))"#)), Ok(false));
    assert_eq!(main(r#"(module (func (export "main") (param i32)))"#), Err(NoMain::Type));
    assert_eq!(main(r#"(module (memory (export "main") 1))"#), Err(NoMain::Missing));
    let imported = r#"(module (import "host" "tick" (func (param i32))) (export "main" (func 0)))"#;
    assert_eq!(main(imported), Err(NoMain::Imported));

    let start = |text: &str| {
        let running = instance(text, 0);
        wasi_start(running.parts.instance()).map(|start| start.is_some())
    };
    assert_eq!(start(r#"(module (func (export "_start")))"#), Ok(true));
    assert_eq!(start(r#"(module (func (export "start")))"#), Ok(false));
    assert_eq!(start(r#"(module (func (export "_start") (param i32)))"#), Err(NotAStart));
}
