(module (memory 1)
  (func (param $at i32) (param $n i32) (result i32)
    (loop $outer
      (loop $inner
        (br_if $inner (local.tee $at (i32.load (local.get $at)))))
      (local.set $at (i32.load offset=8 (local.get $n)))
      (br_if $outer (local.tee $n (i32.load offset=4 (local.get $n)))))
    (local.get $at)))
