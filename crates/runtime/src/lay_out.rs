//! A view's state, put into a store whose instances are there already: its maker made them again.

use crate::integrity;
use crate::restore::RestoreError;
use crate::store::Store;
use crate::values::NULL_REF;
use wayfarer_snapshot::view::StoreView;

impl Store {
    /// Puts the state of `view` into this store: sizes of memories, tables, globals, dropped segments. The bytes of
    /// memories are [`Store::load_memories`]'. The store must have been made as the view's was, object by object; all of
    /// that is checked before anything is changed.
    ///
    /// # Errors
    /// [`RestoreError::Inconsistent`] says what differs; [`RestoreError::OutOfMemory`].
    pub fn lay_out(&self, view: &StoreView) -> Result<(), RestoreError> {
        integrity::check_made_again(self, view)?;
        let mut globals = Vec::new();
        for (index, (global, saved)) in self.globals().zip(&view.globals).enumerate() {
            globals
                .push((global, self.value_to_slots(&saved.value).ok_or_else(|| function("global", index))?));
        }
        let mut tables = Vec::new();
        for (index, (table, saved)) in self.tables().zip(&view.tables).enumerate() {
            let elems = saved.elems.iter().map(|v| self.value_to_slots(v).map(|s| s[0])).collect();
            let elems: Option<Vec<u64>> = elems;
            tables.push((table, elems.ok_or_else(|| function("table", index))?));
        }
        for (memory, saved) in self.memories().zip(&view.memories) {
            memory.grow_to(saved.len).map_err(|_| RestoreError::OutOfMemory)?;
        }
        for (table, elems) in tables {
            let more = (elems.len() as u64).saturating_sub(table.len().into());
            let more = u32::try_from(more).map_err(|_| RestoreError::OutOfMemory)?;
            table.grow(more, NULL_REF).ok_or(RestoreError::OutOfMemory)?;
            for (at, slot) in elems.into_iter().enumerate() {
                table.set(at as u32, slot).map_err(|e| RestoreError::Inconsistent(e.text().to_owned()))?;
            }
        }
        for (global, slots) in globals {
            global.set(slots);
        }
        for (instance, saved) in self.instances().zip(&view.instances) {
            instance.set_dropped(&saved.dropped_datas, &saved.dropped_elems);
        }
        Ok(())
    }
}

fn function(what: &str, index: usize) -> RestoreError {
    RestoreError::Inconsistent(format!("{what} {index} holds a function that is not there"))
}
