//! How much is logged.

use std::mem::MaybeUninit;

use super::ffi::{CEnum, enum_value};
pub(crate) use crate::log::*;

/// How much is logged: a message appears when its level is at most the one set.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub enum log_level_t {
    /// Only what ends the process.
    WASM_LOG_LEVEL_FATAL = 0,
    /// And errors.
    WASM_LOG_LEVEL_ERROR = 1,
    /// And warnings (the default).
    WASM_LOG_LEVEL_WARNING = 2,
    /// And notes for debugging.
    WASM_LOG_LEVEL_DEBUG = 3,
    /// And everything else.
    WASM_LOG_LEVEL_VERBOSE = 4,
}

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for log_level_t {}

/// Sets the process-wide log level.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_log_level(level: MaybeUninit<log_level_t>) {
    set_level(enum_value(level));
}

/// Sets the log level by number. Not part of any public header, but some hosts link to it.
#[unsafe(no_mangle)]
pub extern "C" fn bh_log_set_verbose_level(level: u32) {
    set_level(level);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::ffi::enum_of;

    #[test]
    fn the_level_filters() {
        wasm_runtime_set_log_level(enum_of(log_level_t::WASM_LOG_LEVEL_ERROR as u32));
        assert!(enabled(Level::Error) && !enabled(Level::Warning));
        bh_log_set_verbose_level(4);
        assert!(enabled(Level::Verbose));
        wasm_runtime_set_log_level(MaybeUninit::new(log_level_t::WASM_LOG_LEVEL_WARNING));
        assert!(enabled(Level::Warning) && !enabled(Level::Verbose));
    }
}
