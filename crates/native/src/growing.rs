//! Compiled code of a module that comes part by part, while the module runs.
//!
//! What a part brings is published by storing addresses: those who read one have all of the code behind it. Nothing is ever
//! taken back, so a thread that runs code of a part needs not be asked when there is more.

use crate::code::{self, LoadError};
use crate::known::KnownCode;
use crate::{helpers, signals};
use std::collections::HashMap;
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use wayfarer_abi::symbol;
use wayfarer_loader::Code;
use wayfarer_module::Module;
use wayfarer_runtime::NativeCode;

/// Told which code the module should have. Dropped with the module's code.
pub trait Wanted: Send + Sync {
    /// As [`NativeCode::wanted`]. Called by threads that run the module: it must not take long.
    fn wanted(&self, func: u32, offset: Option<u32>, count: u32);
}

/// What there is in an object file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Part {
    /// Functions. With them come the entries for their types.
    pub funcs: Vec<u32>,
    /// Continuations: function and offset of the loop. Those that turned out too large are not there.
    pub loops: Vec<(u32, u32)>,
}

/// Compiled code of a module, as far as there is any.
pub struct GrowingModule {
    module: Arc<Module>,
    funcs: Box<[AtomicPtr<()>]>,
    entries: Box<[AtomicPtr<()>]>,
    continuations: RwLock<HashMap<(u32, u32), Address>>,
    generation: AtomicU32,
    needs_guard: bool,
    wanted: Box<dyn Wanted>,
    /// What all the addresses are in.
    code: Mutex<Vec<(KnownCode, Code)>>,
}

/// Of code that stays as long as the module.
#[derive(Clone, Copy)]
struct Address(*const ());

// SAFETY: only an address; the code is never written to.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

impl fmt::Debug for GrowingModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingModule").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl GrowingModule {
    /// No code yet. `needs_guard`: what will come does not check accesses to memory itself.
    pub fn new(module: &Arc<Module>, needs_guard: bool, wanted: Box<dyn Wanted>) -> Arc<GrowingModule> {
        signals::install();
        let none = |count: usize| (0..count).map(|_| AtomicPtr::new(null_mut())).collect();
        Arc::new(GrowingModule {
            module: module.clone(),
            funcs: none(module.funcs.len() - module.num_imported_funcs as usize),
            entries: none(module.types.len()),
            continuations: RwLock::default(),
            generation: AtomicU32::new(0),
            needs_guard,
            wanted,
            code: Mutex::default(),
        })
    }

    /// Takes in a part, an object file that was compiled for interface `abi`. Code of functions that there is some of
    /// already is for the part's own calls only. `announce` may tell tools of the code before it is run.
    ///
    /// Gives the functions and loops that there is still no code of: they are too large, or nothing could be made of them.
    ///
    /// # Errors
    /// [`LoadError`]; nothing was published then.
    pub fn publish(
        &self,
        abi: u32,
        object: &[u8],
        part: &Part,
        announce: impl FnOnce(&mut Code),
    ) -> Result<Part, LoadError> {
        if abi != wayfarer_abi::VERSION {
            return Err(LoadError::Version { found: abi });
        }
        let mut code = Code::load(&[object]).map_err(LoadError::Link)?;
        let first = self.module.num_imported_funcs;
        let mut without = Part::default();
        let (mut funcs, mut entries, mut loops) = (Vec::new(), Vec::new(), Vec::new());
        for &func in &part.funcs {
            let name = symbol::func(func);
            let place = func.checked_sub(first).and_then(|local| self.funcs.get(local as usize));
            let (Some(place), Some(address)) = (place, code.symbol(&name)) else {
                return Err(LoadError::Missing(name));
            };
            if code.symbol(&symbol::interpreted(func)).is_some() {
                without.funcs.push(func);
                continue;
            }
            let ty = self.module.funcs[func as usize].ty;
            let entry = symbol::entry(ty);
            let entry = code.symbol(&entry).ok_or(LoadError::Missing(entry))?;
            entries.push((&self.entries[ty as usize], entry));
            funcs.push((place, address));
        }
        for &(func, offset) in &part.loops {
            match code.symbol(&symbol::continuation(func, offset)) {
                Some(address) => loops.push(((func, offset), Address(address.cast()))),
                None => without.loops.push((func, offset)),
            }
        }
        announce(&mut code);
        self.code.lock().unwrap_or_else(PoisonError::into_inner).push((KnownCode::new(code.range()), code));
        // Whoever sees a function's code finds its entry; both are complete.
        for (place, address) in entries.into_iter().chain(funcs) {
            let address = address.cast_mut().cast();
            let _ = place.compare_exchange(null_mut(), address, Ordering::Release, Ordering::Relaxed);
        }
        self.continuations.write().unwrap_or_else(PoisonError::into_inner).extend(loops);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(without)
    }

    /// Whether there is code of a function.
    pub fn has(&self, func: u32) -> bool {
        func.checked_sub(self.module.num_imported_funcs).is_some_and(|local| !self.func(local).is_null())
    }

    /// Whether there is code for a loop.
    pub fn has_continuation(&self, func: u32, offset: u32) -> bool {
        let continuations = self.continuations.read().unwrap_or_else(PoisonError::into_inner);
        continuations.contains_key(&(func, offset))
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl NativeCode for GrowingModule {
    fn func(&self, local: u32) -> *const () {
        self.funcs.get(local as usize).map_or(std::ptr::null(), |place| place.load(Ordering::Acquire))
    }

    fn entry(&self, ty: u32) -> *const () {
        self.entries[ty as usize].load(Ordering::Acquire)
    }

    fn continuation(&self, func: u32, offset: u32) -> Option<*const ()> {
        // While one is added, there is none: the next generation is about to come. Waiting would not do, since a process
        // may have been forked at this moment.
        self.continuations.try_read().ok()?.get(&(func, offset)).map(|address| address.0)
    }

    fn codes(&self) -> *const AtomicPtr<()> {
        self.funcs.as_ptr()
    }

    fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    fn wanted(&self, func: u32, offset: Option<u32>, count: u32) {
        self.wanted.wanted(func, offset, count);
    }

    fn helpers(&self) -> *const *const () {
        helpers::table()
    }

    fn function_at(&self, address: usize) -> Option<u32> {
        // Not while a part is added: a process may have been forked at this moment.
        let parts = self.code.try_lock().ok()?;
        parts.iter().find_map(|(_, part)| code::function_at(part, address))
    }

    fn needs_guard(&self) -> bool {
        self.needs_guard
    }
}
