(module
  (import "host" "g" (func $imported (param i32 i64) (result f32)))
  (type $binary (func (param i32 i32) (result i32)))
  (table 1 funcref)
  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))

  ;; Calls in the middle of expressions: results of earlier ones wait on the stack.
  (func $middle (param i32) (result i32)
    (i32.mul
      (call $add (i32.const 1) (i32.const 2))
      (call $add
        (call $add (local.get 0) (i32.const 3))
        (i32.const 4))))

  ;; The table index lies above the arguments until the call is made.
  (func $indirect (param i32 f64) (result i32)
    (f64.add (local.get 1) (local.get 1))
    (call_indirect (type $binary) (i32.const 1) (i32.const 2) (local.get 0))
    (return))

  ;; Imported functions have points too, but no code.
  (func $host (param i32)
    (drop (call $imported (local.get 0) (i64.const 1)))
    (drop (call $imported (local.get 0) (i64.const 2))))

  ;; References on the stack and in locals.
  (func $refs (param externref) (result externref) (local funcref)
    (local.set 1 (ref.func $add))
    (local.get 0)
    (local.get 1)
    (ref.null extern)
    (drop (call $add (i32.const 1) (i32.const 2)))
    (drop)
    (drop))

  ;; A reference that was just made, not yet in anything declared as `funcref`.
  (func $fresh_ref
    (ref.func $add)
    (drop (call $add (i32.const 1) (i32.const 2)))
    (drop))

  ;; Neither of these is a call.
  (memory 1)
  (func $no_calls
    (drop (memory.grow (i32.const 1)))
    (drop (memory.size))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))
  (elem declare func $add))

;; func 1, locals [i32 i32]
;;   entry @2 [] live 0 1
;; func 2, locals [i32]
;;   entry @10 [] live 0
;;   call @15 [] live 0
;;   before-call @15 [i32 i32] live 0
;;   call @21 [i32] live
;;   before-call @21 [i32 i32 i32] live
;;   call @25 [i32] live
;;   before-call @25 [i32 i32 i32] live
;; func 3, locals [i32 f64]
;;   entry @30 [] live 0 1
;;   call @42 [f64] live
;;   before-call @42 [f64 i32 i32 i32] live
;; func 4, locals [i32]
;;   entry @48 [] live 0
;;   call @53 [] live 0
;;   before-call @53 [i32 i64] live 0
;;   call @60 [] live
;;   before-call @60 [i32 i64] live
;; func 5, locals [externref funcref]
;;   entry @65 [] live 0
;;   call @82 [externref funcref externref] live
;;   before-call @82 [externref funcref externref i32 i32] live
;; func 6, locals []
;;   entry @89 [] live
;;   call @96 [funcref] live
;;   before-call @96 [funcref i32 i32] live
;; func 7, locals []
;;   entry @102 [] live
