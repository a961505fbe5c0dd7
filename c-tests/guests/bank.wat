;; The memory that the instances of whole.wat share: eight accounts of eight bytes, then a page of 4 KiB for each instance.
(module
  (memory (export "memory") 2 2))
