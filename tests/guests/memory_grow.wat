;; Memory that grows while the program works on it, up to its maximum and in vain beyond.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 12)

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

  (func $touch (param $from i32) (param $to i32) (result i64) (local $sum i64)
    (loop $again
      (i32.store (local.get $from) (i32.xor (local.get $from) (i32.const 0x5bd1e995)))
      (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 7)) (i64.load32_u (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 4096)))
      (br_if $again (i32.lt_u (local.get $from) (local.get $to))))
    (local.get $sum))

  (func (export "_start") (local $round i32) (local $before i32)
    (loop $again
      (local.set $before (memory.grow (i32.add (i32.and (local.get $round) (i32.const 1)) (i32.const 1))))
      (call $print (i64.extend_i32_s (local.get $before)))
      (call $print (i64.extend_i32_u (memory.size)))
      (call $print
        (call $touch (i32.const 4096) (i32.mul (memory.size) (i32.const 65536))))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $again (i32.ne (local.get $before) (i32.const -1))))
    (call $print (i64.extend_i32_u (memory.grow (i32.const 0)))))
)
