//! Function types by number, so that engines compare them with one instruction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use wayfarer_module::FuncType;

/// A function type of a [`TypeRegistry`]; equal ids mean equal types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct TypeId(pub u32);

/// Function types of all modules that may meet in a store.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    types: Mutex<(HashMap<Arc<FuncType>, TypeId>, Vec<Arc<FuncType>>)>,
}

impl TypeRegistry {
    /// The id of this type.
    pub fn intern(&self, ty: &FuncType) -> TypeId {
        let mut types = self.types.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(&id) = types.0.get(ty) {
            return id;
        }
        let id = TypeId(types.1.len() as u32);
        let ty = Arc::new(ty.clone());
        types.0.insert(ty.clone(), id);
        types.1.push(ty);
        id
    }

    /// The type with this id.
    pub fn get(&self, id: TypeId) -> Arc<FuncType> {
        self.types.lock().unwrap_or_else(|e| e.into_inner()).1[id.0 as usize].clone()
    }
}
