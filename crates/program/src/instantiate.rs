//! How instances come to be: from their module, from an image that they are in at once, or to do again what they did.

use std::sync::Arc;

use wayfarer_module::{ImportType, Module};
use wayfarer_runtime::{Extern, Func, Instance, InstantiateError, InstantiateOptions, LoadedModule, Store};
use wayfarer_snapshot::view::ModuleId;
use wayfarer_wasi::{RestorePolicy, WasiCtx};

use crate::app_heap::AppHeap;
use crate::config;
use crate::embedder::Embedder;
use crate::guest_threads;
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
/// What [`Blueprint::imports`] and [`Blueprint::functions`] give are objects of the store that they are asked for.
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

    /// Functions of this store for its imports, by the import's index: those of instances of an image.
    fn functions<'a>(&'a self, store: &'a Arc<Store>) -> Box<dyn FnMut(usize) -> Option<*const Func> + 'a>;

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
        Origin::Image(source) => from_image(&[blueprint], &program, source, &settings).and_then(first),
    });
    let owner = owner.map_err(|why| Refusal { by_settings: in_place || repeated, ..why })?;
    if in_place {
        start_threads(&program)?;
        config::restored();
    }
    Ok(Made { owner, in_place })
}

/// Makes the one instance of an image, in an empty store. Calls of several threads that were in progress are gone on with
/// one after the other, or as [`Program::take_call`] says.
///
/// # Errors
/// As [`instantiate`].
pub fn restore<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprint: &B,
    source: &Source,
) -> Result<Made<B::Owner>, Refusal> {
    let checked = source.check_alone(blueprint.module(), &**embedder);
    checked.map_err(|why| Refusal::new(What::Image, why))?;
    let program = restored(store, embedder, &[blueprint], source)?;
    program.history().go_on_from(source);
    program.keep_calls(source.host_threads().skip(1));
    let owner = from_image(&[blueprint], &program, source, &Resolved::default()).and_then(first)?;
    start_threads(&program)?;
    Ok(Made { owner, in_place: true })
}

/// Makes all that is in an image, in a store that is empty: its instances, in order; none of those that the host had ended.
/// `given` are blueprints for modules among which the image's are. Calls that were in progress are gone on with as
/// [`Program::take_call`] says.
///
/// # Errors
/// As [`instantiate`]. The store is then good for nothing but being dropped.
pub fn restore_store<B: Blueprint>(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    given: &[&B],
    source: &Source,
) -> Result<Vec<Option<B::Owner>>, Refusal> {
    let image = |why: String| Refusal::new(What::Image, why);
    if Program::of(store).is_some() || !store.is_empty() {
        return Err(image("the store has instances, memories, tables or globals already".to_owned()));
    }
    let find = |id: &ModuleId| {
        let found = given.iter().find(|given| given.module().sha256 == id.sha256);
        found.copied().ok_or_else(|| {
            let (origin, module) = (source.image.origin(), of_image(&id.sha256, &id.name));
            image(format!("{origin}: none of the modules given is {module}"))
        })
    };
    let blueprints = source.image.program().store.modules.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let modules: Vec<&Module> = blueprints.iter().map(|blueprint| blueprint.module()).collect();
    source.check_store(&modules, &**embedder).map_err(image)?;
    let program = restored(store, embedder, &blueprints, source)?;
    let owners = program.pass(|| from_image(&blueprints, &program, source, &Resolved::default()))?;
    program.keep_calls(source.host_threads());
    start_threads(&program)?;
    Ok(owners)
}

/// Has the threads of a restored guest begin, unless the host goes on with a call first: then all begin with that.
fn start_threads(program: &Program) -> Result<(), Refusal> {
    if program.call_in_progress().is_some() {
        return Ok(());
    }
    program.guest_threads().start().map_err(refuse)
}

