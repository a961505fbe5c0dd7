;; For wasm_c_api.h: imports of every kind, in no order. Memory and table need not be given.
(module
  (import "env" "g" (global $g i32))
  (import "env" "memory" (memory 1 2))
  (import "env" "f" (func $f (param f32) (result f64)))
  (import "env" "table" (table 1 funcref))
  (import "env" "m" (global $m (mut i64)))
  (import "env" "h" (func $h (result i32)))
  (export "f again" (func $f))
  (export "m" (global $m))
  (func (export "call_f") (param f32) (result f64) (call $f (local.get 0)))
  (func (export "call_h") (result i32) (call $h))
  (func (export "g") (result i32) (global.get $g))
  (func (export "add_to_m") (param i64) (global.set $m (i64.add (global.get $m) (local.get 0)))))
