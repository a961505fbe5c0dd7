(module (memory 1)
  (func (param $at i32) (param $dead i64) (result i64)
    (loop $again
      (local.set $dead (i64.load (local.get $at)))
      (br_if $again (local.tee $at (i32.load offset=8 (local.get $at)))))
    (local.get $dead)))
