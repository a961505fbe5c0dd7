//! What to compile for, and how.

/// How accesses to linear memory are kept inside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// By pages without access around it: no instructions, but the memory must reserve all its address space.
    Guard,
    /// By a comparison before each access.
    Explicit,
}

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Object files.
    Object,
    /// LLVM's text before optimization.
    IrUnoptimized,
    /// LLVM's text after optimization.
    IrOptimized,
}

/// How a module is compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// LLVM target triple, e.g. `x86_64-unknown-linux-gnu`; `None` for this machine's.
    pub triple: Option<String>,
    /// LLVM CPU name; `None` for this machine's CPU if there is no triple, else `generic`.
    pub cpu: Option<String>,
    /// LLVM CPU features, e.g. `+avx2,-fma`; added to the CPU's own.
    pub features: String,
    /// 0 to 3, as clang's -O.
    pub opt_level: u8,
    /// WAMR's size level: 0 large code model, 1 medium, 2 kernel, 3 small.
    pub size_level: u8,
    /// How accesses to linear memory are checked.
    pub bounds: Bounds,
    /// Whether the code can be stopped and captured.
    pub checkpoints: bool,
    /// A poll at every stable point, in the order in which the interpreter has them: nothing is left out that could be.
    pub precise: bool,
    /// Continuations at loop headers, so that captured frames become compiled ones again.
    pub continuations: bool,
    /// The module's functions need not be in the same object, nor compiled at all: others are called through the module's
    /// list of code ([`wayfarer_abi::vmctx::CODE`]).
    pub in_parts: bool,
    /// NaNs whose bits the specification leaves open are the canonical one: positive, quiet, without a payload.
    pub deterministic: bool,
    /// Functions that can be watched: they are interpreted, wherever they are called. With those of C's streams, as far as the
    /// module says which these are.
    pub watched: Vec<u32>,
    /// Threads to compile with.
    pub threads: usize,
    /// What comes out.
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            triple: None,
            cpu: None,
            features: String::new(),
            opt_level: 3,
            size_level: 3,
            bounds: Bounds::Guard,
            checkpoints: true,
            precise: false,
            continuations: true,
            in_parts: false,
            deterministic: false,
            watched: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            format: Format::Object,
        }
    }
}
