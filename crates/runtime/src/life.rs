//! How long objects of a store live: as long as somebody uses them.
//!
//! # What a pointer to an object is worth
//! Objects of a store ([`Instance`], [`Memory`], [`Table`], [`Global`], [`Func`]) stay where they are. They refer to each other by
//! plain pointers: instances to what they import, tables and globals to functions, functions to their instances. They are
//! freed in one place, [`Store::collect`], which frees what cannot be reached from an object that is used from outside
//! ([`Used`]), and with the store. So a pointer or reference to an object is good
//! - as long as there is a [`Used`] of the object, or of another from which it is reached (an instance keeps what it
//!   imports, a function its instance), and
//! - in any case until the next [`Store::collect`], whose caller promises that there is no guest code in the store then, that
//!   nobody is about to make something of objects that he was just given, and that pointers to what is freed are not used.
//!
//! Everything that runs between two collections, engines with their frames, native functions, checkpoints, may therefore take
//! objects of the store to be there. What is kept for longer than that outside of the store has to be a [`Used`].

use crate::func::Func;
use crate::global::Global;
use crate::instance::Instance;
use crate::memory::{Memory, WASM_PAGE};
use crate::store::Store;
use crate::table::Table;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// What an object knows of its own life.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// How often it is used from outside of the store.
    users: AtomicU32,
    /// While a collection looks for what is still used: it was found.
    reached: AtomicBool,
}

impl Life {
    pub(crate) fn is_used(&self) -> bool {
        self.users.load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Notes that it was found; whether it was not before.
    pub(crate) fn reach(&self) -> bool {
        !self.reached.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn forget_reached(&self) {
        self.reached.store(false, Ordering::Relaxed);
    }
}

/// What a store is made of.
pub trait Object {
    /// Whose life it shares: a function of an instance lives as long as that.
    #[doc(hidden)]
    fn life(&self) -> Alive<'_>;

    /// What it is worth to be rid of it, in objects that may be looked at for it.
    #[doc(hidden)]
    fn burden(&self) -> usize {
        LOOKS
    }
}

/// For each object that is used no more, a collection may look at so many.
const LOOKS: usize = 32;

/// An object's life, for this crate.
#[derive(Debug)]
pub struct Alive<'a>(&'a Life);

impl Object for Instance {
    fn life(&self) -> Alive<'_> {
        Alive(&self.life)
    }

    fn burden(&self) -> usize {
        LOOKS + self.memory(0).map_or(0, pages)
    }
}

impl Object for Memory {
    fn life(&self) -> Alive<'_> {
        Alive(&self.life)
    }

    fn burden(&self) -> usize {
        LOOKS + pages(self)
    }
}

impl Object for Table {
    fn life(&self) -> Alive<'_> {
        Alive(&self.life)
    }
}

impl Object for Global {
    fn life(&self) -> Alive<'_> {
        Alive(&self.life)
    }
}

impl Object for Func {
    fn life(&self) -> Alive<'_> {
        // SAFETY: null, or the instance that this is part of.
        match unsafe { self.instance.as_ref() } {
            Some(instance) => Alive(&instance.life),
            None => Alive(&self.life),
        }
    }

    fn burden(&self) -> usize {
        // SAFETY: as above.
        unsafe { self.instance.as_ref() }.map_or(LOOKS, Object::burden)
    }
}

fn pages(memory: &Memory) -> usize {
    memory.len() / WASM_PAGE as usize
}

/// An object of a store that is used from outside: it stays as long as there is one of these, and its store. When the store is
/// gone, it is good for nothing but to be dropped.
pub struct Used<T: Object> {
    store: Weak<Store>,
    object: *const T,
}

// SAFETY: a pointer to an object that can be used by several threads, counted atomically.
unsafe impl<T: Object + Sync> Send for Used<T> {}
// SAFETY: as above.
unsafe impl<T: Object + Sync> Sync for Used<T> {}

impl<T: Object> Used<T> {
    /// Uses an object.
    ///
    /// # Safety
    /// It is an object of this store, and there (see the module).
    pub unsafe fn new(store: &Arc<Store>, object: *const T) -> Used<T> {
        // SAFETY: as the caller promises.
        unsafe { &*object }.life().0.users.fetch_add(1, Ordering::AcqRel);
        Used { store: Arc::downgrade(store), object }
    }

    /// The object; only to be looked at while its store is there.
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.object
    }
}

impl<T: Object> Clone for Used<T> {
    fn clone(&self) -> Self {
        if let Some(store) = self.store.upgrade() {
            // SAFETY: it is used, so it is there.
            return unsafe { Used::new(&store, self.object) };
        }
        Used { store: Weak::new(), object: self.object }
    }
}

impl<T: Object> Drop for Used<T> {
    fn drop(&mut self) {
        let Some(store) = self.store.upgrade() else { return };
        // SAFETY: it is used until here.
        let object = unsafe { &*self.object };
        let (burden, life) = (object.burden(), object.life().0);
        if life.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            store.note_unused(burden);
        }
    }
}

impl<T: Object> fmt::Debug for Used<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Used({:p})", self.object)
    }
}
