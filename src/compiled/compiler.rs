//! The compiler: where its shared object is, and its functions.

use std::ffi::{CStr, CString, c_void};
use std::fs::Metadata;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, PoisonError};

use wayfarer_abi::compiler::{
    self, Buffer, CLOSE_SYMBOL, COMPILE_SYMBOL, CloseFn, CompileFn, DISASSEMBLE_SYMBOL, DisassembleFn, FILE,
    FREE_SYMBOL, FreeFn, Loop, OPEN_SYMBOL, OpenFn, Options, PART_SYMBOL, Part, PartFn, VERSION,
    VERSION_SYMBOL, VersionFn,
};
use wayfarer_runtime::library::file_of;

/// Names the shared object. Nothing else is looked at then.
pub(crate) const VARIABLE: &str = "WAYFARER_COMPILER";

/// Where the compiler is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place(PathBuf);

/// An open shared object. It stays open: LLVM does not like to be unloaded.
#[derive(Debug)]
pub(crate) struct Library {
    compile: CompileFn,
    open: OpenFn,
    part: PartFn,
    close: CloseFn,
    disassemble: DisassembleFn,
    free: FreeFn,
}

/// A module that is compiled in parts.
#[derive(Debug)]
pub(super) struct Session {
    library: &'static Library,
    session: NonNull<compiler::Session>,
}

// SAFETY: the compiler lets any thread use it, and several at a time.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

