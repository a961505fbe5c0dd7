;; Tail calls, direct, mutual and through a table, between functions with different numbers of parameters
;; and locals.
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

  (type $walk (func (param i32 i64) (result i64)))
  (table 3 funcref)
  (elem (i32.const 0) $collatz $even $odd)

  (func $count (param $n i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call $count_wide (i32.sub (local.get $n) (i32.const 1)) (local.get $sum)
      (f64.convert_i32_u (local.get $n)) (v128.const i64x2 3 5)))

  (func $count_wide (param $n i32) (param $sum i64) (param $f f64) (param $v v128) (result i64)
    (local $extra i64) (local $more v128)
    (local.set $more (i64x2.mul (i64x2.splat (local.get $sum)) (local.get $v)))
    (local.set $extra (i64x2.extract_lane 1 (local.get $more)))
    (return_call $count (local.get $n) (i64.add (local.get $extra) (i64.trunc_f64_u (local.get $f)))))

  (func $collatz (type $walk)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (return (local.get 1))))
    (return_call_indirect (type $walk)
      (local.get 0) (i64.add (local.get 1) (i64.const 1))
      (i32.add (i32.and (local.get 0) (i32.const 1)) (i32.const 1))))
  (func $even (type $walk)
    (return_call $collatz (i32.shr_u (local.get 0) (i32.const 1)) (local.get 1)))
  (func $odd (type $walk) (local $unused v128)
    (return_call_indirect (type $walk)
      (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1)) (local.get 1) (i32.const 0)))

  (func $unending (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 99))))
    (return_call $unending (i32.sub (local.get $n) (i32.const 1))))

  (func (export "_start") (local $i i32)
    (call $print (call $count (i32.const 500) (i64.const 1)))
    (local.set $i (i32.const 1))
    (loop $again
      (call $print (call $collatz (local.get $i) (i64.const 0)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 30))))
    (call $print (i64.extend_i32_u (call $unending (i32.const 20000)))))
)
