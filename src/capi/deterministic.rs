//! Deterministic mode, as hosts set it.

/// Has modules that are loaded from now on run in deterministic mode, or not. In it, NaNs whose bits the WebAssembly
/// specification leaves open are the canonical one, so that a program gets the same bits in every engine, at every
/// optimization level and on every architecture. Without a call, the variable WAYFARER_DETERMINISTIC decides; without that,
/// modules are not.
///
/// A module that comes compiled for this mode (wamrc --deterministic) is always in it; in this mode, one that comes
/// compiled without it is not loaded. An image is restored only in the mode that it was taken in.
#[unsafe(no_mangle)]
pub extern "C" fn wayfarer_set_deterministic(deterministic: bool) {
    crate::deterministic::choose(deterministic);
}
