;; Brings its own allocator, which never reuses anything, and counts the calls of free.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $freed (export "freed") (mut i32) (i32.const 0))
  (func (export "malloc") (param i32) (result i32)
    (if (result i32) (i32.gt_u (local.get 0) (i32.const 60000))
      (then (i32.const 0))
      (else
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get 0))))))
  (func (export "free") (param i32)
    (global.set $freed (i32.add (global.get $freed) (i32.const 1))))
  (func (export "grow") (result i32) (memory.grow (i32.const 0)))
)
