(module
  (func $f)

  ;; Branching out skips the only read of 0.
  (func $skip (param i32 i32)
    (block
      (call $f)
      (br_if 0 (local.get 1))
      (call $f)
      (drop (local.get 0)))
    (call $f))

  ;; Two levels: the inner branch makes 0 live, the outer makes 1 live.
  (func $levels (param i32 i32 i32) (result i32)
    (block $outer
      (block $inner
        (br_if $outer (local.get 2))
        (call $f)
        (br_if $inner (local.get 2))
        (call $f)
        (return (i32.const 0)))
      (call $f)
      (return (local.get 0)))
    (call $f)
    (local.get 1))

  ;; Values carried by branches lie on the stack of what follows.
  (func $carried (param i32) (result i32)
    (i64.const 7)
    (block (result i32)
      (call $f)
      (i32.const 1)
      (br_if 0 (local.get 0))
      (call $f))
    (call $f)
    (return)))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i32]
;;   entry @5 [] live 0 1
;;   call @8 [] live 0 1
;;   before-call @8 [] live 0 1
;;   call @14 [] live 0
;;   before-call @14 [] live 0
;;   call @20 [] live
;;   before-call @20 [] live
;; func 2, locals [i32 i32 i32]
;;   entry @24 [] live 0 1 2
;;   call @33 [] live 0 2
;;   before-call @33 [] live 0 2
;;   call @39 [] live
;;   before-call @39 [] live
;;   call @45 [] live 0
;;   before-call @45 [] live 0
;;   call @51 [] live 1
;;   before-call @51 [] live 1
;; func 3, locals [i32]
;;   entry @57 [] live 0
;;   call @62 [i64] live 0
;;   before-call @62 [i64] live 0
;;   call @70 [i64 i32] live
;;   before-call @70 [i64 i32] live
;;   call @73 [i64 i32] live
;;   before-call @73 [i64 i32] live
