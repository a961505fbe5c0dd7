(module
  (func $pair (result i32 i64) (i32.const 1) (i64.const 2))
  (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))

  ;; Results go where the next call's arguments are.
  (func $chain (param f32) (result i64 i32)
    (local.get 0)
    (call $swap (call $pair))
    (loop (param f32 i64 i32) (result i64 i32)
      (call $swap (call $pair))
      (drop)
      (drop)
      (block (param f32 i64 i32) (result f32 i64 i32)
        (call $pair)
        (drop)
        (br_if 0)
        (drop (drop (call $pair))))
      (br_if 1 (i32.const 0))
      (local.get 0)
      (drop)
      (br 1))))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i64]
;;   entry @9 [] live 0 1
;; func 2, locals [f32]
;;   entry @16 [] live 0
;;   call @19 [f32] live 0
;;   before-call @19 [f32] live 0
;;   call @21 [f32] live 0
;;   before-call @21 [f32 i32 i64] live 0
;;   loop @23 [f32 i64 i32] live 0
;;   call @25 [f32 i64 i32] live 0
;;   before-call @25 [f32 i64 i32] live 0
;;   call @27 [f32 i64 i32] live 0
;;   before-call @27 [f32 i64 i32 i32 i64] live 0
;;   call @33 [f32 i64 i32] live 0
;;   before-call @33 [f32 i64 i32] live 0
;;   call @38 [f32 i64 i32] live 0
;;   before-call @38 [f32 i64 i32] live 0
