//! What a module imports and exports, and of which types, as `wasm_export.h` has it. Handles are addresses of parts of the
//! module.

use std::ffi::{CString, c_char};

use wayfarer_module::{ExternKind, FuncType, GlobalType, MemoryType, Module, TableType};

use crate::handles::{wasm_func_type_t, wasm_global_type_t, wasm_memory_type_t, wasm_table_type_t};
use crate::kinds::{valkind, wasm_valkind_t};
use crate::limits::{DEFAULT_MAX_PAGES, table_max};
use wasm_import_export_kind_t::{
    WASM_IMPORT_EXPORT_KIND_FUNC, WASM_IMPORT_EXPORT_KIND_GLOBAL, WASM_IMPORT_EXPORT_KIND_MEMORY,
    WASM_IMPORT_EXPORT_KIND_TABLE,
};

/// A function type, behind `wasm_func_type_t`. The pointer is to the module's own [`FuncType`].
pub struct WASMFuncType {
    _module: [u8; 0],
}

/// A table type, behind `wasm_table_type_t`. The pointer is to the module's own [`TableType`].
pub struct WASMTableType {
    _module: [u8; 0],
}

/// A global type, behind `wasm_global_type_t`. The pointer is to the module's own [`GlobalType`].
pub struct WASMGlobalType {
    _module: [u8; 0],
}

/// A memory type, behind `wasm_memory_type_t`. The pointer is to the module's own [`MemoryType`].
pub struct WASMMemory {
    _module: [u8; 0],
}

/// Where a kind has no number.
const UNKNOWN_KIND: wasm_valkind_t = 0xFF;

/// What an import or export is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum wasm_import_export_kind_t {
    /// A function.
    WASM_IMPORT_EXPORT_KIND_FUNC,
    /// A table.
    WASM_IMPORT_EXPORT_KIND_TABLE,
    /// A linear memory.
    WASM_IMPORT_EXPORT_KIND_MEMORY,
    /// A global.
    WASM_IMPORT_EXPORT_KIND_GLOBAL,
}

