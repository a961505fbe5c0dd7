;; Reverses a text that the host put into memory, and hands it to the host's `print`.
(module
  (import "env" "print" (func $print (param $text i32)))
  (memory (export "memory") 1)
  (func (export "reverse") (param $text i32) (param $len i32) (result i32)
    (local $from i32)
    (local $to i32)
    (local $byte i32)
    (local.set $from (local.get $text))
    (local.set $to (i32.sub (i32.add (local.get $text) (local.get $len)) (i32.const 1)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_s (local.get $from) (local.get $to)))
        (local.set $byte (i32.load8_u (local.get $from)))
        (i32.store8 (local.get $from) (i32.load8_u (local.get $to)))
        (i32.store8 (local.get $to) (local.get $byte))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $to (i32.sub (local.get $to) (i32.const 1)))
        (br $next)))
    (call $print (local.get $text))
    (local.get $len)))
