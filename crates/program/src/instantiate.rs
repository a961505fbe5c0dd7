//! How instances come to be: from their module, from an image that they are in at once, or to do again what they did.

use std::sync::Arc;

use wayfarer_module::{FuncType, ImportType, Module};
use wayfarer_runtime::{
    Extern, HostFunc, Instance, InstantiateError, InstantiateOptions, LoadedModule, Store,
};
use wayfarer_wasi::{RestorePolicy, WasiCtx};

use crate::app_heap::AppHeap;
use crate::config;
use crate::embedder::Embedder;
use crate::history::Keep;
use crate::host::{self, Start};
use crate::instance::HostParts;
use crate::layout::Layout;
use crate::policy::Resolved;
use crate::program::Program;
use crate::progress::Shown;
use crate::resources::host::Host;
use crate::resources::wasi::Wasi;
use crate::resources::{Resource, native_state};
use crate::source::Source;

/// What an instance is made of: what only the embedder knows.
///
/// # Safety
/// What [`Blueprint::imports`] gives are objects of the store that it is asked for.
pub unsafe trait Blueprint {
    /// Who the instance's parts belong to.
    type Owner;

    /// Its module.
    fn module(&self) -> &Module;

    /// Whether its code can be stopped and captured.
    fn can_be_stopped(&self) -> bool {
        true
    }

    /// The module as it is run.
    ///
    /// # Errors
    /// Why it cannot be.
    fn loaded(&self) -> Result<Arc<LoadedModule>, String>;

    /// What the instance finds here.
    ///
    /// # Errors
    /// What cannot be had.
    fn wasi(&self) -> Result<WasiCtx, String>;

    /// Its memory, if it has one.
    ///
    /// # Errors
    /// There is no room for its heap.
    fn layout(&self) -> Result<Option<Layout>, String>;

    /// What its imports are, in order.
    ///
    /// # Errors
    /// What there is not.
    fn imports(&self, store: &Arc<Store>, layout: Option<&Layout>) -> Result<Vec<Extern>, String>;

    /// Whether its memory is an import that is as the module says, not as [`Blueprint::layout`] does.
    fn is_memory_given(&self) -> bool {
        false
    }

    /// Functions for its imports, by the import's index, with their types: those of an instance of an image.
    fn functions(&self) -> Box<dyn FnMut(usize) -> Option<(FuncType, HostFunc)> + '_>;

    /// Takes the parts over.
    fn own(&self, parts: Box<HostParts>) -> Self::Owner;

    /// The parts that were taken over.
    fn parts(owner: &Self::Owner) -> &HostParts;
}

/// What could not be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// To use the image.
    Image,
    /// To give the instance what it is to find here.
    Surroundings,
    /// To make the instance.
    Instance,
}

/// Why there is no instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What could not be done.
    pub what: What,
    /// Why not.
    pub why: String,
    /// Whether it has to do with the settings, which the host may know nothing of: whoever made them is to be told, by
    /// [`refused`](crate::refused).
    pub by_settings: bool,
}

impl Refusal {
    fn new(what: What, why: String) -> Refusal {
        Refusal { what, why, by_settings: false }
    }

    fn settings(why: String) -> Refusal {
        Refusal { what: What::Instance, why, by_settings: true }
    }
}

/// An instance whose start functions are still to be run.
#[derive(Debug)]
pub struct Made<T> {
    /// Who has its parts.
    pub owner: T,
    /// Whether it is in the state of an image.
    pub in_place: bool,
}

/// Where an instance's state comes from.
enum Origin {
    /// Its module.
    New,
    /// An image.
    Image(Arc<Source>),
}

/// Instantiates a module in a store, as the settings in force say.
///
/// # Errors
/// Why that cannot be.
pub fn instantiate<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprint: &B,
) -> Result<Made<B::Owner>, Refusal> {
    let settings = config::in_force().map_err(Refusal::settings)?;
    let (program, origin) = match Program::of(store) {
        Some(program) => (program, Origin::New),
        None => begin(blueprint, store, embedder, &settings).map_err(Refusal::settings)?,
    };
    program.add_code(blueprint.can_be_stopped()).map_err(Refusal::settings)?;
    let in_place = matches!(origin, Origin::Image(_));
    let repeated = !program.history().is_caught_up();
    let owner = program.pass(|| match &origin {
        Origin::New => fresh(blueprint, &program, &settings),
        Origin::Image(source) => from_image(&[blueprint], &program, source, &settings).and_then(only),
    });
    let owner = owner.map_err(|why| Refusal { by_settings: in_place || repeated, ..why })?;
    if in_place {
        config::restored();
    }
    Ok(Made { owner, in_place })
}

