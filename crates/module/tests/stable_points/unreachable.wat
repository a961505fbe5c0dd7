(module
  (func $f)

  (func $after_return (param i32)
    (return)
    (call $f)
    (loop (call $f) (br 0)))

  ;; Blocks, loops and ifs in dead code stay dead, whatever is in them.
  (func $dead_blocks (param i32)
    (unreachable)
    (block
      (call $f)
      (br_if 0 (local.get 0))
      (call $f))
    (if (local.get 0) (then (call $f)) (else (call $f)))
    (loop (br_if 0 (local.get 0)) (call $f)))

  ;; Alive again, because something branches to the end.
  (func $revived (param i32)
    (block
      (br_if 0 (local.get 0))
      (unreachable))
    (call $f))

  ;; Not revived: nothing branches to the end, and a loop's end is not a target.
  (func $endless
    (loop (br 0))
    (call $f)
    (block (loop (br 0)))
    (call $f))

  ;; Dead arms: the end is reached through the other one, or not at all.
  (func $arms (param i32)
    (if (local.get 0) (then (unreachable)) (else (call $f)))
    (call $f)
    (if (local.get 0) (then (unreachable)))
    (call $f)
    (if (local.get 0) (then (return)) (else (unreachable)))
    (call $f))

  ;; Reads in dead code keep nothing alive.
  (func $dead_reads (param i32)
    (call $f)
    (return)
    (drop (local.get 0)))

  ;; A dead branch to a live label does not count.
  (func $dead_branch (param i32)
    (block
      (return)
      (br_if 0 (local.get 0)))
    (call $f)))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32]
;;   entry @5 [] live
;; func 2, locals [i32]
;;   entry @18 [] live
;; func 3, locals [i32]
;;   entry @52 [] live 0
;;   call @61 [] live
;;   before-call @61 [] live
;; func 4, locals []
;;   entry @65 [] live
;;   loop @66 [] live
;; func 5, locals [i32]
;;   entry @85 [] live 0
;;   call @92 [] live 0
;;   before-call @92 [] live 0
;;   call @95 [] live 0
;;   before-call @95 [] live 0
;;   call @103 [] live 0
;;   before-call @103 [] live 0
;; func 6, locals [i32]
;;   entry @117 [] live
;;   call @118 [] live
;;   before-call @118 [] live
;; func 7, locals [i32]
;;   entry @126 [] live
