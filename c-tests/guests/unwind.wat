;; Every way to end a call early, below any number of calls that go through the host.
(module
  (import "env" "host" (func $host (param i32 i32) (result i32)))
  (import "env" "fail" (func $fail (result i32)))
  (import "env" "ask" (func $ask))
  (import "env" "ready" (func $ready))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (type $unary (func (param i32) (result i32)))
  (memory (export "memory") 1 4)
  (table 4 funcref)
  (elem (i32.const 1) $void)
  (global $calls (mut i32) (i32.const 0))
  (func $void)

  (func $recurse (param i64) (result i64)
    (i64.add (call $recurse (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))

  ;; What ends the call: its number in unwind.c. 0 ends nothing.
  (func $act (export "act") (param $what i32) (result i32)
    (local $zero i32)
    (local.set $zero (i32.load (i32.const 1024)))
    (block $none
    (block $through_host
    (block $spin
    (block $exit
    (block $fail
    (block $recursion
    (block $table
    (block $type
    (block $uninitialized
    (block $undefined
    (block $fill
    (block $vector
    (block $store
    (block $load
    (block $too_large
    (block $nan
    (block $overflow
    (block $zero_division
    (block $unreachable
      (br_table $none $unreachable $zero_division $overflow $nan $too_large $load $store $vector $fill $undefined
        $uninitialized $type $table $recursion $fail $exit $spin $through_host $none (local.get $what)))
    unreachable)
    (return (i32.div_s (i32.const 1) (local.get $zero))))
    (return (i32.div_s (i32.sub (local.get $zero) (i32.const 0x80000000)) (i32.sub (local.get $zero) (i32.const 1)))))
    (return (i32.trunc_f32_s (f32.div (f32.convert_i32_s (local.get $zero)) (f32.const 0)))))
    (return (i32.trunc_f64_s (f64.add (f64.const 1e20) (f64.convert_i32_s (local.get $zero))))))
    (return (i32.load (i32.sub (local.get $zero) (i32.const 16)))))
    (i32.store offset=65535 (local.get $zero) (i32.const 1))
    (return (i32.const 1)))
    (return (i32x4.extract_lane 1 (v128.load offset=65528 (local.get $zero)))))
    (memory.fill (i32.const 65000) (i32.const 1) (i32.sub (i32.const 1000) (local.get $zero)))
    (return (i32.const 1)))
    (return (call_indirect (type $unary) (i32.const 7) (i32.add (local.get $zero) (i32.const 4)))))
    (return (call_indirect (type $unary) (i32.const 7) (local.get $zero))))
    (return (call_indirect (type $unary) (i32.const 7) (i32.add (local.get $zero) (i32.const 1)))))
    (return (ref.is_null (table.get 0 (i32.add (local.get $zero) (i32.const 4))))))
    (return (i32.wrap_i64 (call $recurse (i64.const 0)))))
    (return (call $fail)))
    (call $proc_exit (i32.const 3))
    (return (i32.const 1)))
    (call $ready)
    (loop $for_ever (br $for_ever)))
    (return (call $host (i32.const 0x7fffffff) (i32.const 0))))
    (i32.const 7))

  ;; Through the host n times, then `act`. Each frame has something to keep.
  (func $level (export "level") (param $n i32) (param $what i32) (result i32)
    (local $kept i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (local.set $kept (i32.mul (i32.add (local.get $n) (i32.const 1)) (i32.const 0x9e3779b1)))
    (i32.add (local.get $kept)
      (i32.rotl
        (if (result i32) (local.get $n)
          (then (call $host (i32.sub (local.get $n) (i32.const 1)) (local.get $what)))
          (else (call $act (local.get $what))))
        (i32.const 3))))

  ;; m calls deep, where a checkpoint is asked for: what was compiled is interpreted from there on. Then `level`, of which
  ;; the first call through the host is made from an interpreted frame.
  (func $dive (export "dive") (param $m i32) (param $n i32) (param $what i32) (result i32)
    (if (result i32) (local.get $m)
      (then (i32.xor (local.get $m)
        (call $dive (i32.sub (local.get $m) (i32.const 1)) (local.get $n) (local.get $what))))
      (else
        (call $ask)
        (call $ask)
        (i32.add (call $level (local.get $n) (local.get $what))
          (if (result i32) (local.get $n)
            (then (call $host (i32.sub (local.get $n) (i32.const 1)) (local.get $what)))
            (else (i32.const 0)))))))

  (func (export "calls") (result i32) (global.get $calls))
)