/// A module of an image, for messages.
fn of_image(sha256: &[u8; 32], name: &str) -> String {
    let hash: String = sha256[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    if name.is_empty() { format!("{hash} (SHA-256 begins so)") } else { format!("{name} ({hash})") }
}

/// The program of an empty store in which what is in an image is to be made.
fn restored(
    store: &Arc<Store>,
    embedder: &Arc<dyn Embedder>,
    blueprints: &[&impl Blueprint],
    source: &Source,
) -> Result<Program, Refusal> {
    // The host says what is restored, and will say so again: nothing is kept for it to repeat. When checkpoints are taken
    // is its environment's affair, as for other instances.
    let policy = config::in_force().map_err(Refusal::settings)?.policy;
    let program = Program::new(store, embedder.clone(), policy, Keep::Nothing, source.record.sequence);
    let program = program.map_err(Refusal::settings)?;
    for blueprint in blueprints {
        program.add_code(blueprint.can_be_stopped()).map_err(Refusal::settings)?;
    }
    Ok(program)
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
    RestorePolicy { files: settings.restore_files.clone(), ..RestorePolicy::default() }
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
    if program.guest_threads().any() {
        history.outlived();
    }
    let place = store.instances_made() as usize;
    history.instance_made(place, blueprint.module().sha256).map_err(refuse)?;
    if let Some((record, source)) = history.wasi_of(place).map_err(refuse)? {
        Wasi::restore(&record.into(), (&wasi, &files(settings), &source.image)).map_err(refuse)?;
    }
    let (instance, heap) = make(blueprint, &loaded, store).map_err(refuse)?;
    let parts = HostParts::new(program, instance, wasi, heap);
    parts.notice_streams().map_err(refuse)?;
    // One that is made again goes on from the image, when all is as it was.
    let image = settings.restore.as_ref().filter(|_| !history.is_caught_up());
    let image = image.map(|image| image.display().to_string());
    parts.record_calls(image.as_deref()).map_err(Refusal::settings)?;
    Ok(blueprint.own(parts))
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

/// The instances of an image, in an empty store; none of those that the host had ended. `blueprints`: for each of the image's
/// modules. Their app heaps are where they were: they are part of memory.
fn from_image<B: Blueprint>(
    blueprints: &[&B],
    program: &Program,
    source: &Source,
    settings: &Resolved,
) -> Result<Vec<Option<B::Owner>>, Refusal> {
    let (store, history) = (program.store(), program.history());
    let view = &source.image.program().store;
    let loaded: Vec<_> = blueprints.iter().map(|b| b.loaded()).collect::<Result<_, _>>().map_err(refuse)?;
    let (mut saved, mut contexts) = (Vec::new(), Vec::new());
    for (place, instance) in view.instances.iter().enumerate() {
        let blueprint = blueprints.get(instance.module as usize);
        let blueprint = *blueprint.ok_or_else(|| refuse("a module is missing".to_owned()))?;
        let parts = source.parts_of(place).map_err(refuse)?;
        if source.guest_threads.beside(place as u32).is_none() {
            history.instance_made(place, blueprint.module().sha256).map_err(refuse)?;
        }
        contexts.push(match &parts {
            Some(parts) => {
                let wasi = surroundings(blueprint)?;
                Wasi::restore(&parts.wasi, (&wasi, &files(settings), &source.image)).map_err(refuse)?;
                Some((blueprint, wasi))
            }
            None => None,
        });
        saved.push(parts);
    }
    lay_out(blueprints, &loaded, store, source).map_err(refuse)?;
    let mut owners = Vec::new();
    for (place, context) in contexts.into_iter().enumerate() {
        let Some((blueprint, wasi)) = context else {
            if let Some(heap) = source.heap_of(place) {
                program.note_heap(place as u32, heap);
            }
            owners.push(None);
            continue;
        };
        let instance = store.instance(place);
        let instance = instance.ok_or_else(|| refuse("the image has no such instance".to_owned()))?;
        let heap = source.heap_of(place).and_then(|(start, end)| AppHeap::new(start..end));
        let parts = HostParts::new(program, instance, wasi, heap);
        parts.notice_streams().map_err(refuse)?;
        let image = source.image.origin().to_string();
        parts.record_calls(Some(&image)).map_err(Refusal::settings)?;
        owners.push(Some(blueprint.own(parts)));
    }
    source.restore_streams(store).map_err(refuse)?;
    source.restore_waits(store).map_err(refuse)?;
    let parts = |place: u32| owners.get(place as usize)?.as_ref().map(B::parts);
    guest_threads::restore(program, &source.guest_threads, source.image.program(), parts)
        .map_err(|why| refuse(format!("{}: {why}", source.image.origin())))?;
    let natives = program.embedder().native_modules();
    for (owner, parts) in owners.iter().zip(&saved) {
        if let (Some(owner), Some(parts)) = (owner, parts) {
            native_state::restore(&natives, B::parts(owner), parts.natives).map_err(refuse)?;
        }
    }
    Ok(owners)
}

/// Makes everything in the image again.
fn lay_out<B: Blueprint>(
    blueprints: &[&B],
    loaded: &[Arc<LoadedModule>],
    store: &Arc<Store>,
    source: &Source,
) -> Result<(), String> {
    let mut functions: Vec<_> = blueprints.iter().map(|blueprint| blueprint.functions(store)).collect();
    let view = &source.image.program().store;
    let heap = |place| source.heap_of(place).map(|(start, end)| start..end);
    let heaps: Vec<_> = (0..view.instances.len()).map(heap).collect();
    store
        .restore(view, loaded, &heaps, |of, index| {
            let module = loaded.iter().position(|loaded| std::ptr::eq(&**loaded, of))?;
            functions[module](index)
        })
        .map_err(|e| e.to_string())?;
    let shown = Shown::new("restore");
    let filled = store.load_memories(&source.image, loaded, true, Some(&|progress| shown.show(progress)));
    drop(shown);
    filled.map_err(|e| e.to_string())
}

/// The first instance, which there always is.
fn first<T>(all: Vec<Option<T>>) -> Result<T, Refusal> {
    all.into_iter().next().flatten().ok_or_else(|| refuse("the image has no instance".to_owned()))
}

/// Whether memory 0 is an import that `given` has.
pub fn imports_memory(module: &Module, given: impl Fn(usize) -> bool) -> bool {
    let place = module.imports.iter().position(|import| matches!(import.ty, ImportType::Memory(_)));
    place.is_some_and(given)
}
