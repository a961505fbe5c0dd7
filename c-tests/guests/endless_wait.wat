;; wamrc: --no-checkpoint
;; Code that does not poll, and waits.
(module
  (memory (export "memory") 1 1 shared)
  (func (export "wait") (param $timeout i64) (result i32)
    (memory.atomic.wait32 (i32.const 64) (i32.const 0) (local.get $timeout)))
  (func (export "wake") (result i32) (memory.atomic.notify (i32.const 64) (i32.const 1))))
