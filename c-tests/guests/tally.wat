;; Adds up what the host makes of numbers, in a global of the host's.
(module
  (import "host" "limit" (global $limit i32))
  (import "host" "change" (func $change (param i32) (result i32)))
  (import "host" "total" (global $total (mut i64)))
  (func (export "run") (result i64) (local $i i32)
    (loop $more
      (global.set $total (i64.add (global.get $total) (i64.extend_i32_s (call $change (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_s (local.get $i) (global.get $limit))))
    (global.get $total)))
