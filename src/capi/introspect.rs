//! What modules import and export, and of which types.

use std::borrow::Cow;
use std::ffi::{CString, c_char};

use wayfarer_c_data::kinds::valkind;
use wayfarer_c_data::limits::{DEFAULT_MAX_PAGES, table_max};
use wayfarer_module::{ExternKind, FuncType, GlobalType, Import, ImportType, MemoryType, Module, TableType};

use super::call::func_of;
use super::ffi::{guard, slice_mut, text};
use super::types::{
    wasm_export_t, wasm_extern_type_u, wasm_func_type_t, wasm_function_inst_t, wasm_global_type_t,
    wasm_import_export_kind_t, wasm_import_t, wasm_memory_type_t, wasm_module_inst_t, wasm_module_t,
    wasm_table_type_t, wasm_valkind_t,
};
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

/// Names of a module's imports and exports as C strings. A name with a NUL inside ends there, as it would in WAMR.
pub(crate) struct Names {
    imports: Box<[(CString, CString)]>,
    exports: Box<[CString]>,
}

impl Names {
    pub(crate) fn of(module: &Module) -> Names {
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
fn extern_type(
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

fn import_kind(ty: &ImportType) -> ExternKind {
    match ty {
        ImportType::Func(_) => ExternKind::Func,
        ImportType::Table(_) => ExternKind::Table,
        ImportType::Memory(_) => ExternKind::Memory,
        ImportType::Global(_) => ExternKind::Global,
    }
}

/// The places of a module's imports of one kind, in file order.
pub(crate) fn import_places(module: &Module, kind: ExternKind) -> impl Iterator<Item = usize> + '_ {
    let of_kind = move |(place, import): (usize, &Import)| (import_kind(&import.ty) == kind).then_some(place);
    module.imports.iter().enumerate().filter_map(of_kind)
}

/// The place of the import that WAMR lists at `index`: its functions come first, and of an `.aot` file the globals next.
fn listed_import(module: &Module, compiled: bool, index: usize) -> Option<usize> {
    use ExternKind::{Func, Global, Memory, Table};
    let order = if compiled { [Func, Global, Table, Memory] } else { [Func, Table, Memory, Global] };
    order.into_iter().flat_map(|kind| import_places(module, kind)).nth(index)
}

/// Number of imports of a module; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_import_count(module: wasm_module_t) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.map_or(-1, |m| m.module().imports.len() as i32)
}

/// Describes an import: functions come first, then tables, memories and globals (of an `.aot` file: globals, tables, memories),
/// each in file order. `linked` says whether something to link a function or global to is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_import_type(
    module: wasm_module_t,
    import_index: i32,
    import_type: *mut wasm_import_t,
) {
    guard((), || {
        if import_type.is_null() {
            return;
        }
        // SAFETY: as the caller promises; all zero bytes are a valid `wasm_import_t`.
        unsafe { import_type.write_bytes(0, 1) };
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { module.as_ref() }) else { return };
        let Ok(index) = usize::try_from(import_index) else { return };
        let m = module.module();
        let Some(position) = listed_import(m, module.aot.is_some(), index) else { return };
        let import = &m.imports[position];
        let kind = import_kind(&import.ty);
        // Its index in its own index space is how many of its kind come before it.
        let before = m.imports[..position].iter().filter(|i| import_kind(&i.ty) == kind).count();
        let linked = match import.ty {
            ImportType::Func(_) => {
                let links = module.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                !matches!(links.get(before), None | Some(super::link::FuncLink::Unlinked))
            }
            ImportType::Global(ty) => {
                super::link::builtin_global(&import.module, &import.name).is_some_and(|(have, _)| have == ty)
            }
            _ => false,
        };
        let (kind, u) = extern_type(m, kind, before as u32);
        let (module_name, name) = &module.names.imports[position];
        // SAFETY: as the caller promises.
        unsafe {
            import_type.write(wasm_import_t {
                module_name: module_name.as_ptr(),
                name: name.as_ptr(),
                kind,
                linked,
                u,
            });
        }
    });
}

/// Number of exports of a module; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_count(module: wasm_module_t) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.map_or(-1, |m| m.module().exports.len() as i32)
}

/// Describes an export, in file order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_type(
    module: wasm_module_t,
    export_index: i32,
    export_type: *mut wasm_export_t,
) {
    guard((), || {
        if export_type.is_null() {
            return;
        }
        // SAFETY: as the caller promises; all zero bytes are a valid `wasm_export_t`.
        unsafe { export_type.write_bytes(0, 1) };
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { module.as_ref() }) else { return };
        let Ok(position) = usize::try_from(export_index) else { return };
        let Some(export) = module.module().exports.get(position) else { return };
        let (kind, u) = extern_type(module.module(), export.kind, export.index);
        let name = module.names.exports[position].as_ptr();
        // SAFETY: as the caller promises.
        unsafe { export_type.write(wasm_export_t { name, kind, u }) };
    });
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

/// # Safety
/// NULL, or handles that are alive.
unsafe fn type_of<'a>(func: wasm_function_inst_t, inst: wasm_module_inst_t) -> Option<Cow<'a, FuncType>> {
    // SAFETY: as the caller promises.
    let (func, inst) = unsafe { (func_of(func)?, inst.as_ref()?) };
    Some(super::call::type_of(inst, func))
}

/// Number of parameters of a function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_param_count(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
) -> u32 {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { type_of(func_inst, module_inst) }.map_or(0, |ty| ty.params.len() as u32))
}

/// Number of results of a function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_result_count(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
) -> u32 {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { type_of(func_inst, module_inst) }.map_or(0, |ty| ty.results.len() as u32))
}

/// Kinds of a function's parameters; the array has room for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_param_types(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
    param_types: *mut wasm_valkind_t,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(ty) = (unsafe { type_of(func_inst, module_inst) }) else { return };
        // SAFETY: as the caller promises.
        let kinds = unsafe { slice_mut(param_types, ty.params.len()) };
        kinds.iter_mut().zip(&ty.params).for_each(|(kind, &ty)| *kind = valkind(ty));
    });
}

/// Kinds of a function's results; the array has room for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_result_types(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
    result_types: *mut wasm_valkind_t,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(ty) = (unsafe { type_of(func_inst, module_inst) }) else { return };
        // SAFETY: as the caller promises.
        let kinds = unsafe { slice_mut(result_types, ty.results.len()) };
        kinds.iter_mut().zip(&ty.results).for_each(|(kind, &ty)| *kind = valkind(ty));
    });
}

/// An exported function of an instance; NULL if there is none of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_lookup_function(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
) -> wasm_function_inst_t {
    guard(std::ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let (instance, name) = unsafe { (module_inst.as_ref(), text(name)) };
        let func = instance.and_then(|i| i.exported_func(&name));
        func.map_or(std::ptr::null_mut(), super::call::handle_of)
    })
}
