;; Function references in a table, in locals and on the stack; null entries; tables that change while they
;; are called through.
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

  (type $op (func (param i64) (result i64)))
  (table $ops (export "ops") 4 20 funcref)
  (elem (i32.const 0) $double $increment)
  (elem declare func $square $negate)

  (func $double (type $op) (i64.shl (local.get 0) (i64.const 1)))
  (func $increment (type $op) (i64.add (local.get 0) (i64.const 1)))
  (func $square (type $op) (i64.mul (local.get 0) (local.get 0)))
  (func $negate (type $op) (i64.sub (i64.const 0) (local.get 0)))

  (func (export "_start") (local $i i32) (local $x i64) (local $f funcref) (local $swapped funcref)
    (table.set $ops (i32.const 2) (ref.func $square))
    (call $print (i64.extend_i32_u (ref.is_null (table.get $ops (i32.const 3)))))
    (table.set $ops (i32.const 3) (ref.func $negate))
    (call $print (i64.extend_i32_u (ref.is_null (table.get $ops (i32.const 3)))))
    (call $print (i64.extend_i32_u (ref.is_null (local.get $f))))
    (local.set $x (i64.const 3))
    (loop $again
      ;; A reference stays on the stack over the call.
      (i32.and (local.get $i) (i32.const 3))
      (table.get $ops (i32.and (local.get $i) (i32.const 3)))
      (local.set $x (call_indirect $ops (type $op) (local.get $x) (i32.and (local.get $i) (i32.const 3))))
      (local.set $swapped)
      (drop)
      ;; Rotate the entries by one.
      (local.set $f (table.get $ops (i32.rem_u (local.get $i) (i32.const 4))))
      (table.set $ops (i32.rem_u (local.get $i) (i32.const 4))
        (table.get $ops (i32.rem_u (i32.add (local.get $i) (i32.const 1)) (i32.const 4))))
      (table.set $ops (i32.rem_u (i32.add (local.get $i) (i32.const 1)) (i32.const 4)) (local.get $f))
      (call $print (local.get $x))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 60))))
    (table.set $ops (i32.const 0) (local.get $swapped))
    (call $print (call_indirect $ops (type $op) (i64.const 5) (i32.const 0))))
)
