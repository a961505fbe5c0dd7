;; Asks for the time, so many times; and for random bytes, so many at once.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "ask") (param $n i32)
    (loop $again
      (drop (call $time (i32.const 1) (i64.const 0) (i32.const 8)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "draw") (param $n i32) (result i32)
    (call $random (i32.const 64) (local.get $n))))
