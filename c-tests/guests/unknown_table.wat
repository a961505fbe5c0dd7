(module
  (import "somewhere" "table" (table 1 funcref)))
