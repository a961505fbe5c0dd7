//! Linear memory as hosts see it: addresses, the app heap, growing.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use wayfarer_program::app_heap::Corrupted;
use wayfarer_program::guest_heap::GuestHeap;
use wayfarer_runtime::{Func, Instance, Memory, TrapCode};

use super::call;
use super::exec_env::{WASMExecEnv, running_in};
use super::ffi::{guard, put, slice};
use super::instance::WASMModuleInstanceCommon;
use super::log::warning;
use super::types::{
    enlarge_memory_error_callback_t, enlarge_memory_error_reason_t, wasm_memory_inst_t, wasm_module_inst_t,
};

const OUT_OF_BOUNDS: &str = TrapCode::MemoryOutOfBounds.text();

/// Told of failed growth, with the host's pointer.
static ENLARGE_CALLBACK: Mutex<(enlarge_memory_error_callback_t, usize)> = Mutex::new((None, 0));

impl WASMModuleInstanceCommon {
    /// Memory 0.
    fn memory0(&self) -> Option<&Memory> {
        self.engine_instance().memory(0)
    }

    /// Offset in memory 0 of a native address inside it.
    fn offset_of(&self, native: usize) -> Option<u64> {
        let memory = self.memory0()?;
        let offset = native.checked_sub(memory.base() as usize)?;
        (offset < memory.len()).then_some(offset as u64)
    }

    /// Room in the guest's memory. A trap in the guest's own allocator stays as the exception.
    fn heap(&self) -> GuestHeap<'_, impl Fn(&Func, &[u64]) -> Option<Vec<u64>>> {
        GuestHeap::new(&self.parts, |func, args| call::call(self.env()?, func, args).ok())
    }

    fn unless_corrupted<T>(&self, result: Result<T, Corrupted>) -> Option<T> {
        result.map_err(|Corrupted| self.set_exception("app heap corrupted")).ok()
    }

    /// Allocates in the app heap, or by the guest's own allocator. 0 if there is no room.
    pub(crate) fn module_malloc(&self, size: u64) -> u64 {
        if self.memory0().is_none() {
            self.set_exception("uninitialized memory");
            return 0;
        }
        let Ok(size) = u32::try_from(size) else { return 0 };
        match self.unless_corrupted(self.heap().allocate(size)) {
            Some(Some(address)) => address.into(),
            Some(None) => {
                warning!("allocate {size} bytes memory failed");
                0
            }
            None => 0,
        }
    }

    /// Frees what [`Self::module_malloc`] allocated. 0 is ignored.
    pub(crate) fn module_free(&self, address: u64) {
        if let Some(address) = u32::try_from(address).ok().filter(|&a| a != 0) {
            self.unless_corrupted(self.heap().free(address));
        }
    }

    /// Resizes a block of [`Self::module_malloc`]. 0 if there is no room.
    pub(crate) fn module_realloc(&self, address: u64, size: u64) -> u64 {
        let (Ok(old), Ok(new)) = (u32::try_from(address), u32::try_from(size)) else { return 0 };
        if old == 0 {
            return self.module_malloc(size);
        }
        self.unless_corrupted(self.heap().reallocate(old, new)).flatten().map_or(0, u64::from)
    }

    /// The exec env to call guest functions in: the one that is running on this thread, or the instance's own.
    pub(crate) fn env(&self) -> Option<&WASMExecEnv> {
        match running_in(self) {
            // SAFETY: an exec env is not destroyed while its guest runs.
            Some(env) => Some(unsafe { &*env }),
            None => self.singleton(),
        }
    }
}

/// Allocates `size` bytes in linear memory: from the app heap, or by calling the guest's `malloc`. Returns the address,
/// and where it is natively; 0 if there is no room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_module_malloc(
    module_inst: wasm_module_inst_t,
    size: u64,
    p_native_addr: *mut *mut c_void,
) -> u64 {
    guard(0, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return 0 };
        let address = instance.module_malloc(size);
        let native = if address == 0 { None } else { instance.native(address, size.max(1)) };
        // SAFETY: as the caller promises.
        unsafe { put(p_native_addr, native.map_or(null_mut(), |p| p.cast())) };
        address
    })
}

/// Frees what wasm_runtime_module_malloc allocated. 0 is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_module_free(module_inst: wasm_module_inst_t, ptr: u64) {
    // SAFETY: as the caller promises.
    guard((), || unsafe { module_inst.as_ref() }.into_iter().for_each(|i| i.module_free(ptr)));
}

