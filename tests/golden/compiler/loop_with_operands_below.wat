(module (memory 1)
  (func (param $at i32) (param $v v128) (param $f f32) (result v128)
    (local.get $f)
    (i64.const 7)
    (loop $again
      (local.set $v (i32x4.add (local.get $v) (v128.load offset=16 (local.get $at))))
      (br_if $again (local.tee $at (i32.load (local.get $at)))))
    (drop) (drop)
    (local.get $v)))
