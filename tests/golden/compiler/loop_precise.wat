;; precise
(module (memory 1)
  (func (param $at i32) (result i32)
    (loop $again
      (br_if $again (local.tee $at (i32.load (local.get $at)))))
    (local.get $at)))
