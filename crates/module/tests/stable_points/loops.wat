(module
  (func $f (result i32) (i32.const 0))

  ;; Counts down: 0 is live around the loop, 1 is only written, 2 is written before it is read in each round.
  (func $simple (param i32) (local i32 i32)
    (loop
      (local.set 1 (local.get 0))
      (local.set 2 (local.get 0))
      (local.set 0 (i32.sub (local.get 2) (i32.const 1)))
      (br_if 0 (local.get 0))))

  ;; 1 is read only in the outer loop, behind the inner: it stays live in the inner.
  (func $nested (param i32 i32)
    (loop $outer
      (loop $inner
        (br_if $inner (call $f)))
      (br_if $outer (i32.add (local.get 0) (local.get 1)))))

  ;; What the outer loop sets before the inner is dead at the outer header.
  (func $reset_in_outer (param i32) (local i32)
    (loop $outer
      (local.set 1 (i32.const 10))
      (loop $inner
        (br_if $inner (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
      (br_if $outer (local.get 0))))

  ;; Loop parameters and what lies below them.
  (func $params (param i64) (result i64)
    (i64.const 1)
    (i32.const 2)
    (f32.const 3)
    (loop (param i32 f32) (result i32)
      (drop)
      (drop)
      (i32.const 4)
      (f32.const 5)
      (br_if 0 (call $f))
      (drop))
    (drop)
    (drop)
    (local.get 0))

  ;; Never repeats, yet has a point of its own.
  (func $once (param i32)
    (loop (drop (local.get 0))))

  ;; A loop that leaves only through `return`.
  (func $return_out (param i32 i32) (result i32)
    (loop (result i32)
      (if (call $f) (then (return (local.get 1))))
      (local.set 1 (call $f))
      (br 0))))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i32 i32]
;;   entry @7 [] live 0
;;   loop @10 [] live 0
;; func 2, locals [i32 i32]
;;   entry @34 [] live 0 1
;;   loop @35 [] live 0 1
;;   loop @37 [] live 0 1
;;   call @39 [] live 0 1
;;   before-call @39 [] live 0 1
;; func 3, locals [i32 i32]
;;   entry @54 [] live 0
;;   loop @57 [] live 0
;;   loop @63 [] live 0 1
;; func 4, locals [i64]
;;   entry @82 [] live 0
;;   loop @92 [i64 i32 f32] live 0
;;   call @103 [i64 i32 f32] live 0
;;   before-call @103 [i64 i32 f32] live 0
;; func 5, locals [i32]
;;   entry @115 [] live 0
;;   loop @116 [] live 0
;; func 6, locals [i32 i32]
;;   entry @124 [] live 1
;;   loop @125 [] live 1
;;   call @127 [] live 1
;;   before-call @127 [] live 1
;;   call @135 [] live
;;   before-call @135 [] live