/// Type of an import or export; `kind` says which member counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub union wasm_extern_type_u {
    /// `WASM_IMPORT_EXPORT_KIND_FUNC`
    pub func_type: wasm_func_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_TABLE`
    pub table_type: wasm_table_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_GLOBAL`
    pub global_type: wasm_global_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_MEMORY`
    pub memory_type: wasm_memory_type_t,
}

/// An import of a module. Strings belong to the module.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_import_t {
    /// Module name.
    pub module_name: *const c_char,
    /// Field name.
    pub name: *const c_char,
    /// What is imported.
    pub kind: wasm_import_export_kind_t,
    /// Whether something to link it to is known.
    pub linked: bool,
    /// Its type.
    pub u: wasm_extern_type_u,
}

/// An export of a module. The name belongs to the module.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_export_t {
    /// Name.
    pub name: *const c_char,
    /// What is exported.
    pub kind: wasm_import_export_kind_t,
    /// Its type.
    pub u: wasm_extern_type_u,
}

/// Names of a module's imports and exports as C strings. A name with a NUL inside ends there, as it would in WAMR.
pub struct Names {
    /// Module and name of each import.
    pub imports: Box<[(CString, CString)]>,
    /// Name of each export.
    pub exports: Box<[CString]>,
}

impl Names {
    /// Those of a module.
    pub fn of(module: &Module) -> Names {
        Names {
            imports: module.imports.iter().map(|i| (c_string(&i.module), c_string(&i.name))).collect(),
            exports: module.exports.iter().map(|e| c_string(&e.name)).collect(),
        }
    }
}

fn c_string(name: &str) -> CString {
    CString::new(name.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// A handle for a part of a module.
fn handle<T, H>(part: &T) -> *mut H {
    std::ptr::from_ref(part).cast_mut().cast()
}

/// Kind and type of something in one of a module's index spaces.
pub fn extern_type(
    module: &Module,
    kind: ExternKind,
    index: u32,
) -> (wasm_import_export_kind_t, wasm_extern_type_u) {
    let index = index as usize;
    match kind {
        ExternKind::Func => (
            WASM_IMPORT_EXPORT_KIND_FUNC,
            wasm_extern_type_u { func_type: handle(&module.types[module.funcs[index].ty as usize]) },
        ),
        ExternKind::Table => (
            WASM_IMPORT_EXPORT_KIND_TABLE,
            wasm_extern_type_u { table_type: handle(&module.tables[index].ty) },
        ),
        ExternKind::Memory => (
            WASM_IMPORT_EXPORT_KIND_MEMORY,
            wasm_extern_type_u { memory_type: handle(&module.memories[index]) },
        ),
        ExternKind::Global => (
            WASM_IMPORT_EXPORT_KIND_GLOBAL,
            wasm_extern_type_u { global_type: handle(&module.globals[index].ty) },
        ),
    }
}

/// The place of the import that WAMR lists at `index`: its functions come first, and of an `.aot` file the globals next.
pub fn listed_import(module: &Module, compiled: bool, index: usize) -> Option<usize> {
    use ExternKind::{Func, Global, Memory, Table};
    let order = if compiled { [Func, Global, Table, Memory] } else { [Func, Table, Memory, Global] };
    order.into_iter().flat_map(|kind| module.import_places(kind)).nth(index)
}

/// # Safety
/// NULL, or a handle whose module is loaded.
unsafe fn func_type<'a>(handle: wasm_func_type_t) -> Option<&'a FuncType> {
    // SAFETY: handles are addresses of the module's types.
    unsafe { handle.cast::<FuncType>().as_ref() }
}

/// Number of parameters of a function type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_type_get_param_count(func_type: wasm_func_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::func_type(func_type) }.map_or(0, |ty| ty.params.len() as u32)
}

/// Kind of a parameter of a function type; 0xFF if there is no such parameter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_type_get_param_valkind(
    func_type: wasm_func_type_t,
    param_index: u32,
) -> wasm_valkind_t {
    // SAFETY: as the caller promises.
    let kind = unsafe { self::func_type(func_type) }.and_then(|ty| ty.params.get(param_index as usize));
    kind.map_or(UNKNOWN_KIND, |&ty| valkind(ty))
}

/// Number of results of a function type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_type_get_result_count(func_type: wasm_func_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::func_type(func_type) }.map_or(0, |ty| ty.results.len() as u32)
}

/// Kind of a result of a function type; 0xFF if there is no such result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_type_get_result_valkind(
    func_type: wasm_func_type_t,
    result_index: u32,
) -> wasm_valkind_t {
    // SAFETY: as the caller promises.
    let kind = unsafe { self::func_type(func_type) }.and_then(|ty| ty.results.get(result_index as usize));
    kind.map_or(UNKNOWN_KIND, |&ty| valkind(ty))
}

/// Kind of the value of a global type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_type_get_valkind(global_type: wasm_global_type_t) -> wasm_valkind_t {
    // SAFETY: as the caller promises; handles are addresses of the module's types.
    unsafe { global_type.cast::<GlobalType>().as_ref() }.map_or(UNKNOWN_KIND, |ty| valkind(ty.val))
}

/// Whether a global of this type may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_type_get_mutable(global_type: wasm_global_type_t) -> bool {
    // SAFETY: as the caller promises; handles are addresses of the module's types.
    unsafe { global_type.cast::<GlobalType>().as_ref() }.is_some_and(|ty| ty.mutable)
}

/// # Safety
/// NULL, or a handle whose module is loaded.
unsafe fn memory_type<'a>(handle: wasm_memory_type_t) -> Option<&'a MemoryType> {
    // SAFETY: handles are addresses of the module's types.
    unsafe { handle.cast::<MemoryType>().as_ref() }
}

/// Whether a memory of this type is shared between threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_type_get_shared(memory_type: wasm_memory_type_t) -> bool {
    // SAFETY: as the caller promises.
    unsafe { self::memory_type(memory_type) }.is_some_and(|ty| ty.shared)
}

/// Initial size in pages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_type_get_init_page_count(memory_type: wasm_memory_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::memory_type(memory_type) }.map_or(0, |ty| ty.limits.min as u32)
}

/// Largest size in pages; 65536 if none is declared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_type_get_max_page_count(memory_type: wasm_memory_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::memory_type(memory_type) }
        .map_or(0, |ty| ty.limits.max.unwrap_or(DEFAULT_MAX_PAGES) as u32)
}

/// # Safety
/// NULL, or a handle whose module is loaded.
unsafe fn table_type<'a>(handle: wasm_table_type_t) -> Option<&'a TableType> {
    // SAFETY: handles are addresses of the module's types.
    unsafe { handle.cast::<TableType>().as_ref() }
}

/// Kind of the elements of a table type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_type_get_elem_kind(table_type: wasm_table_type_t) -> wasm_valkind_t {
    // SAFETY: as the caller promises.
    unsafe { self::table_type(table_type) }.map_or(UNKNOWN_KIND, |ty| valkind(ty.elem))
}

/// Whether a table is shared between threads: never.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_table_type_get_shared(_table_type: wasm_table_type_t) -> bool {
    false
}

/// Initial number of elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_type_get_init_size(table_type: wasm_table_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::table_type(table_type) }.map_or(0, |ty| ty.limits.min as u32)
}

/// Most elements; if no maximum is declared, 1024 or twice the initial number, whichever is more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_type_get_max_size(table_type: wasm_table_type_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { self::table_type(table_type) }.map_or(0, table_max)
}
