//! Loading and unloading modules.

use std::ffi::{CStr, CString, c_char};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wayfarer_c_data::module_types::Names;
use wayfarer_c_data::package::{AOT_VERSION, WASM_VERSION, join_sections, package_type};
use wayfarer_module::Module;
use wayfarer_runtime::{LoadedModule, NativeCode, Runtime};

use super::engine;
use super::ffi::{c_str, guard, put, put_error, slice};
use super::init::{compiles, is_initialized, new_instance_mode};
use super::link::{self, FuncLink};
use super::log::warning;
use super::types::{LoadArgs, package_type_t, wasm_module_t, wasm_section_list_t};
use super::wasi::WasiSettings;
use crate::compiled;
use crate::deterministic;
use crate::stdio;

/// Prefix of the loader's messages.
const PREFIX: &str = "WASM module load failed: ";

/// The same for compiled modules.
const AOT_PREFIX: &str = "AOT module load failed: ";

/// A loaded module, behind `wasm_module_t`.
pub struct WASMModuleCommon {
    pub(crate) runtime: Arc<Runtime>,
    /// As it was loaded: compiled if it came so, or if the default running mode was one that compiles.
    pub(crate) loaded: Arc<LoadedModule>,
    /// The other way round, once an instance is to be run so.
    other: OnceLock<Arc<LoadedModule>>,
    /// What an `.aot` file said of its code.
    pub(crate) aot: Option<Aot>,
    /// What each function import is linked to, in order of function index.
    pub(crate) links: Mutex<Box<[FuncLink]>>,
    /// Import and export names as C strings.
    pub(crate) names: Names,
    name: Mutex<CString>,
    binary_freeable: bool,
    /// What the host said about the surroundings of its instances.
    pub(crate) wasi: Mutex<WasiSettings>,
}

/// What there is to know of a module that came as an `.aot` file.
pub(crate) struct Aot {
    /// Whether its code can be stopped and captured.
    pub(crate) checkpoints: bool,
    /// The file, if somebody may want it back.
    file: Option<Box<[u8]>>,
}

impl WASMModuleCommon {
    /// The module in the form that instances run in this mode are made of.
    ///
    /// # Errors
    /// It cannot be compiled.
    pub(crate) fn for_mode(&self, mode: u32) -> Result<&Arc<LoadedModule>, String> {
        let compiled = self.loaded.native.is_some();
        if self.aot.is_some() || compiles(mode) == compiled {
            return Ok(&self.loaded);
        }
        if let Some(other) = self.other.get() {
            return Ok(other);
        }
        let native = if compiled { None } else { Some(compiled::compile(&self.loaded.module)?) };
        let other = self.runtime.load_compiled(self.loaded.module.clone(), native);
        let name = self.loaded.name.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *other.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
        Ok(self.other.get_or_init(|| other))
    }

    /// Whether its code can be stopped and captured.
    pub(crate) fn can_checkpoint(&self) -> bool {
        self.aot.as_ref().is_none_or(|aot| aot.checkpoints)
    }

    /// The bytes that it can be loaded from again.
    pub(crate) fn binary(&self) -> &[u8] {
        let file = self.aot.as_ref().and_then(|aot| aot.file.as_deref());
        file.unwrap_or(&self.module().bytes)
    }

    /// The module itself.
    pub(crate) fn module(&self) -> &Module {
        &self.loaded.module
    }

    /// Whether it imports anything of WASI.
    pub(crate) fn imports_wasi(&self) -> bool {
        wayfarer_program::instance::imports_wasi(self.module())
    }

    /// Links the function imports again, as far as they are not linked. True if all are linked then.
    pub(crate) fn resolve(&self) -> bool {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        link::resolve(self.module(), &mut links);
        links.iter().all(|l| !matches!(l, FuncLink::Unlinked))
    }
}

/// How a module is to be loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadOptions {
    pub(crate) name: CString,
    pub(crate) binary_freeable: bool,
    pub(crate) no_resolve: bool,
    /// Somebody may ask for [`WASMModuleCommon::binary`].
    pub(crate) keep_binary: bool,
}

/// A parsed module, and its compiled code.
type Parsed = (Arc<Module>, Option<Arc<dyn NativeCode>>, Option<Aot>);

