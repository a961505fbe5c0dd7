//! Lists, vectors, maps, queues and copies of strings, as C hosts use them. (What they print is tested in `c-tests`.)

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use wayfarer_platform::hash_map::*;
use wayfarer_platform::list::*;
use wayfarer_platform::queue::*;
use wayfarer_platform::strings::*;
use wayfarer_platform::vector::*;

#[repr(C)]
struct Item {
    link: bh_list_link,
    number: u32,
}

#[test]
fn lists_keep_their_elements_newest_first() {
    let mut items = [0, 1, 2].map(|number| Item { link: bh_list_link { next: null_mut() }, number });
    let mut list = MaybeUninit::<bh_list>::uninit();
    let list = list.as_mut_ptr();
    // SAFETY: a list, and elements that outlive it.
    unsafe {
        bh_list_init(list);
        let items = items.as_mut_ptr();
        for i in 0..3 {
            assert_eq!(bh_list_insert(list, items.add(i).cast()), bh_list_status::BH_LIST_SUCCESS);
        }
        assert_eq!(bh_list_remove(list, items.add(1).cast()), bh_list_status::BH_LIST_SUCCESS);
        assert_eq!(bh_list_remove(list, items.add(1).cast()), bh_list_status::BH_LIST_ERROR);
        let first = bh_list_first_elem(list).cast::<Item>();
        let second = bh_list_elem_next(first.cast()).cast::<Item>();
        assert_eq!(((*first).number, (*second).number, bh_list_length(list)), (2, 0, 2));
        assert!(bh_list_elem_next(second.cast()).is_null());
    }
}

#[test]
fn vectors_grow_and_shift() {
    let mut vector = MaybeUninit::<Vector>::uninit();
    let vector = vector.as_mut_ptr();
    let at = |index: u32| {
        let mut number = 0u64;
        // SAFETY: the vector is alive where this is called, and its elements are of this type.
        unsafe { bh_vector_get(vector, index, (&raw mut number).cast()) }.then_some(number)
    };
    // SAFETY: a vector, and elements of the size it was made for.
    unsafe {
        for locked in [false, true] {
            assert!(bh_vector_init(vector, 1, 8, locked));
            for number in 0..100u64 {
                assert!(bh_vector_append(vector, (&raw const number).cast()));
            }
            assert!(bh_vector_insert(vector, 50, (&raw const *&1000u64).cast()));
            assert_eq!([49, 50, 51, 100, 101].map(at), [Some(49), Some(1000), Some(50), Some(99), None]);
            let mut taken = 0u64;
            assert!(bh_vector_remove(vector, 50, (&raw mut taken).cast()));
            assert_eq!((taken, at(50), bh_vector_size(vector)), (1000, Some(50), 100));
            assert!(bh_vector_destroy(vector));
            assert_eq!(bh_vector_size(vector), 0);
        }
        assert!(!bh_vector_init(vector, usize::MAX, 8, false), "more than there is");
    }
}

static FREED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn hash(key: *const c_void) -> u32 {
    key as usize as u32
}

unsafe extern "C" fn equal(a: *mut c_void, b: *mut c_void) -> bool {
    a == b
}

unsafe extern "C" fn free_value(value: *mut c_void) {
    FREED.fetch_add(value as usize as u32, Ordering::Relaxed);
}

unsafe extern "C" fn sum(key: *mut c_void, value: *mut c_void, total: *mut c_void) {
    // SAFETY: the test below gives a number.
    unsafe { *total.cast::<usize>() += key as usize * value as usize };
}

#[test]
fn maps_find_change_and_free() {
    let p = |number: usize| number as *mut c_void;
    // SAFETY: numbers as keys and values, of which nobody reads what they point to.
    unsafe {
        for locked in [false, true] {
            FREED.store(0, Ordering::Relaxed);
            let map = bh_hash_map_create(4, locked, Some(hash), Some(equal), None, Some(free_value));
            // Several to a bucket.
            for key in 1..=20 {
                assert!(bh_hash_map_insert(map, p(key), p(key * 10)));
            }
            assert!(!bh_hash_map_insert(map, p(7), p(1)), "it is there already");
            assert_eq!((bh_hash_map_find(map, p(7)), bh_hash_map_find(map, p(21))), (p(70), null_mut()));
            let (mut key, mut value) = (null_mut(), null_mut());
            assert!(bh_hash_map_update(map, p(7), p(1), &raw mut value));
            assert_eq!((value, bh_hash_map_find(map, p(7))), (p(70), p(1)));
            assert!(bh_hash_map_remove(map, p(11), &raw mut key, &raw mut value));
            assert_eq!((key, value, bh_hash_map_find(map, p(11))), (p(11), p(110), null_mut()));
            let mut total = 0usize;
            assert!(bh_hash_map_traverse(map, Some(sum), (&raw mut total).cast()));
            let all: usize = (1..=20).map(|key| key * key * 10).sum();
            assert_eq!(total, all - 490 + 7 - 1210);
            assert!(bh_hash_map_destroy(map));
            let values: u32 = (1..=20).map(|key| key * 10).sum();
            assert_eq!(FREED.load(Ordering::Relaxed), values - 70 + 1 - 110, "each once");
        }
        assert!(bh_hash_map_create(65_537, false, Some(hash), Some(equal), None, None).is_null());
        assert!(bh_hash_map_create(4, false, None, Some(equal), None, None).is_null());
    }
}

