//! Random modules of the WebAssembly that Wayfarer accepts, each of whose functions comes to an end.

use super::host;
use arbitrary::{Arbitrary, Unstructured};
use wasm_smith::{Config, InstructionKinds, MemoryOffsetChoices};

/// A module to run, and how.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) wasm: Vec<u8>,
    /// Chooses arguments and stable points.
    pub(crate) seed: u64,
    /// NaNs have the bits that the engine gives them, so that no other engine's results can be compared.
    pub(crate) engine_nans: bool,
    /// Host functions wait before they do something, and are interrupted.
    pub(crate) waits: bool,
}

/// Loops and calls of one instance, all in all: what comes after them traps.
const MAX_FUEL: u32 = 300;

/// The case that a fuzzer's input stands for; `None` if it stands for none.
pub(crate) fn case(input: &[u8]) -> Option<Case> {
    try_case(&mut Unstructured::new(input)).ok()
}

fn try_case(u: &mut Unstructured<'_>) -> arbitrary::Result<Case> {
    let seed = u.arbitrary()?;
    let flags: u8 = u.arbitrary()?;
    let (engine_nans, waits) = (flags & 7 == 7, flags & 8 != 0);
    let fuel = u.int_in_range(1..=MAX_FUEL)?;
    let mut config =
        Config { canonicalize_nans: !engine_nans, disallow_traps: flags & 64 != 0, ..features() };
    if flags & 16 != 0 {
        // Some kinds of instructions only.
        config.allowed_instructions = Config::arbitrary(u)?.allowed_instructions;
    }
    if flags & 32 == 0 {
        config.available_imports = Some(host::imports());
    }
    let mut module = wasm_smith::Module::new(config, u)?;
    module.ensure_termination(fuel).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    Ok(Case { wasm: module.to_bytes(), seed, engine_nans, waits })
}

/// WebAssembly 2.0, tail calls, extended constant expressions; memories and tables so small that no system refuses
/// them, and so bounded that engines agree on what they grow to.
pub(crate) fn features() -> Config {
    Config {
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        allowed_instructions: InstructionKinds::all(),
        export_everything: true,
        max_data_segments: 6,
        max_element_segments: 6,
        max_elements: 12,
        max_funcs: 12,
        max_globals: 12,
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 2 << 16,
        max_table_elements: 40,
        max_tables: 4,
        max_types: 20,
        memory_max_size_required: true,
        table_max_size_required: true,
        memory_offset_choices: MemoryOffsetChoices(95, 4, 1),
        min_funcs: 1,
        ..Config::default()
    }
}
