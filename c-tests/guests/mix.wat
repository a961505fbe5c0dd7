;; A long computation whose result depends on every step: locals, memory and a global take part.
(module
  (import "env" "tick" (func $tick (param i64) (result i32)))
  (import "env" "nested" (func $nested (param i64) (result i64)))
  (memory (export "memory") 1 16)
  (table $objects 2 externref)
  (global $steps (mut i64) (i64.const 0))

  (func $step (param $x i64) (result i64)
    (local $at i32)
    (global.set $steps (i64.add (global.get $steps) (i64.const 1)))
    (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
    (local.set $at (i32.shl (i32.and (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 40))) (i32.const 4095)) (i32.const 3)))
    (i64.store (local.get $at) (i64.add (i64.load (local.get $at)) (local.get $x)))
    (i64.xor (local.get $x) (i64.rotl (i64.load (local.get $at)) (i64.const 17))))

  ;; n steps.
  (func $mix (export "mix") (param $n i64) (result i64)
    (local $x i64)
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $n)))
        (local.set $x (call $step (local.get $x)))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br $next)))
    (local.get $x))

  ;; n times 1000 steps; tells the host before each thousand, and adds what it says.
  (func (export "ticks") (param $n i64) (result i64)
    (local $x i64)
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $n)))
        (local.set $x
          (i64.add (i64.mul (local.get $x) (i64.const 31))
                   (i64.extend_i32_s (call $tick (local.get $n)))))
        (local.set $x (i64.xor (local.get $x) (call $mix (i64.const 1000))))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br $next)))
    (local.get $x))

  ;; Through a native function that calls `mix`.
  (func (export "through_native") (param i64) (result i64)
    (i64.add (call $nested (local.get 0)) (call $mix (i64.const 10))))

  (func (export "keep") (param externref) (table.set $objects (i32.const 1) (local.get 0)))

  ;; Hash of the memory, and the steps made.
  (func (export "digest") (result i64)
    (local $at i32) (local $hash i64)
    (loop $next
      (local.set $hash (i64.add (i64.mul (local.get $hash) (i64.const 1099511628211)) (i64.load (local.get $at))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 65536))))
    (i64.xor (local.get $hash) (global.get $steps)))
)
