;; Computes with what is on its stack alone, and waits for the host in between: several threads can do so in one instance.
(module
  (import "env" "wait" (func $wait (result i32)))
  (func $steps (param $x i64) (param $n i32) (result i64)
    (loop $next
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))
  (func (export "run") (param $x i64) (result i64)
    (local.set $x (call $steps (local.get $x) (i32.const 1000)))
    (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (call $wait))))
    (call $steps (local.get $x) (i32.const 1000))))
