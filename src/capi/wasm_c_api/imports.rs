//! What a host gives for the imports of a module it instantiates.

use std::sync::Arc;

use wayfarer_module::{ExternKind, GlobalType, ImportType, Module};
use wayfarer_runtime::Extern;

use super::instance::InstanceInner;
use super::objects::{Kind, Object, object};
use super::refs::wasm_extern_t;
use super::store::{self, StoreInner};

/// Given imports, by the import's place in the module.
pub(crate) struct Imports<'a> {
    given: Vec<Option<Given<'a>>>,
}

struct Given<'a> {
    object: &'a Object,
    /// What it is in the engine; `None` for a placeholder.
    link: Option<Extern>,
}

/// A C API's kind as the module's.
fn kind_of(object: &Object) -> Option<ExternKind> {
    use super::types::{EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_MEMORY, EXTERN_TABLE};
    Some(match object.extern_kind()? {
        EXTERN_FUNC => ExternKind::Func,
        EXTERN_GLOBAL => ExternKind::Global,
        EXTERN_TABLE => ExternKind::Table,
        EXTERN_MEMORY => ExternKind::Memory,
        _ => return None,
    })
}

fn what(kind: ExternKind) -> &'static str {
    match kind {
        ExternKind::Func => "function",
        ExternKind::Table => "table",
        ExternKind::Memory => "memory",
        ExternKind::Global => "global",
    }
}

impl<'a> Imports<'a> {
    /// Finds the import that each of `given` is for: the next one of its kind.
    ///
    /// # Errors
    /// What can't be used, and why.
    ///
    /// # Safety
    /// Elements are NULL or alive.
    pub(crate) unsafe fn of(
        store: &Arc<StoreInner>,
        module: &Module,
        given: &[*mut wasm_extern_t],
    ) -> Result<Self, String> {
        let mut imports = Imports { given: Vec::new() };
        imports.given.resize_with(module.imports.len(), || None);
        let kinds = [ExternKind::Func, ExternKind::Global, ExternKind::Memory, ExternKind::Table];
        let mut places = kinds.map(|kind| (kind, module.import_places(kind)));
        for (i, &handle) in given.iter().enumerate() {
            // SAFETY: as the caller promises.
            let object = unsafe { object(handle) }.ok_or_else(|| format!("imports[{i}] is NULL"))?;
            let kind = kind_of(object).ok_or_else(|| format!("imports[{i}] can't be imported"))?;
            let place = places.iter_mut().find(|(of, _)| *of == kind).and_then(|(_, places)| places.next());
            let Some(place) = place else {
                // As in WAMR, which passes memories and tables over.
                if matches!(kind, ExternKind::Memory | ExternKind::Table) {
                    continue;
                }
                return Err(format!("imports[{i}] is one {} more than the module imports", what(kind)));
            };
            let import = &module.imports[place];
            let link = link(store, module, &import.ty, object).map_err(|why| {
                format!("imports[{i}], for {} ({}, {}), {why}", what(kind), import.module, import.name)
            })?;
            imports.given[place] = Some(Given { object, link });
        }
        Ok(imports)
    }

    /// What is given for the import at a place, if something is.
    pub(crate) fn get(&self, place: usize) -> Option<Extern> {
        self.given.get(place)?.as_ref()?.link
    }

    /// Notes that an instance has them now.
    pub(crate) fn linked(&self, instance: &Arc<InstanceInner>) {
        for given in self.given.iter().flatten() {
            match given.object.kind() {
                Kind::Func(func) => func.linked(instance),
                Kind::Global(global) => global.linked(),
                _ => {}
            }
        }
    }
}

/// The engine's object of one of this API's, for an import.
fn link(
    store: &Arc<StoreInner>,
    module: &Module,
    wanted: &ImportType,
    object: &Object,
) -> Result<Option<Extern>, &'static str> {
    const OTHER_STORE: &str = "is of another store";
    const OTHER_TYPE: &str = "is of another type";
    let check = |of, fits: bool| match (store::is(of, store), fits) {
        (false, _) => Err(OTHER_STORE),
        (true, false) => Err(OTHER_TYPE),
        (true, true) => Ok(()),
    };
    Ok(Some(match (object.kind(), wanted) {
        (Kind::Func(func), ImportType::Func(ty)) => {
            check(&func.store, func.ty == module.types[*ty as usize])?;
            Extern::Func(func.to_engine(store))
        }
        (Kind::Global(global), &ImportType::Global(ty)) => {
            // As in WAMR, whether it is mutable does not matter.
            let GlobalType { val, .. } = global.ty();
            check(&global.store, val == ty.val)?;
            Extern::Global(global.to_engine(store, ty))
        }
        (Kind::Table { store: of, table }, ImportType::Table(_)) => {
            check(of, true)?;
            Extern::Table(table.as_ptr())
        }
        (Kind::Memory { store: of, memory }, ImportType::Memory(_)) => {
            check(of, true)?;
            Extern::Memory(memory.as_ptr())
        }
        // Something else provides it.
        _ => return Ok(None),
    }))
}
