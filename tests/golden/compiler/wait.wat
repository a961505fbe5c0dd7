(module (memory 1 2 shared)
  (func (param $kept i64) (param $at i32) (param $dead i32) (result i64)
    (i64.add (local.get $kept)
      (i64.extend_i32_u
        (memory.atomic.wait32 offset=8 (local.get $at) (local.get $dead) (i64.const -1))))))
