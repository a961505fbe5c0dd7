(module
  (import "somewhere" "memory" (memory 1)))
