;; A start function that runs loops of its own before anything else, and leaves its results in globals,
;; memory and a table.
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

  (table 2 funcref)
  (elem declare func $from_start)
  (global $sum (mut i64) (i64.const 1))
  (global $runs (mut i32) (i32.const 0))
  (start $start)

  (func $from_start (param i64) (result i64) (i64.xor (local.get 0) (i64.const 0x5555)))

  (func $start (local $i i32)
    (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
    (table.set (i32.const 1) (ref.func $from_start))
    (loop $again
      (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
      (i64.store offset=1024 (i32.mul (local.get $i) (i32.const 8)) (global.get $sum))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 300)))))

  (func (export "_start") (local $i i32) (local $all i64)
    (call $print (i64.extend_i32_u (global.get $runs)))
    (loop $again
      (local.set $all
        (i64.xor (i64.rotl (local.get $all) (i64.const 3))
          (call_indirect (param i64) (result i64)
            (i64.load offset=1024 (i32.mul (local.get $i) (i32.const 8))) (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 300))))
    (call $print (local.get $all))
    (call $print (global.get $sum)))
)