static CLEANED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn clean(_: *mut c_void) {
    CLEANED.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn queues_pass_messages_between_threads() {
    unsafe extern "C" fn handle(message: *mut c_void, queue: *mut c_void) {
        // SAFETY: the queue gives its messages, and what the test gave it.
        unsafe {
            if bh_message_type(message.cast()) == 60 {
                bh_queue_exit_loop_run(queue.cast());
            }
        }
    }
    let new = |tag| {
        // SAFETY: without a body nothing is freed; the cleaner can be called with it.
        unsafe { bh_new_msg(tag, null_mut(), 0, clean as *mut c_void) }
    };
    let queue = bh_queue_create();
    // SAFETY: the queue is alive until the end, when nobody else uses it; messages are passed on once.
    unsafe {
        assert!(bh_get_msg(queue, 1000).is_null(), "none comes");
        for tag in 0..50 {
            assert!(bh_post_msg2(queue, new(tag)));
        }
        assert!(!bh_post_msg2(queue, new(50)), "it is full");
        assert_eq!((CLEANED.load(Ordering::Relaxed), bh_queue_get_message_count(queue)), (1, 50));
        let first = bh_get_msg(queue, u64::MAX);
        assert_eq!(bh_message_type(first), 0);
        bh_free_msg(first);
        let address = queue as usize;
        let other = std::thread::spawn(move || {
            let queue = address as *mut bh_queue;
            while !bh_post_msg(queue, 60, null_mut(), 0) {
                std::thread::yield_now();
            }
        });
        bh_queue_enter_loop_run(queue, Some(handle), queue.cast());
        other.join().unwrap();
        assert_eq!(CLEANED.load(Ordering::Relaxed), 51, "each once");
        bh_queue_destroy(queue);
    }
}

#[test]
fn copies_have_a_limit() {
    let mut to = *b"abcdefg\0";
    let text = |bytes: &[u8; 8]| CStr::from_bytes_until_nul(bytes).unwrap().to_owned();
    // SAFETY: eight bytes, and literals.
    unsafe {
        assert_eq!(b_memcpy_s(to.as_mut_ptr().cast(), 8, b"xyz".as_ptr().cast(), 3), 0);
        assert_eq!(&to, b"xyzdefg\0");
        assert_eq!(b_strcat_s(to.as_mut_ptr().cast(), 8, c"1".as_ptr()), -1, "no room for the end");
        assert_eq!(b_strcpy_s(to.as_mut_ptr().cast(), 8, c"12345678".as_ptr()), -1);
        assert_eq!(text(&to).as_c_str(), c"xyzdefg");
        assert_eq!(b_strcpy_s(to.as_mut_ptr().cast(), 8, c"123".as_ptr()), 0);
        assert_eq!(b_strcat_s(to.as_mut_ptr().cast(), 8, c"4567".as_ptr()), 0);
        assert_eq!(text(&to).as_c_str(), c"1234567");
        assert_eq!(b_memmove_s(to.as_mut_ptr().add(1).cast(), 7, to.as_ptr().cast(), 3), 0);
        assert_eq!(&to, b"1123567\0");
        assert_eq!(b_memcpy_s(to.as_mut_ptr().cast(), 8, [0; 9].as_ptr().cast(), 9), -1);
        assert_eq!(to, [0; 8], "zeroed, if it does not fit");
        assert_eq!(b_strcpy_s(null_mut(), 8, c"".as_ptr()), -1);
        assert!(bh_strdup(null()).is_null() && wa_strdup(null()).is_null());
    }
}
