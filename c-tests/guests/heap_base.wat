;; What a compiler leaves behind: the global that says where the guest's own heap would begin.
(module
  (memory (export "memory") 2 8)
  (global (export "__data_end") i32 (i32.const 2048))
  (global $heap_base (export "__heap_base") i32 (i32.const 4096))
  (func (export "base") (result i32) (global.get $heap_base))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
)
