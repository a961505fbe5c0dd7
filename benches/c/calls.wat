;; Calls in both directions, of functions that take two i32 and return one.
(module
  (import "env" "add" (func $add (param i32 i32) (result i32)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  ;; Calls the host's function so often.
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call $add (local.get $sum) (i32.const 3)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
