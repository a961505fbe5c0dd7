//! Tables of references.

use crate::life::Life;
use crate::trap::TrapCode;
use crate::values::NULL_REF;
use std::cell::UnsafeCell;
use wayfarer_module::{TableType, ValType};

/// WAMR's cap for a table that declares no maximum would be 1024; tables here may grow as far as this.
const MAX_TABLE: u64 = 10_000_000;

/// A table. Its elements are slots (see [`crate::values`]).
///
/// A table belongs to the thread that runs its instance; only that thread may touch it.
#[derive(Debug)]
#[repr(C)]
pub struct Table {
    /// Where the elements are and how many, for compiled code.
    place: UnsafeCell<Place>,
    elems: UnsafeCell<Vec<u64>>,
    elem: ValType,
    max: Option<u64>,
    pub(crate) life: Life,
}

#[derive(Debug)]
#[repr(C)]
struct Place {
    elems: *const u64,
    len: u64,
}

// SAFETY: only the thread that runs the table's instance touches the elements (see above).
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    /// A table of `ty.limits.min` elements, all `init`. `None` if that is more than memory allows.
    pub fn new(ty: &TableType, init: u64) -> Option<Table> {
        if ty.limits.min > MAX_TABLE {
            return None;
        }
        let mut elems = Vec::new();
        elems.try_reserve_exact(ty.limits.min as usize).ok()?;
        elems.resize(ty.limits.min as usize, init);
        let table = Table {
            place: UnsafeCell::new(Place { elems: std::ptr::null(), len: 0 }),
            elems: UnsafeCell::new(elems),
            elem: ty.elem,
            max: ty.limits.max,
            life: Life::default(),
        };
        table.moved();
        Some(table)
    }

    /// Offset of the elements' address (bytes).
    pub const ELEMS_OFFSET: usize = std::mem::offset_of!(Table, place) + std::mem::offset_of!(Place, elems);
    /// Offset of the number of elements (bytes).
    pub const LEN_OFFSET: usize = std::mem::offset_of!(Table, place) + std::mem::offset_of!(Place, len);

    /// Notes where the elements are, after that may have changed.
    fn moved(&self) {
        let elems = self.elems();
        // SAFETY: one thread at a time (see the type); nothing refers to the place.
        unsafe { *self.place.get() = Place { elems: elems.as_ptr(), len: elems.len() as u64 } };
    }

    /// `FuncRef` or `ExternRef`.
    pub fn elem_type(&self) -> ValType {
        self.elem
    }

    /// Declared maximum in elements.
    pub fn max(&self) -> Option<u64> {
        self.max
    }

    #[expect(clippy::mut_from_ref)]
    fn elems_mut(&self) -> &mut Vec<u64> {
        // SAFETY: one thread at a time (see the type), and no method here calls out while it holds the reference.
        unsafe { &mut *self.elems.get() }
    }

    /// All elements.
    pub fn elems(&self) -> &[u64] {
        self.elems_mut()
    }

    /// Size in elements.
    #[inline]
    pub fn len(&self) -> u32 {
        self.elems().len() as u32
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.elems().is_empty()
    }

    /// Element `index`.
    #[inline]
    pub fn get(&self, index: u32) -> Option<u64> {
        self.elems().get(index as usize).copied()
    }

    /// Sets element `index`.
    ///
    /// # Errors
    /// `TableOutOfBounds`.
    pub fn set(&self, index: u32, value: u64) -> Result<(), TrapCode> {
        *self.elems_mut().get_mut(index as usize).ok_or(TrapCode::TableOutOfBounds)? = value;
        Ok(())
    }

    /// Grows by `count` elements of `value`. Returns the old size, or `None` if the maximum forbids it.
    pub fn grow(&self, count: u32, value: u64) -> Option<u32> {
        let elems = self.elems_mut();
        let old = elems.len() as u64;
        let new = old + u64::from(count);
        if new > self.max.unwrap_or(MAX_TABLE).min(MAX_TABLE) {
            return None;
        }
        elems.try_reserve_exact(count as usize).ok()?;
        elems.resize(new as usize, value);
        self.moved();
        Some(old as u32)
    }

    /// `table.fill`.
    ///
    /// # Errors
    /// `TableOutOfBounds`; nothing is written then.
    pub fn fill(&self, start: u32, value: u64, count: u32) -> Result<(), TrapCode> {
        let (start, count) = (start as usize, count as usize);
        let elems = self.elems_mut();
        elems.get_mut(start..start + count).ok_or(TrapCode::TableOutOfBounds)?.fill(value);
        Ok(())
    }

    /// Writes values at `to`, as `table.init` does.
    ///
    /// # Errors
    /// `TableOutOfBounds`; nothing is written then.
    pub fn init(&self, to: u32, values: impl ExactSizeIterator<Item = u64>) -> Result<(), TrapCode> {
        let to = to as usize;
        let places = self.elems_mut().get_mut(to..to + values.len()).ok_or(TrapCode::TableOutOfBounds)?;
        places.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        Ok(())
    }

    /// `table.copy` between two tables, or within one.
    ///
    /// # Errors
    /// `TableOutOfBounds`; nothing is written then.
    pub fn copy(dst: &Table, to: u32, src: &Table, from: u32, count: u32) -> Result<(), TrapCode> {
        let (to, from, count) = (to as usize, from as usize, count as usize);
        if from + count > src.elems().len() || to + count > dst.elems().len() {
            return Err(TrapCode::TableOutOfBounds);
        }
        if std::ptr::eq(dst, src) {
            dst.elems_mut().copy_within(from..from + count, to);
        } else {
            dst.elems_mut()[to..to + count].copy_from_slice(&src.elems()[from..from + count]);
        }
        Ok(())
    }

    /// Replaces all elements (restoring an image).
    pub fn replace(&self, elems: Vec<u64>) {
        *self.elems_mut() = elems;
        self.moved();
    }

    /// An element that `call_indirect` may call.
    ///
    /// # Errors
    /// `UndefinedElement` beyond the end, `UninitializedElement` for null.
    #[inline]
    pub fn callee(&self, index: u32) -> Result<*const crate::Func, TrapCode> {
        match self.get(index) {
            None => Err(TrapCode::UndefinedElement),
            Some(NULL_REF) => Err(TrapCode::UninitializedElement),
            Some(slot) => Ok(crate::values::slot_to_func(slot)),
        }
    }
}
