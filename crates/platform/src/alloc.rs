//! `wasm_runtime_malloc` and its kin, over the allocator that `wasm_runtime_full_init` chose.
//!
//! The runtime's own data lives in Rust's heap, and linear memories are mapped; what comes from here is what hosts
//! allocate through the API.

use std::ffi::{c_uint, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ffi::{CEnum, guard, put};
use crate::log::{error, warning};
use crate::pool::Pool;

/// Which allocator wasm_runtime_malloc and its kin use.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum mem_alloc_type_t {
    /// A heap inside a buffer of the host's.
    Alloc_With_Pool = 0,
    /// Functions of the host's.
    Alloc_With_Allocator = 1,
    /// malloc.
    Alloc_With_System_Allocator = 2,
}

/// What an allocation is for (only told to allocators built to ask).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum mem_alloc_usage_t {
    /// The runtime's own data.
    Alloc_For_Runtime,
    /// A linear memory.
    Alloc_For_LinearMemory,
}

/// Buffer for `Alloc_With_Pool`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemAllocPool {
    /// Start.
    pub heap_buf: *mut c_void,
    /// Bytes.
    pub heap_size: u32,
}

/// Functions for `Alloc_With_Allocator`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemAllocFunctions {
    /// `void *(*)(unsigned int size)`
    pub malloc_func: *mut c_void,
    /// `void *(*)(void *ptr, unsigned int size)`, or NULL
    pub realloc_func: *mut c_void,
    /// `void (*)(void *ptr)`
    pub free_func: *mut c_void,
    /// Not used.
    pub user_data: *mut c_void,
}

/// Arguments of the allocator chosen by `mem_alloc_type_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union MemAllocOption {
    /// For `Alloc_With_Pool`.
    pub pool: MemAllocPool,
    /// For `Alloc_With_Allocator`.
    pub allocator: MemAllocFunctions,
}

/// State of the pool allocator, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct mem_alloc_info_t {
    /// Size of the pool.
    pub total_size: u32,
    /// Bytes not in use.
    pub total_free_size: u32,
    /// Most bytes that were in use at one time.
    pub highmark_size: u32,
}

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for mem_alloc_type_t {}

type MallocFn = unsafe extern "C" fn(c_uint) -> *mut c_void;
type ReallocFn = unsafe extern "C" fn(*mut c_void, c_uint) -> *mut c_void;
type FreeFn = unsafe extern "C" fn(*mut c_void);

/// The host's own allocator.
#[derive(Clone, Copy)]
pub struct UserAllocator {
    malloc: MallocFn,
    realloc: Option<ReallocFn>,
    free: FreeFn,
}

/// Where blocks come from.
pub enum Allocator {
    /// A buffer of the host's.
    Pool(Box<Pool>),
    /// Functions of the host's.
    User(UserAllocator),
    /// malloc and its kin.
    System,
}

/// `None` until the runtime is initialized.
static ALLOCATOR: Mutex<Option<Allocator>> = Mutex::new(None);

fn allocator() -> MutexGuard<'static, Option<Allocator>> {
    ALLOCATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

// SAFETY: a pool owns the bytes it points to, and is only used under the lock above.
unsafe impl Send for Pool {}

impl Allocator {
    /// The allocator a host asked for.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    ///
    /// # Safety
    /// `option` has the member that goes with `kind`, with pointers that stay valid while the runtime is initialized.
    pub unsafe fn new(kind: u32, option: &MemAllocOption) -> Result<Self, &'static str> {
        if kind == mem_alloc_type_t::Alloc_With_System_Allocator as u32 {
            return Ok(Allocator::System);
        }
        if kind == mem_alloc_type_t::Alloc_With_Pool as u32 {
            // SAFETY: the caller says it is the pool; both members are plain data, so reading cannot go wrong.
            let pool = unsafe { option.pool };
            let buf = NonNull::new(pool.heap_buf.cast()).ok_or("the pool has no buffer")?;
            // SAFETY: the caller gives these bytes to the runtime.
            return unsafe { Pool::new(buf, pool.heap_size as usize) }
                .map(|pool| Allocator::Pool(Box::new(pool)))
                .ok_or("the pool is too small");
        }
        if kind == mem_alloc_type_t::Alloc_With_Allocator as u32 {
            // SAFETY: as above.
            let f = unsafe { option.allocator };
            if f.malloc_func.is_null() || f.free_func.is_null() || f.malloc_func == f.free_func {
                return Err("the allocator needs a malloc and a free function");
            }
            // SAFETY: the caller vouches that these are functions of the documented types.
            return Ok(Allocator::User(unsafe {
                UserAllocator {
                    malloc: std::mem::transmute::<*mut c_void, MallocFn>(f.malloc_func),
                    realloc: std::mem::transmute::<*mut c_void, Option<ReallocFn>>(f.realloc_func),
                    free: std::mem::transmute::<*mut c_void, FreeFn>(f.free_func),
                }
            }));
        }
        Err("unknown allocator type")
    }
}

/// Installs the allocator of an initialized runtime, or removes it.
pub fn set_allocator(new: Option<Allocator>) {
    if let Some(new) = &new {
        OURS.store(matches!(new, Allocator::System), Ordering::Release);
    }
    *allocator() = new;
}