fn parse_wasm(bytes: &[u8]) -> Result<Parsed, String> {
    let mut module = wayfarer_module::parse(Arc::from(bytes)).map_err(|e| e.to_string())?;
    wayfarer_module::check_wasi_abi(&module).map_err(|e| e.to_string())?;
    module.deterministic = deterministic::is_default()?;
    module.stdio = stdio::chosen()?;
    let module = Arc::new(module);
    let native = compiles(new_instance_mode()).then(|| compiled::compile(&module)).transpose()?;
    Ok((module, native, None))
}

fn parse_aot(bytes: &[u8], keep: bool) -> Result<Parsed, String> {
    let (module, native, options) = compiled::load(bytes, deterministic::is_default()?, stdio::chosen()?)?;
    let aot = Aot { checkpoints: options.checkpoints, file: keep.then(|| bytes.into()) };
    Ok((Arc::new(module), Some(native), Some(aot)))
}

/// Loads a module from a binary, of which a copy is kept.
///
/// # Errors
/// The full text of WAMR's message.
pub(crate) fn load(bytes: &[u8], options: LoadOptions) -> Result<Box<WASMModuleCommon>, String> {
    let fail = |why: &str| format!("{PREFIX}{why}");
    if bytes.len() < 4 {
        return Err(fail("unexpected end"));
    }
    let (module, native, aot) = match package_type(bytes) {
        package_type_t::Wasm_Module_Bytecode => parse_wasm(bytes).map_err(|why| fail(&why))?,
        package_type_t::Wasm_Module_AoT => {
            parse_aot(bytes, options.keep_binary).map_err(|why| format!("{AOT_PREFIX}{why}"))?
        }
        package_type_t::Package_Type_Unknown => return Err(fail("magic header not detected")),
    };
    let runtime = engine::runtime();
    let names = Names::of(&module);
    let links = (0..module.num_imported_funcs).map(|_| FuncLink::Unlinked).collect();
    let loaded = runtime.load_compiled(module, native);
    *loaded.name.lock().unwrap_or_else(PoisonError::into_inner) = options.name.to_string_lossy().into_owned();
    let module = Box::new(WASMModuleCommon {
        runtime,
        loaded,
        other: OnceLock::new(),
        aot,
        links: Mutex::new(links),
        names,
        name: Mutex::new(options.name),
        binary_freeable: options.binary_freeable,
        wasi: Mutex::default(),
    });
    if !options.no_resolve {
        module.resolve();
    }
    Ok(module)
}

/// # Safety
/// `error_buf` is NULL or has `error_buf_size` bytes.
unsafe fn finish(
    result: Result<Box<WASMModuleCommon>, String>,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_t {
    match result {
        Ok(module) => Box::into_raw(module),
        Err(message) => {
            // SAFETY: as the caller promises.
            unsafe { put_error(error_buf, error_buf_size, &message) };
            null_mut()
        }
    }
}

/// Loads a module: wasm_runtime_load_ex without options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_load(
    buf: *mut u8,
    size: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_t {
    let args = LoadArgs {
        name: null_mut(),
        clone_wasm_binary: false,
        wasm_binary_freeable: false,
        no_resolve: false,
    };
    // SAFETY: as the caller promises.
    unsafe { wasm_runtime_load_ex(buf, size, &raw const args, error_buf, error_buf_size) }
}

/// Loads a module from a WebAssembly binary or an `.aot` file of this runtime's. Function imports are linked to the native functions registered by now;
/// those that can't be are linked later (wasm_runtime_resolve_symbols), or trap when called.
///
/// The buffer is copied. Hosts should still treat it as WAMR's documentation says: it belongs to the module until that
/// is unloaded, unless `wasm_binary_freeable` was set. Returns NULL on failure, with the reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_load_ex(
    buf: *mut u8,
    size: u32,
    args: *const LoadArgs,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (args, bytes) = unsafe { (args.as_ref(), slice(buf, size as usize)) };
        let loaded = match args {
            None => Err(format!("{PREFIX}null load arguments")),
            Some(args) => load(
                bytes,
                LoadOptions {
                    // SAFETY: as the caller promises.
                    name: unsafe { c_str(args.name) }.map(CStr::to_owned).unwrap_or_default(),
                    binary_freeable: args.wasm_binary_freeable,
                    no_resolve: args.no_resolve,
                    keep_binary: false,
                },
            ),
        };
        // SAFETY: as the caller promises.
        unsafe { finish(loaded, error_buf, error_buf_size) }
    })
}

