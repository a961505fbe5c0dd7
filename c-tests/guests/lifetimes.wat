;; Instances that come and go: each has something of every kind, and functions that use it.
(module
  (import "host" "call" (func $host (param i32) (result i32)))
  (memory $memory 2)
  (table $table 4 funcref)
  (global $global (mut i32) (i32.const 5))
  (export "add" (func $add))
  (export "through" (func $through))
  (export "indirect" (func $indirect))
  (export "memory" (memory $memory))
  (export "table" (table $table))
  (export "global" (global $global))
  (elem (i32.const 0) func $add $host)
  ;; Adds to a word of memory, and to the global; the sum of both.
  (func $add (param i32) (result i32)
    (i32.store (i32.const 70000) (i32.add (i32.load (i32.const 70000)) (local.get 0)))
    (global.set $global (i32.add (global.get $global) (local.get 0)))
    (i32.add (i32.load (i32.const 70000)) (global.get $global)))
  (func $through (param i32) (result i32)
    (i32.add (call $host (local.get 0)) (call $add (local.get 0))))
  ;; Calls what is in the table, with 1.
  (func $indirect (param i32) (result i32)
    (call_indirect (param i32) (result i32) (i32.const 1) (local.get 0))))
