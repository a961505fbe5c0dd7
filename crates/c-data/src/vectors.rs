//! Vectors. Hosts fill them in by hand, too, so of their fields only `size`, `num_elems` and `data` are looked at. Their
//! elements are in memory of wasm_runtime_malloc's, as in WAMR: hosts allocate and free it, too.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use wayfarer_platform::alloc;
use wayfarer_platform::ffi::slice;

/// A character of a name.
pub type byte_t = c_char;
/// A byte of a binary.
pub type wasm_byte_t = byte_t;

/// What all vectors look like.
#[repr(C)]
pub struct Vector<T> {
    /// Room, in elements.
    pub size: usize,
    /// The elements.
    pub data: *mut T,
    /// How many there are.
    pub num_elems: usize,
    /// Bytes of one element.
    pub size_of_elem: usize,
    /// Not used.
    pub lock: *mut c_void,
}

impl<T> Vector<T> {
    /// No elements, no memory.
    pub const EMPTY: Self =
        Vector { size: 0, data: null_mut(), num_elems: 0, size_of_elem: size_of::<T>(), lock: null_mut() };

    /// Room for `n` elements, all zero. Without room if there is not enough memory, or if it is more than WAMR gives.
    pub fn with_room(n: usize) -> Self {
        let bytes = n.checked_mul(size_of::<T>()).and_then(|bytes| u32::try_from(bytes).ok());
        let data = bytes.filter(|&bytes| bytes > 0).map_or(null_mut(), alloc::zeroed).cast::<T>();
        Vector { size: if data.is_null() { 0 } else { n }, data, ..Self::EMPTY }
    }

    /// These elements.
    pub fn of(elements: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> Self {
        let elements = elements.into_iter();
        let mut vector = Self::with_room(elements.len());
        for (i, element) in elements.enumerate().take(vector.size) {
            // SAFETY: `i < size`, for which there is room.
            unsafe { vector.data.add(i).write(element) };
            vector.num_elems = i + 1;
        }
        vector
    }

    /// Copies of elements, up to the first that can't be copied, with room for `size`.
    pub fn copy_of(
        size: usize,
        elements: impl IntoIterator<Item = Option<T>, IntoIter: ExactSizeIterator>,
    ) -> Self {
        let elements = elements.into_iter();
        let mut vector = Self::with_room(size.max(elements.len()));
        for element in elements.take(vector.size) {
            let Some(element) = element else { break };
            // SAFETY: `num_elems < size`, for which there is room.
            unsafe { vector.data.add(vector.num_elems).write(element) };
            vector.num_elems += 1;
        }
        vector
    }

    /// The elements that are there.
    ///
    /// # Safety
    /// `data` has `num_elems` elements.
    pub unsafe fn elements(&self) -> &[T] {
        // SAFETY: as the caller promises.
        unsafe { slice(self.data, self.num_elems) }
    }

    /// The elements there is room for; hosts that fill in a vector by hand may leave `num_elems` behind.
    ///
    /// # Safety
    /// `data` has `size` elements.
    pub unsafe fn all(&self) -> &[T] {
        // SAFETY: as the caller promises.
        unsafe { slice(self.data, self.size) }
    }

    /// The same vector once more: one of both may be freed.
    pub fn alias(&self) -> Self {
        Vector { ..*self }
    }

    /// Frees the memory, not what elements point to.
    ///
    /// # Safety
    /// `data` is NULL or came from here, or from wasm_runtime_malloc.
    pub unsafe fn free(&mut self) {
        // SAFETY: as the caller promises.
        unsafe { alloc::release(self.data.cast()) };
        *self = Self::EMPTY;
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __vector {
    (plain $vec:ident, $elem:ty, $array:ty, $what:literal;
     $new_empty:ident $new_uninitialized:ident $new:ident $vec_copy:ident $vec_delete:ident) => {
        $crate::__vector!(new $vec, $elem, $array, $what;
            $new_empty $new_uninitialized $new);

        #[doc = concat!("Copies a vector with its ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $vec_copy(out: *mut $vec, src: *const $vec) {
            $crate::ffi::guard((), || {
                // SAFETY: as the caller promises.
                if let Some(src) = unsafe { src.as_ref() } {
                    // SAFETY: as the caller promises.
                    unsafe { $new(out, src.size, src.data) };
                }
            });
        }

        #[doc = concat!("Deletes a vector with its ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $vec_delete(vec: *mut $vec) {
            // SAFETY: as the caller promises; its memory came from this API.
            $crate::ffi::guard((), || unsafe { vec.as_mut().into_iter().for_each(|v| v.free()) });
        }
    };
    (own $vec:ident, $elem:ty, $array:ty, $what:literal, copy: $copy:expr, delete: $delete:expr;
     $new_empty:ident $new_uninitialized:ident $new:ident $vec_copy:ident $vec_delete:ident) => {
        $crate::__vector!(new $vec, $elem, $array, $what;
            $new_empty $new_uninitialized $new);

        #[doc = concat!("Copies a vector with its ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $vec_copy(out: *mut $vec, src: *const $vec) {
            $crate::ffi::guard((), || {
                // SAFETY: as the caller promises.
                let src = unsafe { src.as_ref().map(|src| (src.size, src.elements())) };
                let (room, elements) = src.unwrap_or_default();
                let copy = <$vec>::copy_of(room, elements.iter().map($copy));
                // SAFETY: as the caller promises.
                unsafe { $crate::ffi::put(out, copy) };
            });
        }

        #[doc = concat!("Deletes a vector with its ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $vec_delete(vec: *mut $vec) {
            $crate::ffi::guard((), || {
                // SAFETY: as the caller promises.
                let Some(vec) = (unsafe { vec.as_mut() }) else { return };
                let delete: fn(&$elem) = $delete;
                // SAFETY: as the caller promises.
                unsafe { vec.elements() }.iter().for_each(delete);
                // SAFETY: its memory came from this API.
                unsafe { vec.free() };
            });
        }
    };
    (new $vec:ident, $elem:ty, $array:ty, $what:literal;
     $new_empty:ident $new_uninitialized:ident $new:ident) => {
        #[doc = concat!("A vector of ", $what, ".")]
        pub type $vec = $crate::vectors::Vector<$elem>;

        #[doc = concat!("Makes an empty vector of ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $new_empty(out: *mut $vec) {
            // SAFETY: as the caller promises.
            unsafe { $crate::ffi::put(out, <$vec>::EMPTY) };
        }

        #[doc = concat!("Makes a vector with room for a number of ", $what,
            "; an empty one if there is no memory for them, or they are 4 GiB or more.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $new_uninitialized(out: *mut $vec, size: usize) {
            // SAFETY: as the caller promises.
            $crate::ffi::guard((), || unsafe {
                $crate::ffi::put(out, <$vec>::with_room(size));
            });
        }

        #[doc = concat!("Makes a vector of these ", $what,
            ", which it owns then; an empty one if there is no memory for them, or they are 4 GiB or more.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $new(out: *mut $vec, size: usize, data: $array) {
            // SAFETY: as the caller promises. The elements are plain C data: the bits are what is handed over.
            $crate::ffi::guard((), || unsafe {
                if out.is_null() {
                    return;
                }
                let mut vector = <$vec>::with_room(size);
                if !data.is_null() && vector.size > 0 {
                    std::ptr::copy_nonoverlapping(data, vector.data, vector.size);
                    vector.num_elems = vector.size;
                }
                $crate::ffi::put(out, vector);
            });
        }
    };
}

