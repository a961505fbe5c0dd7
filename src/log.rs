//! Log messages: `[HH:MM:SS:mmm - THREAD]: text` on C's stdout, like the hosts of the C API expect.

use std::ffi::CString;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

/// Level of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Level {
    Error = 1,
    Warning = 2,
    Verbose = 4,
}

static LEVEL: AtomicU32 = AtomicU32::new(Level::Warning as u32);

/// What is printed from now on: levels up to this one, by number.
pub(crate) fn set_level(level: u32) {
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

/// Prints a message, with time of day and thread, unless its level is filtered out.
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
    // SAFETY: no arguments, cannot fail.
    let thread = unsafe { libc::pthread_self() } as usize;
    format!("[{} - {thread:X}]: ", time_of_day())
}

/// The time where the process is: `HH:MM:SS:mmm`. (WAMR prints the time since the machine was started.)
fn time_of_day() -> String {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both are places for the answers. Zeros are a time, too, should there be none.
    let local = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        libc::localtime_r(&raw const now.tv_sec, local.as_mut_ptr());
        local.assume_init()
    };
    format!("{:02}:{:02}:{:02}:{:03}", local.tm_hour, local.tm_min, local.tm_sec, now.tv_nsec / 1_000_000)
}

/// Prints text on C's stdout.
pub(crate) fn print(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // SAFETY: the format takes one C string, which is what it gets.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

/// Logs an error.
macro_rules! error {
    ($($arg:tt)*) => { $crate::log::log($crate::log::Level::Error, format_args!($($arg)*)) };
}

/// Logs a warning.
macro_rules! warning {
    ($($arg:tt)*) => {
        $crate::log::log($crate::log::Level::Warning, format_args!("warning: {}", format_args!($($arg)*)))
    };
}

/// Logs what only matters to who looks for a problem.
macro_rules! verbose {
    ($($arg:tt)*) => { $crate::log::log($crate::log::Level::Verbose, format_args!($($arg)*)) };
}

pub(crate) use {error, verbose, warning};
