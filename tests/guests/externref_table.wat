;; Null external references: in a table, locals, globals, arguments and results, beside values of other
;; types.
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

  (table $refs 3 10 externref)
  (global $kept (mut externref) (ref.null extern))

  (func $pass (param $n i32) (param $r externref) (param $x i64) (result externref i64)
    (local $i i32)
    (loop $again
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 3)) (i64.extend_i32_u (ref.is_null (local.get $r)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $r)
    (local.get $x))

  (func (export "_start") (local $i i32) (local $x i64) (local $r externref)
    (loop $again
      (local.set $x (call $pass (local.get $i) (table.get $refs (i32.rem_u (local.get $i) (i32.const 3))) (local.get $x)))
      (global.set $kept)
      (local.set $r (select (result externref) (local.get $r) (global.get $kept) (i32.and (local.get $i) (i32.const 1))))
      (table.set $refs (i32.const 1) (local.get $r))
      (call $print (local.get $x))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 25))))
    (drop (table.grow $refs (local.get $r) (i32.const 4)))
    (call $print (i64.extend_i32_u (table.size $refs)))
    (call $print (i64.extend_i32_u (ref.is_null (table.get $refs (i32.const 6))))))
)
