//! Faults: in compiled code, outside of its memory, they are traps; in a host function, wherever it is called from and whatever
//! it touches, they are the host's.
#![cfg(target_arch = "x86_64")]

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wayfarer_compiler::{Options, Session};
use wayfarer_module::FuncType;
use wayfarer_native::{GrowingModule, NativeEngine, Part, Wanted};
use wayfarer_runtime::{ExecEnv, Extern, HostFunc, InstantiateOptions, Runtime, Store};

/// The host's handler makes the page accessible, and counts.
static FAULTS: AtomicUsize = AtomicUsize::new(0);
/// The last of them.
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn on_fault(_: c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's information; the page is one that the test touches.
    unsafe {
        let address = (*info).si_addr() as usize;
        FAULTS.fetch_add(1, Ordering::Relaxed);
        ADDRESS.store(address, Ordering::Relaxed);
        if libc::mprotect((address & !4095) as *mut _, 4096, libc::PROT_READ) != 0 {
            libc::_exit(99);
        }
    }
}

struct Nothing;

impl Wanted for Nothing {
    fn wanted(&self, _: u32, _: Option<u32>, _: u32) {}
}

/// `compiled` calls `interpreted`, which calls the host.
const TEXT: &str = r#"(module
    (import "host" "touch" (func $touch))
    (memory (export "memory") 1)
    (func $interpreted (export "interpreted") (call $touch))
    (func (export "compiled") (call $interpreted))
    (func (export "directly") (call $touch))
    (func (export "outside") (drop (i32.load (i32.const 0x100000)))))"#;

#[test]
fn a_host_function_above_an_interpreted_frame_has_its_own_faults() {
    // SAFETY: a handler that does what handlers may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
    }
    let module = || {
        let wasm = wat::parse_str(TEXT).expect("it is well-formed");
        wayfarer_module::parse(wasm.into()).expect("it is valid")
    };
    let session = Session::new(module(), Options::default()).expect("it can be compiled");
    let module = Arc::new(module());
    let growing = GrowingModule::new(&module, true, Box::new(Nothing));
    let part = Part { funcs: vec![2, 3, 4], loops: vec![] };
    let object = session.compile(&part.funcs, &part.loops, &|why| panic!("{why}")).expect("an object");
    growing.publish(wayfarer_abi::VERSION, &object, &part, |_| ()).expect("it can be loaded");
    assert!(growing.has(2) && !growing.has(1));

    let runtime = Runtime::new(Arc::new(NativeEngine));
    let loaded = runtime.load_compiled(module, Some(growing));
    let store = Store::new(&runtime);
    let touch = HostFunc {
        name: ("host".into(), "touch".into()),
        restartable: false,
        call: Box::new(|caller, _| {
            let memory = caller.instance.memory(0).expect("a memory");
            // Behind what there is of it: reserved, and what the guest's own faults are about.
            let at = (memory.base() as usize + memory.len() + 8) as *const u8;
            // SAFETY: it faults; the handler makes it readable.
            assert_eq!(unsafe { at.read_volatile() }, 0);
            // SAFETY: the page is again as it was.
            assert_eq!(unsafe { libc::mprotect((at as usize & !4095) as *mut _, 4096, libc::PROT_NONE) }, 0);
            Ok(())
        }),
        data: None,
    };
    let touch = store.add_host_func(&FuncType { params: Box::default(), results: Box::default() }, touch);
    // SAFETY: a function of this store.
    let made = unsafe { store.instantiate(&loaded, &[Extern::Func(touch)], &InstantiateOptions::default()) };
    let instance = made.expect("it can be instantiated");
    let call = |name: &str| {
        let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
        let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
        // SAFETY: a function of the store that takes nothing.
        unsafe { runtime.engine.call(&mut env, func, &[]) }.map_err(|trap| trap.to_string())
    };
    let base = instance.memory(0).expect("a memory").base() as usize;
    for (nth, name) in ["compiled", "directly", "interpreted", "compiled"].into_iter().enumerate() {
        assert_eq!(call(name), Ok(vec![]), "{name}");
        assert_eq!(FAULTS.load(Ordering::Relaxed), nth + 1, "{name}");
        assert_eq!(ADDRESS.load(Ordering::Relaxed), base + 65536 + 8, "{name}");
        // The guest's own is a trap, as ever.
        assert_eq!(call("outside"), Err("out of bounds memory access".to_owned()));
        assert_eq!(FAULTS.load(Ordering::Relaxed), nth + 1);
    }
}
