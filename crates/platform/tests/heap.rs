//! Blocks come from the heap that the host chose. One test: the choice is the process's.

use std::ffi::{c_uint, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

use wayfarer_platform::alloc::{
    Allocator, MemAllocFunctions, MemAllocOption, MemAllocPool, mem_alloc_type_t, release, set_allocator,
    wasm_runtime_aligned_alloc, wasm_runtime_free, wasm_runtime_get_mem_alloc_info, wasm_runtime_malloc,
    wasm_runtime_realloc, zeroed,
};

/// Blocks of the host's own allocator that are alive.
static ALIVE: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" fn host_malloc(size: c_uint) -> *mut c_void {
    ALIVE.fetch_add(1, Ordering::Relaxed);
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size as usize) }
}

unsafe extern "C" fn host_free(block: *mut c_void) {
    ALIVE.fetch_sub(1, Ordering::Relaxed);
    // SAFETY: `host_malloc` gave it.
    unsafe { libc::free(block) };
}

fn chosen(kind: mem_alloc_type_t, option: MemAllocOption) -> Result<(), &'static str> {
    // SAFETY: the tests below give the member that goes with the kind, with memory that stays.
    set_allocator(Some(unsafe { Allocator::new(kind as u32, &option) }?));
    Ok(())
}

fn pool_of(bytes: &'static mut [u64]) -> MemAllocOption {
    let heap_size = size_of_val(bytes) as u32;
    MemAllocOption { pool: MemAllocPool { heap_buf: bytes.as_mut_ptr().cast(), heap_size } }
}

fn functions(malloc: *const (), free: *const ()) -> MemAllocOption {
    MemAllocOption {
        allocator: MemAllocFunctions {
            malloc_func: malloc.cast_mut().cast(),
            realloc_func: null_mut(),
            free_func: free.cast_mut().cast(),
            user_data: null_mut(),
        },
    }
}

#[test]
fn the_heap_is_what_the_host_chose() {
    // Before it has chosen.
    assert!(wasm_runtime_malloc(8).is_null());
    let early = zeroed(8);
    assert!(!early.is_null());
    // SAFETY: `zeroed` gave it.
    unsafe { release(early) };

    // A pool of the host's.
    let buffer = Box::leak(vec![0u64; 8192].into_boxed_slice());
    let range = buffer.as_ptr_range();
    chosen(mem_alloc_type_t::Alloc_With_Pool, pool_of(buffer)).unwrap();
    let inside = |block: *mut c_void| range.contains(&block.cast_const().cast());
    let (a, b) = (wasm_runtime_malloc(100), wasm_runtime_aligned_alloc(4096, 256));
    assert!(inside(a) && inside(b) && b.addr().is_multiple_of(256));
    let mut info = MaybeUninit::uninit();
    // SAFETY: blocks of the pool; `info` may be written.
    let info = unsafe {
        let a = wasm_runtime_realloc(a, 2000);
        assert!(inside(a));
        wasm_runtime_free(a);
        wasm_runtime_free(b);
        assert!(wasm_runtime_get_mem_alloc_info(info.as_mut_ptr()));
        info.assume_init()
    };
    assert_eq!(info.total_free_size, info.total_size);
    assert!(info.highmark_size >= 6096 && wasm_runtime_malloc(1 << 20).is_null());

    // Functions of the host's. Without one for it, blocks can't be resized.
    chosen(
        mem_alloc_type_t::Alloc_With_Allocator,
        functions(host_malloc as *const (), host_free as *const ()),
    )
    .unwrap();
    let block = wasm_runtime_malloc(8);
    assert_eq!((block.is_null(), ALIVE.load(Ordering::Relaxed)), (false, 1));
    // SAFETY: a block of the host's.
    unsafe {
        assert!(wasm_runtime_realloc(block, 16).is_null());
        wasm_runtime_free(block);
    }
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    assert!(wasm_runtime_aligned_alloc(64, 64).is_null(), "of pools alone");

    // malloc and its kin.
    chosen(mem_alloc_type_t::Alloc_With_System_Allocator, pool_of(&mut [])).unwrap();
    let block = wasm_runtime_malloc(8);
    // SAFETY: blocks of malloc's.
    unsafe {
        let block = wasm_runtime_realloc(block, 1000);
        assert!(!block.is_null());
        wasm_runtime_free(block);
        assert!(!wasm_runtime_get_mem_alloc_info(null_mut()), "no pool");
    }

    // What is none.
    let refused = |kind, option| chosen(kind, option).unwrap_err();
    let malloc = host_malloc as *const ();
    assert_eq!(
        refused(mem_alloc_type_t::Alloc_With_Pool, pool_of(Box::leak(Box::new([0])))),
        "the pool is too small"
    );
    assert_eq!(
        refused(mem_alloc_type_t::Alloc_With_Allocator, functions(malloc, malloc)),
        "the allocator needs a malloc and a free function"
    );
    set_allocator(None);
    assert!(wasm_runtime_malloc(8).is_null());
}
