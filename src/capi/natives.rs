//! Native functions that hosts offer to guests: the registry.

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ffi::{c_str, guard};
use super::types::NativeSymbol;

/// One call of wasm_runtime_register_natives: an array that the host gave away, sorted in place.
struct List {
    module: *const c_char,
    symbols: *mut NativeSymbol,
    len: usize,
    raw: bool,
}

// SAFETY: the host promised that module name and array stay valid and unused by it until they are unregistered.
unsafe impl Send for List {}

/// A native function found by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native {
    /// As registered.
    pub(crate) symbol: NativeSymbol,
    /// Takes its arguments as an array.
    pub(crate) raw: bool,
}

/// All lists, newest last.
static LISTS: Mutex<Vec<List>> = Mutex::new(Vec::new());

fn lists() -> MutexGuard<'static, Vec<List>> {
    LISTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl List {
    fn module(&self) -> &CStr {
        // SAFETY: see `Send`.
        unsafe { CStr::from_ptr(self.module) }
    }

    fn symbols(&self) -> &[NativeSymbol] {
        // SAFETY: see `Send`.
        unsafe { std::slice::from_raw_parts(self.symbols, self.len) }
    }

    /// Binary search: the array was sorted when it was registered.
    fn find(&self, name: &[u8]) -> Option<Native> {
        let symbols = self.symbols();
        let index = symbols.binary_search_by(|s| name_of(s).cmp(name)).ok()?;
        Some(Native { symbol: symbols[index], raw: self.raw })
    }
}

fn name_of(symbol: &NativeSymbol) -> &[u8] {
    // SAFETY: the host registered an array whose symbols are NUL-terminated strings that stay.
    unsafe { c_str(symbol.symbol) }.map(CStr::to_bytes).unwrap_or_default()
}

/// Registers an array of native functions. It is kept, and sorted.
///
/// # Safety
/// As [`wasm_runtime_register_natives`].
pub(crate) unsafe fn register(
    module_name: *const c_char,
    symbols: *mut NativeSymbol,
    count: u32,
    raw: bool,
) -> bool {
    if module_name.is_null() || (symbols.is_null() && count > 0) {
        return false;
    }
    let symbols = if symbols.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { symbols };
    // SAFETY: the caller gives the array away.
    let array = unsafe { std::slice::from_raw_parts_mut(symbols, count as usize) };
    array.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    lists().push(List { module: module_name, symbols, len: array.len(), raw });
    true
}

/// The function that an import of this module and name is linked to: from the newest list of the module that has it.
/// A name that is nowhere is looked for again without its leading underscore.
pub(crate) fn find(module: &str, name: &str) -> Option<Native> {
    let lists = lists();
    let find = |name: &str| {
        lists
            .iter()
            .rev()
            .filter(|l| l.module().to_bytes() == module.as_bytes())
            .find_map(|l| l.find(name.as_bytes()))
    };
    find(name).or_else(|| find(name.strip_prefix('_')?))
}

/// Forgets everything registered.
pub(crate) fn clear() {
    lists().clear();
}

/// Registers native functions for imports from `module_name`. Later registrations win over earlier ones; modules that
/// are already loaded are not linked again.
///
/// # Safety
/// The string and the array, with all it points to, belong to the runtime from now on, until they are unregistered or
/// the runtime is destroyed: they stay valid, and the array is sorted in place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_register_natives(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
    n_native_symbols: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { register(module_name, native_symbols, n_native_symbols, false) })
}

/// Registers native functions that take their arguments as an array of 64-bit cells and put the result into the first.
///
/// # Safety
/// As for wasm_runtime_register_natives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_register_natives_raw(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
    n_native_symbols: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { register(module_name, native_symbols, n_native_symbols, true) })
}

/// Takes a registration back. False if there is none of this module name with this array.
///
/// # Safety
/// `module_name` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_unregister_natives(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { c_str(module_name) }) else { return false };
        let mut lists = lists();
        let found = lists.iter().rposition(|l| l.module() == module && l.symbols == native_symbols);
        found.map(|index| lists.remove(index)).is_some()
    })
}

/// Whether a native function of this name is registered, or built in. Its signature is not looked at.
///
/// # Safety
/// Both are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_import_func_linked(
    module_name: *const c_char,
    func_name: *const c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (module, name) = unsafe { (super::ffi::text(module_name), super::ffi::text(func_name)) };
        super::link::function_known(&module, &name)
    })
}

/// Whether a global of this name is built in.
///
/// # Safety
/// Both are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_import_global_linked(
    module_name: *const c_char,
    global_name: *const c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (module, name) = unsafe { (super::ffi::text(module_name), super::ffi::text(global_name)) };
        super::link::builtin_global(&module, &name).is_some()
    })
}

/// The attachment of the native function that is running, as it was registered. NULL when none is running, and after
/// that function has called back into Wasm code that called another native.
///
/// # Safety
/// `exec_env` is NULL or a live exec env.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_function_attachment(
    exec_env: super::types::wasm_exec_env_t,
) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { exec_env.as_ref() }.map_or(std::ptr::null_mut(), |env| env.attachment.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null;

    fn symbol(name: &'static CStr, value: usize) -> NativeSymbol {
        NativeSymbol {
            symbol: name.as_ptr(),
            func_ptr: value as *mut c_void,
            signature: null(),
            attachment: std::ptr::null_mut(),
        }
    }

    fn found(name: &str) -> Option<usize> {
        find("registry-test", name).map(|n| n.symbol.func_ptr as usize)
    }

    #[test]
    fn newest_first_sorted_and_without_underscore() {
        let module = c"registry-test".as_ptr();
        let old = Box::leak(Box::new([symbol(c"c", 3), symbol(c"a", 1), symbol(c"b", 2)]));
        let new = Box::leak(Box::new([symbol(c"b", 20), symbol(c"_x", 21)]));
        // SAFETY: leaked arrays and literals stay.
        unsafe {
            assert!(wasm_runtime_register_natives(module, old.as_mut_ptr(), 3));
            assert_eq!(old.map(|s| s.func_ptr as usize), [1, 2, 3], "sorted in place");
            assert_eq!(["a", "b", "c", "d"].map(found), [Some(1), Some(2), Some(3), None]);

            assert!(wasm_runtime_register_natives_raw(module, new.as_mut_ptr(), 2));
            assert_eq!(found("b"), Some(20));
            assert_eq!(found("_a"), Some(1), "underscore stripped");
            assert_eq!(found("__a"), None, "only one");
            assert_eq!((found("_x"), found("x")), (Some(21), None), "never added");
            assert!(find("registry-test", "b").unwrap().raw);
            assert!(find("other", "b").is_none());

            assert!(!wasm_runtime_unregister_natives(c"other".as_ptr(), new.as_mut_ptr()));
            assert!(wasm_runtime_unregister_natives(module, new.as_mut_ptr()));
            assert!(!wasm_runtime_unregister_natives(module, new.as_mut_ptr()));
            assert_eq!(found("b"), Some(2));
            assert!(wasm_runtime_unregister_natives(module, old.as_mut_ptr()));
            assert!(!wasm_runtime_register_natives(null(), old.as_mut_ptr(), 3));
        }
    }
}
