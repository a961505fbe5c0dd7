;; Two ends of a pipe, each of which has its host order a checkpoint in the middle.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "env" "order" (func $order))
    (memory (export "memory") 1)
    (data (i32.const 0) "hello, world")
    (func $stop (local $n i32)
        (call $order)
        (loop $again
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))))
    (func $put (param $at i32) (param $len i32)
        (i32.store (i32.const 100) (local.get $at))
        (i32.store (i32.const 104) (local.get $len))
        (drop (call $fd_write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 108))))
    ;; Writes the first half, stops, writes the second.
    (func (export "write") (result i32)
        (call $put (i32.const 0) (i32.const 7))
        (call $stop)
        (call $put (i32.const 7) (i32.const 5))
        (i32.const 12))
    ;; Stops, and then reads all there is to 1024: how many bytes.
    (func (export "read") (result i32) (local $all i32)
        (call $stop)
        (loop $again
            (i32.store (i32.const 100) (i32.add (i32.const 1024) (local.get $all)))
            (i32.store (i32.const 104) (i32.const 64))
            (drop (call $fd_read (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 108)))
            (local.set $all (i32.add (local.get $all) (i32.load (i32.const 108))))
            (br_if $again (i32.load (i32.const 108))))
        (local.get $all)))
