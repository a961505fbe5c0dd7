//! What a libc function is given, and how it fails.

use std::fmt;
use std::io::Write;

use wayfarer_guest::{GuestMemory, OutOfBounds};

/// What the embedder lends to a libc function: the calling instance's memory and heap, and a clock.
pub trait LibcHost {
    /// The instance's memory 0, as it is now. It may move or grow in [`malloc`](Self::malloc),
    /// [`realloc`](Self::realloc) and [`free`](Self::free), so it is asked for again after each of them.
    fn memory(&self) -> GuestMemory<'_>;

    /// Allocates `size` bytes for the guest, from the instance's application heap or its exported `malloc`.
    /// Returns a guest address, or 0 when there is no room.
    fn malloc(&mut self, size: u32) -> u32;

    /// Changes the size of a block from [`malloc`](Self::malloc) to `size` bytes, moving it if need be; a null `addr`
    /// allocates. Returns the block's guest address, or 0 (the old block stays) when there is no room.
    fn realloc(&mut self, addr: u32, size: u32) -> u32;

    /// Releases a block from [`malloc`](Self::malloc). A null `addr` is ignored.
    fn free(&mut self, addr: u32);

    /// Nanoseconds on a clock that never goes back for this guest, not even over a restore.
    fn monotonic_ns(&self) -> u64;
}

/// One call of a libc function.
pub struct LibcCall<'a> {
    /// The instance that calls.
    pub host: &'a mut dyn LibcHost,
    /// Where the guest's standard output goes. See [`CStdout`](crate::CStdout).
    pub stdout: &'a mut dyn Write,
}

/// Why a libc function ended its guest's run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LibcTrap {
    /// An argument pointed outside linear memory, or to a string without an end. Some output may have been written.
    OutOfBounds,
    /// The exception to set on the instance, such as `env.exit(3)`: without the `Exception: ` in front.
    Exception(String),
}

impl From<OutOfBounds> for LibcTrap {
    fn from(_: OutOfBounds) -> Self {
        LibcTrap::OutOfBounds
    }
}

impl fmt::Display for LibcTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LibcTrap::OutOfBounds => "out of bounds memory access",
            LibcTrap::Exception(text) => text,
        })
    }
}

impl std::error::Error for LibcTrap {}

/// A function of the table.
pub struct LibcFunction {
    /// Import name, without its module.
    pub name: &'static str,
    /// Parameters and result in WAMR's native signature letters: `i` i32, `I` i64, `f` f32, `F` f64, `*` i32 pointer, `~`
    /// i32 length of the pointer before it, `$` i32 pointer to a string; all of `*~$` are plain i32 to WebAssembly.
    pub signature: &'static str,
    /// The function. Arguments and result are WebAssembly values, 32-bit ones in the low half (the high half of an
    /// argument is ignored, that of a result is zero); pointers are guest addresses, checked by the function itself. A
    /// function without a result returns 0.
    ///
    /// # Errors
    /// The [`LibcTrap`] that ends the guest's run; an exception that says so if `args` is of the wrong length.
    pub call: fn(&mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap>,
}

impl fmt::Debug for LibcFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.signature)
    }
}

/// The arguments as an array, so that a function can take them apart by pattern.
pub(crate) fn raw_params<const N: usize>(args: &[u64]) -> Result<[u64; N], LibcTrap> {
    <[u64; N]>::try_from(args).map_err(|_| {
        LibcTrap::Exception(format!("libc function called with {} arguments, not {N}", args.len()))
    })
}

/// The arguments of a function that takes nothing but 32-bit integers.
pub(crate) fn params<const N: usize>(args: &[u64]) -> Result<[u32; N], LibcTrap> {
    Ok(raw_params(args)?.map(|raw| raw as u32))
}

/// A signed 32-bit result.
pub(crate) fn int(value: i32) -> Result<u64, LibcTrap> {
    Ok(u64::from(value as u32))
}

/// An address or another unsigned 32-bit result.
pub(crate) fn uint(value: u32) -> Result<u64, LibcTrap> {
    Ok(u64::from(value))
}
