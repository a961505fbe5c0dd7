//! Loops have continuations, wherever they are; and a frame goes on behind such a loop whichever way control leaves it.

mod compile;
mod stopped;

use compile::Options;
use std::sync::Arc;
use stopped::Program;
use wayfarer_native::CompiledModule;

const LOOPS: &str = r#"
(module
  (type $one (func (param i32) (result i64)))
  (table funcref (elem $tail))

  (func $mix (param $x i32) (param $k i32) (result i32)
    (i32.xor
      (i32.mul (local.get $x) (i32.const 1664525))
      (i32.add (i32.shr_u (local.get $x) (i32.const 13)) (local.get $k))))

  ;; Whether four bits of x are n.
  (func $is (param $x i32) (param $n i32) (result i32)
    (i32.eq (i32.and (i32.shr_u (local.get $x) (i32.const 9)) (i32.const 15)) (local.get $n)))

  ;; The innermost loop is left to its end, to the headers of both loops around it, to the end of a block with values, and by
  ;; returning. Below all loops lies an operand.
  (func (export "nest") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $k i32) (local $x i32) (local $sum i64) (local $v v128)
    (i64.const 11)
    (loop $outer
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $j (i32.const 0))
      (block $values (result i64 v128)
        (loop $middle
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (local.set $k (i32.const 0))
          (i32.add (local.get $x) (local.get $i))
          (loop $inner (param i32) (result i32)
            (local.set $x)
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (local.set $x (call $mix (local.get $x) (local.get $k)))
            (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $x))))
            (br_if $middle (i32.and (call $is (local.get $x) (i32.const 1)) (i32.lt_u (local.get $j) (i32.const 9))))
            (if (call $is (local.get $x) (i32.const 2))
              (then (br $values (i64.extend_i32_u (local.get $k)) (local.get $v))))
            (br_if $outer (i32.and (call $is (local.get $x) (i32.const 3)) (i32.lt_u (local.get $i) (local.get $n))))
            (if (i32.and (call $is (local.get $x) (i32.const 4)) (i32.gt_u (local.get $i) (local.get $n)))
              (then (return (i64.add (i64.extend_i32_u (local.get $x)) (local.get $sum)))))
            (br_if $inner (local.get $x) (i32.lt_u (local.get $k) (i32.const 5))))
          (local.set $x)
          (br_if $middle (i32.lt_u (local.get $j) (i32.const 3))))
        (i64.extend_i32_u (local.get $x))
        (v128.const i64x2 3 7))
      (local.set $v (i64x2.add (local.get $v)))
      (local.set $sum (i64.add (local.get $sum)))
      (br_if $outer (i32.lt_u (local.get $i) (local.get $n)))
      ;; Until it returns, or is left for good.
      (br_if $outer (i32.lt_u (local.get $i) (i32.add (local.get $n) (i32.const 8)))))
    (i64.add (i64.add (local.get $sum) (i64x2.extract_lane 1 (local.get $v)))))

  ;; Loops that are left by a call in tail position, of the function itself and through a table.
  (func $tail (export "tail") (param $n i32) (result i64)
    (local $i i32)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 77))))
    (loop $again
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eq (local.get $i) (i32.const 4))
        (then
          (if (i32.and (local.get $n) (i32.const 1))
            (then (return_call $tail (i32.sub (local.get $n) (i32.const 1)))))
          (return_call_indirect (type $one) (i32.sub (local.get $n) (i32.const 1)) (i32.const 0))))
      (br_if $again (i32.ne (call $mix (local.get $i) (local.get $n)) (i32.const 12345))))
    (i64.const 5)))
"#;

#[test]
fn control_leaves_them_in_all_ways() {
    let wasm = wat::parse_str(LOOPS).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    let compiled = |options: Options| {
        let objects = compile::objects(&module, &options).expect("it can be compiled");
        let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
        let code = CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true);
        let code = code.expect("it can be loaded");
        assert_eq!(code.continuation_count(), 4, "{options:?}");
        Program::new(&module, Some(code))
    };
    let interpreted = Program::new(&module, None);
    let programs = [
        compiled(Options::default()),
        compiled(Options { precise: true, ..Options::default() }),
        compiled(Options { opt_level: 0, ..Options::default() }),
    ];
    for (name, n, least) in [("nest", 12, 100), ("tail", 9, 30)] {
        let expected = interpreted.call(name, n, u64::MAX).expect("it ends");
        let mut stops = 0;
        for stop in 1.. {
            let Err(thread) = interpreted.call(name, n, stop) else { break };
            stops = stop;
            for program in &programs {
                assert_eq!(program.go_on(&thread), expected, "{name}, from {stop}");
            }
        }
        assert!(stops > least, "{name} has {stops} stable points");
        for program in &programs {
            assert_eq!(program.call(name, n, u64::MAX).as_ref(), Ok(&expected));
            for stop in 1..=stops {
                match program.call(name, n, stop) {
                    Ok(results) => assert_eq!(results, expected, "{name}, without stop {stop}"),
                    Err(thread) => assert_eq!(program.go_on(&thread), expected, "{name}, from {stop}"),
                }
            }
        }
        // As many stable points, wherever they are counted.
        assert_eq!(programs[1].call(name, n, stops + 1).as_ref(), Ok(&expected));
        let Err(thread) = programs[1].call(name, n, stops) else { panic!("{name} has fewer stable points") };
        assert_eq!(interpreted.go_on(&thread), expected);
    }
}
