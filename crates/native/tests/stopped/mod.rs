//! Functions that are stopped at a stable point, and continued from there in another instance.

use std::sync::{Arc, Mutex};
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, Checkpointer, ExecEnv, Extern, InstantiateOptions, LoadedModule,
    NativeCode, ResumeError, Runtime, Store, Trap,
};
use wayfarer_snapshot::view::Thread;

/// Takes the first checkpoint, and ends the run there.
#[derive(Default)]
struct Taken(Mutex<Option<Thread>>);

impl Checkpointer for Taken {
    fn checkpoint(&self, _: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        *self.0.lock().expect("nobody panicked") = Some(thread.expect("it can be captured"));
        AfterCheckpoint::Stop
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}

/// A module without imports or state: compiled, or interpreted.
pub(crate) struct Program {
    runtime: Arc<Runtime>,
    module: Arc<LoadedModule>,
}

impl Program {
    pub(crate) fn new(module: &Arc<wayfarer_module::Module>, code: Option<Arc<CompiledModule>>) -> Program {
        let runtime = Runtime::new(Arc::new(NativeEngine));
        let module = runtime.load_compiled(module.clone(), code.map(|code| code as Arc<dyn NativeCode>));
        Program { runtime, module }
    }

    fn store(&self) -> (Arc<Store>, ExecEnv) {
        let store = Store::new(&self.runtime);
        // SAFETY: there are no imports.
        unsafe { store.instantiate(&self.module, &[], &InstantiateOptions::default()) }.expect("an instance");
        let env = ExecEnv::new(store.clone(), 0).expect("an environment");
        (store, env)
    }

    /// What a function with one i32 gives; or, if it is still running at its stable point `stop`, where it stands there.
    pub(crate) fn call(&self, name: &str, n: u32, stop: u64) -> Result<Vec<u64>, Thread> {
        let (store, mut env) = self.store();
        let taken = Arc::new(Taken::default());
        store.set_checkpointer(Some(taken.clone()));
        store.control().checkpoint_at(stop);
        let instance = store.instance(0).expect("the instance");
        let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
        // SAFETY: a function of the store with one parameter.
        match unsafe { self.runtime.engine.call(&mut env, func, &[n.into()]) } {
            Ok(results) => Ok(results),
            Err(Trap::Stopped) => {
                Err(taken.0.lock().expect("nobody panicked").take().expect("it was stopped"))
            }
            Err(trap) => panic!("{name}: {trap}"),
        }
    }

    /// What it gives when it goes on from there.
    pub(crate) fn go_on(&self, thread: &Thread) -> Vec<u64> {
        let (_store, mut env) = self.store();
        match self.runtime.engine.resume(&mut env, thread) {
            Ok(results) => results,
            Err(ResumeError::Trap(trap)) => panic!("{trap}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}