/// What was opened so far.
static OPEN: Mutex<Vec<(PathBuf, &'static Library)>> = Mutex::new(Vec::new());

/// Looks for the compiler: where the variable says; else beside this library or the program, in `../lib` of there; else
/// where the system's loader looks for libraries.
///
/// # Errors
/// Where it was looked for.
pub(crate) fn find() -> Result<Place, String> {
    if wayfarer_aot::Arch::host().is_none() {
        return Err(format!("there is no compiler for {}", std::env::consts::ARCH));
    }
    if let Some(path) = super::variable(c"WAYFARER_COMPILER") {
        let path = PathBuf::from(path);
        return match path.metadata() {
            Ok(_) => Ok(Place(path)),
            Err(e) => Err(format!("there is no compiler: {VARIABLE}={}: {e}", path.display())),
        };
    }
    let candidates = candidates();
    if let Some(path) = candidates.iter().find(|path| path.is_file()) {
        return Ok(Place(path.clone()));
    }
    // Where the loader finds it, only the loader can tell.
    let name = PathBuf::from(FILE);
    if Library::open(&name).is_ok() {
        return Ok(Place(name));
    }
    let looked: Vec<_> =
        candidates.iter().filter_map(|c| c.parent()).map(|d| d.display().to_string()).collect();
    Err(format!(
        "there is no compiler: {FILE} is neither in {} nor where the system's loader looks; {VARIABLE} can name it",
        looked.join(", ")
    ))
}

/// Where the file could be.
fn candidates() -> Vec<PathBuf> {
    let program = std::fs::read_link("/proc/self/exe").ok();
    let mut found = Vec::new();
    for file in [file_of(find as *const () as usize), program].into_iter().flatten() {
        // Links to libraries are made in other folders than theirs.
        let real = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        for file in [file, real] {
            let Some(folder) = file.parent() else { continue };
            let lib = folder.parent().map(|parent| parent.join("lib").join(FILE));
            for path in [Some(folder.join(FILE)), lib].into_iter().flatten() {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
    found
}

impl Place {
    /// What tells one compiler from another.
    pub(super) fn metadata(&self) -> Option<Metadata> {
        if self.0.is_absolute() || self.0.components().count() > 1 {
            return self.0.metadata().ok();
        }
        // Found by the loader, so it is open.
        let library = Library::open(&self.0).ok()?;
        file_of(library.compile as *const () as usize)?.metadata().ok()
    }

    /// The compiler, loaded.
    ///
    /// # Errors
    /// It cannot be.
    pub(super) fn library(&self) -> Result<&'static Library, String> {
        Library::open(&self.0)
    }
}

impl Library {
    fn open(path: &Path) -> Result<&'static Library, String> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, library)) = open.iter().find(|(p, _)| p == path) {
            return Ok(library);
        }
        let fail = |why: String| format!("the compiler cannot be loaded: {why}");
        let name = CString::new(path.as_os_str().to_owned().into_vec()).map_err(|e| fail(e.to_string()))?;
        // SAFETY: a string. The file is trusted as much as this library's own.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        let handle = NonNull::new(handle).ok_or_else(|| fail(last_error()))?;
        let symbol = |name: &CStr| {
            // SAFETY: an open object and a string.
            let address = unsafe { libc::dlsym(handle.as_ptr(), name.as_ptr()) };
            let missing = || fail(format!("{}: there is no {}", path.display(), name.to_string_lossy()));
            NonNull::new(address).ok_or_else(missing)
        };
        // SAFETY: functions of these names have these types, in every version.
        let version = unsafe { std::mem::transmute::<NonNull<c_void>, VersionFn>(symbol(VERSION_SYMBOL)?) }();
        if version != VERSION {
            return Err(fail(format!(
                "{}: it has version {version} of its interface, {VERSION} is needed",
                path.display()
            )));
        }
        // SAFETY: functions of these names have these types, in this version.
        let library = unsafe {
            Library {
                compile: std::mem::transmute::<NonNull<c_void>, CompileFn>(symbol(COMPILE_SYMBOL)?),
                open: std::mem::transmute::<NonNull<c_void>, OpenFn>(symbol(OPEN_SYMBOL)?),
                part: std::mem::transmute::<NonNull<c_void>, PartFn>(symbol(PART_SYMBOL)?),
                close: std::mem::transmute::<NonNull<c_void>, CloseFn>(symbol(CLOSE_SYMBOL)?),
                disassemble: std::mem::transmute::<NonNull<c_void>, DisassembleFn>(symbol(
                    DISASSEMBLE_SYMBOL,
                )?),
                free: std::mem::transmute::<NonNull<c_void>, FreeFn>(symbol(FREE_SYMBOL)?),
            }
        };
        let library: &'static Library = Box::leak(Box::new(library));
        open.push((path.to_owned(), library));
        Ok(library)
    }

    /// Compiles a module: the bytes of an `.aot` file. `progress` is told how much of how much is done.
    ///
    /// # Errors
    /// The compiler's message.
    pub(super) fn compile(
        &self,
        wasm: &[u8],
        options: &Options,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<u8>, String> {
        let context = (&raw const progress).cast();
        // SAFETY: the bytes, options and `progress` live during the call, which fills in `out`.
        let (status, bytes) = self.filled(|out| unsafe {
            (self.compile)(wasm.as_ptr(), wasm.len(), options, tell_progress, context, out)
        });
        if status == 0 { Ok(bytes) } else { Err(String::from_utf8_lossy(&bytes).into_owned()) }
    }

    /// Instructions for this machine as text, a line for each.
    ///
    /// # Errors
    /// The compiler's message.
    pub(super) fn disassemble(&self, code: &[u8]) -> Result<String, String> {
        // SAFETY: the bytes live during the call, which fills in `out`.
        let (status, text) = self.filled(|out| unsafe { (self.disassemble)(code.as_ptr(), code.len(), out) });
        let text = String::from_utf8_lossy(&text).into_owned();
        if status == 0 { Ok(text) } else { Err(text) }
    }

    /// Begins to compile a module in parts.
    ///
    /// # Errors
    /// The compiler's message.
    pub(super) fn open_session(&'static self, wasm: &[u8], options: &Options) -> Result<Session, String> {
        // SAFETY: as above.
        let (session, message) =
            self.filled(|out| unsafe { (self.open)(wasm.as_ptr(), wasm.len(), options, out) });
        match NonNull::new(session) {
            Some(session) => Ok(Session { library: self, session }),
            None => Err(String::from_utf8_lossy(&message).into_owned()),
        }
    }

    /// Has a function of the library fill in a buffer: what it returns, and the bytes.
    fn filled<T>(&self, fill: impl FnOnce(*mut Buffer) -> T) -> (T, Vec<u8>) {
        let mut out = Buffer { bytes: null_mut(), len: 0 };
        let returned = fill(&raw mut out);
        // SAFETY: the library has filled it in; it is copied, then freed once.
        let bytes = unsafe {
            let bytes = match out.bytes.is_null() {
                true => Vec::new(),
                false => std::slice::from_raw_parts(out.bytes, out.len).to_vec(),
            };
            (self.free)(out);
            bytes
        };
        (returned, bytes)
    }
}

impl Session {
    /// Compiles functions, and continuations at loops: an object file. What the compiler cannot go on after is told to
    /// `fatal`, which must not return.
    ///
    /// # Errors
    /// The compiler's message.
    pub(super) fn compile(
        &self,
        funcs: &[u32],
        loops: &[Loop],
        fatal: &dyn Fn(&str),
    ) -> Result<Vec<u8>, String> {
        let part = Part {
            funcs: funcs.as_ptr(),
            funcs_len: funcs.len(),
            loops: loops.as_ptr(),
            loops_len: loops.len(),
            fatal: tell,
            context: (&raw const fatal).cast_mut().cast(),
        };
        let compile = self.library.part;
        // SAFETY: the session is open; what the part points to lives during the call, which fills in `out`.
        let (status, bytes) =
            self.library.filled(|out| unsafe { compile(self.session.as_ptr(), &raw const part, out) });
        if status == 0 { Ok(bytes) } else { Err(String::from_utf8_lossy(&bytes).into_owned()) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: opened once, and closed here only.
        unsafe { (self.library.close)(self.session.as_ptr()) };
    }
}

/// A fatal error, for the `fatal` of [`Session::compile`].
unsafe extern "C" fn tell(context: *mut c_void, message: *const u8, len: usize) {
    // SAFETY: what `compile` passed, and a text with its length.
    let (fatal, text) =
        unsafe { (*context.cast::<&dyn Fn(&str)>(), std::slice::from_raw_parts(message, len)) };
    fatal(&String::from_utf8_lossy(text));
}

/// Progress, for [`Library::compile`].
unsafe extern "C" fn tell_progress(context: *const c_void, done: usize, total: usize) {
    // SAFETY: what `compile` passed, which any thread may call.
    let progress = unsafe { *context.cast::<&(dyn Fn(usize, usize) + Sync)>() };
    progress(done, total);
}

/// What `dlopen` has to say.
fn last_error() -> String {
    // SAFETY: the message is this thread's, and copied at once.
    unsafe {
        let message = libc::dlerror();
        if message.is_null() {
            return "unknown error".to_owned();
        }
        CStr::from_ptr(message).to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_program_and_in_lib() {
        let candidates = candidates();
        let program = std::env::current_exe().unwrap();
        let folder = program.parent().unwrap();
        assert!(candidates.contains(&folder.join(FILE)), "{candidates:?}");
        assert!(candidates.contains(&folder.parent().unwrap().join("lib").join(FILE)), "{candidates:?}");
    }

    #[test]
    fn what_is_no_compiler_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.so");
        std::fs::write(&text, "text").unwrap();
        let error = Library::open(&text).unwrap_err();
        assert!(error.starts_with("the compiler cannot be loaded: ") && error.contains("text.so"), "{error}");
        // Some library that has other functions.
        let other = file_of(libc::getauxval as *const () as usize).unwrap();
        let error = Library::open(&other).unwrap_err();
        assert!(error.contains("there is no wayfarer_compiler_version"), "{error}");
    }
}
