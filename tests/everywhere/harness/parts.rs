//! Guests that are compiled as far as some moment of a run: some functions, some loops.

use super::compile::{self, Options};
use super::compiled::{keep, kept, unpack};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use wayfarer_module::Module;
use wayfarer_native::{GrowingModule, Part, Wanted};

/// Which half.
const SEED: u64 = 7;

/// There will not be more.
struct Nobody;

impl Wanted for Nobody {
    fn wanted(&self, _: u32, _: Option<u32>, _: u32) {}
}

/// By hash of the module.
type Loaded = HashMap<[u8; 32], Arc<OnceLock<Arc<GrowingModule>>>>;

/// A module's code: compiled, or taken from what is kept.
pub(crate) fn of(module: &Arc<Module>) -> Arc<GrowingModule> {
    static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
    let slot =
        LOADED.lock().unwrap_or_else(PoisonError::into_inner).entry(module.sha256).or_default().clone();
    slot.get_or_init(|| {
        let options = Options::default();
        let file = kept(module, &options).with_extension("parts");
        let wanted = compile::halves(module, SEED);
        let objects = match std::fs::read(&file).ok().and_then(|bytes| unpack(&bytes)) {
            Some(objects) => objects,
            None => {
                let objects = compile::parts(module, &options, &wanted).unwrap_or_else(|e| panic!("{e}"));
                keep(&file, &objects);
                objects
            }
        };
        let growing = GrowingModule::new(module, true, Box::new(Nobody));
        for (part, object) in wanted.iter().zip(&objects) {
            publish(&growing, part, object);
        }
        growing
    })
    .clone()
}

fn publish(growing: &GrowingModule, part: &Part, object: &[u8]) {
    let published = growing.publish(wayfarer_abi::VERSION, object, part, |_| ());
    published.unwrap_or_else(|e| panic!("{part:?}: {e}"));
}
