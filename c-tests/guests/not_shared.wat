;; Atomic instructions without a shared memory.
(module
  (memory (export "memory") 1)
  (func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
  (func (export "wake") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1)))
  (func (export "add") (result i32)
    (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 7)))
    (i32.atomic.load (i32.const 8))))