/// Makes the one instance of an image.
///
/// # Errors
/// As [`instantiate`].
pub fn restore<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprint: &B,
    source: Source,
) -> Result<Made<B::Owner>, Refusal> {
    let checked = source.check_alone(blueprint.module(), &**embedder);
    checked.map_err(|why| Refusal::new(What::Image, why))?;
    let owner = restore_checked(store, embedder, &[blueprint], source).and_then(only)?;
    Ok(Made { owner, in_place: true })
}

/// Makes all instances of an image, in an empty store: a blueprint for each, in the order that they were made in.
///
/// # Errors
/// As [`instantiate`].
pub fn restore_all<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprints: &[&B],
    source: Source,
) -> Result<Vec<Made<B::Owner>>, Refusal> {
    let modules: Vec<&Module> = blueprints.iter().map(|blueprint| blueprint.module()).collect();
    let checked = source.check_all(&modules, &**embedder);
    checked.map_err(|why| Refusal::new(What::Image, why))?;
    let owners = restore_checked(store, embedder, blueprints, source)?;
    Ok(owners.into_iter().map(|owner| Made { owner, in_place: true }).collect())
}

fn restore_checked<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprints: &[&B],
    source: Source,
) -> Result<Vec<B::Owner>, Refusal> {
    // The host says what is restored, and will say so again: nothing is kept for it to repeat. When checkpoints are taken
    // is its environment's affair, as for other instances.
    let policy = config::in_force().map_err(Refusal::settings)?.policy;
    let sequence = source.record.sequence;
    let program = Program::new(store, embedder.clone(), policy, Keep::Nothing, sequence);
    let program = program.map_err(Refusal::settings)?;
    for blueprint in blueprints {
        program.add_code(blueprint.can_be_stopped()).map_err(Refusal::settings)?;
    }
    program.history().go_on_from(&source);
    from_image(blueprints, &program, &source, &Resolved::default())
}

/// The program of a store in which the first instance is to be made, as the settings say.
fn begin(
    blueprint: &impl Blueprint,
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    settings: &Resolved,
) -> Result<(Program, Origin), String> {
    let start = host::start(settings)?;
    if let Start::InPlace(source) = &start {
        source.check_alone(blueprint.module(), &**embedder)?;
    }
    // What is stopped in the image goes on in this store.
    if let Start::Repeated(source, ordinal) = &start
        && source.host.as_ref().map_or(0, |host| host.pending as usize) == *ordinal
    {
        source.verify(blueprint.module(), &**embedder)?;
    }
    let source = match &start {
        Start::Anew => None,
        Start::InPlace(source) | Start::Repeated(source, _) => Some(source),
    };
    let sequence = source.map_or(0, |source| source.record.sequence);
    let keep = host::keep(settings);
    let program = Program::new(store, embedder.clone(), settings.policy.clone(), keep, sequence)?;
    if keep != Keep::Nothing || matches!(start, Start::Repeated(..)) {
        program.join();
    }
    Ok(match start {
        Start::Anew => (program, Origin::New),
        Start::InPlace(source) => {
            program.history().go_on_from(&source);
            (program, Origin::Image(source))
        }
        Start::Repeated(source, ordinal) => {
            match &source.host {
                Some(host) => Host::restore(host, (&**program.history(), source.clone(), ordinal))?,
                // An image of one instance, whose first call was in progress.
                None => program.history().repeat(source, ordinal),
            }
            (program, Origin::New)
        }
    })
}

/// Files of restored instances, as the settings say.
fn files(settings: &Resolved) -> RestorePolicy {
    RestorePolicy { accept_changed_files: settings.changed_files }
}

fn refuse(why: String) -> Refusal {
    Refusal::new(What::Instance, why)
}

fn surroundings(blueprint: &impl Blueprint) -> Result<WasiCtx, Refusal> {
    blueprint.wasi().map_err(|why| Refusal::new(What::Surroundings, why))
}

/// An instance from its module. If it is one that a restored host makes again, it finds what it found.
fn fresh<B: Blueprint>(blueprint: &B, program: &Program, settings: &Resolved) -> Result<B::Owner, Refusal> {
    let loaded = blueprint.loaded().map_err(refuse)?;
    let wasi = surroundings(blueprint)?;
    let (store, history) = (program.store(), program.history());
    let place = store.instances_made() as usize;
    history.instance_made(place, blueprint.module().sha256).map_err(refuse)?;
    if let Some(record) = history.wasi_of(place).map_err(refuse)? {
        Wasi::restore(&record.into(), (&wasi, &files(settings))).map_err(refuse)?;
    }
    let (instance, heap) = make(blueprint, &loaded, store).map_err(refuse)?;
    Ok(blueprint.own(HostParts::new(program, instance, wasi, heap)))
}

