//! The functions outside that compiled code may refer to by name: the unwinder's, and what LLVM calls on its own account.
//! Everything else it gets through its context.

use std::ffi::c_void;

/// Makes [`NAMES`] and [`addresses`] from one list.
macro_rules! externals {
    ($($(#[$attribute:meta])* $abi:literal $parameters:tt -> $result:ty { $($name:ident)* })*) => {
        mod declared {
            use super::*;
            // Only their addresses are taken here. But the compiler itself calls some of them in this crate, and must not
            // meet other types of theirs.
            $($(#[$attribute])* unsafe extern $abi {
                $(pub(super) fn $name $parameters -> $result;)*
            })*
        }

        /// Their names.
        const NAMES: &[&str] = &[$($(stringify!($name),)*)*];

        /// Their addresses, in the same order.
        fn addresses() -> [usize; NAMES.len()] {
            [$($(declared::$name as *const () as usize,)*)*]
        }
    };
}

externals! {
    // Of libgcc_s.
    "C-unwind" (_: *mut c_void) -> ! { _Unwind_Resume }
    "C" (_: i32, _: i32, _: u64, _: *mut c_void, _: *mut c_void) -> i32 { __gcc_personality_v0 }
    // Of the C library.
    "C" (_: *mut c_void, _: *const c_void, _: usize) -> *mut c_void { memcpy memmove }
    "C" (_: *mut c_void, _: i32, _: usize) -> *mut c_void { memset }
    "C" (_: *const c_void, _: *const c_void, _: usize) -> i32 { memcmp bcmp }
    #[link(name = "m")]
    "C" (_: f64) -> f64 { ceil floor trunc rint nearbyint round roundeven sqrt fabs }
    "C" (_: f32) -> f32 { ceilf floorf truncf rintf nearbyintf roundf roundevenf sqrtf fabsf }
    "C" (_: f64, _: f64) -> f64 { fmin fmax copysign fmod }
    "C" (_: f32, _: f32) -> f32 { fminf fmaxf copysignf fmodf }
    "C" (_: f64, _: f64, _: f64) -> f64 { fma }
    "C" (_: f32, _: f32, _: f32) -> f32 { fmaf }
    // Of Rust's compiler_builtins: integers of 128 bits.
    "C" (_: i128, _: i128) -> i128 { __multi3 __divti3 __modti3 }
    "C" (_: u128, _: u128) -> u128 { __udivti3 __umodti3 }
    "C" (_: i128, _: i128, _: *mut i32) -> i128 { __muloti4 }
    "C" (_: i128, _: i32) -> i128 { __ashlti3 __ashrti3 }
    "C" (_: u128, _: i32) -> u128 { __lshrti3 }
}

/// A function of the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct External(u8);

impl External {
    /// The function with this name.
    pub(crate) fn named(name: &[u8]) -> Option<External> {
        let index = NAMES.iter().position(|n| n.as_bytes() == name)?;
        Some(External(index as u8))
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Its address in this process.
    pub(crate) fn address(self) -> u64 {
        addresses()[usize::from(self.0)] as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_functions() {
        assert!(NAMES.len() < 256);
        let memcpy = External::named(b"memcpy").unwrap();
        assert_eq!(memcpy.name(), "memcpy");
        assert_eq!(memcpy.address(), libc::memcpy as *const () as u64);
        for name in NAMES {
            assert_eq!(External::named(name.as_bytes()).unwrap().name(), *name);
        }
        assert_eq!(External::named(b"system"), None);
    }
}
