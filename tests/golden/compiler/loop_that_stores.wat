(module (memory 1)
  (func (param $at i32) (local $next i32)
    (loop $again
      (local.set $next (i32.load (local.get $at)))
      (i32.store (local.get $at) (i32.const 0))
      (br_if $again (local.tee $at (local.get $next))))))
