;; Copies standard input to standard output, three bytes at a time, and says how much it was.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; One buffer at 64, and "   bytes\n" at 128.
  (data (i32.const 0) "\40\00\00\00\03\00\00\00\40\00\00\00\00\00\00\00\80\00\00\00\0a\00\00\00")
  (data (i32.const 128) "    bytes\n")
  (func (export "_start") (local $sum i32) (local $at i32)
    (block $end
      (loop $next
        (br_if $end (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))
        (br_if $end (i32.eqz (i32.load (i32.const 32))))
        (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 32))))
        (i32.store (i32.const 12) (i32.load (i32.const 32)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 36)))
        (br $next)))
    (local.set $at (i32.const 131))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $sum) (i32.const 10))))
      (br_if $digit (local.tee $sum (i32.div_u (local.get $sum) (i32.const 10)))))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 36))))
)
