//! Frames are captured also where there is no address space to write many of them to.

mod compile;
mod stopped;

use compile::Options;
use std::sync::Arc;
use stopped::Program;
use wayfarer_native::CompiledModule;
use wayfarer_runtime::region::Region;

/// Goes down, and adds up on its way back.
const TEXT: &str = r#"(module
    (func $down (export "down") (param $n i32) (result i64) (local $x i64) (local $v v128)
        (local.set $x (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x9e3779b97f4a7c15)))
        (local.set $v (i64x2.splat (local.get $x)))
        (if (result i64) (local.get $n)
            (then
                (i64.rotl (local.get $x) (i64.const 7))
                (call $down (i32.sub (local.get $n) (i32.const 1)))
                (i64.xor)
                (i64.add (i64x2.extract_lane 1 (local.get $v))))
            (else (local.get $x)))))"#;

/// Frames, and where it is stopped.
const DEPTH: u32 = 5000;
const STOP: u64 = 4000;

/// More than an environment takes, and less than a capture usually does (bytes).
const LEFT: u64 = 200 << 20;

/// Lets this process have so many more bytes of address space; returns how it was before.
fn leave(bytes: u64) -> libc::rlimit {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = pages.split(' ').next().expect("a number").parse().expect("a number");
    // SAFETY: plain data; the system call has no preconditions.
    unsafe {
        let mut before: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut before), 0);
        let page = libc::sysconf(libc::_SC_PAGESIZE) as u64;
        let limit = libc::rlimit { rlim_cur: pages * page + bytes, ..before };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
        before
    }
}

#[test]
fn frames_are_captured_one_by_one() {
    let wasm = wat::parse_str(TEXT).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    let objects =
        compile::objects(&module, &Options { precise: true, ..Options::default() }).expect("it compiles");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    let code =
        CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true).expect("it can be loaded");
    let program = Program::new(&module, Some(code));
    let expected = program.call("down", DEPTH, u64::MAX).expect("it returns");
    let stopped = program.call("down", DEPTH, STOP).expect_err("it is stopped");
    assert!(stopped.frames.len() > 3000);

    let before = leave(LEFT);
    assert!(Region::zeroed(256 << 20).is_err(), "there is no room for a whole piece");
    let without_room = program.call("down", DEPTH, STOP);
    // SAFETY: no preconditions.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const before) }, 0);
    assert!(without_room.expect_err("it is stopped") == stopped, "other frames");
    assert_eq!(program.go_on(&stopped), expected);
}
