;; Nine hundred frames, each with locals of every number type and operands below the call; all of them are
;; needed again on the way back.
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

  (func $sink (param $n i32) (param $a i64) (param $b f32) (param $c f64) (result i64)
    (local $kept i64) (local $half f64)
    (local.set $kept (i64.mul (local.get $a) (i64.const 0x100000001b3)))
    (local.set $half (f64.mul (local.get $c) (f64.const 0.5)))
    (if (i32.eqz (local.get $n)) (then (return (local.get $kept))))
    ;; Under the call: an i64 made here, an f64 local, then the arguments.
    (i64.add (local.get $kept) (i64.const 1))
    (local.get $half)
    (call $sink (i32.sub (local.get $n) (i32.const 1))
      (i64.xor (local.get $kept) (i64.extend_i32_u (local.get $n)))
      (f32.add (local.get $b) (f32.const 0.25))
      (f64.add (local.get $half) (f64.promote_f32 (local.get $b))))
    (local.set $a)
    (i64.reinterpret_f64)
    (i64.xor)
    (i64.add (local.get $a))
    (i64.rotl (i64.extend_i32_u (local.get $n)))
    (i64.xor (i64.extend_i32_u (i32.reinterpret_f32 (local.get $b)))))

  (func (export "_start")
    (call $print (call $sink (i32.const 900) (i64.const 14695981039346656037) (f32.const 1) (f64.const 3)))
    (call $print (call $sink (i32.const 10) (i64.const 1) (f32.const -1) (f64.const 0))))
)
