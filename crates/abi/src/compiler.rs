//! What `libwayfarer_compiler.so` and those who load it agree on: three C functions.
//!
//! The library is loaded when something has to be compiled, and never unloaded. Its functions can be called from any
//! thread, from several at once, and never unwind.

/// Changes with anything here: what [`VERSION_SYMBOL`]'s function returns.
pub const VERSION: u32 = 1;

/// The library's file name.
pub const FILE: &str = "libwayfarer_compiler.so";

/// Name of the [`VersionFn`].
pub const VERSION_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_version";

/// Name of the [`CompileFn`].
pub const COMPILE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_compile";

/// Name of the [`FreeFn`].
pub const FREE_SYMBOL: &core::ffi::CStr = c"wayfarer_compiler_free";

/// Returns [`VERSION`].
pub type VersionFn = extern "C" fn() -> u32;

/// Compiles the WebAssembly module of `len` bytes at `wasm` for the machine this runs on. Fills in `out`, and returns 0:
/// it holds the bytes of an `.aot` file; or not 0: it holds a message (UTF-8, without a NUL).
pub type CompileFn =
    unsafe extern "C" fn(wasm: *const u8, len: usize, options: *const Options, out: *mut Buffer) -> i32;

/// Frees what [`CompileFn`] filled in.
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
