(module (memory 1)
  (func (param $at i32) (local $i i32)
    (loop $again
      (i32.store8 (i32.add (local.get $at) (local.get $i)) (local.get $i))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 64))))))
