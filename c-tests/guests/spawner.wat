;; A guest with threads: counts in shared memory at 64, and in a global of each instance's own.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "env" "tell" (func $tell (param i32)))
  (memory (export "memory") 1 1 shared)
  (global $mine (mut i32) (i32.const 5))
  (func (export "add") (param $n i32) (result i32)
    (drop (i32.atomic.rmw.add (i32.const 64) (local.get $n)))
    (global.set $mine (i32.add (global.get $mine) (local.get $n)))
    (global.get $mine))
  (func (export "total") (result i32) (i32.atomic.load (i32.const 64)))
  (func (export "spawn") (param $what i32) (result i32) (call $spawn (local.get $what)))
  ;; Waits until so many have come.
  (func $come (export "come")
    (drop (i32.atomic.rmw.add (i32.const 72) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 72) (i32.const -1))))
  (func (export "await") (param $count i32) (local $seen i32)
    (loop $wait
      (local.set $seen (i32.atomic.load (i32.const 72)))
      (if (i32.lt_u (local.get $seen) (local.get $count)) (then
        (drop (memory.atomic.wait32 (i32.const 72) (local.get $seen) (i64.const -1)))
        (br $wait)))))
  (func (export "release")
    (i32.atomic.store (i32.const 80) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 80) (i32.const -1))))
  (func (export "forever") (loop $ever (br $ever)))
  ;; 0: adds one and ends; 1: waits to be released before that; 2: runs for ever; 3: traps; 4: tells the host.
  (func (export "wasi_thread_start") (param $tid i32) (param $what i32)
    (if (i32.eq (local.get $what) (i32.const 4)) (then (call $tell (local.get $tid))))
    (if (i32.eq (local.get $what) (i32.const 3)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 1)) (then
      (call $come)
      (drop (memory.atomic.wait32 (i32.const 80) (i32.const 0) (i64.const -1)))))
    (if (i32.eq (local.get $what) (i32.const 2)) (then (call $come) (loop $ever (br $ever))))
    (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
    (call $come)))
