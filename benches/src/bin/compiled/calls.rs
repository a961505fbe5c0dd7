//! What a call costs from the host to compiled code, from there to the host, and between compiled and interpreted code:
//! a function that adds two numbers, called a million times.

use std::sync::Arc;
use wayfarer_bench::engines::{STACK_SIZE, Wayfarer};
use wayfarer_bench::statistics::median;
use wayfarer_bench::{Error, cpu_time};
use wayfarer_module::{FuncType, ValType};
use wayfarer_runtime::{
    Caller, Engine, ExecEnv, Extern, Func, HostFunc, Instance, InstantiateOptions, LoadedModule, Store,
};

const CALLEE: &str = r#"(module
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;

/// `run(n)` calls the import `n` times.
const CALLER: &str = r#"(module
  (import "bench" "add" (func $add (param i32 i32) (result i32)))
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call $add (local.get $sum) (i32.const 3)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))"#;

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 7;

pub(crate) fn run() -> Result<(), Error> {
    let calls = Calls::new()?;
    println!("\ncalls: CPU time of one call with two i32 and an i32 as result, nanoseconds");
    let to = |callee: Side| move |c: &Calls| c.from_host(callee);
    let from = |caller: Side, callee: Side| move |c: &Calls| c.from_guest(caller, callee);
    use Side::{Compiled, Host, Interpreted};
    let rows: [(&str, Box<dyn Fn(&Calls) -> Result<f64, Error>>); 7] = [
        ("host to compiled", Box::new(to(Compiled))),
        ("host to interpreted", Box::new(to(Interpreted))),
        ("compiled to host", Box::new(from(Compiled, Host))),
        ("interpreted to host", Box::new(from(Interpreted, Host))),
        ("compiled to compiled, another instance", Box::new(from(Compiled, Compiled))),
        ("compiled to interpreted", Box::new(from(Compiled, Interpreted))),
        ("interpreted to compiled", Box::new(from(Interpreted, Compiled))),
    ];
    for (name, measure) in rows {
        println!("{name:40}{:>8.1}", over_rounds(|| measure(&calls))?);
    }
    let wasmtime = Wasmtime::new()?;
    println!("{:40}{:>8.1}", "wasmtime: host to compiled", over_rounds(|| wasmtime.from_host())?);
    println!("{:40}{:>8.1}", "wasmtime: compiled to host", over_rounds(|| wasmtime.to_host())?);
    Ok(())
}

fn over_rounds(mut once: impl FnMut() -> Result<f64, Error>) -> Result<f64, Error> {
    let times: Vec<f64> = (0..ROUNDS).map(|_| once()).collect::<Result<_, _>>()?;
    Ok(median(times).unwrap_or(f64::NAN))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Host,
    Compiled,
    Interpreted,
}

/// Modules, each compiled and not; all run by the engine for compiled code.
struct Calls {
    engine: Wayfarer,
    callees: [Arc<LoadedModule>; 2],
    callers: [Arc<LoadedModule>; 2],
}

impl Calls {
    fn new() -> Result<Calls, Error> {
        let engine = Wayfarer::compiled();
        let both = |name: &str, text: &str| -> Result<_, Error> {
            let wasm = wat::parse_str(text)?;
            let interpreted =
                engine.runtime().load(Arc::new(wayfarer_module::parse(wasm.as_slice().into())?));
            Ok([engine.load_module(name, &wasm)?, interpreted])
        };
        let (callees, callers) = (both("callee", CALLEE)?, both("caller", CALLER)?);
        Ok(Calls { engine, callees, callers })
    }

    fn of(modules: &[Arc<LoadedModule>; 2], side: Side) -> &Arc<LoadedModule> {
        &modules[usize::from(side == Side::Interpreted)]
    }

    /// A store where compiled code runs, even if none of the modules measured has any.
    fn store(&self) -> Result<Arc<Store>, Error> {
        let store = Store::new(self.engine.runtime());
        instance(&store, &self.callees[0], &[])?;
        Ok(store)
    }

