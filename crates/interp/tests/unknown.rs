//! A function with an instruction that the interpreter does not know is not run. No module that `parse` accepts has one, so
//! here it is put there afterwards.

use std::sync::Arc;
use wayfarer_interp::{Interpreter, Listings, check_translation};
use wayfarer_module::{Module, parse};
use wayfarer_runtime::{ExecEnv, InstantiateOptions, Runtime, Store};

/// A function with `nop`, in live code or behind a `return`, replaced by the instruction of this opcode.
fn module(opcode: u8, dead: bool) -> Module {
    let text = if dead { "(module (func (return) (nop)))" } else { "(module (func (nop) (nop)))" };
    let mut module = parse(wat::parse_str(text).expect("it is well-formed").into()).expect("it is valid");
    let mut bytes = module.bytes.to_vec();
    let at = module.funcs[0].body.clone().expect("a body").start + 2;
    assert_eq!(bytes[at], 0x01, "nop");
    bytes[at] = opcode;
    module.bytes = bytes.into();
    module
}

fn run(module: Module) -> Result<(), String> {
    let runtime = Runtime::new(Arc::new(Interpreter));
    let store = Store::new(&runtime);
    let loaded = runtime.load(Arc::new(module));
    // SAFETY: it has no imports.
    let made = unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) };
    let instance = made.expect("it can be instantiated");
    let mut env = ExecEnv::new(store.clone(), 0).expect("stacks");
    env.instance = instance;
    // SAFETY: a function of this store that takes nothing.
    let called = unsafe { runtime.engine.call(&mut env, instance.funcs()[0], &[]) };
    called.map(|_| ()).map_err(|trap| trap.to_string())
}

#[test]
fn an_unknown_instruction_is_no_nop() {
    for dead in [false, true] {
        assert_eq!(run(module(0x01, dead)), Ok(()));
        // `throw_ref`
        let unknown = module(0x0a, dead);
        let at = unknown.funcs[0].body.clone().expect("a body").start + 2;
        let why = format!("cannot be interpreted: unknown instruction ThrowRef at {at:#x}");
        assert_eq!(run(module(0x0a, dead)), Err(format!("function {why}")));
        let unknown = Arc::new(unknown);
        assert_eq!(Listings::new(&unknown).func(0), Err(why.clone()));
        assert_eq!(check_translation(&unknown), Err(format!("function 0: was not translated: {why}")));
    }
}
