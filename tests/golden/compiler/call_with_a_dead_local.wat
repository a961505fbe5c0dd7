(module (import "env" "host" (func $host (param i32)))
  (func (param $dead i64) (param $kept i32) (result i32)
    (call $host (i32.wrap_i64 (local.get $dead)))
    (local.get $kept)))
