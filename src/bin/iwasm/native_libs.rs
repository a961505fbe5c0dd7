//! `--native-lib`: host functions from shared libraries.
//!
//! A library has a function `get_native_lib`, which says what it has to offer, and may have `init_native_lib` and
//! `deinit_native_lib`, called before and after everything else.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use iwasm::capi::types::NativeSymbol;

use crate::api;
use crate::guest::Runtime;
use crate::text::print;

type Init = unsafe extern "C" fn() -> c_int;
type Get = unsafe extern "C" fn(module: *mut *mut c_char, symbols: *mut *mut NativeSymbol) -> u32;
type Deinit = unsafe extern "C" fn();

/// A library in use.
pub(crate) struct NativeLib<'r> {
    handle: Handle,
    module: *mut c_char,
    symbols: *mut NativeSymbol,
    runtime: PhantomData<&'r Runtime>,
}

/// Loads libraries. One that can't be used is passed over with a warning.
pub(crate) fn load<'r>(runtime: &'r Runtime, paths: &[CString], log_level: u32) -> Vec<NativeLib<'r>> {
    let libs = paths.iter().map(|path| {
        NativeLib::open(runtime, path).inspect_err(|why| {
            const WARNING: u32 = 2;
            if log_level >= WARNING {
                print(&format!("warning: failed to load native library {}: {why}\n", path.to_string_lossy()));
            }
        })
    });
    libs.filter_map(Result::ok).collect()
}

impl<'r> NativeLib<'r> {
    fn open(_runtime: &'r Runtime, path: &CStr) -> Result<Self, String> {
        let handle = Handle::open(path)?;
        if let Some(init) = handle.symbol(c"init_native_lib") {
            // SAFETY: by the rules of native libraries, a function of this name has this type.
            let result = unsafe { std::mem::transmute::<NonNull<c_void>, Init>(init)() };
            if result != 0 {
                return Err(format!("init_native_lib returned {result}"));
            }
        }
        let get = handle.symbol(c"get_native_lib").ok_or("there is no get_native_lib in it")?;
        let (mut module, mut symbols) = (null_mut(), null_mut());
        // SAFETY: by the rules of native libraries, a function of this name has this type.
        let count =
            unsafe { std::mem::transmute::<NonNull<c_void>, Get>(get)(&raw mut module, &raw mut symbols) };
        let lib = NativeLib { handle, module, symbols, runtime: PhantomData };
        // SAFETY: the library gives the array to the runtime, until it is unregistered in `drop`.
        if count == 0 || !unsafe { api::wasm_runtime_register_natives(module, symbols, count) } {
            return Err("its functions could not be registered".to_owned());
        }
        Ok(lib)
    }
}

impl Drop for NativeLib<'_> {
    fn drop(&mut self) {
        // SAFETY: what `get_native_lib` said; the runtime looks for it, so it may also not be registered.
        unsafe { api::wasm_runtime_unregister_natives(self.module, self.symbols) };
        if let Some(deinit) = self.handle.symbol(c"deinit_native_lib") {
            // SAFETY: by the rules of native libraries, a function of this name has this type.
            unsafe { std::mem::transmute::<NonNull<c_void>, Deinit>(deinit)() };
        }
    }
}

/// An open shared library.
struct Handle(NonNull<c_void>);

impl Handle {
    fn open(path: &CStr) -> Result<Self, String> {
        let mut why = String::new();
        for flags in [libc::RTLD_NOW | libc::RTLD_GLOBAL, libc::RTLD_LAZY] {
            // SAFETY: a string. What the library does when loaded is up to whoever asked for it.
            if let Some(handle) = NonNull::new(unsafe { libc::dlopen(path.as_ptr(), flags) }) {
                return Ok(Handle(handle));
            }
            // SAFETY: no other thread uses dlopen now; the message is copied at once.
            let message = unsafe { libc::dlerror() };
            if why.is_empty() && !message.is_null() {
                // SAFETY: not NULL, so a string.
                why = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
            }
        }
        Err(why)
    }

    fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the library is open, and the name is a string.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: open, and closed once.
        unsafe { libc::dlclose(self.0.as_ptr()) };
    }
}
