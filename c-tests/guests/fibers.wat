;; What a host does with a guest on a stack that it made itself.
(module
  (import "env" "call_back" (func $call_back (param i32) (result i32)))
  (import "env" "use_stack" (func $use_stack (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 0) $increment)

  (func $increment (export "increment") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "trap") (param i32) (result i32) (unreachable))
  (func (export "outside") (param i32) (result i32) (i32.load (i32.const 0x7ffffff0)))

  (func $deep (export "deep") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
      (else (i32.const 0))))
  ;; Without end, and with something to do on the way back.
  (func $endless (export "endless") (param $n i32) (result i32)
    (i32.xor (local.get $n) (call $endless (i32.add (local.get $n) (i32.const 1)))))

  ;; Guest and host by turns: the host calls `level` again.
  (func (export "level") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.const 1) (call $call_back (i32.sub (local.get $n) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "use_stack") (param i32) (result i32) (call $use_stack (local.get 0))))
