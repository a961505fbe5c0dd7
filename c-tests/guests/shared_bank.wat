;; The memory that the instances of litmus.wat share.
(module
  (memory (export "memory") 2 200 shared)
  (func (export "size") (result i32) (memory.size)))
