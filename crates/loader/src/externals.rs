//! The functions outside that compiled code may refer to by name: the unwinder's, and what LLVM calls on its own account.
//! Everything else it gets through its context.

/// Makes [`NAMES`] and [`address`] from one list.
macro_rules! externals {
    ($($(#[$attribute:meta])* $group:ident { $($name:ident)* })*) => {
        mod declared {
            $($(#[$attribute])* unsafe extern "C" {
                // Only their addresses are taken here, so their parameters do not matter.
                $(pub(super) fn $name();)*
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
    unwinder { _Unwind_Resume __gcc_personality_v0 }
    memory { memcpy memmove memset memcmp bcmp }
    #[link(name = "m")]
    floats {
        ceil ceilf floor floorf trunc truncf rint rintf nearbyint nearbyintf round roundf roundeven roundevenf
        sqrt sqrtf fmin fminf fmax fmaxf fabs fabsf copysign copysignf fma fmaf fmod fmodf
    }
    // Of Rust's compiler_builtins: integers of 128 bits.
    wide_integers {
        __multi3 __muloti4 __divti3 __udivti3 __modti3 __umodti3 __ashlti3 __lshrti3 __ashrti3
    }
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
