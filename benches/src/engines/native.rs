//! No WebAssembly at all: the same C source, compiled for the machine by clang.

use super::{Engine, Program};
use crate::{Error, artifacts, cpu_time};
use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Programs as shared libraries, from the directory of this name among the artifacts.
pub(crate) struct Native {
    name: &'static str,
}

impl Native {
    pub(crate) fn new(name: &'static str) -> Native {
        Native { name }
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        self.name
    }

    fn load(&self, name: &str, _wasm: &[u8]) -> Result<Box<dyn Program>, Error> {
        let path = artifacts::build().join(self.name).join(name).with_extension("so");
        Ok(Box::new(Loaded(CString::new(path.as_os_str().as_bytes())?)))
    }
}

struct Loaded(CString);

impl Program for Loaded {
    fn run(&self, n: i32) -> Result<(i32, Duration), Error> {
        // Opened anew each time: variables are as they are at the start.
        let library = Library::open(&self.0)?;
        // SAFETY: dlsym(3) of a library that is open.
        let run = unsafe { libc::dlsym(library.0, c"run".as_ptr()) };
        if run.is_null() {
            return Err(last_error());
        }
        // SAFETY: that is what each program exports.
        let run: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(run) };
        Ok(cpu_time::of(|| run(n)))
    }
}

/// An open library; nothing else in this process has it open.
struct Library(*mut c_void);

impl Library {
    fn open(path: &CStr) -> Result<Library, Error> {
        // SAFETY: programs have no initializers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() { Err(last_error()) } else { Ok(Library(handle)) }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: it was opened, and nothing of it is used any more.
        unsafe { libc::dlclose(self.0) };
    }
}

fn last_error() -> Error {
    // SAFETY: dlerror(3) gives a string that is valid until the next call, or null.
    let text: *const c_char = unsafe { libc::dlerror() };
    if text.is_null() {
        return "dlopen failed".into();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned().into()
}
