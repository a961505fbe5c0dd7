;; One of several instances over one memory. What it keeps twice, on its stack, in its part of memory and in a global, is of
;; one moment, or it traps; and its result depends on all that it has computed.
(module
  (import "env" "memory" (memory 2))
  ;; Moves an amount from one account to another.
  (import "env" "move" (func $move (param i32 i32 i64)))
  (global $last (mut i64) (i64.const 0))

  (func $nest (param $depth i32) (param $x i64) (result i64)
    (local $below i64)
    (if (i32.eqz (local.get $depth)) (then (return (local.get $x))))
    (local.set $below
      (call $nest (i32.sub (local.get $depth) (i32.const 1))
        (i64.add (local.get $x) (i64.extend_i32_u (local.get $depth)))))
    (i64.add (i64.mul (local.get $below) (i64.const 3)) (local.get $x)))

  ;; Arguments are kept at the beginning of its part: seed at 0, rounds at 8.
  (func (export "run") (param $slot i32) (param $seed i64) (param $rounds i32) (result i64)
    (local $base i32) (local $x i64) (local $hash i64) (local $n i32)
    (local.set $base (i32.mul (i32.add (local.get $slot) (i32.const 1)) (i32.const 4096)))
    (i64.store (local.get $base) (local.get $seed))
    (i32.store offset=8 (local.get $base) (local.get $rounds))
    (local.set $x (local.get $seed))
    (loop $again
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005))
                             (i64.const 1442695040888963407)))
      (i64.store offset=16 (local.get $base) (local.get $x))
      (global.set $last (local.get $x))
      (local.set $hash
        (i64.xor (i64.rotl (local.get $hash) (i64.const 7))
          (call $nest (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 61))) (local.get $x))))
      (if (i64.ne (i64.load offset=16 (local.get $base)) (local.get $x)) (then (unreachable)))
      (if (i64.ne (global.get $last) (local.get $x)) (then (unreachable)))
      (i64.store offset=24 (local.get $base) (local.get $x))
      (if (i64.eqz (i64.and (local.get $x) (i64.const 0x1f00000000)))
        (then
          (call $move (local.get $slot)
            (i32.and (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 40))) (i32.const 7))
            (i64.and (local.get $x) (i64.const 255)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (i32.store offset=32 (local.get $base) (local.get $n))
      (br_if $again (i32.lt_u (local.get $n) (local.get $rounds))))
    (if (i32.ne (i32.load offset=32 (local.get $base)) (local.get $rounds)) (then (unreachable)))
    (local.get $hash)))