/// Allocates in linear memory as wasm_runtime_module_malloc does and copies `size` bytes there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_module_dup_data(
    module_inst: wasm_module_inst_t,
    src: *const c_char,
    size: u64,
) -> u64 {
    guard(0, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return 0 };
        let address = instance.module_malloc(size);
        if address == 0 {
            return 0;
        }
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(src.cast::<u8>(), size as usize) };
        if instance.engine_instance().guest_memory().write(address, bytes).is_err() {
            instance.module_free(address);
            return 0;
        }
        address
    })
}

impl WASMModuleInstanceCommon {
    /// Native address of `size` bytes at `address`, if they are inside memory 0.
    fn native(&self, address: u64, size: u64) -> Option<*mut u8> {
        self.memory0()?.range(address, size).ok()
    }

    fn in_bounds(&self, inside: bool) -> bool {
        if !inside {
            self.set_exception(OUT_OF_BOUNDS);
        }
        inside
    }
}

/// Whether `size` bytes at a guest address are inside memory 0. If not, sets `out of bounds memory access`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_validate_app_addr(
    module_inst: wasm_module_inst_t,
    app_offset: u64,
    size: u64,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        unsafe { module_inst.as_ref() }.is_some_and(|i| i.in_bounds(i.native(app_offset, size).is_some()))
    })
}

/// Whether there is a NUL-terminated string at a guest address. If not, sets `out of bounds memory access`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_validate_app_str_addr(
    module_inst: wasm_module_inst_t,
    app_str_offset: u64,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        let memory = instance.engine_instance().guest_memory();
        let terminated = memory.len().checked_sub(app_str_offset).is_some_and(|left| {
            let start = memory.range(app_str_offset, left);
            // SAFETY: `left` bytes from there are inside linear memory.
            start.is_ok_and(|start| !unsafe { libc::memchr(start.cast(), 0, left as usize) }.is_null())
        });
        instance.in_bounds(terminated)
    })
}

/// Whether `size` bytes at a native address are inside memory 0. If not, sets `out of bounds memory access`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_validate_native_addr(
    module_inst: wasm_module_inst_t,
    native_ptr: *mut c_void,
    size: u64,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        let inside =
            instance.offset_of(native_ptr as usize).is_some_and(|at| instance.native(at, size).is_some());
        instance.in_bounds(inside)
    })
}

/// Native address of a guest address; NULL if it is outside memory 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_addr_app_to_native(
    module_inst: wasm_module_inst_t,
    app_offset: u64,
) -> *mut c_void {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let instance = unsafe { module_inst.as_ref() };
        instance.and_then(|i| i.native(app_offset, 1)).map_or(null_mut(), |p| p.cast())
    })
}

/// Guest address of a native address; 0 if it is outside memory 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_addr_native_to_app(
    module_inst: wasm_module_inst_t,
    native_ptr: *mut c_void,
) -> u64 {
    guard(0, || {
        // SAFETY: as the caller promises.
        unsafe { module_inst.as_ref() }.and_then(|i| i.offset_of(native_ptr as usize)).unwrap_or(0)
    })
}

/// The range of guest addresses around one: all of memory 0. False if it is outside.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_app_addr_range(
    module_inst: wasm_module_inst_t,
    app_offset: u64,
    p_app_start_offset: *mut u64,
    p_app_end_offset: *mut u64,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let memory = unsafe { module_inst.as_ref() }.and_then(|i| i.memory0());
        let Some(memory) = memory.filter(|m| app_offset < m.len() as u64) else { return false };
        // SAFETY: as the caller promises.
        unsafe {
            put(p_app_start_offset, 0);
            put(p_app_end_offset, memory.len() as u64);
        }
        true
    })
}

/// The range of native addresses around one: all of memory 0. False if it is outside.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_native_addr_range(
    module_inst: wasm_module_inst_t,
    native_ptr: *mut u8,
    p_native_start_addr: *mut *mut u8,
    p_native_end_addr: *mut *mut u8,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let instance = unsafe { module_inst.as_ref() };
        let inside = instance.filter(|i| i.offset_of(native_ptr as usize).is_some());
        let Some(memory) = inside.and_then(|i| i.memory0()) else { return false };
        // SAFETY: as the caller promises.
        unsafe {
            put(p_native_start_addr, memory.base());
            put(p_native_end_addr, memory.base().wrapping_add(memory.len()));
        }
        true
    })
}

fn handle(memory: Option<&Memory>) -> wasm_memory_inst_t {
    memory.map_or(null_mut(), |m| std::ptr::from_ref(m).cast_mut().cast())
}

