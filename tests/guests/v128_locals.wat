;; Vectors in locals, parameters, results, on the operand stack over calls, and in memory.
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

  (data (i32.const 1024) "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10 vectors in memory")

  (func $xorshift (param $v v128) (result v128)
    (local.set $v (v128.xor (local.get $v) (i32x4.shl (local.get $v) (i32.const 13))))
    (local.set $v (v128.xor (local.get $v) (i32x4.shr_u (local.get $v) (i32.const 17))))
    (v128.xor (local.get $v) (i32x4.shl (local.get $v) (i32.const 5))))

  (func $print_v128 (param $v v128)
    (call $print (i64x2.extract_lane 1 (local.get $v)))
    (call $print (i64x2.extract_lane 0 (local.get $v))))

  (func (export "_start") (local $i i32) (local $a v128) (local $between i32) (local $b v128) (local $f v128)
    (local.set $a (v128.load (i32.const 1024)))
    (local.set $b (v128.load offset=3 (i32.const 1024)))
    (local.set $f (v128.const f32x4 0.5 1.5 2.5 -3.5))
    (loop $again
      ;; Two vectors wait on the stack while a third is computed.
      (local.get $a)
      (local.get $b)
      (local.set $a (call $xorshift (local.get $a)))
      (local.set $b (i8x16.swizzle (local.get $b) (v128.and (local.get $a) (i8x16.splat (i32.const 15)))))
      (i16x8.add_sat_s (call $xorshift (local.get $b)))
      (local.set $b (v128.xor))
      (local.set $f (f32x4.add (f32x4.mul (local.get $f) (f32x4.splat (f32.const 0.75))) (f32x4.splat (f32.const 1))))
      (local.set $between (i32.add (local.get $between) (i8x16.bitmask (local.get $b))))
      (v128.store offset=2048 (i32.mul (local.get $i) (i32.const 16)) (v128.xor (local.get $a) (local.get $f)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
    (call $print_v128 (local.get $a))
    (call $print_v128 (local.get $b))
    (call $print_v128 (local.get $f))
    (call $print_v128 (v128.load (i32.const 3000)))
    (call $print (i64.extend_i32_u (local.get $between))))
)
