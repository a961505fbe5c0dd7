;; Floating-point instructions of both widths, conversions and comparisons.
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

  (func $double (param $x f64) (param $y f64) (result f64)
    (f64.add (f64.sqrt (f64.abs (local.get $x))) (f64.floor (local.get $y)))
    (f64.add (f64.min (local.get $x) (local.get $y)))
    (f64.sub (f64.max (f64.ceil (local.get $x)) (f64.neg (local.get $y))))
    (f64.add (f64.nearest (f64.mul (local.get $x) (f64.const 0.5))))
    (f64.sub (f64.trunc (local.get $y)))
    (f64.add (f64.copysign (f64.const 0.125) (local.get $x)))
    (f64.add (f64.convert_i32_u (f64.lt (local.get $x) (local.get $y)))))

  (func $single (param $x f32) (param $y f32) (result f32)
    (f32.add (f32.sqrt (f32.abs (local.get $x))) (f32.ceil (local.get $y)))
    (f32.sub (f32.nearest (f32.div (local.get $x) (f32.const 3))))
    (f32.add (f32.max (local.get $x) (local.get $y)))
    (f32.add (f32.convert_i32_s (f32.ge (local.get $x) (local.get $y)))))

  (func (export "_start") (local $i i32) (local $x f64) (local $y f32) (local $sum i64)
    (local.set $x (f64.const 1.5))
    (local.set $y (f32.const -2.25))
    (loop $again
      (local.set $x (call $double (local.get $x) (f64.promote_f32 (local.get $y))))
      (local.set $y (call $single (local.get $y) (f32.demote_f64 (local.get $x))))
      ;; Keep both in a range where the conversions below do not trap.
      (if (f64.gt (f64.abs (local.get $x)) (f64.const 1e6)) (then (local.set $x (f64.div (local.get $x) (f64.const -4096)))))
      (if (f32.gt (f32.abs (local.get $y)) (f32.const 1e6)) (then (local.set $y (f32.div (local.get $y) (f32.const -4096)))))
      (local.set $sum
        (i64.add (i64.mul (local.get $sum) (i64.const 31))
          (i64.xor (i64.reinterpret_f64 (local.get $x)) (i64.trunc_f32_s (local.get $y)))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (i32.trunc_sat_f64_u (local.get $x)))))
      (if (i32.eqz (i32.and (local.get $i) (i32.const 7))) (then (call $print (local.get $sum))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 300)))))
)
