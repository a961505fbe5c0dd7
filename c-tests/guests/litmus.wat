;; One of several instances over one shared memory, a thread each. What is wrong is counted, and the result.
;; Words of 64 bytes each: 0 barrier count, 64 barrier generation, 128 x, 192 y, 256 flag, 320 acknowledged, 384 lock, 448 counter,
;; 512 pages, 576 turn, 640 where threads park, 768 how many have begun; 4096: data; 8192: a ring of 64 numbers, head at 8128, tail at 8064.
(module
  (import "env" "memory" (memory 2 200 shared))

  (func $begin (drop (i32.atomic.rmw.add (i32.const 768) (i32.const 1))))
  (func (export "begun") (result i32) (i32.atomic.load (i32.const 768)))

  ;; Waits until `all` have come.
  (func $barrier (param $all i32)
    (local $generation i32)
    (local.set $generation (i32.atomic.load (i32.const 64)))
    (if (i32.eq (i32.atomic.rmw.add (i32.const 0) (i32.const 1)) (i32.sub (local.get $all) (i32.const 1)))
      (then
        (i32.atomic.store (i32.const 0) (i32.const 0))
        (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
        (drop (memory.atomic.notify (i32.const 64) (i32.const -1))))
      (else
        (loop $again
          (drop (memory.atomic.wait32 (i32.const 64) (local.get $generation) (i64.const -1)))
          (br_if $again (i32.eq (i32.atomic.load (i32.const 64)) (local.get $generation)))))))

  ;; What was written before a flag is there for who sees the flag. The last thread writes, all others read.
  (func (export "message_passing") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (local $n i32) (local $wrong i32) (local $at i32)
    (call $begin)
    (loop $next
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (local.set $at (i32.add (i32.const 4096) (i32.mul (i32.rem_u (local.get $n) (i32.const 50)) (i32.const 68))))
      (if (i32.eq (local.get $me) (i32.sub (local.get $all) (i32.const 1)))
        (then
          (i32.store (local.get $at) (local.get $n))
          (i64.store offset=32 (local.get $at) (i64.extend_i32_u (local.get $n)))
          (i32.atomic.store (i32.const 256) (local.get $n)))
        (else
          (loop $again
            (br_if $again (i32.lt_u (i32.atomic.load (i32.const 256)) (local.get $n))))
          (local.set $wrong (i32.add (local.get $wrong) (i32.ne (i32.load (local.get $at)) (local.get $n))))
          (local.set $wrong (i32.add (local.get $wrong)
            (i64.ne (i64.load offset=32 (local.get $at)) (i64.extend_i32_u (local.get $n)))))))
      (call $barrier (local.get $all))
      (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
    (local.get $wrong))

  ;; Of two that each write, and then read what the other writes, one sees it.
  (func (export "store_buffering") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (local $n i32) (local $wrong i32) (local $mine i32) (local $other i32) (local $seen i32)
    (call $begin)
    (local.set $mine (select (i32.const 192) (i32.const 128) (i32.and (local.get $me) (i32.const 1))))
    (local.set $other (i32.xor (i32.const 64) (local.get $mine)))
    (loop $next
      (call $barrier (local.get $all))
      (if (i32.lt_u (local.get $me) (i32.const 2))
        (then
          (i32.atomic.store (local.get $mine) (i32.const 1))
          (local.set $seen (i32.atomic.load (local.get $other)))
          (i32.atomic.store offset=4 (local.get $mine) (local.get $seen))))
      (call $barrier (local.get $all))
      (if (i32.eqz (local.get $me))
        (then
          (local.set $wrong (i32.add (local.get $wrong)
            (i32.eqz (i32.or (i32.atomic.load (i32.const 132)) (i32.atomic.load (i32.const 196))))))
          (i32.atomic.store (i32.const 128) (i32.const 0))
          (i32.atomic.store (i32.const 192) (i32.const 0))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
    (local.get $wrong))

  ;; A lock of three states in the guest: free, taken, awaited.
  (func $lock
    (if (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 384) (i32.const 0) (i32.const 1))) (then (return)))
    (loop $again
      (if (i32.atomic.rmw.xchg (i32.const 384) (i32.const 2))
        (then
          (drop (memory.atomic.wait32 (i32.const 384) (i32.const 2) (i64.const -1)))
          (br $again)))))
  (func $unlock
    (if (i32.eq (i32.atomic.rmw.xchg (i32.const 384) (i32.const 0)) (i32.const 2))
      (then (drop (memory.atomic.notify (i32.const 384) (i32.const 1))))))

  ;; Counts in plain memory. Its result is right for the last who leaves.
  (func (export "lock") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (local $n i32)
    (call $begin)
    (loop $next
      (call $lock)
      (i64.store (i32.const 448) (i64.add (i64.load (i32.const 448)) (i64.const 1)))
      (call $unlock)
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
    (call $barrier (local.get $all))
    (i64.ne (i64.load (i32.const 448))
      (i64.mul (i64.extend_i32_u (local.get $all)) (i64.extend_i32_u (local.get $rounds)))))

  ;; Thread 0 sends numbers to thread 1, who checks that they come in order; others count in between.
  (func (export "ring") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (local $n i32) (local $wrong i32) (local $seen i32)
    (call $begin)
    (if (i32.gt_u (local.get $me) (i32.const 1))
      (then
        (loop $next
          (drop (i64.atomic.rmw.add (i32.const 448) (i64.const 3)))
          (drop (i64.atomic.rmw.sub (i32.const 448) (i64.const 3)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
        (return (i32.const 0))))
    (loop $next
      (if (local.get $me)
        (then
          (loop $again
            (local.set $seen (i32.atomic.load (i32.const 8128)))
            (if (i32.eq (local.get $seen) (local.get $n))
              (then
                (drop (memory.atomic.wait32 (i32.const 8128) (local.get $seen) (i64.const -1)))
                (br $again))))
          (local.set $wrong (i32.add (local.get $wrong) (i32.ne (local.get $n)
            (i32.load offset=8192 (i32.shl (i32.and (local.get $n) (i32.const 63)) (i32.const 2))))))
          (i32.atomic.store (i32.const 8064) (i32.add (local.get $n) (i32.const 1)))
          (drop (memory.atomic.notify (i32.const 8064) (i32.const 1))))
        (else
          (loop $again
            (local.set $seen (i32.atomic.load (i32.const 8064)))
            (if (i32.ge_u (i32.sub (local.get $n) (local.get $seen)) (i32.const 64))
              (then
                (drop (memory.atomic.wait32 (i32.const 8064) (local.get $seen) (i64.const -1)))
                (br $again))))
          (i32.store offset=8192 (i32.shl (i32.and (local.get $n) (i32.const 63)) (i32.const 2)) (local.get $n))
          (i32.atomic.store (i32.const 8128) (i32.add (local.get $n) (i32.const 1)))
          (drop (memory.atomic.notify (i32.const 8128) (i32.const 1)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
    (local.get $wrong))

  ;; One grows the memory, and says so. Whoever sees that can use the last bytes, in each way, and sees the size.
  (func (export "growing") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (local $n i32) (local $wrong i32) (local $end i32) (local $pages i32)
    (loop $next
      (call $barrier (local.get $all))
      (if (i32.eqz (local.get $me))
        (then (i32.atomic.store (i32.const 512) (i32.add (memory.grow (i32.const 1)) (i32.const 1))))
        (else
          (loop $again
            (br_if $again (i32.le_u (i32.atomic.load (i32.const 512)) (local.get $pages))))
          (local.set $pages (i32.atomic.load (i32.const 512)))
          (local.set $end (i32.shl (local.get $pages) (i32.const 16)))
          (i32.store (i32.sub (local.get $end) (i32.const 4)) (i32.load (i32.sub (local.get $end) (i32.const 8))))
          (v128.store (i32.sub (local.get $end) (i32.const 4096)) (v128.load (i32.sub (local.get $end) (i32.const 16))))
          (drop (i64.atomic.rmw.add (i32.sub (local.get $end) (i32.const 64)) (i64.const 1)))
          (memory.fill (i32.sub (local.get $end) (i32.const 4000)) (i32.const 0) (i32.const 100))
          (memory.copy (i32.sub (local.get $end) (i32.const 3000)) (i32.sub (local.get $end) (i32.const 200)) (i32.const 100))
          (local.set $wrong (i32.add (local.get $wrong) (i32.lt_u (memory.size) (local.get $pages))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (local.get $rounds))))
    (local.get $wrong))

  ;; Waits for a plain load to give something else.
  (func (export "plain") (param $me i32) (param $all i32) (param $rounds i32) (result i32)
    (call $barrier (local.get $all))
    (if (i32.eqz (local.get $me))
      (then (i32.store (i32.const 704) (i32.const 1)))
      (else (loop $again (br_if $again (i32.eqz (i32.load (i32.const 704)))))))
    (i32.const 0))

  ;; Parks at an address for so many nanoseconds: what the wait gave, and behind it which it was that left, from 1 on.
  (func (export "park") (param $addr i32) (param $timeout i64) (result i32)
    (local $waited i32)
    (call $begin)
    (local.set $waited (memory.atomic.wait32 (local.get $addr) (i32.const 0) (local.get $timeout)))
    (i32.or (i32.shl (local.get $waited) (i32.const 16))
      (i32.add (i32.atomic.rmw.add (i32.const 576) (i32.const 1)) (i32.const 1))))
  (func (export "wake") (param $addr i32) (param $count i32) (result i32)
    (memory.atomic.notify (local.get $addr) (local.get $count)))
  (func (export "left") (result i32) (i32.atomic.load (i32.const 576))))
