//! Checkpoint and restore of a host's instances.
//!
//! - [`policy`]: the settings, from flags or the environment; `place`: whether images can be written where they say;
//!   `config`: the ones in force in this process
//! - `watcher`: the signal and the timer; `pace`: how fast they may follow each other
//! - `driver`: takes a store's checkpoints; `gate`: who may be in the guest meanwhile; `meeting`: the threads that are; `leave`: ends the process afterwards;
//!   `futex`: what the gate and the watcher wait on
//! - `history`: what the host does with a store, and doing it again; `program`: all of its stores
//! - `resources`: kinds of state that the host adds to an image, each saved, checked, restored and described in one place;
//!   `record`: what an image holds of instances and hosts; `source`: an image that instances come from

mod config;
pub(crate) mod driver;
mod futex;
mod gate;
pub(crate) mod history;
mod leave;
pub(crate) mod meeting;
mod pace;
mod place;
pub mod policy;
pub(crate) mod program;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod resources;
pub(crate) mod source;
mod watcher;

pub use config::configure;
pub(crate) use config::{in_force, listen, refused, restored, set_image_mode};
pub use resources::describe;
