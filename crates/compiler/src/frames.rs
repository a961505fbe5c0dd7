//! Stack frames that are too large, as LLVM finds out when it makes machine code.
//!
//! Functions look at the stack's limit before they have a frame, and those that call nothing do not look at all. So no frame
//! may be larger than what is behind the limit (`wayfarer_runtime::native_stack`): what would have one is interpreted.

use inkwell::context::Context;
use inkwell::llvm_sys::LLVMDiagnosticSeverity;
use inkwell::llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription, LLVMGetDiagInfoSeverity,
};
use inkwell::llvm_sys::prelude::LLVMDiagnosticInfoRef;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, c_void};

/// The largest frame (bytes): half of what is behind the limit on a stack of 256 KiB, and an eighth on large ones.
pub(crate) const LARGEST: usize = 32768;

/// The attribute of functions that has LLVM say so if a frame is larger.
pub(crate) const ATTRIBUTE: &str = "warn-stack-size";

/// What LLVM said while it made code.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Symbols of functions with too large a frame.
    pub(crate) large: HashSet<String>,
    /// The first error.
    pub(crate) error: Option<String>,
}

/// Does something that makes LLVM speak of code in `context`: what that gives, and what it said.
pub(crate) fn listen<T>(context: &Context, work: impl FnOnce() -> T) -> (T, Heard) {
    let heard = RefCell::new(Heard::default());
    // SAFETY: what is heard outlives the handler, which is taken away again.
    unsafe {
        let data = (&raw const heard).cast_mut().cast();
        LLVMContextSetDiagnosticHandler(context.raw(), Some(hear), data);
        let done = work();
        LLVMContextSetDiagnosticHandler(context.raw(), Some(ignore), std::ptr::null_mut());
        (done, heard.into_inner())
    }
}

extern "C" fn ignore(_: LLVMDiagnosticInfoRef, _: *mut c_void) {}

extern "C" fn hear(info: LLVMDiagnosticInfoRef, heard: *mut c_void) {
    // SAFETY: LLVM calls this with what `listen` gave it, and a diagnostic; the text is freed once it was read.
    unsafe {
        let severity = LLVMGetDiagInfoSeverity(info);
        let message = LLVMGetDiagInfoDescription(info);
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        LLVMDisposeMessage(message);
        let Ok(mut heard) = (*heard.cast::<RefCell<Heard>>()).try_borrow_mut() else { return };
        match severity {
            LLVMDiagnosticSeverity::LLVMDSError => {
                heard.error.get_or_insert(text);
            }
            LLVMDiagnosticSeverity::LLVMDSWarning => heard.large.extend(large(&text)),
            _ => {}
        }
    }
}

/// The function that such a warning is about: `<unknown>:0:0: stack frame size (40120) exceeds limit (32768) in function 'f1'`.
fn large(text: &str) -> Option<String> {
    let name = text.split_once("stack frame size")?.1.split_once("in function '")?.1;
    Some(name.strip_suffix('\'')?.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_llvm_says() {
        let text = "<unknown>:0:0: stack frame size (40120) exceeds limit (32768) in function 'c1.77'";
        assert_eq!(super::large(text), Some("c1.77".to_owned()));
        assert_eq!(super::large("something else"), None);
    }
}
