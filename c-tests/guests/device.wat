;; Reads numbers from a device of the host's, and adds them up.
(module
  (import "device" "read" (func $read (param i32 i32) (result i32)))
  (import "device" "next" (func $next (result i64)))
  (memory (export "memory") 1)
  ;; The sum of n numbers, each weighted by its place.
  (func (export "drain") (param $n i64) (result i64)
    (local $sum i64)
    (block $done
      (loop $again
        (br_if $done (i64.eqz (local.get $n)))
        (local.set $sum (i64.add (local.get $sum) (i64.mul (local.get $n) (call $next))))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br $again)))
    (local.get $sum))
  ;; Waits for a byte; it is put at 64 with what `read` returned in front.
  (func (export "wait") (result i32)
    (i32.add
      (i32.mul (i32.const 1000) (call $read (i32.const 64) (i32.const 1)))
      (i32.load8_u (i32.const 64))))
)
