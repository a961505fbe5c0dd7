//! Room in a guest's memory for its host: in the app heap, or else from the guest's own allocator.

use wayfarer_runtime::Func;

use crate::app_heap::Corrupted;
use crate::instance::HostParts;

/// The plain buffer among the classes of AssemblyScript's runtime.
const BUFFER: u64 = 1;

/// Where a host gets room in an instance's memory.
#[derive(Debug)]
pub struct GuestHeap<'a, C> {
    parts: &'a HostParts,
    /// Calls a function of the guest's: its results, or `None` if it failed.
    call: C,
}

impl<'a, C: Fn(&Func, &[u64]) -> Option<Vec<u64>>> GuestHeap<'a, C> {
    /// That of an instance. `call` calls a function of the guest's, its allocator: `None` if it failed.
    pub fn new(parts: &'a HostParts, call: C) -> Self {
        GuestHeap { parts, call }
    }

    /// Allocates. `None` if there is no room.
    ///
    /// # Errors
    /// The guest overwrote the app heap.
    pub fn allocate(&self, size: u32) -> Result<Option<u32>, Corrupted> {
        match &self.parts.heap {
            Some(heap) => self.pass(|| heap.allocate(&self.parts.instance().guest_memory(), size)),
            None => Ok(self.allocate_in_guest(size).filter(|&address| address != 0)),
        }
    }

    /// Frees what was allocated.
    ///
    /// # Errors
    /// The guest overwrote the app heap, or nothing was allocated there.
    pub fn free(&self, address: u32) -> Result<(), Corrupted> {
        match &self.parts.heap {
            Some(heap) if heap.contains(address) => {
                self.pass(|| heap.free(&self.parts.instance().guest_memory(), address))
            }
            _ => {
                let names = ["free", "__release", "__unpin"];
                if let Some(free) = names.into_iter().find_map(|name| self.parts.exported_func(name)) {
                    let _ = (self.call)(free, &[address.into()]);
                }
                Ok(())
            }
        }
    }

    /// Makes what was allocated larger or smaller, and may move it. `None` if there is no room.
    ///
    /// # Errors
    /// As [`GuestHeap::free`].
    pub fn reallocate(&self, address: u32, size: u32) -> Result<Option<u32>, Corrupted> {
        match &self.parts.heap {
            Some(heap) if heap.contains(address) => {
                self.pass(|| heap.reallocate(&self.parts.instance().guest_memory(), address, size))
            }
            _ => Ok(self.parts.exported_func("realloc").and_then(|realloc| {
                let results = (self.call)(realloc, &[address.into(), size.into()])?;
                results.first().map(|&moved| moved as u32).filter(|&moved| moved != 0)
            })),
        }
    }

    /// Calls the guest's exported `malloc`, or AssemblyScript's `__new` and `__pin`.
    fn allocate_in_guest(&self, size: u32) -> Option<u32> {
        let run = |name: &str, args: &[u64]| -> Option<u32> {
            let func = self.parts.exported_func(name)?;
            let ty = crate::call::type_of(self.parts.store(), func);
            let fits = ty.params.len() == args.len() && ty.results.len() == 1;
            let results = fits.then(|| (self.call)(func, args))??;
            results.first().map(|&r| r as u32)
        };
        let size = u64::from(size);
        if let Some(address) = run("malloc", &[size]) {
            return Some(address);
        }
        let object = run("__new", &[size, BUFFER]).filter(|&object| object != 0)?;
        run("__pin", &[object.into()]).or_else(|| run("__retain", &[object.into()])).or(Some(object))
    }

    /// Memory changes outside of calls.
    fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        self.parts.program().pass(f)
    }
}
