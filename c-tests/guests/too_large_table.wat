;; A table that is larger than tables can be here.
(module (table 10000001 funcref))
