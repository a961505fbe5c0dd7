//! What `libwayfarer_compiler.so` and those who load it agree on: C functions.
//!
//! A module is compiled as a whole ([`CompileFn`]), or in parts while it runs ([`OpenFn`], [`PartFn`], [`CloseFn`]).
//!
//! The library is loaded when something has to be compiled, and never unloaded. Its functions can be called from any
//! thread, from several at once, and never unwind.

/// Changes with anything here: what [`VERSION_SYMBOL`]'s function returns.
pub const VERSION: u32 = 4;

/// The library's file name.
pub const FILE: &str = "libwayfarer_compiler.so";

/// Name of the [`VersionFn`].
pub const VERSION_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_version";

/// Name of the [`CompileFn`].
pub const COMPILE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_compile";

/// Name of the [`FreeFn`].
pub const FREE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_free";

/// Name of the [`OpenFn`].
pub const OPEN_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_open";

/// Name of the [`PartFn`].
pub const PART_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_part";

/// Name of the [`CloseFn`].
pub const CLOSE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_close";

/// Name of the [`DisassembleFn`].
pub const DISASSEMBLE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_disassemble";

/// Returns [`VERSION`].
pub type VersionFn = extern "C" fn() -> u32;

/// Compiles the WebAssembly module of `len` bytes at `wasm` for the machine this runs on. Fills in `out`, and returns 0:
/// it holds the bytes of an `.aot` file; or not 0: it holds a message (UTF-8, without a NUL). `progress` is called with
/// `context`, from any thread, until it returns.
pub type CompileFn = unsafe extern "C" fn(
    wasm: *const u8,
    len: usize,
    options: *const Options,
    progress: ProgressFn,
    context: *const core::ffi::c_void,
    out: *mut Buffer,
) -> i32;

/// Told how much of how much is done.
pub type ProgressFn = unsafe extern "C" fn(context: *const core::ffi::c_void, done: usize, total: usize);

/// A module that is compiled in parts.
#[repr(C)]
#[derive(Debug)]
pub struct Session {
    _opaque: [u8; 0],
}

/// Begins to compile the WebAssembly module of `len` bytes at `wasm`, which is copied, in parts. Returns null if that cannot
/// be done, and fills in `out` with a message.
pub type OpenFn = unsafe extern "C" fn(
    wasm: *const u8,
    len: usize,
    options: *const Options,
    out: *mut Buffer,
) -> *mut Session;

/// Compiles a part of a module. Fills in `out`, and returns 0: it holds the bytes of an object file; or not 0: it holds a
/// message. Several threads may do so at the same time.
pub type PartFn = unsafe extern "C" fn(session: *const Session, part: *const Part, out: *mut Buffer) -> i32;

/// Ends what [`OpenFn`] began.
pub type CloseFn = unsafe extern "C" fn(session: *mut Session);

/// A part of a module.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Part {
    /// Indices of functions that are not imported.
    pub funcs: *const u32,
    /// How many.
    pub funcs_len: usize,
    /// Loops to have continuations for.
    pub loops: *const Loop,
    /// How many.
    pub loops_len: usize,
    /// Called with a message when the compiler cannot go on. It must not return: the thread is lost.
    pub fatal: unsafe extern "C" fn(context: *mut core::ffi::c_void, message: *const u8, len: usize),
    /// Passed to it.
    pub context: *mut core::ffi::c_void,
}

/// A loop of a module: where a function stands at a loop header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(C)]
pub struct Loop {
    /// Index of its function.
    pub func: u32,
    /// Offset of its header as a stable point.
    pub offset: u32,
}

/// Fills in `out`, and returns 0: it holds the instructions in `len` bytes at `code`, which are for this machine, as text (UTF-8), a
/// line for each; or not 0: it holds a message.
pub type DisassembleFn = unsafe extern "C" fn(code: *const u8, len: usize, out: *mut Buffer) -> i32;

/// Frees what the other functions filled in.
pub type FreeFn = unsafe extern "C" fn(buffer: Buffer);

/// How to compile. All fields are plain numbers; flags are on unless 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Options {
    /// 0 to 3, as clang's -O.
    pub opt_level: u8,
    /// WAMR's size level: 0 large code model, 1 medium, 2 kernel, 3 small.
    pub size_level: u8,
    /// Flag: accesses to memory are checked by comparisons, not by guard pages.
    pub explicit_bounds: u8,
    /// Flag: the code can be stopped and captured.
    pub checkpoints: u8,
    /// Flag: a poll at every stable point.
    pub precise: u8,
    /// Flag: continuations at loop headers.
    pub continuations: u8,
    /// Flag: NaNs whose bits the specification leaves open are the canonical one.
    pub deterministic: u8,
    /// Threads to compile with; 0 for as many as there are processors.
    pub threads: u32,
}

/// Bytes that belong to the library.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Buffer {
    /// The first one. May be null if there are none.
    pub bytes: *mut u8,
    /// How many.
    pub len: usize,
}
