//! Addresses of code: a type for each way in which code is called, so that what is to be called in one way is not called in
//! another. Each is a pointer, also within `Option`.

use std::ptr::NonNull;

macro_rules! code_addresses {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
            #[repr(transparent)]
            pub struct $name(NonNull<()>);

            // SAFETY: an address; what is there is code, which nobody writes to.
            unsafe impl Send for $name {}
            // SAFETY: as above.
            unsafe impl Sync for $name {}

            impl $name {
                /// The code at an address; `None` if that is null.
                ///
                /// # Safety
                /// Unless it is null there is code that is called in this way, and it stays there for as long as anybody may
                /// call it.
                #[inline]
                pub const unsafe fn at(address: *const ()) -> Option<Self> {
                    match NonNull::new(address.cast_mut()) {
                        Some(address) => Some($name(address)),
                        None => None,
                    }
                }

                /// Where it is.
                #[inline]
                pub const fn as_ptr(self) -> *const () {
                    self.0.as_ptr()
                }
            }
        )*
    };
}

code_addresses! {
    /// Compiled code of a guest's function. Called by other compiled code alone: how, depends on the function's type. Everybody
    /// else goes through the [`EntryCode`] of that type.
    CompiledFunc;
    /// `extern "C" fn(vmctx, code, slots)`: calls a [`CompiledFunc`] of one type with arguments from slots, which its results
    /// replace.
    EntryCode;
    /// `extern "C" fn(vmctx, state, frame)`: goes on at a loop header. See `wayfarer_abi::symbol::continuation`.
    ContinuationCode;
    /// One of the runtime's functions that compiled code calls; its signature is that of the `wayfarer_abi::Helper` that it is.
    HelperCode;
}

/// A function as an engine has prepared it; only that engine knows what is there. Null for a function of the host's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PreparedFunc(pub *const ());

impl PreparedFunc {
    /// None.
    pub const NULL: PreparedFunc = PreparedFunc(std::ptr::null());

    /// Whether there is none.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }
}

const _: () = {
    assert!(size_of::<Option<CompiledFunc>>() == size_of::<*const ()>());
    assert!(size_of::<Option<HelperCode>>() == size_of::<*const ()>());
    assert!(size_of::<PreparedFunc>() == size_of::<*const ()>());
};
