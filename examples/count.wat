;; Adds up the squares from 1 to 10, and tells the host of each sum. `run` returns the last one.
(module
  (import "env" "progress" (func $progress (param $n i32) (param $sum i32)))
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (local $n i32)
    (local $sum i32)
    (loop $next
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (i32.mul (local.get $n) (local.get $n))))
      (call $progress (local.get $n) (local.get $sum))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 10))))
    (local.get $sum)))
