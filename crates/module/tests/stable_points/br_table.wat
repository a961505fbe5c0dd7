(module
  (func $f)

  ;; Each case reads a local of its own; before the switch all are live.
  (func $cases (param i32 i32 i32 i32) (result i32)
    (block $default
      (block $one
        (block $zero
          (call $f)
          (br_table $zero $one $one $default (local.get 0)))
        (call $f)
        (return (local.get 1)))
      (call $f)
      (return (local.get 2)))
    (call $f)
    (local.get 3))

  ;; An interpreter's loop: every case goes back to the switch, one leaves.
  (func $dispatch (param $code i32) (param $acc i32) (param $tmp i32) (result i32)
    (loop $next
      (block $exit
        (block $add
          (block $set
            (br_table $set $add $exit (local.get $code)))
          (local.set $tmp (i32.const 1))
          (call $f)
          (local.set $acc (local.get $tmp))
          (br $next))
        (call $f)
        (local.set $acc (i32.add (local.get $acc) (i32.const 1)))
        (br $next))
      (call $f)
      (return (local.get $acc)))
    (unreachable))

  ;; The header of an outer loop among the targets.
  (func $back (param i32 i32)
    (loop $outer
      (block $out
        (loop $inner
          (call $f)
          (br_table $inner $outer $out (local.get 0)))
        (call $f))
      (drop (local.get 1)))))

;; func 0, locals []
;;   entry @2 [] live
;; func 1, locals [i32 i32 i32 i32]
;;   entry @5 [] live 0 1 2 3
;;   call @12 [] live 0 1 2 3
;;   before-call @12 [] live 0 1 2 3
;;   call @23 [] live 1
;;   before-call @23 [] live 1
;;   call @29 [] live 2
;;   before-call @29 [] live 2
;;   call @35 [] live 3
;;   before-call @35 [] live 3
;; func 2, locals [i32 i32 i32]
;;   entry @41 [] live 0 1
;;   loop @42 [] live 0 1
;;   call @62 [] live 0 2
;;   before-call @62 [] live 0 2
;;   call @71 [] live 0 1
;;   before-call @71 [] live 0 1
;;   call @83 [] live 1
;;   before-call @83 [] live 1
;; func 3, locals [i32 i32]
;;   entry @92 [] live 0 1
;;   loop @93 [] live 0 1
;;   loop @97 [] live 0 1
;;   call @99 [] live 0 1
;;   before-call @99 [] live 0 1
