;; NaNs with a payload, signalling ones among them, must survive in locals, globals, memory, on the stack,
;; and through calls. Only instructions that may not change them are used.
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

  (global $f32 (mut f32) (f32.const nan:0x200001))
  (global $f64 (mut f64) (f64.const nan:0x4000000000001))

  (func $pass32 (param $x f32) (param $n i32) (result f32) (local $copy f32)
    (local.set $copy (f32.neg (local.get $x)))
    (loop $again
      (local.set $copy (f32.copysign (local.get $x) (local.get $copy)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (local.get $copy))

  (func $pass64 (param $x f64) (param $n i32) (result f64)
    (local.get $x)
    (loop $again (param f64) (result f64)
      (f64.abs)
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n))))

  (func (export "_start") (local $i i32) (local $x f32) (local $y f64)
    (loop $again
      (local.set $x (f32.reinterpret_i32 (i32.or (i32.const 0x7f800001) (i32.shl (local.get $i) (i32.const 16)))))
      (local.set $y (f64.reinterpret_i64
        (i64.or (i64.const 0xfff0000000000001) (i64.shl (i64.extend_i32_u (local.get $i)) (i64.const 46)))))
      (call $print (i64.extend_i32_u (i32.reinterpret_f32 (call $pass32 (local.get $x) (i32.const 3)))))
      (call $print (i64.reinterpret_f64 (call $pass64 (local.get $y) (i32.const 3))))
      (f32.store offset=1024 (i32.mul (local.get $i) (i32.const 16)) (global.get $f32))
      (f64.store offset=1032 (i32.mul (local.get $i) (i32.const 16)) (global.get $f64))
      (global.set $f32 (local.get $x))
      (global.set $f64 (local.get $y))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 20))))
    (local.set $i (i32.const 0))
    (loop $again
      (call $print (i64.load32_u offset=1024 (local.get $i)))
      (call $print (i64.load offset=1032 (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 320)))))
)
