//! What compiled code sees of an instance (layout: `wayfarer_abi::vmctx`), and where compiled code comes from.

use crate::code_address::{CompiledFunc, ContinuationCode, EntryCode, HelperCode};
use crate::func::Func;
use crate::instance::{Instance, LoadedModule};
use crate::limits::Limit;
use crate::memory::Memory;
use crate::table::Table;
use crate::{ExecEnv, Global};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use wayfarer_abi::compiler::Loop;
use wayfarer_module::DefinedFuncIdx;

/// A module's compiled code.
pub trait NativeCode: Send + Sync + fmt::Debug {
    /// The code of a function; `None` if it has to be interpreted.
    fn func(&self, func: DefinedFuncIdx) -> Option<CompiledFunc>;

    /// What calls code of type `ty` (an index of the module's types). There is one if there is code of that type.
    fn entry(&self, ty: u32) -> Option<EntryCode>;

    /// What goes on at a loop header, if there is code for that.
    fn continuation(&self, at: Loop) -> Option<ContinuationCode>;

    /// The helper functions that the code calls, by `wayfarer_abi::Helper`.
    fn helpers(&self) -> *const Option<HelperCode>;

    /// The list of the functions' code, for code that calls others through it: addresses, null where there is none yet. Null
    /// if the code is complete.
    fn codes(&self) -> *const AtomicPtr<()> {
        ptr::null()
    }

    /// Changes whenever there is more code.
    fn generation(&self) -> u32 {
        0
    }

    /// The interpreter came by a function's entry, or a loop header in it (`offset`), so often (`count`) that it should have
    /// code. Said when it is hot, and again whenever it is twice as hot.
    fn wanted(&self, func: u32, offset: Option<u32>, count: u32) {
        let _ = (func, offset, count);
    }

    /// Has a function interpreted from now on, wherever it is called. False if that
    /// cannot be: there is code of it, or code that it may be part of.
    fn keep_interpreted(&self, func: DefinedFuncIdx) -> bool {
        self.func(func).is_none()
    }

    /// The function (its index) whose code an address is in, for messages. Called with a thread of the guest stopped in its
    /// code.
    fn function_at(&self, address: usize) -> Option<u32> {
        let _ = address;
        None
    }

    /// Whether the code relies on memory 0 reserving the whole of its address space.
    fn needs_guard(&self) -> bool;
}

/// The fixed part of an instance's context.
#[repr(C)]
pub struct VmCtx {
    /// The native stack's limit, or all ones while a request is pending.
    pub limit: AtomicU64,
    memory_base: *mut u8,
    memory_len: *const AtomicUsize,
    helpers: *const Option<HelperCode>,
    /// Result area of the thread that runs.
    pub results: AtomicPtr<u64>,
    /// The instance.
    pub instance: *const Instance,
    /// The environment that runs compiled code of this instance, null if none does.
    pub env: AtomicPtr<ExecEnv>,
    codes: *const AtomicPtr<()>,
    /// Where the next record of a captured frame goes.
    pub capture: AtomicPtr<u8>,
    /// Where the stack pointer was in a function that found a request at its entry.
    pub stack: AtomicUsize,
    reserved: [u64; 6],
}

/// How compiled code was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// Nothing ran in the context before.
    First,
    /// The same environment did.
    Again,
    /// It did, on a stack with this limit.
    OnAnotherStack(u64),
}

/// An instance's context: the fixed part and the lists behind it, at a fixed address.
pub struct VmContext {
    words: Box<[u64]>,
    limit: Option<Limit>,
}

// SAFETY: the words are addresses of objects of the instance's store; what changes is atomic.
unsafe impl Send for VmContext {}
// SAFETY: as above.
unsafe impl Sync for VmContext {}

impl fmt::Debug for VmContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VmContext({} words)", self.words.len())
    }
}

impl VmContext {
    /// The context of an instance under construction, which will be at `instance`.
    pub(crate) fn new(
        loaded: &LoadedModule,
        native: &Arc<dyn NativeCode>,
        instance: *const Instance,
        funcs: &[*const Func],
        tables: &[*const Table],
        memories: &[*const Memory],
        globals: &[*const Global],
    ) -> VmContext {
        let module = &loaded.module;
        let imports = module.num_imported_funcs as usize;
        let fixed = size_of::<VmCtx>() / 8;
        let count = fixed + globals.len() + tables.len() + imports + module.types.len().div_ceil(2);
        let mut words = vec![0u64; count].into_boxed_slice();
        let mut at = fixed;
        let mut add = |word: usize| {
            words[at] = word as u64;
            at += 1;
        };
        // SAFETY: the pointers are to live objects of the store.
        globals.iter().for_each(|&global| add(unsafe { (*global).storage() } as usize));
        tables.iter().for_each(|&table| add(table as usize));
        funcs[..imports].iter().for_each(|&func| add(func as usize));
        for pair in loaded.types.chunks(2) {
            // Two 32-bit ids in a word, the first at the lower address.
            let ids = [pair[0].0, pair.get(1).map_or(0, |id| id.0)];
            // SAFETY: any two 32-bit numbers are a 64-bit one.
            add(unsafe { std::mem::transmute::<[u32; 2], u64>(ids) } as usize);
        }
        // SAFETY: as above.
        let memory = memories.first().map(|&memory| unsafe { &*memory });
        let header = VmCtx {
            limit: AtomicU64::new(0),
            memory_base: memory.map_or(ptr::null_mut(), Memory::base),
            memory_len: memory.map_or(ptr::null(), |memory| memory.len_address()),
            helpers: native.helpers(),
            results: AtomicPtr::default(),
            instance,
            env: AtomicPtr::default(),
            codes: native.codes(),
            capture: AtomicPtr::default(),
            stack: AtomicUsize::default(),
            reserved: [0; 6],
        };
        // SAFETY: the first words are the header's, and aligned for it.
        unsafe { words.as_mut_ptr().cast::<VmCtx>().write(header) };
        VmContext { words, limit: None }
    }

