//! Functions: of a guest module, or of the host.

use crate::code_address::{CompiledFunc, PreparedFunc};
use crate::exec::ExecEnv;
use crate::instance::Instance;
use crate::life::Life;
use crate::trap::Trap;
use crate::types::TypeId;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use wayfarer_guest::GuestMemory;
use wayfarer_module::FuncType;

/// A function of the store. References to functions are pointers to these; they stay where they are as long as they live
/// (see [`crate::life`]).
#[derive(Debug)]
#[repr(C)]
pub struct Func {
    /// Its type; equal ids mean equal types.
    pub ty: TypeId,
    /// Index in the module of `instance`.
    pub index: u32,
    /// The context whose compiled code it is, null if it is not compiled.
    pub vmctx: *mut crate::VmCtx,
    /// Its compiled code, null as long as there is none, or nobody looked.
    pub native: AtomicPtr<()>,
    /// Slots of its parameters.
    pub param_slots: u32,
    /// Slots of its results.
    pub result_slots: u32,
    /// The instance whose function this is, null for a function of the host's.
    pub instance: *const Instance,
    /// The interpreter's code, null for a host function.
    pub code: PreparedFunc,
    /// The host function, if it is one.
    pub host: Option<Box<HostFunc>>,
    pub(crate) life: Life,
}

// SAFETY: the pointers are to the function's instance and its parts, which outlive the function and are themselves shareable.
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

/// A function implemented by the host.
pub struct HostFunc {
    /// Import module and name, for messages.
    pub name: (Box<str>, Box<str>),
    /// Whether it may be interrupted and made again ([`HostError::Interrupted`]), or called again in a restored program
    /// if a checkpoint finds it on the stack.
    pub restartable: bool,
    /// The implementation. Reads its arguments from the slots and writes its results over them, from slot 0.
    pub call: Box<HostCall>,
    /// Whatever its owner wants to find again.
    pub data: Option<Box<dyn Any + Send + Sync>>,
}

/// Signature of a host function's implementation: caller, argument and result slots.
pub type HostCall = dyn Fn(&mut Caller<'_>, &mut [u64]) -> Result<(), HostError> + Send + Sync;

impl Func {
    /// Its compiled code, if there is any. While a module is compiled, code may appear that this function has not been
    /// told of ([`Func::set_native`]).
    #[inline]
    pub fn native(&self) -> Option<CompiledFunc> {
        // SAFETY: what `set_native` stored, which stays as long as the function's module.
        unsafe { CompiledFunc::at(self.native.load(Ordering::Acquire)) }
    }

    /// There is code of it now.
    pub fn set_native(&self, code: CompiledFunc) {
        self.native.store(code.as_ptr().cast_mut(), Ordering::Release);
    }

    /// Slots that arguments and results need, which take the same place.
    #[inline]
    pub fn slots(&self) -> usize {
        self.param_slots.max(self.result_slots) as usize
    }

    /// Its type, as the module of its instance declares it. `None` for a host function without an instance.
    #[inline]
    pub fn declared_type(&self) -> Option<&FuncType> {
        // SAFETY: null, or an instance that outlives the function.
        let instance = unsafe { self.instance.as_ref() }?;
        Some(instance.module().func_type(self.index))
    }
}

impl fmt::Debug for HostFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostFunc({}.{})", self.name.0, self.name.1)
    }
}

/// Why a host function did not return normally.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostError {
    /// The guest traps.
    Trap(Trap),
    /// It waited, and was interrupted by a request: it will be called again with the same arguments, in this process or in
    /// a restored one. It had no effect yet, or knows how far it had come.
    Interrupted,
}

impl<T: Into<Trap>> From<T> for HostError {
    fn from(trap: T) -> HostError {
        HostError::Trap(trap.into())
    }
}

/// Who called a host function.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The thread's execution environment.
    pub env: &'a mut ExecEnv,
    /// The calling instance.
    pub instance: &'a Instance,
}

impl Caller<'_> {
    /// Memory 0 of the calling instance; empty if it has none.
    pub fn memory(&self) -> GuestMemory<'_> {
        self.instance.guest_memory()
    }
}

/// Calls a host function on behalf of a guest's `instance`; `slots` hold its arguments, and have room for its results.
///
/// # Errors
/// The function's own; a panic in it becomes a trap.
pub fn call_host(
    env: &mut ExecEnv,
    func: &Func,
    instance: &Instance,
    slots: &mut [u64],
) -> Result<(), HostError> {
    let Some(host) = &func.host else {
        return Err(Trap::host("function has no code").into());
    };
    env.host_stack.push(func);
    env.thread().set_host(func);
    let called = catch_unwind(AssertUnwindSafe(|| (host.call)(&mut Caller { env, instance }, slots)));
    env.host_stack.pop();
    env.thread().set_host(env.host_stack.last().copied().unwrap_or(std::ptr::null()));
    called.unwrap_or_else(|_| Err(Trap::host("host function panicked").into()))
}