/// Declares a vector type with its five functions. A `plain` one is copied bit by bit; one that is `own` owns its elements,
/// which are copied by `$copy`, as far as that can be done, and deleted by `$delete`.
pub use crate::__vector as vector;

vector!(plain wasm_byte_vec_t, wasm_byte_t, *const wasm_byte_t, "bytes";
    wasm_byte_vec_new_empty wasm_byte_vec_new_uninitialized wasm_byte_vec_new wasm_byte_vec_copy wasm_byte_vec_delete);

/// A name.
pub type wasm_name_t = wasm_byte_vec_t;

impl wasm_byte_vec_t {
    /// Text with a NUL at its end, which counts, as WAMR has it.
    pub fn text(text: &str) -> Self {
        let bytes: Vec<wasm_byte_t> = text.bytes().chain([0]).map(|b| b as wasm_byte_t).collect();
        Self::of(bytes)
    }

    /// The bytes, as text, up to a NUL.
    ///
    /// # Safety
    /// `data` has `size` bytes.
    pub unsafe fn to_text(&self) -> String {
        // SAFETY: as the caller promises; `char` is a byte.
        let bytes = unsafe { slice(self.data.cast::<u8>(), self.size) };
        String::from_utf8_lossy(bytes.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        let mut a = wasm_byte_vec_t::EMPTY;
        let mut b = wasm_byte_vec_t::EMPTY;
        // SAFETY: locals and literals.
        unsafe {
            wasm_byte_vec_new(&raw mut a, 3, c"abc".as_ptr());
            wasm_byte_vec_copy(&raw mut b, &raw const a);
            assert_eq!((b.size, b.num_elems, b.to_text().as_str()), (3, 3, "abc"));
            wasm_byte_vec_delete(&raw mut a);
            assert!(a.data.is_null() && a.size == 0);
            assert_eq!(b.to_text(), "abc");
            wasm_byte_vec_delete(&raw mut b);
            wasm_byte_vec_new_uninitialized(&raw mut a, 5);
            assert_eq!((a.size, a.num_elems, a.size_of_elem), (5, 0, 1));
            wasm_byte_vec_delete(&raw mut a);
            wasm_byte_vec_new_empty(&raw mut a);
            assert_eq!(a.size, 0);
            let mut t = wasm_byte_vec_t::text("f");
            assert_eq!((t.size, t.to_text().as_str()), (2, "f"));
            t.free();
        }
    }
}
