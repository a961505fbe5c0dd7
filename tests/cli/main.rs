//! The programs, run as users run them: every option, message and exit status.

mod checkpoint;
mod iwasm;
mod native_lib;
mod support;
mod wamrc;
mod wayfarer;
