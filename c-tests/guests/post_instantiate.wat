;; Functions that run when the instance is made, each noting its turn as a decimal digit.
(module
  (global $order (mut i32) (i32.const 0))
  (func $note (param i32)
    (global.set $order (i32.add (i32.mul (global.get $order) (i32.const 10)) (local.get 0))))
  (func $start (call $note (i32.const 1)))
  (func (export "__post_instantiate") (call $note (i32.const 2)))
  (func (export "__wasm_call_ctors") (call $note (i32.const 3)))
  (func (export "order") (result i32) (global.get $order))
  (start $start))
