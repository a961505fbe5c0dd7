;; Nested loops, and branches that leave or repeat several of them at once.
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

  (func (export "_start") (local $i i32) (local $j i32) (local $k i32) (local $sum i64)
    (block $done
      (loop $outer
        (local.set $j (i32.const 0))
        (loop $middle
          (local.set $k (i32.const 0))
          (loop $inner
            (local.set $sum
              (i64.add (i64.mul (local.get $sum) (i64.const 31))
                       (i64.extend_i32_u (i32.xor (local.get $i) (i32.mul (local.get $j) (local.get $k))))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            ;; Every so often straight on to the next round of the middle loop.
            (if (i32.eq (i32.and (i32.wrap_i64 (local.get $sum)) (i32.const 31)) (i32.const 7))
              (then
                (local.set $j (i32.add (local.get $j) (i32.const 1)))
                (br_if $middle (i32.lt_u (local.get $j) (i32.const 10)))))
            (br_if $inner (i32.lt_u (local.get $k) (i32.const 10))))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $middle (i32.lt_u (local.get $j) (i32.const 10))))
        (call $print (local.get $sum))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $done (i32.ge_u (local.get $i) (i32.const 20)))
        (br $outer)))
    (call $print (local.get $sum)))
)
