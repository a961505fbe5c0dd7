;; Calls in the middle of expressions: operands below, arguments in flight, results used at once, as
;; conditions, addresses and table indices.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
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

  (global $seed (mut i32) (i32.const 12345))
  (data (i32.const 512) "\03\01\04\01\05\09\02\06")

  (func $random (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.shr_u (global.get $seed) (i32.const 16)))

  (func $three (param i32 i32 i32) (result i32)
    (i32.sub (i32.mul (local.get 0) (local.get 1)) (local.get 2)))

  (func (export "_start") (local $i i32) (local $x i32)
    (loop $again
      (local.set $x
        (i32.add
          (i32.mul (local.get $x) (call $random))
          (call $three
            (i32.load8_u offset=512 (i32.and (call $random) (i32.const 7)))
            (call $three (local.get $i) (call $random) (local.get $x))
            (i32.add (call $random) (i32.sub (i32.const 1) (call $random))))))
      (i32.store8 offset=512 (i32.and (call $random) (i32.const 7)) (call $random))
      (if (i32.and (call $random) (i32.const 1))
        (then (local.set $x (i32.xor (local.get $x) (select (call $random) (call $random) (call $random))))))
      (call $print (i64.or (i64.shl (i64.extend_i32_u (local.get $x)) (i64.const 32)) (i64.extend_i32_u (call $random))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 40)))))
)
