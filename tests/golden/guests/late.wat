;; Says so, sleeps for a second and a half, and only then copies standard input to standard output.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 200) "tired\n")
  ;; Buffers: what it says at 0, what it reads at 8, what it writes at 16.
  (data (i32.const 0) "\c8\00\00\00\06\00\00\00\00\01\00\00\05\00\00\00\00\01\00\00\00\00\00\00")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    ;; A subscription: tag 0 at 72 (clock), clock 1 (monotonic) at 80, time-out at 88.
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 1500000000))
    (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 32)))
    (block $end
      (loop $next
        (br_if $end (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 32)))
        (br_if $end (i32.eqz (i32.load (i32.const 32))))
        (i32.store (i32.const 20) (i32.load (i32.const 32)))
        (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 36)))
        (br $next))))
)
