(module
  (import "env" "next" (func $next (param i32) (result i32)))
  (memory 1)
  (func (param $at i32) (param $sum f64) (result f64)
    (loop $again
      (local.set $sum (f64.add (local.get $sum) (f64.load (local.get $at))))
      (br_if $again (local.tee $at (call $next (local.get $at)))))
    (local.get $sum)))
