(module
  (func $f (param i32) (result i32) (local.get 0))

  ;; A parameter that is never read; a local that is never written.
  (func $unused (param i32 i32) (result i32) (local i64 f32)
    (drop (local.get 2))
    (call $f (local.get 1)))

  ;; `local.tee` ends one life and starts another.
  (func $tee (param i32) (result i32) (local i32)
    (call $f (local.get 0))
    (local.tee 1)
    (call $f)
    (drop)
    (call $f (local.get 1)))

  ;; Overwritten before it is read again.
  (func $overwritten (param i32)
    (drop (call $f (local.get 0)))
    (local.set 0 (call $f (i32.const 1)))
    (drop (call $f (local.get 0))))

  ;; Never read before it is written.
  (func $written_first (local i32)
    (local.set 0 (i32.const 1))
    (drop (call $f (i32.const 2)))
    (drop (local.get 0)))

  ;; Reading the zero a local starts with: nothing to save at the entry.
  (func $initial_zero (result i32) (local i32)
    (drop (call $f (i32.const 1)))
    (local.get 0)))

;; func 0, locals [i32]
;;   entry @2 [] live 0
;; func 1, locals [i32 i32 i64 f32]
;;   entry @7 [] live 1
;;   call @17 [] live
;;   before-call @17 [i32] live
;; func 2, locals [i32 i32]
;;   entry @21 [] live 0
;;   call @26 [] live
;;   before-call @26 [i32] live
;;   call @30 [] live 1
;;   before-call @30 [i32] live 1
;;   call @35 [] live
;;   before-call @35 [i32] live
;; func 3, locals [i32]
;;   entry @39 [] live 0
;;   call @42 [] live
;;   before-call @42 [i32] live
;;   call @47 [] live
;;   before-call @47 [i32] live
;;   call @53 [] live
;;   before-call @53 [i32] live
;; func 4, locals [i32]
;;   entry @58 [] live
;;   call @67 [] live 0
;;   before-call @67 [i32] live 0
;; func 5, locals [i32]
;;   entry @75 [] live
;;   call @80 [] live 0
;;   before-call @80 [i32] live 0
