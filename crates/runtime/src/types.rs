//! Function types by number, so that engines compare them with one instruction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wayfarer_module::FuncType;

/// A function type of a [`TypeRegistry`]; equal ids mean equal types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct TypeId(pub u32);

/// Function types of all modules that may meet in a store.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    types: Mutex<Types>,
}

#[derive(Debug, Default)]
struct Types {
    ids: HashMap<Arc<FuncType>, TypeId>,
    list: Vec<Arc<FuncType>>,
}

impl TypeRegistry {
    fn types(&self) -> MutexGuard<'_, Types> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of this type.
    pub fn intern(&self, ty: &FuncType) -> TypeId {
        let mut types = self.types();
        if let Some(&id) = types.ids.get(ty) {
            return id;
        }
        let id = TypeId(types.list.len() as u32);
        let ty = Arc::new(ty.clone());
        types.ids.insert(ty.clone(), id);
        types.list.push(ty);
        id
    }

    /// The type with this id.
    pub fn get(&self, id: TypeId) -> Arc<FuncType> {
        self.types().list[id.0 as usize].clone()
    }
}