/// A new engine instance and its app heap.
fn make<'a>(
    blueprint: &impl Blueprint,
    loaded: &Arc<LoadedModule>,
    store: &'a Arc<Store>,
) -> Result<(&'a Instance, Option<AppHeap>), String> {
    let layout = blueprint.layout()?;
    let imports = blueprint.imports(store, layout.as_ref())?;
    let mut options = InstantiateOptions::default();
    options.globals.extend(layout.and_then(|l| l.heap_base));
    options.memory = layout.map(|l| l.memory).filter(|_| !blueprint.is_memory_given());
    // SAFETY: the imports are objects of this store, as the blueprint promises.
    let instance = unsafe { store.instantiate(loaded, &imports, &options) }
        .map_err(|error| describe(blueprint.module(), &error))?;
    let heap = layout.and_then(|l| l.heap).and_then(|(start, end)| AppHeap::new(start..end));
    if let Some(heap) = &heap {
        heap.format(&instance.guest_memory()).map_err(|_| "init app heap failed".to_owned())?;
    }
    Ok((instance, heap))
}

fn describe(module: &Module, error: &InstantiateError) -> String {
    match error {
        InstantiateError::Import { index, .. } => match module.imports.get(*index) {
            Some(import) => format!("{error} ({}, {})", import.module, import.name),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// The instances of an image, in an empty store. Their app heaps are where they were: they are part of memory.
fn from_image<B: Blueprint>(
    blueprints: &[&B],
    program: &Program,
    source: &Source,
    settings: &Resolved,
) -> Result<Vec<B::Owner>, Refusal> {
    let (store, history) = (program.store(), program.history());
    let (mut loaded, mut contexts) = (Vec::new(), Vec::new());
    for (place, blueprint) in blueprints.iter().enumerate() {
        loaded.push(blueprint.loaded().map_err(refuse)?);
        let wasi = surroundings(*blueprint)?;
        history.instance_made(place, blueprint.module().sha256).map_err(refuse)?;
        let record = source.wasi_of(place).map_err(refuse)?;
        Wasi::restore(&record, (&wasi, &files(settings))).map_err(refuse)?;
        contexts.push(wasi);
    }
    lay_out(blueprints, &loaded, store, source).map_err(refuse)?;
    let natives = program.embedder().native_modules();
    let mut owners = Vec::new();
    for (place, (blueprint, wasi)) in blueprints.iter().zip(contexts).enumerate() {
        let instance =
            store.instance(place).ok_or_else(|| refuse(format!("the image has no instance {place}")))?;
        let heap = source.heap_of(place).map_err(refuse)?;
        owners.push(blueprint.own(HostParts::new(program, instance, wasi, heap)));
    }
    for (place, owner) in owners.iter().enumerate() {
        native_state::restore(&natives, B::parts(owner), source.natives_of(place)).map_err(refuse)?;
    }
    Ok(owners)
}

/// Makes everything in the image again. `loaded`: the module of each instance.
fn lay_out<B: Blueprint>(
    blueprints: &[&B],
    loaded: &[Arc<LoadedModule>],
    store: &Arc<Store>,
    source: &Source,
) -> Result<(), String> {
    let view = &source.image.program().store;
    // Instances of one module have it once in the image.
    let of_module = |module| view.instances.iter().position(|instance| instance.module == module);
    let first_of: Option<Vec<usize>> = (0..view.modules.len() as u32).map(of_module).collect();
    let first_of = first_of.ok_or("the image has a module without an instance")?;
    let modules: Option<Vec<_>> = first_of.iter().map(|&at| loaded.get(at).cloned()).collect();
    let modules = modules.ok_or("the image has more instances")?;
    let mut functions: Vec<_> = first_of.iter().map(|&at| blueprints[at].functions()).collect();
    let ranges: Vec<_> = (0..blueprints.len()).map(|place| source.heap_range(place)).collect();
    store
        .restore(view, &modules, &ranges, |loaded, index| {
            let module = modules.iter().position(|module| std::ptr::eq(&**module, loaded))?;
            let (ty, host) = functions[module](index)?;
            Some(store.add_host_func(&ty, host))
        })
        .map_err(|e| e.to_string())?;
    let shown = Shown::new("restore");
    let loaded = store.load_memories(&source.image, &modules, true, Some(&|progress| shown.show(progress)));
    drop(shown);
    loaded.map_err(|e| e.to_string())
}

/// The only one.
fn only<T>(mut all: Vec<T>) -> Result<T, Refusal> {
    all.pop().ok_or_else(|| refuse("the image has no instance".to_owned()))
}

/// Whether memory 0 is an import that `given` has.
pub fn imports_memory(module: &Module, given: impl Fn(usize) -> bool) -> bool {
    let place = module.imports.iter().position(|import| matches!(import.ty, ImportType::Memory(_)));
    place.is_some_and(given)
}
