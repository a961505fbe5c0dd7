(module
  (type $t (func (param i32 i32) (result i32)))
  (table 1 funcref)

  ;; Before a tail call no local is live; the arguments are on the stack, and what lies below them is saved as well.
  (func $direct (param i32 i32) (result i32)
    (f32.const 1)
    (return_call $direct (local.get 1) (local.get 0)))

  (func $indirect (param i32 i32) (result i32)
    (if (local.get 0)
      (then (return_call_indirect (type $t) (i32.const 1) (local.get 1) (local.get 0))))
    (call $direct (local.get 0) (local.get 1)))

  ;; What follows a tail call is dead.
  (func $after (param i32 i32) (result i32)
    (return_call $direct (i32.const 1) (i32.const 2))
    (call $direct (local.get 0) (local.get 1))))

;; func 0, locals [i32 i32]
;;   entry @2 [] live 0 1
;;   before-call @12 [f32 i32 i32] live
;; func 1, locals [i32 i32]
;;   entry @16 [] live 0 1
;;   before-call @27 [i32 i32 i32] live
;;   call @35 [] live
;;   before-call @35 [i32 i32] live
;; func 2, locals [i32 i32]
;;   entry @39 [] live
;;   before-call @44 [i32 i32] live
