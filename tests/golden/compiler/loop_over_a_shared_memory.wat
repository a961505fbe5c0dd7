;; The plain load is made again behind each strip of repetitions.
(module (memory 1 2 shared)
  (func (param $at i32)
    (loop $again
      (br_if $again (i32.eqz (i32.load (local.get $at)))))))
