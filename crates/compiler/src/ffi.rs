//! The functions of `libwayfarer_compiler.so`, as [`wayfarer_abi::compiler`] describes them.

use crate::{Bounds, Options, Session, artifact, disassemble};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wayfarer_abi::compiler::{
    Buffer, Options as CompilerOptions, Part, ProgressFn, Session as OpenSession, VERSION,
};
use wayfarer_module::Module;

/// What [`wayfarer_compiler_compile`] returns if the buffer holds an `.aot` file.
const DONE: i32 = 0;

/// What it returns if the buffer holds a message.
const FAILED: i32 = 1;

/// Version of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn wayfarer_compiler_version() -> u32 {
    VERSION
}

/// Compiles a module for this machine.
///
/// # Safety
/// `wasm` has `len` bytes, `options` can be read, `out` can be written; `progress` can be called with `context` by any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_compile(
    wasm: *const u8,
    len: usize,
    options: *const CompilerOptions,
    progress: ProgressFn,
    context: *const c_void,
    out: *mut Buffer,
) -> i32 {
    /// What the caller's function is told with.
    struct Context(*const c_void);
    // SAFETY: as the caller promises: any thread may pass it on.
    unsafe impl Sync for Context {}
    impl Context {
        fn get(&self) -> *const c_void {
            self.0
        }
    }

    let context = Context(context);
    // SAFETY: as the caller promises.
    let tell = |done, total| unsafe { progress(context.get(), done, total) };
    // SAFETY: as the caller promises.
    let (bytes, options) = unsafe { (slice(wasm, len), *options) };
    let (status, bytes) = match caught(|| compile(bytes, &options, &tell)) {
        Ok(file) => (DONE, file),
        Err(message) => (FAILED, message.into_bytes()),
    };
    // SAFETY: as the caller promises.
    unsafe { out.write(buffer(bytes)) };
    status
}

/// Begins to compile a module in parts, for this machine.
///
/// # Safety
/// As for [`wayfarer_compiler_compile`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_open(
    wasm: *const u8,
    len: usize,
    options: *const CompilerOptions,
    out: *mut Buffer,
) -> *mut OpenSession {
    // SAFETY: as the caller promises.
    let (bytes, options) = unsafe { (slice(wasm, len), *options) };
    let session = caught(|| {
        let (module, options) = parse(bytes, &options)?;
        Session::new(module, options).map_err(|e| e.to_string())
    });
    let (session, message) = match session {
        Ok(session) => (Box::into_raw(Box::new(session)).cast(), String::new()),
        Err(message) => (std::ptr::null_mut(), message),
    };
    // SAFETY: as the caller promises.
    unsafe { out.write(buffer(message.into_bytes())) };
    session
}

/// Compiles a part of a module.
///
/// # Safety
/// The session is open, the part is as [`Part`] says, `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_part(
    session: *const OpenSession,
    part: *const Part,
    out: *mut Buffer,
) -> i32 {
    // SAFETY: made by `wayfarer_compiler_open`; the rest as the caller promises.
    let (session, part, funcs, loops) = unsafe {
        let part = *part;
        let funcs = slice(part.funcs, part.funcs_len);
        (&*session.cast::<Session>(), part, funcs, slice(part.loops, part.loops_len))
    };
    // SAFETY: a function of this type.
    let fatal = |text: &str| unsafe { (part.fatal)(part.context, text.as_ptr(), text.len()) };
    let compiled = caught(|| session.compile(funcs, loops, &fatal).map_err(|e| e.to_string()));
    let (status, bytes) = match compiled {
        Ok(object) => (DONE, object),
        Err(message) => (FAILED, message.into_bytes()),
    };
    // SAFETY: as the caller promises.
    unsafe { out.write(buffer(bytes)) };
    status
}

/// Ends what [`wayfarer_compiler_open`] began.
///
/// # Safety
/// It did, nothing is being compiled in it, and this was not called yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_close(session: *mut OpenSession) {
    // SAFETY: made by `wayfarer_compiler_open`.
    drop(unsafe { Box::from_raw(session.cast::<Session>()) });
}

/// The instructions of machine code for this machine, as text.
///
/// # Safety
/// `code` has `len` bytes, `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_disassemble(code: *const u8, len: usize, out: *mut Buffer) -> i32 {
    // SAFETY: as the caller promises.
    let code = unsafe { slice(code, len) };
    let (status, text) = match caught(|| disassemble::disassemble(code).map_err(|e| e.to_string())) {
        Ok(text) => (DONE, text),
        Err(message) => (FAILED, message),
    };
    // SAFETY: as the caller promises.
    unsafe { out.write(buffer(text.into_bytes())) };
    status
}

