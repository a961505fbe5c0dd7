;; Functions and blocks with several results and parameters.
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

  (type $step (func (param i32 i64) (result i32 i64 f64)))

  (func $divide (param $a i64) (param $b i64) (result i64 i64)
    (i64.div_u (local.get $a) (local.get $b))
    (i64.rem_u (local.get $a) (local.get $b)))

  (func $spread (param $x i32) (result i32 i64 f32 f64)
    (i32.add (local.get $x) (i32.const 1))
    (i64.mul (i64.extend_i32_u (local.get $x)) (i64.const 3))
    (f32.convert_i32_u (local.get $x))
    (f64.div (f64.convert_i32_u (local.get $x)) (f64.const 8)))

  (func $gather (param i32 i64 f32 f64) (result i64)
    (i64.add (i64.add (i64.extend_i32_u (local.get 0)) (local.get 1))
             (i64.add (i64.trunc_f32_u (local.get 2)) (i64.reinterpret_f64 (local.get 3)))))

  (func $blocks (param $x i32) (result i64) (local $f f64) (local $l i64)
    (local.get $x)
    (i64.const 1000)
    (block (type $step)
      ;; The parameters are on the stack inside the block; a branch leaves with three results.
      (i64.add (i64.extend_i32_u (local.get $x)))
      (f64.const 0.5)
      (br_if 0 (i32.and (local.get $x) (i32.const 1)))
      (drop)
      (i64.mul (i64.const 7))
      (f64.const 1.5))
    (local.set $f)
    (local.set $l)
    (if (param) (result i64 f64) (i32.and (i32.const 2))
      (then (local.get $l) (f64.add (local.get $f) (f64.const 1)))
      (else (i64.sub (local.get $l) (i64.const 1)) (local.get $f)))
    (i64.reinterpret_f64)
    (i64.xor))

  (func (export "_start") (local $i i32) (local $sum i64) (local $n i64)
    (local.set $n (i64.const 0xfedcba9876543210))
    (loop $again
      (call $divide (local.get $n) (i64.const 10))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 11))))
      (local.set $n)
      (local.set $sum (i64.xor (local.get $sum) (call $gather (call $spread (local.get $i)))))
      (local.set $sum (i64.add (local.get $sum) (call $blocks (local.get $i))))
      (call $print (local.get $sum))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 40)))))
)
