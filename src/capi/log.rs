//! Log messages of the C API: `[HH:MM:SS:mmm - THREAD]: text` on C's stdout, like the hosts of this API expect.

use std::ffi::CString;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ffi::{CEnum, enum_value};

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

/// Level of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Level {
    Error = 1,
    Warning = 2,
    Verbose = 4,
}

const DEFAULT_LEVEL: u32 = log_level_t::WASM_LOG_LEVEL_WARNING as u32;

static LEVEL: AtomicU32 = AtomicU32::new(DEFAULT_LEVEL);

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

fn set_level(level: u32) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// Whether a message of this level would be printed.
pub(crate) fn enabled(level: Level) -> bool {
    enabled_at(level as u32)
}

/// The same for a level by number.
pub(crate) fn enabled_at(level: u32) -> bool {
    level <= LEVEL.load(Ordering::Relaxed)
}

/// Prints a message, with time since boot and thread, unless its level is filtered out.
///
/// It goes through C's stdout rather than Rust's, so that it keeps its place among what the host prints.
pub(crate) fn log(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    print(&format!("{}{message}\n", stamp()));
}

/// What a message begins with.
pub(crate) fn stamp() -> String {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec to be filled.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = now.tv_sec.rem_euclid(24 * 60 * 60);
    // SAFETY: no arguments, cannot fail.
    let thread = unsafe { libc::pthread_self() } as usize;
    format!(
        "[{:02}:{:02}:{:02}:{:03} - {thread:X}]: ",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        now.tv_nsec / 1_000_000,
    )
}

/// Prints text on C's stdout.
pub(crate) fn print(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // SAFETY: the format takes one C string, which is what it gets.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

/// Logs an error.
macro_rules! error {
    ($($arg:tt)*) => { $crate::capi::log::log($crate::capi::log::Level::Error, format_args!($($arg)*)) };
}

/// Logs a warning.
macro_rules! warning {
    ($($arg:tt)*) => {
        $crate::capi::log::log($crate::capi::log::Level::Warning, format_args!("warning: {}", format_args!($($arg)*)))
    };
}

/// Logs what only matters to who looks for a problem.
macro_rules! verbose {
    ($($arg:tt)*) => { $crate::capi::log::log($crate::capi::log::Level::Verbose, format_args!($($arg)*)) };
}

pub(crate) use {error, verbose, warning};

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
