;; Opens a file, and asks its host to lock it.
(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "env" "lock" (func $lock (param i32 i32 i64 i64) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "file")
    ;; The descriptor; below 0 if it cannot be opened.
    (func (export "open") (result i32)
        (if (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                (i64.const 0x66) (i64.const 0) (i32.const 0) (i32.const 16))
            (then (return (i32.const -1))))
        (i32.load (i32.const 16)))
    (func (export "lock") (param i32 i32 i64 i64) (result i32)
        (call $lock (local.get 0) (local.get 1) (local.get 2) (local.get 3))))
