//! The programs, run as users run them: every option, message and exit status.

#[allow(dead_code, reason = "shared with the image format's own tests")]
#[path = "../../crates/snapshot/tests/common/assemble.rs"]
mod assemble;
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
mod sections;
mod sparse;
mod start;
mod support;
mod wamrc;
mod wayfarer;
