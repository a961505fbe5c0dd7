;; Works on a buffer that the host allocates in its memory.
(module
  (memory (export "memory") 1)
  (global $seed (mut i32) (i32.const 1))
  (func (export "seed") (param i32) (result i32)
    (global.set $seed (i32.mul (i32.add (global.get $seed) (local.get 0)) (i32.const 2654435761)))
    (global.get $seed))
  ;; Fails unless the seed is 1.
  (func (export "pristine") (if (i32.ne (global.get $seed) (i32.const 1)) (then unreachable)))
  ;; `rounds` passes over `len` bytes at `at`, each byte depending on the one before and on the seed.
  (func (export "scramble") (param $at i32) (param $len i32) (param $rounds i32) (result i32)
    (local $i i32) (local $x i32)
    (local.set $x (global.get $seed))
    (loop $round
      (local.set $i (i32.const 0))
      (loop $byte
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525))
                               (i32.add (i32.const 1013904223) (i32.load8_u (i32.add (local.get $at) (local.get $i))))))
        (i32.store8 (i32.add (local.get $at) (local.get $i)) (i32.shr_u (local.get $x) (i32.const 24)))
        (br_if $byte (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $len))))
      (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (local.get $x))
)