    fn from_host(&self, callee: Side) -> Result<f64, Error> {
        let store = self.store()?;
        let add = export(instance(&store, Self::of(&self.callees, callee), &[])?, "add")?;
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        let engine: &dyn Engine = &*self.engine.runtime().engine;
        let (result, time) = cpu_time::of(|| {
            let mut sum = 0;
            for _ in 0..CALLS {
                // SAFETY: a function of the store that takes two i32.
                sum = unsafe { engine.call(&mut env, add, &[sum, 3]) }?[0];
            }
            Ok::<u64, wayfarer_runtime::Trap>(sum)
        });
        check(result.map_err(|trap| trap.to_string())? as u32)?;
        Ok(time.as_secs_f64() * 1e9 / f64::from(CALLS))
    }

    fn from_guest(&self, caller: Side, callee: Side) -> Result<f64, Error> {
        let store = self.store()?;
        let add = match callee {
            Side::Host => add_to(&store),
            guest => export(instance(&store, Self::of(&self.callees, guest), &[])?, "add")?,
        };
        let run = export(instance(&store, Self::of(&self.callers, caller), &[Extern::Func(add)])?, "run")?;
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        let engine: &dyn Engine = &*self.engine.runtime().engine;
        // SAFETY: a function of the store that takes an i32.
        let (result, time) = cpu_time::of(|| unsafe { engine.call(&mut env, run, &[CALLS.into()]) });
        check(result.map_err(|trap| trap.to_string())?[0] as u32)?;
        Ok(time.as_secs_f64() * 1e9 / f64::from(CALLS))
    }
}

fn check(sum: u32) -> Result<(), Error> {
    if sum == 3 * CALLS { Ok(()) } else { Err(format!("the sum is {sum}").into()) }
}

fn instance<'s>(
    store: &'s Arc<Store>,
    module: &Arc<LoadedModule>,
    imports: &[Extern],
) -> Result<&'s Instance, Error> {
    // SAFETY: imports are of the store, and what the module asks for.
    Ok(unsafe { store.instantiate(module, imports, &InstantiateOptions::default())? })
}

fn export(instance: &Instance, name: &str) -> Result<*const Func, Error> {
    match instance.export(name) {
        Some(Extern::Func(func)) => Ok(func),
        _ => Err(format!("no function {name}").into()),
    }
}

/// The host's function that adds.
fn add_to(store: &Store) -> *const Func {
    let call = |_: &mut Caller<'_>, slots: &mut [u64]| {
        slots[0] = u64::from((slots[0] as u32).wrapping_add(slots[1] as u32));
        Ok(())
    };
    let name = ("bench".into(), "add".into());
    let host = HostFunc { name, restartable: true, call: Box::new(call), data: None };
    let ty = FuncType { params: [ValType::I32; 2].into(), results: [ValType::I32].into() };
    store.add_host_func(&ty, host)
}

/// The same with wasmtime.
struct Wasmtime {
    engine: wasmtime::Engine,
    callee: wasmtime::Module,
    caller: wasmtime::Module,
}

impl Wasmtime {
    fn new() -> Result<Wasmtime, Error> {
        let engine = wasmtime::Engine::default();
        let module =
            |text| -> Result<_, Error> { Ok(wasmtime::Module::new(&engine, wat::parse_str(text)?)?) };
        let (callee, caller) = (module(CALLEE)?, module(CALLER)?);
        Ok(Wasmtime { engine, callee, caller })
    }

    fn from_host(&self) -> Result<f64, Error> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        let instance = wasmtime::Instance::new(&mut store, &self.callee, &[])?;
        let add = instance.get_typed_func::<(u32, u32), u32>(&mut store, "add")?;
        let (result, time) = cpu_time::of(|| {
            let mut sum = 0;
            for _ in 0..CALLS {
                sum = add.call(&mut store, (sum, 3))?;
            }
            Ok::<u32, wasmtime::Error>(sum)
        });
        check(result?)?;
        Ok(time.as_secs_f64() * 1e9 / f64::from(CALLS))
    }

    fn to_host(&self) -> Result<f64, Error> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        let add = wasmtime::Func::wrap(&mut store, |a: u32, b: u32| a.wrapping_add(b));
        let instance = wasmtime::Instance::new(&mut store, &self.caller, &[add.into()])?;
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run")?;
        let (result, time) = cpu_time::of(|| run.call(&mut store, CALLS));
        check(result?)?;
        Ok(time.as_secs_f64() * 1e9 / f64::from(CALLS))
    }
}
