//! Native functions that hosts offer to guests, by module and name.

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Target;

/// A host function offered to guests.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NativeSymbol {
    /// Name guests import it by.
    pub symbol: *const c_char,
    /// The function: `ret f(wasm_exec_env_t, args...)`, or `void f(wasm_exec_env_t, uint64_t *args)` if raw.
    pub func_ptr: *mut c_void,
    /// Signature, such as `(i*~$)i`. NULL or empty: not checked, and addresses are passed as they are.
    pub signature: *const c_char,
    /// Given back by wasm_runtime_get_function_attachment during the call.
    pub attachment: *mut c_void,
}

/// One registration: an array that the host gave away, sorted in place.
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
pub struct Native {
    /// As registered.
    pub symbol: NativeSymbol,
    /// Takes its arguments as an array.
    pub raw: bool,
}

/// All lists, newest last.
static LISTS: Mutex<Vec<List>> = Mutex::new(Vec::new());

fn lists() -> MutexGuard<'static, Vec<List>> {
    LISTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Native {
    /// What a call of it needs.
    pub fn target(&self) -> Target<'_> {
        // SAFETY: the host keeps the signature valid while it is registered, which it is when it is found.
        let signature = unsafe { text(self.symbol.signature) };
        Target { func: self.symbol.func_ptr, signature, raw: self.raw }
    }
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

/// A string; `None` for NULL.
///
/// # Safety
/// NULL, or a string that stays for `'a`.
unsafe fn text<'a>(s: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) })
}

fn name_of(symbol: &NativeSymbol) -> &[u8] {
    // SAFETY: the host registered an array whose symbols are NUL-terminated strings that stay.
    unsafe { text(symbol.symbol) }.map(CStr::to_bytes).unwrap_or_default()
}

/// Registers an array of native functions. It is kept, and sorted.
///
/// # Safety
/// `module_name` is NULL, which is refused, or a string; `symbols` has `count` symbols, or is NULL, which is refused unless there
/// are none. They belong to the registry, with all they point to, until they are unregistered or everything is.
pub unsafe fn register(
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
pub fn find(module: &str, name: &str) -> Option<Native> {
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
pub fn clear() {
    lists().clear();
}

/// Takes the newest registration of this array for this module back. False if there is none.
pub fn unregister(module: &CStr, symbols: *mut NativeSymbol) -> bool {
    let mut lists = lists();
    let found = lists.iter().rposition(|l| l.module() == module && l.symbols == symbols);
    found.map(|index| lists.remove(index)).is_some()
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
        let module = c"registry-test";
        let old = Box::leak(Box::new([symbol(c"c", 3), symbol(c"a", 1), symbol(c"b", 2)]));
        let new = Box::leak(Box::new([symbol(c"b", 20), symbol(c"_x", 21)]));
        // SAFETY: leaked arrays and literals stay.
        unsafe {
            assert!(register(module.as_ptr(), old.as_mut_ptr(), 3, false));
            assert_eq!(old.map(|s| s.func_ptr as usize), [1, 2, 3], "sorted in place");
            assert_eq!(["a", "b", "c", "d"].map(found), [Some(1), Some(2), Some(3), None]);

            assert!(register(module.as_ptr(), new.as_mut_ptr(), 2, true));
            assert_eq!(found("b"), Some(20));
            assert_eq!(found("_a"), Some(1), "underscore stripped");
            assert_eq!(found("__a"), None, "only one");
            assert_eq!((found("_x"), found("x")), (Some(21), None), "never added");
            assert!(find("registry-test", "b").unwrap().raw);
            assert!(find("other", "b").is_none());

            assert!(!unregister(c"other", new.as_mut_ptr()));
            assert!(unregister(module, new.as_mut_ptr()));
            assert!(!unregister(module, new.as_mut_ptr()));
            assert_eq!(found("b"), Some(2));
            assert!(unregister(module, old.as_mut_ptr()));
            assert!(!register(null(), old.as_mut_ptr(), 3, false));
        }
    }
}
