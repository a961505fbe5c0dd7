(module
  (func $f)

  ;; Written in one arm only: live before. Written in both: dead before.
  (func $arms (param i32 i32 i32) (result i32)
    (call $f)
    (if (local.get 0)
      (then
        (call $f)
        (local.set 1 (i32.const 1))
        (local.set 2 (i32.const 1)))
      (else
        (call $f)
        (local.set 2 (i32.const 2))))
    (call $f)
    (i32.add (local.get 1) (local.get 2)))

  ;; Without `else` the write may not happen.
  (func $no_else (param i32 i32) (result i32)
    (call $f)
    (if (local.get 0)
      (then
        (call $f)
        (local.set 1 (i32.const 1))))
    (call $f)
    (local.get 1))

  ;; With parameters and results, and a read in one arm.
  (func $values (param i32 i32) (result i32)
    (f64.const 1)
    (i32.const 2)
    (local.get 0)
    (if (param i32) (result i32)
      (then (call $f))
      (else (call $f) (drop) (local.get 1)))
    (call $f)
    (return))

  ;; One arm leaves the function.
  (func $leaves (param i32 i32) (result i32)
    (if (local.get 0)
      (then (call $f) (return (i32.const 0)))
      (else (call $f)))
    (call $f)
    (local.get 1))

  ;; A branch out of the `if` itself.
  (func $branch_out (param i32 i32)
    (if (local.get 0)
      (then
        (br_if 0 (local.get 0))
        (call $f)
        (drop (local.get 1))))
    (call $f)))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i32 i32]
;;   entry @5 [] live 0 1
;;   call @6 [] live 0 1
;;   before-call @6 [] live 0 1
;;   call @12 [] live
;;   before-call @12 [] live
;;   call @23 [] live 1
;;   before-call @23 [] live 1
;;   call @30 [] live 1 2
;;   before-call @30 [] live 1 2
;; func 2, locals [i32 i32]
;;   entry @39 [] live 0 1
;;   call @40 [] live 0 1
;;   before-call @40 [] live 0 1
;;   call @46 [] live
;;   before-call @46 [] live
;;   call @53 [] live 1
;;   before-call @53 [] live 1
;; func 3, locals [i32 i32]
;;   entry @59 [] live 0 1
;;   call @75 [f64 i32] live
;;   before-call @75 [f64 i32] live
;;   call @78 [f64 i32] live 1
;;   before-call @78 [f64 i32] live 1
;;   call @84 [f64 i32] live
;;   before-call @84 [f64 i32] live
;; func 4, locals [i32 i32]
;;   entry @89 [] live 0 1
;;   call @94 [] live
;;   before-call @94 [] live
;;   call @100 [] live 1
;;   before-call @100 [] live 1
;;   call @103 [] live 1
;;   before-call @103 [] live 1
;; func 5, locals [i32 i32]
;;   entry @109 [] live 0 1
;;   call @118 [] live 1
;;   before-call @118 [] live 1
;;   call @124 [] live
;;   before-call @124 [] live