    /// Has requests reach code that runs in this context.
    pub(crate) fn connect(&mut self, control: &Arc<crate::Control>) {
        // SAFETY: the words stay where they are; `limit` is dropped before them.
        let word = unsafe { &raw const (*self.as_ptr()).limit };
        self.limit = Some(Limit::new(control, word));
    }

    /// The context, as compiled code takes it.
    #[inline]
    pub fn as_ptr(&self) -> *mut VmCtx {
        self.words.as_ptr().cast::<VmCtx>().cast_mut()
    }

    /// Lets `env` run compiled code here, on a stack that may not reach below `stack_limit`: what [`VmContext::leave`] has to be
    /// told afterwards. `None` if another environment does.
    #[inline]
    pub fn enter(&self, env: &ExecEnv, stack_limit: usize) -> Option<Entered> {
        // SAFETY: the header was written by `new`.
        let vm = unsafe { &*self.as_ptr() };
        let me = (&raw const *env).cast_mut();
        match vm.env.compare_exchange(ptr::null_mut(), me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {}
            Err(other) if other == me => {
                // Most often on the same stack.
                let before = self.limit.as_ref().map_or(0, Limit::get);
                if before == stack_limit as u64 {
                    return Some(Entered::Again);
                }
                self.set_limit(stack_limit as u64);
                return Some(Entered::OnAnotherStack(before));
            }
            Err(_) => return None,
        }
        vm.results.store(env.results.base().cast(), Ordering::Relaxed);
        vm.capture.store(env.left.base(), Ordering::Relaxed);
        self.set_limit(stack_limit as u64);
        Some(Entered::First)
    }

    #[inline]
    fn set_limit(&self, limit: u64) {
        if let Some(word) = &self.limit {
            word.set(limit);
        }
    }

    /// Undoes an [`VmContext::enter`].
    #[inline]
    pub fn leave(&self, entered: Entered) {
        match entered {
            // No environment runs compiled code here any more.
            // SAFETY: as above.
            Entered::First => unsafe { &*self.as_ptr() }.env.store(ptr::null_mut(), Ordering::Release),
            Entered::Again => {}
            Entered::OnAnotherStack(before) => self.set_limit(before),
        }
    }
}

impl Drop for VmContext {
    fn drop(&mut self) {
        // Before the words that it writes to are gone.
        self.limit = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;
    use wayfarer_abi::{func, table, vmctx};

    #[test]
    fn layouts_are_those_that_compiled_code_knows() {
        assert_eq!(offset_of!(VmCtx, limit) as u64, vmctx::LIMIT);
        assert_eq!(offset_of!(VmCtx, memory_base) as u64, vmctx::MEMORY_BASE);
        assert_eq!(offset_of!(VmCtx, memory_len) as u64, vmctx::MEMORY_LEN);
        assert_eq!(offset_of!(VmCtx, helpers) as u64, vmctx::HELPERS);
        assert_eq!(offset_of!(VmCtx, results) as u64, vmctx::RESULTS);
        assert_eq!(offset_of!(VmCtx, instance) as u64, vmctx::INSTANCE);
        assert_eq!(offset_of!(VmCtx, env) as u64, vmctx::ENV);
        assert_eq!(offset_of!(VmCtx, codes) as u64, vmctx::CODE);
        assert_eq!(offset_of!(VmCtx, capture) as u64, vmctx::CAPTURE);
        assert_eq!(offset_of!(VmCtx, stack) as u64, vmctx::STACK);
        assert_eq!(size_of::<VmCtx>() as u64, vmctx::SIZE);
        assert_eq!(offset_of!(Func, ty) as u64, func::TYPE);
        assert_eq!(offset_of!(Func, vmctx) as u64, func::VMCTX);
        assert_eq!(offset_of!(Func, native) as u64, func::CODE);
        assert_eq!(Table::ELEMS_OFFSET as u64, table::ELEMS);
        assert_eq!(Table::LEN_OFFSET as u64, table::LEN);
    }
}
