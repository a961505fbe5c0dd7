//! Whether a store that its maker made again is like the one that a view is of.

use crate::restore::RestoreError;
use crate::store::Store;
use std::sync::Arc;
use wayfarer_module::ValType;
use wayfarer_snapshot::view::{InstanceView, StoreView};

/// Checks a view against a store in which everything was made again, object by object: before its state is put there.
///
/// # Errors
/// [`RestoreError::Inconsistent`]: what differs.
pub(crate) fn check_made_again(store: &Store, view: &StoreView) -> Result<(), RestoreError> {
    objects(store, view)?;
    instances(store, view)
}

/// Memories, tables and globals are of the same number and kind, and no larger than they became.
fn objects(store: &Store, view: &StoreView) -> Result<(), RestoreError> {
    same_number("memories", store.memories().count(), view.memories.len())?;
    same_number("tables", store.tables().count(), view.tables.len())?;
    same_number("globals", store.globals().count(), view.globals.len())?;
    for (index, (memory, saved)) in store.memories().zip(&view.memories).enumerate() {
        let here = memory.plan();
        let same = (here.max, here.page_size, here.shared) == (saved.max, saved.page_size, saved.shared);
        if !same || saved.len < here.len || saved.len > here.max {
            return Err(differs("memory", index));
        }
    }
    for (index, (table, saved)) in store.tables().zip(&view.tables).enumerate() {
        let funcref = table.elem_type() == ValType::FuncRef;
        let elems = saved.elems.iter().all(|v| v.ty() == table.elem_type());
        let len = saved.elems.len() as u64;
        let fits = len >= table.len().into() && table.max().is_none_or(|max| len <= max);
        if funcref != saved.funcref || table.max() != saved.max || !elems || !fits {
            return Err(differs("table", index));
        }
    }
    for (index, (global, saved)) in store.globals().zip(&view.globals).enumerate() {
        if (global.ty().val, global.ty().mutable) != (saved.value.ty(), saved.mutable) {
            return Err(differs("global", index));
        }
    }
    Ok(())
}

/// Instances are of the same modules, and linked to each other alike.
fn instances(store: &Store, view: &StoreView) -> Result<(), RestoreError> {
    same_number("instances", store.instances().count(), view.instances.len())?;
    let mut here = links(store);
    let modules = store.loaded_modules();
    for (index, (instance, saved)) in store.instances().zip(&view.instances).enumerate() {
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
            return Err(RestoreError::Inconsistent(format!("instance {index} is linked to something else")));
        }
    }
    Ok(())
}

/// Instances as a view has them, as far as links go.
fn links(store: &Store) -> Vec<InstanceView> {
    let ids = store.func_ids();
    let positions = store.positions();
    store.instances().map(|instance| instance.view(0, &ids, &positions)).collect()
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