/// # Safety
/// There are `len` at `first`.
unsafe fn slice<'a, T>(first: *const T, len: usize) -> &'a [T] {
    match len {
        // A null pointer may come with none.
        0 => &[],
        // SAFETY: as the caller promises.
        _ => unsafe { std::slice::from_raw_parts(first, len) },
    }
}

/// Does something; a panic is an error.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
        Err(format!("internal error of the compiler: {text}"))
    })
}

/// For [`wayfarer_compiler_free`] to free.
fn buffer(bytes: Vec<u8>) -> Buffer {
    let bytes = Box::leak(bytes.into_boxed_slice());
    Buffer { bytes: bytes.as_mut_ptr(), len: bytes.len() }
}

/// Frees what the other functions filled in.
///
/// # Safety
/// It did, and this was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_compiler_free(buffer: Buffer) {
    if !buffer.bytes.is_null() {
        // SAFETY: leaked by `buffer` with this length.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(buffer.bytes, buffer.len)) });
    }
}

fn compile(
    wasm: &[u8],
    options: &CompilerOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<u8>, String> {
    let (module, options) = parse(wasm, options)?;
    let artifact = artifact::compile_artifact(&module, &options, progress).map_err(|e| e.to_string())?;
    Ok(artifact.to_bytes())
}

fn parse(wasm: &[u8], options: &CompilerOptions) -> Result<(Module, Options), String> {
    let module = wayfarer_module::parse(Arc::from(wasm)).map_err(|e| e.to_string())?;
    let defaults = Options::default();
    let options = Options {
        opt_level: options.opt_level.min(3),
        size_level: options.size_level.min(3),
        bounds: if options.explicit_bounds == 0 { Bounds::Guard } else { Bounds::Explicit },
        checkpoints: options.checkpoints != 0,
        precise: options.precise != 0,
        continuations: options.continuations != 0,
        deterministic: options.deterministic != 0,
        threads: if options.threads == 0 { defaults.threads } else { options.threads as usize },
        ..defaults
    };
    Ok((module, options))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const OPTIONS: CompilerOptions = CompilerOptions {
        opt_level: 1,
        size_level: 3,
        explicit_bounds: 1,
        checkpoints: 1,
        precise: 0,
        continuations: 1,
        deterministic: 1,
        threads: 1,
    };

    /// What was told of the progress.
    type Told = Mutex<Vec<(usize, usize)>>;

    unsafe extern "C" fn hear(context: *const c_void, done: usize, total: usize) {
        // SAFETY: what `call` passes.
        unsafe { &*context.cast::<Told>() }.lock().unwrap().push((done, total));
    }

    fn call(wasm: &[u8]) -> (i32, Vec<u8>, Vec<(usize, usize)>) {
        let mut out = Buffer { bytes: std::ptr::null_mut(), len: 0 };
        let told = Told::default();
        let context = (&raw const told).cast();
        // SAFETY: slices and places of ours; the buffer is copied, then freed once.
        unsafe {
            let status =
                wayfarer_compiler_compile(wasm.as_ptr(), wasm.len(), &OPTIONS, hear, context, &raw mut out);
            let bytes = std::slice::from_raw_parts(out.bytes, out.len).to_vec();
            wayfarer_compiler_free(out);
            (status, bytes, told.into_inner().unwrap())
        }
    }

    #[test]
    fn a_module_becomes_an_artifact_of_it() {
        let wasm = wat::parse_str("(module (func (export \"f\") (result i32) (i32.const 1)))").unwrap();
        let (status, bytes, told) = call(&wasm);
        // At the start, and when the one part is done: a body of no locals, a constant and its end.
        assert_eq!(told, [(0, 4), (4, 4)]);
        assert_eq!(status, DONE, "{}", String::from_utf8_lossy(&bytes));
        let artifact = wayfarer_aot::Artifact::parse(&bytes).unwrap();
        assert_eq!(&*artifact.module, &*wasm);
        assert_eq!(
            (artifact.options.opt_level, artifact.options.bounds),
            (1, wayfarer_aot::Bounds::Explicit)
        );
        assert!(artifact.options.deterministic);
        assert_eq!((artifact.target.check_host(), artifact.abi), (Ok(()), wayfarer_abi::VERSION));
        assert!(artifact.compiler.contains("LLVM 19."), "{}", artifact.compiler);
        assert!(!artifact.objects.is_empty());
    }

    #[test]
    fn what_is_no_module_gives_a_message() {
        for wasm in [&b""[..], b"\0asm\x01\0\0\0\x01"] {
            let (status, message, _) = call(wasm);
            assert_eq!(status, FAILED);
            assert!(String::from_utf8(message).is_ok_and(|m| !m.is_empty()));
        }
    }
}
