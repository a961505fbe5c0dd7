//! The programs, run as users run them: every option, message and exit status.

mod blocks;
mod cache;
mod checkpoint;
mod compiled;
mod deterministic;
mod hostile;
mod images;
mod iwasm;
mod jit;
mod native_lib;
mod options;
mod progress;
mod readme;
mod requests;
mod sparse;
mod start;
mod support;
mod wamrc;
mod wayfarer;
