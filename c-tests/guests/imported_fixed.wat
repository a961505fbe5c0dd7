;; Its memory is an import, which the runtime makes: it can't grow.
(module
  (import "env" "memory" (memory 1 1))
  (export "memory" (memory 0))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))
