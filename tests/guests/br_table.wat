;; A state machine whose transitions are a br_table, and one whose targets take a value.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Prints a number as 16 hexadecimal digits and a newline. Uses the first 64 bytes of memory.
  (func $print (param $x i64) (local $at i32) (local $digit i32)
    (i32.store8 (i32.const 32) (i32.const 10))
    (local.set $at (i32.const 32))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $digit (i32.wrap_i64 (i64.and (local.get $x) (i64.const 15))))
      (i32.store8 (local.get $at)
        (i32.add (local.get $digit)
          (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9)))))
      (local.set $x (i64.shr_u (local.get $x) (i64.const 4)))
      (br_if $next (i32.gt_u (local.get $at) (i32.const 16))))
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 17))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (data (i32.const 1024) "12+34*5-(6)x78/9=+++12ab(())*")

  ;; Class of a character: 0 digit, 1 operator, 2 bracket, 3 anything else.
  (func $class (param $c i32) (result i32)
    (block $other
      (block $bracket
        (block $operator
          (block $digit
            (br_table $bracket $bracket $operator $operator $other $operator $other $operator
                      $digit $digit $digit $digit $digit $digit $digit $digit $digit $digit $other
              (i32.sub (local.get $c) (i32.const 40))))
          (return (i32.const 0)))
        (return (i32.const 1)))
      (return (i32.const 2)))
    (i32.const 3))

  (func $weight (param $state i32) (param $c i32) (result i32)
    (block $c (result i32)
      (block $b (result i32)
        (block $a (result i32)
          (br_table $a $b $c $a (i32.mul (local.get $c) (i32.const 3)) (local.get $state)))
        (i32.add (i32.const 1000)))
      (i32.xor (i32.const 0x55)))
    (i32.add (i32.const 7)))

  (func (export "_start") (local $round i32) (local $i i32) (local $state i32) (local $c i32) (local $sum i64)
    (loop $rounds
      (local.set $i (i32.const 0))
      (loop $chars
        (local.set $c (i32.load8_u offset=1024 (local.get $i)))
        (local.set $state
          (i32.rem_u (i32.add (i32.mul (local.get $state) (i32.const 5)) (call $class (local.get $c))) (i32.const 4)))
        (local.set $sum
          (i64.add (i64.rotl (local.get $sum) (i64.const 5))
                   (i64.extend_i32_u (call $weight (local.get $state) (local.get $c)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $chars (i32.lt_u (local.get $i) (i32.const 29))))
      (call $print (local.get $sum))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $rounds (i32.lt_u (local.get $round) (i32.const 20)))))
)
