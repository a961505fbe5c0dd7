;; Recursions, with something to keep in each frame. The host is told at the bottom, and from time to time on the way back.
(module
  (import "env" "at" (func $host (param i32)))
  (memory (export "memory") 1)
  (global $mask (export "mask") (mut i32) (i32.const 0xfff))

  ;; The host, and then a loop where a checkpoint can be taken.
  (global $rounds (mut i32) (i32.const 3000))
  (func $at (param $n i32) (local $i i32)
    (call $host (local.get $n))
    (loop $again
      (i32.store offset=1024 (i32.shl (i32.and (local.get $i) (i32.const 63)) (i32.const 2))
        (i32.add (i32.load offset=1020 (local.get $i)) (local.get $n)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (global.get $rounds)))))

  (func $descend (export "descend") (param $n i32) (result i64)
    (local $kept i64) (local $below i64)
    (local.set $kept (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x9e3779b97f4a7c15)))
    (if (local.get $n)
      (then (local.set $below (call $descend (i32.sub (local.get $n) (i32.const 1))))
        (if (i32.eqz (i32.and (local.get $n) (global.get $mask))) (then (call $at (local.get $n)))))
      (else (call $at (i32.const 0))))
    (i64.xor (i64.rotl (local.get $below) (i64.const 5)) (local.get $kept)))

  ;; On the way back from half way down, as deep again: compiled frames above those that were captured.
  (func $again (export "again") (param $n i32) (result i64)
    (local $kept i64) (local $below i64)
    (local.set $kept (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x2545f4914f6cdd1d)))
    (if (local.get $n)
      (then
        (local.set $below (call $again (i32.sub (local.get $n) (i32.const 1))))
        (if (i32.eqz (i32.and (local.get $n) (global.get $mask)))
          (then (local.set $below (i64.add (local.get $below) (call $descend (i32.const 10000)))))))
      (else (call $at (i32.const 0))))
    (i64.xor (i64.rotl (local.get $below) (i64.const 9)) (local.get $kept)))

  ;; Frames of many values.
  (func $wide (export "wide") (param $n i32) (result i64)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64) (local $g i64)
    (local $h i64) (local $i i64) (local $j i64) (local $k i64) (local $l i64) (local $m i64) (local $below i64)
    (local.set $a (i64.load (i32.const 0))) (local.set $b (i64.load (i32.const 8)))
    (local.set $c (i64.load (i32.const 16))) (local.set $d (i64.load (i32.const 24)))
    (local.set $e (i64.load (i32.const 32))) (local.set $f (i64.load (i32.const 40)))
    (local.set $g (i64.load (i32.const 48))) (local.set $h (i64.load (i32.const 56)))
    (local.set $i (i64.load (i32.const 64))) (local.set $j (i64.load (i32.const 72)))
    (local.set $k (i64.load (i32.const 80))) (local.set $l (i64.load (i32.const 88)))
    (local.set $m (i64.load (i32.const 96)))
    (i64.store (i32.and (i32.mul (local.get $n) (i32.const 8)) (i32.const 0x78))
      (i64.add (i64.extend_i32_u (local.get $n)) (local.get $c)))
    (if (local.get $n)
      (then (local.set $below (call $wide (i32.sub (local.get $n) (i32.const 1))))
        (if (i32.eqz (i32.and (local.get $n) (global.get $mask))) (then (call $at (local.get $n)))))
      (else (call $at (i32.const 0))))
    (i64.add (i64.rotl (local.get $below) (i64.const 3))
      (i64.xor (i64.xor (i64.xor (i64.xor (local.get $a) (local.get $b)) (i64.mul (local.get $c) (local.get $d)))
          (i64.xor (i64.mul (local.get $e) (local.get $f)) (i64.sub (local.get $g) (local.get $h))))
        (i64.xor (i64.xor (i64.mul (local.get $i) (local.get $j)) (i64.add (local.get $k) (local.get $l)))
          (local.get $m)))))
)
