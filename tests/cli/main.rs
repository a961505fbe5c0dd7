//! The programs, run as users run them: every option, message and exit status.

#[allow(dead_code, reason = "shared with the image format's own tests")]
#[path = "../../crates/snapshot/tests/common/assemble.rs"]
mod assemble;
mod blocks;
mod cache;
mod carried;
mod checkpoint;
mod compiled;
mod deterministic;
mod files;
mod guest_threads;
mod hostile;
mod images;
mod iwasm;
mod jit;
mod large_files;
mod native_lib;
mod options;
mod pipeline;
mod progress;
mod readme;
mod record;
mod requests;
mod sections;
mod sparse;
mod sqlite;
mod start;
mod streams;
mod support;
mod waits;
mod wamrc;
mod wayfarer;