/// Loads a module from its sections, which come without the file's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_load_from_sections(
    section_list: wasm_section_list_t,
    is_aot: bool,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_t {
    guard(null_mut(), || {
        let result = if is_aot {
            Err(format!("{AOT_PREFIX}compiled modules can't be loaded from sections"))
        } else {
            // SAFETY: as the caller promises: a list of sections, each with its bytes.
            let binary = unsafe { join_sections(section_list) };
            load(&binary, LoadOptions { binary_freeable: true, ..LoadOptions::default() })
        };
        // SAFETY: as the caller promises.
        unsafe { finish(result, error_buf, error_buf_size) }
    })
}

/// Tries again to link the function imports that are not linked. False if any is left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_resolve_symbols(module: wasm_module_t) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { module.as_ref() }.is_some_and(WASMModuleCommon::resolve))
}

/// Unloads a module. Its instances must be gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_unload(module: wasm_module_t) {
    guard((), || {
        if !module.is_null() {
            // SAFETY: as the caller promises: made by `finish`, not yet unloaded.
            drop(unsafe { Box::from_raw(module) });
        }
    });
}

/// Whether the buffer that a module was loaded from may be freed while the module is in use: if that was asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_underlying_binary_freeable(module: wasm_module_t) -> bool {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.is_some_and(|m| m.binary_freeable)
}

/// Names a module. The string is copied. Returns false on failure, with the reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_module_name(
    module: wasm_module_t,
    name: *const c_char,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        match unsafe { (module.as_ref(), c_str(name)) } {
            (Some(module), Some(name)) => {
                let text = name.to_string_lossy().into_owned();
                for loaded in [Some(&module.loaded), module.other.get()].into_iter().flatten() {
                    *loaded.name.lock().unwrap_or_else(PoisonError::into_inner) = text.clone();
                }
                *module.name.lock().unwrap_or_else(PoisonError::into_inner) = name.to_owned();
                true
            }
            _ => {
                // SAFETY: as the caller promises.
                unsafe { put_error(error_buf, error_buf_size, "module and name are required") };
                false
            }
        }
    })
}

/// Name of a module; "" if it has none. The string is valid until the module is renamed or unloaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_module_name(module: wasm_module_t) -> *const c_char {
    // SAFETY: as the caller promises.
    match unsafe { module.as_ref() } {
        Some(module) => module.name.lock().unwrap_or_else(PoisonError::into_inner).as_ptr(),
        None => c"".as_ptr(),
    }
}

/// Kind of file a module was loaded from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_module_package_type(module: wasm_module_t) -> package_type_t {
    // SAFETY: as the caller promises.
    match unsafe { module.as_ref() } {
        None => package_type_t::Package_Type_Unknown,
        Some(module) if module.aot.is_some() => package_type_t::Wasm_Module_AoT,
        Some(_) => package_type_t::Wasm_Module_Bytecode,
    }
}

/// Version of the file a module was loaded from; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_module_package_version(module: wasm_module_t) -> u32 {
    // SAFETY: as the caller promises.
    match unsafe { module.as_ref() } {
        None => 0,
        Some(module) if module.aot.is_some() => AOT_VERSION,
        Some(_) => WASM_VERSION,
    }
}

/// Content, without the name, of the first custom section called `name`; NULL if there is none. It belongs to the
/// module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_custom_section(
    module_comm: wasm_module_t,
    name: *const c_char,
    len: *mut u32,
) -> *const u8 {
    guard(std::ptr::null(), || {
        // SAFETY: as the caller promises.
        let section = match unsafe { (module_comm.as_ref(), c_str(name)) } {
            (Some(module), Some(name)) => name.to_str().ok().and_then(|n| module.module().custom_section(n)),
            _ => None,
        };
        section.map_or(std::ptr::null(), |bytes| {
            // SAFETY: as the caller promises.
            unsafe { put(len, bytes.len() as u32) };
            bytes.as_ptr()
        })
    })
}

/// Whether the runtime may be used; logs a warning if not.
pub(crate) fn check_initialized(what: &str) -> bool {
    let initialized = is_initialized();
    if !initialized {
        warning!("{what} before wasm_runtime_init");
    }
    initialized
}
