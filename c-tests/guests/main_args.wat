;; int main(int argc, char **argv): argc * 100 + the first character of argv[1].
(module
  (memory (export "memory") 1)
  (func (export "main") (param i32 i32) (result i32)
    (i32.add
      (i32.mul (local.get 0) (i32.const 100))
      (i32.load8_u (i32.load offset=4 (local.get 1)))))
)
