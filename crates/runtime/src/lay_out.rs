//! A view's state, put into a store whose instances are there already: its maker made them again.

use crate::restore::RestoreError;
use crate::store::Store;
use crate::values::NULL_REF;
use std::sync::Arc;
use wayfarer_module::ValType;
use wayfarer_snapshot::view::{InstanceView, StoreView};

impl Store {
    /// Puts the state of `view` into this store: sizes of memories, tables, globals, dropped segments. The bytes of
    /// memories are [`Store::load_memories`]'. The store must have been made as the view's was, object by object; all of
    /// that is checked before anything is changed.
    ///
    /// # Errors
    /// [`RestoreError::Inconsistent`] says what differs; [`RestoreError::OutOfMemory`].
    pub fn lay_out(&self, view: &StoreView) -> Result<(), RestoreError> {
        self.check_objects(view)?;
        self.check_instances(view)?;
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

    /// Memories, tables and globals are of the same number and kind, and no larger than they became.
    fn check_objects(&self, view: &StoreView) -> Result<(), RestoreError> {
        same_number("memories", self.memories().count(), view.memories.len())?;
        same_number("tables", self.tables().count(), view.tables.len())?;
        same_number("globals", self.globals().count(), view.globals.len())?;
        for (index, (memory, saved)) in self.memories().zip(&view.memories).enumerate() {
            let here = memory.plan();
            let same = (here.max, here.page_size, here.shared) == (saved.max, saved.page_size, saved.shared);
            if !same || saved.len < here.len || saved.len > here.max {
                return Err(differs("memory", index));
            }
        }
        for (index, (table, saved)) in self.tables().zip(&view.tables).enumerate() {
            let funcref = table.elem_type() == ValType::FuncRef;
            let elems = saved.elems.iter().all(|v| v.ty() == table.elem_type());
            let len = saved.elems.len() as u64;
            let fits = len >= table.len().into() && table.max().is_none_or(|max| len <= max);
            if funcref != saved.funcref || table.max() != saved.max || !elems || !fits {
                return Err(differs("table", index));
            }
        }
        for (index, (global, saved)) in self.globals().zip(&view.globals).enumerate() {
            if (global.ty().val, global.ty().mutable) != (saved.value.ty(), saved.mutable) {
                return Err(differs("global", index));
            }
        }
        Ok(())
    }

    /// Instances are of the same modules, and linked to each other alike.
    fn check_instances(&self, view: &StoreView) -> Result<(), RestoreError> {
        same_number("instances", self.instances().count(), view.instances.len())?;
        let mut here = self.capture_links();
        let modules = self.loaded_modules();
        for (index, (instance, saved)) in self.instances().zip(&view.instances).enumerate() {
            let module = modules.iter().position(|m| Arc::ptr_eq(m, instance.loaded()));
            let sha256 = view.modules.get(saved.module as usize).map(|m| m.sha256);
            if module != Some(saved.module as usize) || sha256 != Some(instance.module().sha256) {
                return Err(RestoreError::Inconsistent(format!("instance {index} is of another module")));
            }
            let links = here.get_mut(index).ok_or_else(|| differs("instance", index))?;
            links.module = saved.module;
            links.dropped_datas.clone_from(&saved.dropped_datas);
            links.dropped_elems.clone_from(&saved.dropped_elems);
            let counts = saved.dropped_datas.len() == instance.module().datas.len()
                && saved.dropped_elems.len() == instance.module().elems.len();
            if *links != *saved || !counts {
                return Err(RestoreError::Inconsistent(format!(
                    "instance {index} is linked to something else"
                )));
            }
        }
        Ok(())
    }

    /// Instances as a view has them, as far as links go.
    fn capture_links(&self) -> Vec<InstanceView> {
        let ids = self.func_ids();
        let positions = self.positions();
        self.instances().map(|instance| instance.view(0, &ids, &positions)).collect()
    }
}

fn same_number(what: &str, here: usize, image: usize) -> Result<(), RestoreError> {
    if here == image {
        return Ok(());
    }
    Err(RestoreError::Inconsistent(format!("there are {here} {what} here, {image} in the image")))
}

fn differs(what: &str, index: usize) -> RestoreError {
    RestoreError::Inconsistent(format!("{what} {index} is another one"))
}

fn function(what: &str, index: usize) -> RestoreError {
    RestoreError::Inconsistent(format!("{what} {index} holds a function that is not there"))
}
