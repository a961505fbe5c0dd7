//! A module's compiled code in this process.

use crate::known::KnownCode;
use crate::{helpers, signals};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use wayfarer_abi::symbol;
use wayfarer_loader::Code;
use wayfarer_module::{DefinedFuncIdx, FuncIdx, Module, PointKind, UnknownOperator, stable_points_where};
use wayfarer_runtime::{CompiledFunc, ContinuationCode, EntryCode, HelperCode, Loop, NativeCode};

/// Compiled code of a module.
#[derive(Debug)]
pub struct CompiledModule {
    // Before the code: fields are dropped in order.
    _known: KnownCode,
    code: Code,
    funcs: Box<[Option<CompiledFunc>]>,
    entries: Box<[Option<EntryCode>]>,
    continuations: HashMap<Loop, ContinuationCode>,
    needs_guard: bool,
}

/// Why compiled code could not be taken in.
#[derive(Debug)]
pub enum LoadError {
    /// The object files are no good.
    Link(wayfarer_loader::LoadError),
    /// It is for another version of this runtime.
    Version {
        /// The interface it was compiled for.
        found: u32,
    },
    /// A function of the module is not in it.
    Missing(String),
    /// There is to be no code of this function, which is watched.
    Watched(u32),
    /// The module has an instruction that is not known.
    Unknown(UnknownOperator),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Link(error) => error.fmt(f),
            LoadError::Version { found } => write!(
                f,
                "compiled for interface {found} of the runtime, which has {}: compile the module again",
                wayfarer_abi::VERSION
            ),
            LoadError::Missing(name) => write!(f, "compiled code without function {name}"),
            LoadError::Watched(func) => write!(f, "compiled code with function {func}, which is watched"),
            LoadError::Unknown(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl CompiledModule {
    /// Takes in the object files that `module` was compiled to, for interface `abi`. `needs_guard`: they do not check
    /// accesses to memory themselves.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(
        module: &Module,
        abi: u32,
        objects: &[&[u8]],
        needs_guard: bool,
    ) -> Result<Arc<CompiledModule>, LoadError> {
        if abi != wayfarer_abi::VERSION {
            return Err(LoadError::Version { found: abi });
        }
        let code = Code::load(objects).map_err(LoadError::Link)?;
        let find = |name: String| match code.symbol(&name) {
            Some(address) => Ok(address.cast::<()>()),
            None => Err(LoadError::Missing(name)),
        };
        // SAFETY: what the compiler gives these names is code that is called so; it stays as long as the module's code.
        let func = |address| unsafe { CompiledFunc::at(address) };
        // SAFETY: as above.
        let entry = |address| unsafe { EntryCode::at(address) };
        // SAFETY: as above.
        let continuation = |address| unsafe { ContinuationCode::at(address) };
        let mut funcs = Vec::with_capacity(module.funcs.len());
        let mut continuations = HashMap::new();
        for FuncIdx(index) in module.defined_funcs() {
            let address = find(symbol::func(index))?;
            // What only has itself interpreted is not called by an interpreter.
            let interpreted = code.symbol(&symbol::interpreted(index)).is_some();
            funcs.push(if interpreted { None } else { func(address) });
            stable_points_where(module, index, |kind, offset| {
                let at = Loop { func: index, offset };
                if kind == PointKind::Loop
                    && let Some(address) = code.symbol(&symbol::continuation(at))
                    && let Some(code) = continuation(address.cast())
                {
                    continuations.insert(at, code);
                }
                false
            })
            .map_err(LoadError::Unknown)?;
        }
        let entries = (0..module.types.len() as u32)
            .map(|ty| find(symbol::entry(ty)).map(entry))
            .collect::<Result<_, _>>()?;
        signals::install();
        let funcs = funcs.into();
        let _known = KnownCode::new(code.range());
        Ok(Arc::new(CompiledModule { _known, code, funcs, entries, continuations, needs_guard }))
    }

    /// The loaded code, for tools that want to know of it.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The loaded code, to tell tools of it.
    pub fn code_mut(&mut self) -> &mut Code {
        &mut self.code
    }

    /// How many loop headers can be continued at.
    pub fn continuation_count(&self) -> usize {
        self.continuations.len()
    }
}

/// The function whose code, in `code`, an address is in.
pub(crate) fn function_at(code: &Code, address: usize) -> Option<u32> {
    symbol::func_of(&code.function_at(address)?.name)
}

impl NativeCode for CompiledModule {
    fn func(&self, func: DefinedFuncIdx) -> Option<CompiledFunc> {
        self.funcs.get(func.0 as usize).copied().flatten()
    }

    fn entry(&self, ty: u32) -> Option<EntryCode> {
        self.entries[ty as usize]
    }

    fn continuation(&self, at: Loop) -> Option<ContinuationCode> {
        self.continuations.get(&at).copied()
    }

    fn helpers(&self) -> *const Option<HelperCode> {
        helpers::table()
    }

    fn function_at(&self, address: usize) -> Option<u32> {
        function_at(&self.code, address)
    }

    fn needs_guard(&self) -> bool {
        self.needs_guard
    }
}
