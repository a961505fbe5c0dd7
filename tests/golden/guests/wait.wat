;; Says so, waits for an address of a shared memory for a second and a half, where nobody wakes it, and says what came of it.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 1 shared)
  (data (i32.const 0) "\c8\00\00\00\06\00\00\00\d0\00\00\00\0a\00\00\00")
  (data (i32.const 200) "there\n")
  (data (i32.const 208) "result  .\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (i32.store8 (i32.const 215)
      (i32.add (i32.const 48) (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const 1500000000))))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32))))
)
