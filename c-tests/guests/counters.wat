;; Threads that count for ever, each in a place of its own, until the host says that it is enough; and one that hangs.
(module
  (import "env" "stuck" (func $stuck (param i32) (result i32)))
  (import "env" "wait" (func $wait (result i32)))
  (memory (export "memory") 1 2)

  (func $more (param $at i32)
    (i64.store (local.get $at) (i64.add (i64.load (local.get $at)) (i64.const 1))))

  ;; Counts in the nth place; how often.
  (func (export "count") (param $n i32) (result i64)
    (local $at i32)
    (local.set $at (i32.shl (local.get $n) (i32.const 3)))
    (loop $again
      (call $more (local.get $at))
      (br_if $again (i32.eqz (i32.load (i32.const 1024)))))
    (i64.load (local.get $at)))

  ;; Atomic: code that is compiled need not look again at memory that is not shared, and that nothing in the loop changes.
  (func $inner (result i32)
    (loop $for_ever
      (br_if $for_ever (i32.eqz (i32.atomic.load (i32.const 1024)))))
    (i32.const 5))
  (func $middle (param i32) (result i32)
    (i32.add (local.get 0) (call $inner)))
  (func $outer (export "hang") (result i32)
    (call $middle (i32.const 2)))

  (func (export "one") (result i32) (i32.const 1))
  (func (export "stuck") (result i32) (call $stuck (i32.const 3)))
  (func (export "wait") (result i32) (call $wait)))
