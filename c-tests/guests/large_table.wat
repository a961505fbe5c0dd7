;; A table of 80 MB, and one that becomes as large.
(module
  (table $small 1 funcref)
  (table 10000000 funcref)
  (func (export "grow") (param i32) (result i32) (table.grow $small (ref.null func) (local.get 0))))
