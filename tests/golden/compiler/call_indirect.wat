(module (type $t (func (param i32) (result i32))) (table 2 funcref)
  (func (param $kept f32) (param $n i32) (result f32)
    (f32.add (local.get $kept)
      (f32.convert_i32_s (call_indirect (type $t) (local.get $n) (i32.const 1))))))
