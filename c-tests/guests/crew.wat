;; Starts three threads that count in shared memory and in globals of their own, waits for them, and gives what came of it.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (memory (export "memory") 1 1 shared)
  (global $mine (mut i32) (i32.const 0))
  (func (export "wasi_thread_start") (param $tid i32) (param $rounds i32)
    (loop $again
      (global.set $mine (i32.add (global.get $mine) (i32.const 3)))
      (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
      (br_if $again (i32.gt_s (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))) (i32.const 0))))
    (drop (i32.atomic.rmw.add (i32.const 68) (global.get $mine)))
    (drop (i32.atomic.rmw.add (i32.const 72) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 72) (i32.const -1))))
  (func (export "digest") (result i64) (i64.load (i32.const 64)))
  (func (export "sum") (param $rounds i64) (result i64) (local $n i32) (local $seen i32)
    (loop $next
      (if (i32.lt_s (call $spawn (i32.wrap_i64 (local.get $rounds))) (i32.const 1)) (then (unreachable)))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))
    (loop $wait
      (local.set $seen (i32.atomic.load (i32.const 72)))
      (if (i32.lt_u (local.get $seen) (i32.const 3)) (then
        (drop (memory.atomic.wait32 (i32.const 72) (local.get $seen) (i64.const -1)))
        (br $wait))))
    (i64.extend_i32_u (i32.add (i32.atomic.load (i32.const 64)) (i32.atomic.load (i32.const 68))))))
