//! What a host function sees of its guest: checked access to linear memory, and a way to learn that it should stop
//! waiting. The WASI and libc crates are written against this alone, so they need no engine to be built or tested.
//!
//! Guest memory may be written by other threads of the guest at any time. So nothing here hands out a Rust reference to
//! it: values are copied in and out, and bulk I/O gets raw pointers that were bounds-checked.

use std::marker::PhantomData;
use std::os::fd::RawFd;

/// An access outside linear memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfBounds;

/// A linear memory for the length of one host call.
#[derive(Clone, Copy, Debug)]
pub struct GuestMemory<'a> {
    base: *mut u8,
    len: u64,
    life: PhantomData<&'a ()>,
}

impl<'a> GuestMemory<'a> {
    /// Wraps `len` bytes at `base`.
    ///
    /// # Safety
    /// For `'a`, `base..base + len` must stay mapped, readable and writable, and no Rust reference to it may exist.
    #[inline]
    pub unsafe fn new(base: *mut u8, len: u64) -> Self {
        GuestMemory { base, len, life: PhantomData }
    }

    /// A memory over a buffer, for tests.
    pub fn from_slice(bytes: &'a mut [u8]) -> Self {
        GuestMemory { base: bytes.as_mut_ptr(), len: bytes.len() as u64, life: PhantomData }
    }

    /// Size in bytes.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the memory has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Pointer to `size` bytes at guest address `addr`. Valid for as long as the memory is; other threads may write there.
    ///
    /// # Errors
    /// [`OutOfBounds`] unless the whole range is inside.
    #[inline]
    pub fn range(&self, addr: u64, size: u64) -> Result<*mut u8, OutOfBounds> {
        match addr.checked_add(size) {
            // SAFETY: `addr <= len`, so the result is inside the mapping or one past its end.
            Some(end) if end <= self.len => Ok(unsafe { self.base.add(addr as usize) }),
            _ => Err(OutOfBounds),
        }
    }

    /// Copies `into.len()` bytes out of the guest.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn read(&self, addr: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.range(addr, into.len() as u64)?;
        // SAFETY: `range` checked `into.len()` bytes; `into` is a Rust buffer, so it does not overlap guest memory.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Copies `bytes` into the guest.
    ///
    /// # Errors
    /// [`OutOfBounds`]; nothing is written then.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.range(addr, bytes.len() as u64)?;
        // SAFETY: `range` checked `bytes.len()` bytes; `bytes` is a Rust buffer, so it does not overlap guest memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// `size` bytes as a vector.
    ///
    /// # Errors
    /// [`OutOfBounds`], before anything is allocated.
    pub fn read_vec(&self, addr: u64, size: u64) -> Result<Vec<u8>, OutOfBounds> {
        self.range(addr, size)?;
        let mut bytes = vec![0; size as usize];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes from `addr` up to, without, the next NUL.
    ///
    /// # Errors
    /// [`OutOfBounds`] if there is no NUL before the end of memory.
    pub fn read_cstr(&self, addr: u64) -> Result<Vec<u8>, OutOfBounds> {
        let mut bytes = Vec::new();
        let mut at = addr;
        loop {
            match self.read_u8(at)? {
                0 => return Ok(bytes),
                b => bytes.push(b),
            }
            at += 1;
        }
    }
}

macro_rules! scalars {
    ($($read:ident $write:ident $t:ty;)*) => {
        impl GuestMemory<'_> {
            $(
                #[doc = concat!("Reads a little-endian `", stringify!($t), "` (no alignment needed).")]
                /// # Errors
                /// [`OutOfBounds`].
                pub fn $read(&self, addr: u64) -> Result<$t, OutOfBounds> {
                    let mut bytes = [0; size_of::<$t>()];
                    self.read(addr, &mut bytes)?;
                    Ok(<$t>::from_le_bytes(bytes))
                }

                #[doc = concat!("Writes a little-endian `", stringify!($t), "` (no alignment needed).")]
                /// # Errors
                /// [`OutOfBounds`]; nothing is written then.
                pub fn $write(&self, addr: u64, value: $t) -> Result<(), OutOfBounds> {
                    self.write(addr, &value.to_le_bytes())
                }
            )*
        }
    };
}

scalars! {
    read_u8 write_u8 u8;
    read_u16 write_u16 u16;
    read_u32 write_u32 u32;
    read_u64 write_u64 u64;
    read_f64 write_f64 f64;
}

/// Tells a host function that is about to wait, or waits, that the runtime wants its thread (checkpoint, termination).
///
/// A wait is raced against nothing: it polls its descriptors together with [`Interrupt::wake_fd`], which stays readable
/// from the request until the runtime has served it, and perhaps a little longer.
pub trait Interrupt {
    /// Whether a request is pending now.
    fn pending(&self) -> bool;
    /// A descriptor that is readable while a request is pending, or -1 if there is none. To be asked for before each wait:
    /// then it is not readable any more for the sake of a request that was served before.
    fn wake_fd(&self) -> RawFd;
}

/// Never interrupts: for tests.
#[derive(Clone, Copy, Debug)]
pub struct NoInterrupt;

impl Interrupt for NoInterrupt {
    fn pending(&self) -> bool {
        false
    }
    fn wake_fd(&self) -> RawFd {
        -1
    }
}
