;; Memory that is neither grown nor asked for its size.
(module
  (memory (export "memory") 2)
  (data (i32.const 100) "hello\00")
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
)
