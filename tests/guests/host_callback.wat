;; A host function that calls back into the program: see README.md for `test.callback`.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "test" "callback" (func $callback (param i32) (result i32)))
  (memory (export "memory") 1)

  ;; Prints a number as 16 hexadecimal digits and a newline. Uses the first 64 bytes of memory.
  (func $print (param $x i64) (local $at i32) (local $digit i32)
    (i32.store8 (i32.const 32) (i32.const 10))
    (local.set $at (i32.const 32))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $digit (i32.wrap_i64 (i64.and (local.get $x) (i64.const 15))))
      (i32.store8 (local.get $at)
        (i32.add (local.get $digit)
          (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9)))))
      (local.set $x (i64.shr_u (local.get $x) (i64.const 4)))
      (br_if $next (i32.gt_u (local.get $at) (i32.const 16))))
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 17))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (global $calls (mut i32) (i32.const 0))

  ;; What the host calls. Asks the host for another call, to a depth that depends on the argument.
  (func (export "called_back") (param $x i32) (result i32) (local $i i32) (local $sum i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.xor (local.get $x) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 5))))
    (if (i32.gt_u (local.get $x) (i32.const 90))
      (then (local.set $sum
        (i32.add (local.get $sum) (call $callback (i32.div_u (local.get $x) (i32.const 2)))))))
    (local.get $sum))

  (func (export "_start") (local $i i32) (local $sum i64)
    (loop $again
      (local.set $sum
        (i64.add (i64.mul (local.get $sum) (i64.const 33))
          (i64.extend_i32_u (i32.add (local.get $i) (call $callback (i32.mul (local.get $i) (i32.const 11)))))))
      (call $print (local.get $sum))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 30))))
    (call $print (i64.extend_i32_u (global.get $calls))))
)
