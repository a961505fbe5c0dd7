;; A shared memory of its own, and one way each in which an atomic instruction traps.
(module
  (memory (export "memory") 1 4 shared)
  (func (export "wait") (param $timeout i64) (result i32)
    (memory.atomic.wait32 (i32.const 64) (i32.const 0) (local.get $timeout)))
  (func (export "wait64") (param $timeout i64) (result i32)
    (memory.atomic.wait64 (i32.const 64) (i64.const 0) (local.get $timeout)))
  (func (export "not_equal") (result i32)
    (memory.atomic.wait32 (i32.const 64) (i32.const 1) (i64.const -1)))
  (func (export "wake") (result i32) (memory.atomic.notify (i32.const 64) (i32.const 1)))
  (func (export "unaligned") (result i32) (i32.atomic.rmw16.add_u offset=2 (i32.const 1) (i32.const 1)))
  (func (export "outside") (result i32) (i32.atomic.load (i32.const 65536)))
  (func (export "outside_and_unaligned") (result i32) (i32.atomic.load (i32.const 65535)))
  (func (export "unaligned_wait") (result i32)
    (memory.atomic.wait32 (i32.const 62) (i32.const 0) (i64.const 0)))
  (func (export "outside_notify") (result i32) (memory.atomic.notify (i32.const -4) (i32.const 1)))
  (func (export "lock") (param $rounds i32) (result i32)
    (loop $next
      (loop $again
        (if (i32.atomic.rmw.cmpxchg (i32.const 128) (i32.const 0) (i32.const 1))
          (then
            (drop (memory.atomic.wait32 (i32.const 128) (i32.const 1) (i64.const 1000000)))
            (br $again))))
      (i32.store (i32.const 256) (i32.add (i32.load (i32.const 256)) (i32.const 1)))
      (i32.atomic.store (i32.const 128) (i32.const 0))
      (drop (memory.atomic.notify (i32.const 128) (i32.const 1)))
      (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (i32.load (i32.const 256))))