/// # Safety
/// NULL, or a handle whose instance is alive.
unsafe fn memory_of<'a>(handle: wasm_memory_inst_t) -> Option<&'a Memory> {
    // SAFETY: handles are addresses of the engine's memories.
    unsafe { handle.cast::<Memory>().as_ref() }
}

/// The linear memory of an instance; the name is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_lookup_memory(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
) -> wasm_memory_inst_t {
    let _ = name;
    // SAFETY: as the caller promises.
    unsafe { wasm_runtime_get_memory(module_inst, 0) }
}

/// The first linear memory of an instance; NULL if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_default_memory(
    module_inst: wasm_module_inst_t,
) -> wasm_memory_inst_t {
    // SAFETY: as the caller promises.
    unsafe { wasm_runtime_get_memory(module_inst, 0) }
}

/// A linear memory of an instance by index; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_memory(
    module_inst: wasm_module_inst_t,
    index: u32,
) -> wasm_memory_inst_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let instance = unsafe { module_inst.as_ref() };
        handle(instance.and_then(|i| i.engine_instance().memory(index)))
    })
}

/// Size of a memory in its pages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_get_cur_page_count(memory_inst: wasm_memory_inst_t) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { memory_of(memory_inst) }.map_or(0, |m| m.plan().len / m.plan().page_size)
}

/// Most pages a memory can have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_get_max_page_count(memory_inst: wasm_memory_inst_t) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { memory_of(memory_inst) }.map_or(0, |m| m.plan().max / m.plan().page_size)
}

/// Bytes in a page of a memory. It is 65536, unless an app heap was added to a memory that can't grow: that is one
/// large page then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_get_bytes_per_page(memory_inst: wasm_memory_inst_t) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { memory_of(memory_inst) }.map_or(0, |m| m.plan().page_size)
}

/// Whether a memory is shared between threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_get_shared(memory_inst: wasm_memory_inst_t) -> bool {
    // SAFETY: as the caller promises.
    unsafe { memory_of(memory_inst) }.is_some_and(|m| m.plan().shared)
}

/// Native address of a memory's first byte; it does not change when the memory grows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_get_base_address(memory_inst: wasm_memory_inst_t) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { memory_of(memory_inst) }.map_or(null_mut(), |m| m.base().cast())
}

/// Grows a memory. False if it can't have that many pages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_enlarge(memory_inst: wasm_memory_inst_t, inc_page_count: u64) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { memory_of(memory_inst) }.is_some_and(|m| m.grow(inc_page_count).is_some()))
}

/// Grows memory 0 of an instance. False if it can't have that many pages; the callback of
/// wasm_runtime_set_enlarge_mem_error_callback is told.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_enlarge_memory(
    module_inst: wasm_module_inst_t,
    inc_page_count: u64,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        let Some(memory) = instance.memory0() else { return false };
        if instance.program().pass(|| memory.grow(inc_page_count)).is_some() {
            return true;
        }
        report_growth_failure(instance, memory, inc_page_count);
        false
    })
}

/// A guest's `memory.grow` failed.
pub(crate) fn guest_growth_failed(instance: &Instance, memory: &Memory, pages: u64) {
    if let Some(instance) = WASMModuleInstanceCommon::of(instance) {
        report_growth_failure(instance, memory, pages);
    }
}

/// Tells the host that a memory could not grow.
fn report_growth_failure(instance: &WASMModuleInstanceCommon, memory: &Memory, pages: u64) {
    let (callback, user_data) = *ENLARGE_CALLBACK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(callback) = callback else { return };
    let plan = memory.plan();
    let fits = pages
        .checked_mul(plan.page_size)
        .and_then(|b| b.checked_add(plan.len))
        .is_some_and(|n| n <= plan.max);
    let reason = if fits {
        enlarge_memory_error_reason_t::INTERNAL_ERROR
    } else {
        enlarge_memory_error_reason_t::MAX_SIZE_REACHED
    };
    let env = running_in(instance).map_or(null_mut(), |env| env.cast_mut());
    let pages = u32::try_from(pages).unwrap_or(u32::MAX);
    // SAFETY: the host set this function with this pointer.
    unsafe { callback(pages, plan.len, 0, reason, instance.as_ptr(), env, user_data as *mut c_void) };
}

/// Sets the function that is told when a memory can't grow; NULL for none. There is one for the process.
///
/// # Safety
/// The function may be called with `user_data` until another one is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_enlarge_mem_error_callback(
    callback: enlarge_memory_error_callback_t,
    user_data: *mut c_void,
) {
    *ENLARGE_CALLBACK.lock().unwrap_or_else(PoisonError::into_inner) = (callback, user_data as usize);
}
