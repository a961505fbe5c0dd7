(module (global $g (mut i32) (i32.const 0)) (memory 1)
  (func (param $at i32)
    (loop $again
      (global.set $g (i32.add (global.get $g) (i32.load offset=4 (local.get $at))))
      (br_if $again (local.tee $at (i32.load (local.get $at)))))))
