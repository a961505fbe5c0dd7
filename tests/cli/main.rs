//! The programs, run as users run them: every option, message and exit status.

mod checkpoint;
mod iwasm;
mod native_lib;
mod readme;
mod start;
mod support;
mod wamrc;
mod wayfarer;
