;; wamrc: --no-checkpoint
;; Waits at a semaphore for ever. Compiled, it does not poll.
(module
  (import "env" "sem_open" (func $open (param i32 i32 i32 i32) (result i32)))
  (import "env" "sem_wait" (func $wait (param i32) (result i32)))
  (memory (export "memory") 1 1 shared)
  (data (i32.const 16) "one")
  (func (export "begun") (result i32) (i32.atomic.load (i32.const 64)))
  (func (export "park") (param i32 i64) (result i32)
    (local $one i32)
    (local.set $one (call $open (i32.const 16) (i32.const 64) (i32.const 0) (i32.const 0)))
    (i32.atomic.store (i32.const 64) (i32.const 1))
    (call $wait (local.get $one))))
