//! Checkpoint and restore of a host's instances.
//!
//! - [`policy`]: the settings, from flags or the environment; `place`: whether images can be written where they say;
//!   `config`: the ones in force in this process
//! - `watcher`: the signal and the timer; `driver`: takes a store's checkpoints; `gate`: who may be in the guest meanwhile
//! - `history`: what the host does with a store, and doing it again; `program`: all of its stores
//! - `hooks`: state that the host's own native modules add;
//!   `mode`: in which mode of the runtime an image was taken;
//!   `record`: what an image holds of all this; `source`: an image that instances come from

mod config;
pub(crate) mod driver;
mod gate;
pub(crate) mod history;
pub(crate) mod hooks;
pub(crate) mod mode;
mod place;
pub mod policy;
pub(crate) mod program;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod source;
mod watcher;

pub use config::configure;
pub(crate) use config::{in_force, restored};
pub use record::{describe as describe_instance, describe_host};
