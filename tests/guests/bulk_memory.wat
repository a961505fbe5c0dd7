;; memory.init and data.drop, memory.copy (overlapping both ways), memory.fill, in loops whose progress only
;; memory shows.
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

  (data $text "the quick brown fox jumps over the lazy dog")

  (func $digest (param $from i32) (param $len i32) (result i64) (local $sum i64)
    (local.set $sum (i64.const 0xcbf29ce484222325))
    (loop $again
      (local.set $sum (i64.mul (i64.xor (local.get $sum) (i64.load8_u (local.get $from))) (i64.const 0x100000001b3)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br_if $again (local.get $len)))
    (local.get $sum))

  (func (export "_start") (local $i i32)
    (memory.init $text (i32.const 1024) (i32.const 0) (i32.const 43))
    (memory.init $text (i32.const 1100) (i32.const 4) (i32.const 5))
    (data.drop $text)
    (call $print (call $digest (i32.const 1000) (i32.const 150)))
    ;; A length of zero is allowed even of a segment that is gone.
    (memory.init $text (i32.const 0) (i32.const 0) (i32.const 0))
    (loop $again
      (memory.copy (i32.const 1027) (i32.const 1024) (i32.const 60))
      (memory.fill (i32.add (i32.const 1090) (local.get $i)) (local.get $i) (i32.const 3))
      (memory.copy (i32.const 1020) (i32.add (i32.const 1024) (local.get $i)) (i32.const 70))
      (call $print (call $digest (i32.const 1000) (i32.const 150)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 15)))))
)
