//! Checkpoint and restore of a host's instances.
//!
//! - [`policy`]: the settings, from flags or the environment; `config`: the ones in force in this process
//! - `watcher`: the signal and the timer; [`driver`]: takes an instance's checkpoints
//! - `hooks`: state that the host's own native modules add;
//!   `record`: what an image holds of the C API's instance; `restoring`: an instance from an image, and its pending call

mod config;
pub(crate) mod driver;
pub(crate) mod hooks;
pub mod policy;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod restoring;
mod watcher;

pub use config::configure;
pub(crate) use config::{in_force, restored};
pub use record::describe as describe_instance;
