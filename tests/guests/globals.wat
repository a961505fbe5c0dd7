;; Globals of every type, initialized by constant expressions, changed in a loop.
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

  (global $i32 (export "i32") (mut i32) (i32.const -5))
  (global $constant i64 (i64.const 0x0123456789abcdef))
  (global $i64 (mut i64) (i64.const -1))
  (global $sum i32 (i32.add (i32.const 40) (i32.const 2)))
  (global $f32 (mut f32) (f32.const 0.1))
  (global $f64 (export "f64") (mut f64) (f64.const -0.1))
  (global $v128 (mut v128) (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15))
  (global $function (mut funcref) (ref.func $first))
  (global $external (mut externref) (ref.null extern))
  (table 1 funcref)
  (elem declare func $second)

  (func $first (result i64) (i64.const 1))
  (func $second (result i64) (global.get $i64))

  (func $step
    (global.set $i32 (i32.mul (global.get $i32) (i32.const 1103515245)))
    (global.set $i64 (i64.xor (i64.rotl (global.get $i64) (i64.const 9)) (i64.extend_i32_s (global.get $i32))))
    (global.set $f32 (f32.div (f32.convert_i32_s (global.get $i32)) (f32.const 3)))
    (global.set $f64 (f64.add (f64.mul (global.get $f64) (f64.const -1.25)) (f64.promote_f32 (global.get $f32))))
    (global.set $v128 (i64x2.add (i8x16.swizzle (global.get $v128) (i8x16.splat (global.get $sum)))
      (i64x2.splat (global.get $i64))))
    (global.set $function
      (select (result funcref) (ref.func $first) (ref.func $second) (i32.and (global.get $i32) (i32.const 8))))
    (table.set (i32.const 0) (global.get $function)))

  (func (export "_start") (local $i i32)
    (loop $again
      (call $step)
      (call $print (i64.add (global.get $constant) (call_indirect (result i64) (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 20))))
    (call $print (i64.extend_i32_u (global.get $i32)))
    (call $print (global.get $i64))
    (call $print (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f32))))
    (call $print (i64.reinterpret_f64 (global.get $f64)))
    (call $print (i64x2.extract_lane 0 (global.get $v128)))
    (call $print (i64x2.extract_lane 1 (global.get $v128)))
    (call $print (i64.extend_i32_u (ref.is_null (global.get $external)))))
)
