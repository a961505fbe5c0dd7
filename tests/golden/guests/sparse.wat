;; Grows to 4 GiB, writes to a page here and there, works, and adds up what it wrote.
(module
  (memory (export "memory") 1)
  (data (i32.const 7000) "initial")
  (func (export "run") (param $work i32) (result i64) (local $at i32) (local $sum i64)
    (if (i32.eq (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))
    (loop $write
      (i64.store (local.get $at) (i64.extend_i32_u (i32.mul (local.get $at) (i32.const 0x9e3779b1))))
      (br_if $write (local.tee $at (i32.add (local.get $at) (i32.const 0x20000000)))))
    (i64.store (i32.const -8) (i64.const 77))
    (loop $work
      (br_if $work (local.tee $work (i32.sub (local.get $work) (i32.const 1)))))
    (loop $read
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load (local.get $at))))
      (br_if $read (local.tee $at (i32.add (local.get $at) (i32.const 0x20000000)))))
    (i64.add (i64.add (local.get $sum) (i64.load (i32.const -8))) (i64.load (i32.const 7000))))
)
