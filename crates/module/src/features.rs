//! Which WebAssembly is accepted.

use wasmparser::WasmFeatures;

/// WebAssembly 2.0 with tail calls, extended constant expressions, and threads.
pub const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::THREADS);
