//! Threads of a guest: those that it starts itself, and exec envs that the host makes for threads of its own.

use std::sync::Arc;

use wayfarer_program::{Environment, HostParts, ThreadContext, set_thread_limit};
use wayfarer_runtime::{Caller, ExecEnv, GuestThread, HostError, HostFunc, Trap};

use super::exec_env::{WASMExecEnv, init_thread};
use super::instance::WASMModuleInstanceCommon;
use super::log::error;

/// What a thread of a guest runs in: an instance of its own, with its exec env.
pub(crate) struct GuestThreadEnv(Box<WASMModuleInstanceCommon>);

impl GuestThreadEnv {
    /// An instance with these parts, which has what the host has hung on that of `root`.
    ///
    /// # Errors
    /// There is no memory for its stacks.
    pub(crate) fn new(root: &HostParts, parts: Box<HostParts>) -> Result<GuestThreadEnv, String> {
        let of = WASMModuleInstanceCommon::of(root.instance()).ok_or("unknown instance")?;
        let new = WASMModuleInstanceCommon::beside(of, parts);
        new.singleton().ok_or("create exec_env failed")?;
        Ok(GuestThreadEnv(new))
    }

    fn env(&self) -> Option<&WASMExecEnv> {
        self.0.singleton()
    }
}

impl ThreadContext for GuestThreadEnv {
    fn parts(&self) -> &HostParts {
        &self.0.parts
    }

    fn parts_mut(&mut self) -> &mut HostParts {
        &mut self.0.parts
    }

    fn thread(&self) -> Option<Arc<GuestThread>> {
        Some(self.env()?.look_at(|env| env.thread().clone()))
    }

    fn run(&self, guest: &mut dyn FnMut(&mut ExecEnv)) -> Result<(), &'static str> {
        init_thread();
        self.env().ok_or("create exec_env failed")?.run(guest)
    }
}

impl Drop for GuestThreadEnv {
    fn drop(&mut self) {
        if let Some(env) = self.env() {
            env.forget_waits();
        }
    }
}

/// `wasi.thread-spawn`.
pub(crate) fn spawn_func(name: (Box<str>, Box<str>)) -> HostFunc {
    let call = |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let parts = HostParts::of(caller.instance);
        let parts = parts.ok_or_else(|| HostError::Trap(Trap::host("unknown instance")))?;
        let started = parts.spawn_thread(slots[0] as u32);
        slots[0] = started.unwrap_or_else(|why| {
            error!("{why}");
            u32::MAX
        }).into();
        Ok(())
    };
    HostFunc { name, restartable: true, call: Box::new(call), data: None }
}

/// Sets how many threads a program may have at a time, beside the one that the host calls; 4 if it is not set. 0 changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_max_thread_num(num: u32) {
    set_thread_limit(num);
}

