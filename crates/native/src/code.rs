//! A module's compiled code in this process.

use crate::known::KnownCode;
use crate::{helpers, signals};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use wayfarer_abi::symbol;
use wayfarer_loader::Code;
use wayfarer_module::{Module, PointKind, UnknownOperator, stable_points_where};
use wayfarer_runtime::NativeCode;

/// Compiled code of a module.
#[derive(Debug)]
pub struct CompiledModule {
    // Before the code: fields are dropped in order.
    _known: KnownCode,
    code: Code,
    funcs: Box<[*const ()]>,
    entries: Box<[*const ()]>,
    continuations: HashMap<(u32, u32), *const ()>,
    needs_guard: bool,
}

// SAFETY: the pointers are into `code`, which is never written to.
unsafe impl Send for CompiledModule {}
// SAFETY: as above.
unsafe impl Sync for CompiledModule {}

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
        let mut funcs = Vec::with_capacity(module.funcs.len());
        let mut continuations = HashMap::new();
        for index in module.num_imported_funcs..module.funcs.len() as u32 {
            let address = find(symbol::func(index))?;
            // What only has itself interpreted is not called by an interpreter.
            let interpreted = code.symbol(&symbol::interpreted(index)).is_some();
            funcs.push(if interpreted { std::ptr::null() } else { address });
            stable_points_where(module, index, |kind, offset| {
                if kind == PointKind::Loop
                    && let Some(address) = code.symbol(&symbol::continuation(index, offset))
                {
                    continuations.insert((index, offset), address.cast::<()>());
                }
                false
            })
            .map_err(LoadError::Unknown)?;
        }
        let entries =
            (0..module.types.len() as u32).map(|ty| find(symbol::entry(ty))).collect::<Result<_, _>>()?;
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
    fn func(&self, local: u32) -> *const () {
        self.funcs.get(local as usize).copied().unwrap_or(std::ptr::null())
    }

    fn entry(&self, ty: u32) -> *const () {
        self.entries[ty as usize]
    }

    fn continuation(&self, func: u32, offset: u32) -> Option<*const ()> {
        self.continuations.get(&(func, offset)).copied()
    }

    fn helpers(&self) -> *const *const () {
        helpers::table()
    }

    fn function_at(&self, address: usize) -> Option<u32> {
        function_at(&self.code, address)
    }

    fn needs_guard(&self) -> bool {
        self.needs_guard
    }
}
