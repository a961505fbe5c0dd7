;; Runs until something ends it.
(module
  (import "env" "tick" (func $tick))
  (func (export "spin") (loop (call $tick) (br 0)))
  (func (export "spin_alone") (loop (br 0)))
  (func (export "one") (result i32) (i32.const 1)))
