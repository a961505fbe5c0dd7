(module
  (func $f)

  ;; More locals than bits in a word; written and read on both sides of the boundary.
  (func (param i32)
    (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (local i64 i64)
    (local.set 62 (i32.const 1))
    (local.set 63 (i32.const 1))
    (local.set 64 (i32.const 1))
    (local.set 65 (i64.const 1))
    (call $f)
    (loop
      (drop (local.get 63))
      (drop (local.get 64))
      (call $f)
      (br_if 0 (local.get 0)))
    (drop (local.get 62))
    (call $f)
    (drop (local.get 65))
    (drop (local.get 66))
    (call $f)))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i64]
;;   entry @5 [] live 0
;;   call @26 [] live 0 62 63 64 65 66
;;   before-call @26 [] live 0 62 63 64 65 66
;;   loop @28 [] live 0 62 63 64 65 66
;;   call @36 [] live 0 62 63 64 65 66
;;   before-call @36 [] live 0 62 63 64 65 66
;;   call @46 [] live 65 66
;;   before-call @46 [] live 65 66
;;   call @54 [] live
;;   before-call @54 [] live
