(module
  (import "somewhere" "setting" (global i32)))
