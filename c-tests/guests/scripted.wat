;; What hosts/scripted.c, which does random things, calls. It changes memory, globals and tables a little at each call, and
;; polls often enough to be stopped anywhere.
(module
  (import "env" "pure" (func $pure (param i32) (result i32)))
  (import "env" "back" (func $back (param i32 i32) (result i32)))
  (import "env" "counted" (func $counted (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (import "env" "end" (func $end))
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (import "env" "beside" (func $beside (param i32) (result i32)))
  (memory (export "memory") 2 12)
  (global $sum (export "sum") (mut i64) (i64.const 1))
  (global $seed (export "seed") (mut i32) (i32.const 7))
  (global $vector (mut v128) (v128.const i64x2 3 5))
  (global $chosen (mut funcref) (ref.null func))
  (table $functions (export "functions") 6 20 funcref)
  (table $objects 4 10 externref)
  (elem (table $functions) (i32.const 0) func $double $square $negate)
  (elem $more func $square $double)
  (data (i32.const 64) "some text that was there from the beginning")
  (data $later "a segment that is written later, and dropped")
  (start $begin)

  (func $begin
    (local $i i32)
    (loop $again
      (i32.store (i32.add (i32.const 4096) (i32.shl (local.get $i) (i32.const 2))) (i32.mul (local.get $i) (local.get $i)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20)))))

  (func $double (export "double") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
  (func $negate (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0)))

  ;; A pseudorandom number, which depends on all that came before.
  (func $next (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))
    (i32.shr_u (global.get $seed) (i32.const 8)))

  ;; Writes n words all over the memory, and sums up what was there. The address of the last one.
  (func (export "work") (param $n i32) (param $a i64) (param $b f32) (param $c f64) (result i32)
    (local $at i32)
    (loop $again
      (local.set $at
        (i32.and (i32.const 0xfffffff8) (i32.rem_u (call $next) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)))))
      ;; Not where the host's heap or its texts are.
      (local.set $at (select (local.get $at) (i32.add (i32.const 8192) (i32.and (local.get $at) (i32.const 0xff8)))
        (i32.or (i32.gt_u (local.get $at) (i32.const 131072))
          (i32.and (i32.gt_u (local.get $at) (i32.const 16384)) (i32.lt_u (local.get $at) (i32.const 65536))))))
      (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (i64.load (local.get $at))))
      (i64.store (local.get $at)
        (i64.xor (global.get $sum) (i64.add (local.get $a)
          (i64.trunc_sat_f64_s (f64.add (f64.promote_f32 (local.get $b)) (local.get $c))))))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $at))

  (func (export "sum_of") (param $at i32) (param $n i32) (result i64)
    (local $s i64)
    (loop $again
      (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 33)) (i64.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $s))

  (func (export "vector") (param v128 i32) (result v128)
    (loop $again
      (global.set $vector (i32x4.add (i32x4.mul (global.get $vector) (v128.const i32x4 3 5 7 9)) (local.get 0)))
      (br_if $again (i32.gt_s (local.tee 1 (i32.sub (local.get 1) (i32.const 1))) (i32.const 0))))
    (global.get $vector))

  ;; References to functions: from the table, kept, called, put into the table.
  (func (export "function") (param i32) (result funcref)
    (global.set $chosen (table.get $functions (i32.rem_u (local.get 0) (i32.const 6))))
    (global.get $chosen))
  (func (export "apply") (param $f funcref) (param $x i32) (param $n i32) (result i32)
    (table.set $functions (i32.const 5) (local.get $f))
    (if (ref.is_null (local.get $f)) (then (return (i32.const -1))))
    (loop $again
      (local.set $x (call_indirect $functions (param i32) (result i32) (local.get $x) (i32.const 5)))
      (local.set $x (i32.add (local.get $x) (local.get $n)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (table.set $functions (i32.const 5) (ref.null func))
    (local.get $x))
  (func (export "more_functions") (result i32)
    (table.init $functions $more (i32.const 3) (i32.const 0) (i32.const 2))
    (elem.drop $more)
    (table.grow $functions (ref.func $negate) (i32.const 1)))

  ;; Objects of the host's go through, and may stay.
  (func (export "object") (param externref i32) (result externref)
    (if (i32.and (local.get 1) (i32.const 1))
      (then (table.set $objects (i32.const 0) (local.get 0)))
      (else (table.set $objects (i32.const 0) (ref.null extern))))
    (local.get 0))
  (func (export "kept_object") (result externref) (table.get $objects (i32.const 0)))

  ;; Native functions.
  (func (export "natives") (param $n i32) (result i32)
    (local $s i32)
    (loop $again
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 5)) (call $pure (local.get $n))))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (i32.store (i32.const 200) (local.get $s))
    (local.get $s))
  (func (export "calls_back") (param $n i32) (param $depth i32) (result i32)
    (local $s i32)
    (loop $again
      (local.set $s (i32.add (local.get $s) (call $back (local.get $n) (local.get $depth))))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $s))
  (func (export "counts") (param $n i32) (result i32)
    (local $s i32)
    (loop $again
      (local.set $s (call $counted (local.get $n)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $s))
  (func (export "logs") (param $n i32)
    (loop $again
      (call $log (call $next))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))))

  (func (export "waits") (param $n i32) (result i32)
    (local $s i32)
    (loop $again
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 3)) (call $wait (local.get $n))))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (local.get $s))

  (func (export "overlaps") (param $n i32) (result i32) (call $beside (local.get $n)))

  ;; Ends.
  (func (export "trap") (param $n i32) (result i32)
    (loop $again
      (global.set $sum (i64.add (global.get $sum) (i64.const 1)))
      (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (i32.store (i32.const 300) (i32.const 77))
    (i32.div_u (i32.const 1) (i32.const 0)))
  (func (export "stopped") (param $n i32)
    (loop $again (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (call $end)
    (loop $ever (br $ever)))
  (func (export "spin") (loop $ever (global.set $seed (i32.add (global.get $seed) (i32.const 0))) (br $ever)))
  (func (export "marks_and_spins")
    (i32.store (i32.const 500) (i32.const 4711))
    (global.set $seed (i32.const 12))
    (loop $ever (br $ever)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "later") (memory.init $later (i32.const 400) (i32.const 0) (i32.const 44)) (data.drop $later)))
