;; Calls through tables inside the arguments of calls through tables, with functions of several types.
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

  (type $unary (func (param i32) (result i32)))
  (type $binary (func (param i32 i32) (result i32)))
  (type $wide (func (param i32 i64 f64) (result i64)))
  (table 8 funcref)
  (elem (i32.const 0) $add $mix $half $descend $wide $loop)

  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $mix (type $binary) (i32.rotl (i32.xor (local.get 0) (i32.const 0x9e3779b9)) (local.get 1)))
  (func $half (type $unary) (i32.shr_u (local.get 0) (i32.const 1)))

  ;; Calls itself through the table, twice at each level.
  (func $descend (type $unary)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 4))
      (then (i32.mul (local.get 0) (i32.const 17)))
      (else
        (call_indirect (type $binary)
          (call_indirect (type $unary) (call_indirect (type $unary) (local.get 0) (i32.const 2)) (i32.const 3))
          (call_indirect (type $unary) (i32.sub (call_indirect (type $unary) (local.get 0) (i32.const 2)) (i32.const 1)) (i32.const 3))
          (i32.and (local.get 0) (i32.const 1))))))

  (func $wide (type $wide)
    (i64.add (i64.mul (local.get 1) (i64.extend_i32_u (call_indirect (type $unary) (local.get 0) (i32.const 3))))
             (i64.reinterpret_f64 (local.get 2))))

  (func $loop (type $unary) (local $sum i32)
    (loop $again
      (local.set $sum (call_indirect (type $binary) (local.get $sum) (local.get 0) (i32.const 1)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (local.get 0)))
    (local.get $sum))

  (func (export "_start") (local $i i32)
    (local.set $i (i32.const 1))
    (loop $again
      (call $print
        (call_indirect (type $wide)
          (i32.and (call_indirect (type $unary) (local.get $i) (i32.const 5)) (i32.const 63))
          (i64.extend_i32_u (call_indirect (type $binary) (local.get $i) (i32.const 9) (i32.const 1)))
          (f64.convert_i32_u (call_indirect (type $unary) (i32.mul (local.get $i) (i32.const 3)) (i32.const 3)))
          (i32.const 4)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 10)))))
)