/// Allocates `size` bytes with the allocator chosen at initialization. Size 0 gives one byte, with a warning.
///
/// Returns NULL before initialization or when there is not enough memory.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_malloc(size: c_uint) -> *mut c_void {
    guard(null_mut(), || {
        if size == 0 {
            warning!("wasm_runtime_malloc with size zero");
        }
        let size = size.max(1);
        let user = match &mut *allocator() {
            None => {
                warning!("wasm_runtime_malloc failed: memory hasn't been initialized");
                return null_mut();
            }
            Some(Allocator::Pool(pool)) => {
                return pool.allocate(size, 8).map_or(null_mut(), |p| p.as_ptr().cast());
            }
            // SAFETY: malloc takes any size.
            Some(Allocator::System) => return unsafe { libc::malloc(size as usize) },
            Some(Allocator::User(user)) => *user,
        };
        // The lock is not held here: the host's function may use this API.
        // SAFETY: the host said that this is its malloc.
        unsafe { (user.malloc)(size) }
    })
}

/// Allocates `size` bytes, a multiple of `alignment`, which is a power of two from 8 to the page size. Only in pool
/// mode; otherwise logs an error and returns NULL. The result can be freed, not reallocated.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_aligned_alloc(size: c_uint, alignment: c_uint) -> *mut c_void {
    guard(null_mut(), || {
        let size = size.max(alignment);
        if !alignment.is_power_of_two()
            || !(8..=page_size()).contains(&alignment)
            || !size.is_multiple_of(alignment)
        {
            error!("wasm_runtime_aligned_alloc failed: size {size} with alignment {alignment}");
            return null_mut();
        }
        match &mut *allocator() {
            None => {
                warning!("wasm_runtime_aligned_alloc failed: memory hasn't been initialized");
                null_mut()
            }
            Some(Allocator::Pool(pool)) => {
                pool.allocate(size, alignment as usize).map_or(null_mut(), |p| p.as_ptr().cast())
            }
            Some(_) => {
                error!("wasm_runtime_aligned_alloc is only supported in pool mode");
                null_mut()
            }
        }
    })
}

fn page_size() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.try_into().unwrap_or(4096)
}

/// Resizes a block, keeping its content; it may move. NULL allocates. Returns NULL on failure, and always if the
/// host's own allocator has no realloc function; the old block is still there then.
///
/// # Safety
/// `ptr` is NULL or a live block of this API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_realloc(ptr: *mut c_void, size: c_uint) -> *mut c_void {
    guard(null_mut(), || {
        let Some(block) = NonNull::new(ptr.cast::<u8>()) else { return wasm_runtime_malloc(size) };
        let user = match &mut *allocator() {
            None => {
                warning!("wasm_runtime_realloc failed: memory hasn't been initialized");
                return null_mut();
            }
            Some(Allocator::Pool(pool)) => {
                // SAFETY: the caller's promise: a live block of the pool.
                let new = unsafe { pool.reallocate(block, size) };
                return new.map_or(null_mut(), |p| p.as_ptr().cast());
            }
            // SAFETY: the caller's promise: a live block of malloc's.
            Some(Allocator::System) => return unsafe { libc::realloc(ptr, size as usize) },
            Some(Allocator::User(user)) => *user,
        };
        match user.realloc {
            // SAFETY: the host said that this is its realloc.
            Some(realloc) => unsafe { realloc(ptr, size) },
            None => null_mut(),
        }
    })
}

/// Frees a block. NULL does nothing but log a warning.
///
/// # Safety
/// `ptr` is NULL or a live block of this API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_free(ptr: *mut c_void) {
    guard((), || {
        let Some(block) = NonNull::new(ptr.cast::<u8>()) else {
            warning!("wasm_runtime_free with NULL pointer");
            return;
        };
        let user = match &mut *allocator() {
            None => {
                warning!("wasm_runtime_free failed: memory hasn't been initialized");
                return;
            }
            // SAFETY: the caller's promise: a live block of the pool.
            Some(Allocator::Pool(pool)) => return unsafe { pool.free(block) },
            // SAFETY: the caller's promise: a live block of malloc's.
            Some(Allocator::System) => return unsafe { libc::free(ptr) },
            Some(Allocator::User(user)) => *user,
        };
        // SAFETY: the host said that this is its free.
        unsafe { (user.free)(ptr) };
    });
}

/// Whether what was allocated may be freed when there is no runtime: not what was in a host's pool, or its allocator's.
static OURS: AtomicBool = AtomicBool::new(true);

/// Allocates bytes, all zero, with the allocator chosen at initialization; before that, and after, with malloc. NULL if there
/// is not enough memory.
pub fn zeroed(size: u32) -> *mut c_void {
    if matches!(*allocator(), None | Some(Allocator::System)) {
        // SAFETY: calloc takes any size.
        return unsafe { libc::calloc(1, size as usize) };
    }
    let block = wasm_runtime_malloc(size);
    if !block.is_null() {
        // SAFETY: as many bytes were allocated.
        unsafe { block.cast::<u8>().write_bytes(0, size as usize) };
    }
    block
}

/// Frees what [`zeroed`] or `wasm_runtime_malloc` gave. What an allocator of the host's gave goes with that.
///
/// # Safety
/// NULL, or a live block of this API.
pub unsafe fn release(block: *mut c_void) {
    let there = allocator().is_some();
    if block.is_null() || !there && !OURS.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe { if there { wasm_runtime_free(block) } else { libc::free(block) } };
}

/// Reports how full the pool is. False, with nothing written, in any mode but pool mode.
///
/// # Safety
/// `mem_alloc_info` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_mem_alloc_info(mem_alloc_info: *mut mem_alloc_info_t) -> bool {
    guard(false, || match &*allocator() {
        Some(Allocator::Pool(pool)) => {
            // SAFETY: as the caller promises.
            unsafe { put(mem_alloc_info, pool.info()) };
            true
        }
        _ => false,
    })
}
