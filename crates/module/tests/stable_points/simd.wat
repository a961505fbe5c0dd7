(module
  (func $f (param v128) (result v128) (local.get 0))

  (func (param v128 i32) (result v128) (local v128)
    (i32.const 1)
    (local.get 0)
    (loop (param v128) (result v128)
      (call $f)
      (local.tee 2)
      (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get 2))
      (br_if 0 (local.get 1)))
    (call $f)
    (return)))

;; func 0, locals [v128]
;;   entry @2 [] live 0
;; func 1, locals [v128 i32 v128]
;;   entry @7 [] live 0 1
;;   loop @14 [i32 v128] live 1
;;   call @16 [i32] live 1
;;   before-call @16 [i32 v128] live 1
;;   call @45 [i32] live
;;   before-call @45 [i32 v128] live
