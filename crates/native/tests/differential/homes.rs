//! Compiled code as something that modules run in. Shared with the fuzz target `compiled`.

use crate::compile::{self, Options};
use crate::harness::generate::Case;
use crate::harness::wayfarer::{Home, Interpreted};
use crate::harness::{Tally, check_homes, parse};
use std::sync::Arc;
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{LoadedModule, Runtime};

/// Compiled code of one module.
struct Compiled {
    code: Arc<CompiledModule>,
    options: Options,
}

impl Compiled {
    fn new(module: &Module, options: Options) -> Result<Compiled, String> {
        let objects = compile::objects(module, &options)?;
        let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
        let guard = !options.compare_bounds;
        let code = CompiledModule::load(module, wayfarer_abi::VERSION, &objects, guard);
        Ok(Compiled { code: code.map_err(|e| e.to_string())?, options })
    }
}

/// Compiled as far as some moment of a run.
#[cfg(target_arch = "x86_64")]
struct Growing {
    parts: Vec<wayfarer_native::Part>,
    objects: Vec<Vec<u8>>,
    guard: bool,
}

#[cfg(target_arch = "x86_64")]
impl Home for Growing {
    fn load(&self, module: &Arc<Module>) -> (Arc<Runtime>, Arc<LoadedModule>) {
        struct Nobody;
        impl wayfarer_native::Wanted for Nobody {
            fn wanted(&self, _: u32, _: Option<u32>, _: u32) {}
        }
        let growing = wayfarer_native::GrowingModule::new(module, self.guard, Box::new(Nobody));
        for (part, object) in self.parts.iter().zip(&self.objects) {
            let published = growing.publish(wayfarer_abi::VERSION, object, part, |_| ());
            published.unwrap_or_else(|e| panic!("{part:?}: {e}"));
        }
        let runtime = Runtime::new(Arc::new(NativeEngine));
        let loaded = runtime.load_compiled(module.clone(), Some(growing));
        (runtime, loaded)
    }

    fn counts(&self) -> bool {
        false
    }

    fn faults(&self) -> bool {
        self.guard
    }
}

impl Home for Compiled {
    fn load(&self, module: &Arc<Module>) -> (Arc<Runtime>, Arc<LoadedModule>) {
        let runtime = Runtime::new(Arc::new(NativeEngine));
        let loaded = runtime.load_compiled(module.clone(), Some(self.code.clone()));
        (runtime, loaded)
    }

    fn counts(&self) -> bool {
        self.options.precise
    }

    fn faults(&self) -> bool {
        !self.options.compare_bounds
    }
}

/// Tests a case in compiled code and in the interpreter: with its options' seed as it comes, optimized more or less, with
/// accesses to memory that fault or are compared; in deterministic mode if nothing in it makes NaNs the canonical one.
pub(crate) fn check(case: &Case, tally: &mut Tally) -> Result<(), String> {
    let mut module = parse(case)?;
    // Without the mode, every engine decides for itself which bits a NaN has.
    if let Some(module) = Arc::get_mut(&mut module) {
        module.deterministic = case.engine_nans;
    }
    let seed = case.seed;
    let options = Options {
        threads: Some(1),
        opt_level: if seed.is_multiple_of(4) { (seed >> 8 & 3) as u8 } else { 3 },
        compare_bounds: seed & 16 != 0,
        deterministic: case.engine_nans,
        precise: false,
        continuations: seed & 0xe0 != 0,
        ..Options::default()
    };
    let interpreted: &dyn Home = &Interpreted;
    let precise = Compiled::new(&module, Options { precise: true, ..options.clone() })?;
    let default = Compiled::new(&module, options.clone())?;
    let (precise, default): (&dyn Home, &dyn Home) = (&precise, &default);
    #[cfg(target_arch = "x86_64")]
    if seed.is_multiple_of(3) {
        let parts = compile::halves(&module, seed);
        let objects = compile::parts(&module, &options, &parts)?;
        let growing: &dyn Home = &Growing { parts, objects, guard: !options.compare_bounds };
        let homes = [[interpreted, growing], [growing, interpreted], [growing, growing]];
        check_homes(case, &module, None, &homes, tally)
            .map_err(|why| format!("in parts, {options:?}: {why}"))?;
    }
    let homes = [
        [interpreted, precise],
        [precise, interpreted],
        [precise, precise],
        [interpreted, default],
        [default, interpreted],
        [default, default],
    ];
    check_homes(case, &module, None, &homes, tally).map_err(|why| format!("{options:?}: {why}"))
}
