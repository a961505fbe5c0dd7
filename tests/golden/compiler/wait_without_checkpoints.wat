;; without checkpoints
(module (memory 1 2 shared)
  (func (param $at i32) (result i32)
    (memory.atomic.wait64 (local.get $at) (i64.const 0) (i64.const -1))))
