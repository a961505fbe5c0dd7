//! Compiled code of a module that comes part by part, while the module runs.
//!
//! What a part brings is published by storing addresses: those who read one have all of the code behind it. Nothing is ever
//! taken back, so a thread that runs code of a part needs not be asked when there is more.

use crate::code::{self, LoadError};
use crate::known::KnownCode;
use crate::{helpers, signals};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use wayfarer_abi::symbol;
use wayfarer_loader::Code;
use wayfarer_module::{DefinedFuncIdx, FuncIdx, Module};
use wayfarer_runtime::{CompiledFunc, ContinuationCode, EntryCode, HelperCode, Loop, NativeCode};

/// How long a part may take to be published, in milliseconds.
const PATIENCE: u32 = 10_000;

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
    /// Loops that there are continuations for. Those that turned out too large are not there.
    pub loops: Vec<Loop>,
}

/// Compiled code of a module, as far as there is any.
pub struct GrowingModule {
    module: Arc<Module>,
    funcs: Box<[AtomicPtr<()>]>,
    entries: Box<[AtomicPtr<()>]>,
    continuations: RwLock<HashMap<Loop, ContinuationCode>>,
    generation: AtomicU32,
    needs_guard: bool,
    wanted: Box<dyn Wanted>,
    /// Functions of which there is to be no code. Held while a part is published.
    interpreted: Mutex<HashSet<u32>>,
    /// What all the addresses are in.
    code: Mutex<Vec<(KnownCode, Code)>>,
}

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
            funcs: none(module.defined_count()),
            entries: none(module.types.len()),
            continuations: RwLock::default(),
            generation: AtomicU32::new(0),
            needs_guard,
            wanted,
            interpreted: Mutex::default(),
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
        let interpreted = self.interpreted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&func) = part.funcs.iter().find(|func| interpreted.contains(func)) {
            return Err(LoadError::Watched(func));
        }
        let mut code = Code::load(&[object]).map_err(LoadError::Link)?;
        let mut without = Part::default();
        let (mut funcs, mut entries, mut loops) = (Vec::new(), Vec::new(), Vec::new());
        for &func in &part.funcs {
            let name = symbol::func(func);
            let place = self.module.defined(FuncIdx(func)).and_then(|func| self.funcs.get(func.0 as usize));
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
        for &at in &part.loops {
            let address = code.symbol(&symbol::continuation(at)).map(|address| address.cast());
            // SAFETY: what the compiler gives this name is code that is called so; it stays as long as the module's code.
            match address.and_then(|address| unsafe { ContinuationCode::at(address) }) {
                Some(code) => loops.push((at, code)),
                None => without.loops.push(at),
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
        self.module.defined(FuncIdx(func)).is_some_and(|func| self.func(func).is_some())
    }

    /// Whether there is to be no code of a function.
    pub fn is_kept_interpreted(&self, func: u32) -> bool {
        self.interpreted.lock().unwrap_or_else(PoisonError::into_inner).contains(&func)
    }

    /// Whether there is code for a loop.
    pub fn has_continuation(&self, at: Loop) -> bool {
        self.continuations.read().unwrap_or_else(PoisonError::into_inner).contains_key(&at)
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl NativeCode for GrowingModule {
    fn func(&self, func: DefinedFuncIdx) -> Option<CompiledFunc> {
        // SAFETY: what `publish` found under the name of a function's code.
        unsafe { CompiledFunc::at(self.funcs.get(func.0 as usize)?.load(Ordering::Acquire)) }
    }

    fn entry(&self, ty: u32) -> Option<EntryCode> {
        // SAFETY: what `publish` found under the name of an entry.
        unsafe { EntryCode::at(self.entries[ty as usize].load(Ordering::Acquire)) }
    }

    fn continuation(&self, at: Loop) -> Option<ContinuationCode> {
        // While one is added, there is none: the next generation is about to come. Waiting would not do, since a process
        // may have been forked at this moment.
        self.continuations.try_read().ok()?.get(&at).copied()
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

    /// Code of parts has in it what the part names, and nothing else is inlined.
    fn keep_interpreted(&self, func: DefinedFuncIdx) -> bool {
        // A process may have been forked while a part was published: nobody will let it go there.
        for _ in 0..PATIENCE {
            if let Ok(mut interpreted) = self.interpreted.try_lock() {
                let index = func.0 + self.module.num_imported_funcs;
                return interpreted.contains(&index)
                    || (self.func(func).is_none() && interpreted.insert(index));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        false
    }

    fn helpers(&self) -> *const Option<HelperCode> {
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
