//! A program and its host: a store whose instances are checkpointed and restored as one.
//!
//! - [`program`]: a store, with what takes its checkpoints; [`instance`]: the host's parts of an instance; `thread`: threads
//!   that are in a call; [`embedder`]: what is asked of the program that all this is part of
//! - [`instantiate`]: how instances come to be; [`layout`]: memory and app heap; [`start`]: what is to be run first
//! - [`call`]: calls from the host; [`wasi_calls`]: WASI's functions; `called`: which native functions guests
//!   have called; [`blocking`]: those that wait
//! - [`policy`]: the settings, from flags or the environment; `place`: whether images can be written where they say;
//!   `config`: the ones in force in this process
//! - `watcher`: the signal and the timer; `pace`: how fast they may follow each other
//! - `driver`: takes a store's checkpoints; `gate`: who may be in the guest meanwhile; `meeting`: the threads
//!   that are; `leave`: ends the process afterwards;
//!   `futex`: what the gate and the watcher wait on
//! - `history`: what the host does with a store, and doing it again; `host`: all of its stores
//! - `resources`: kinds of state that the host adds to an image, each saved, checked, restored and described in one place;
//!   `record`: what an image holds of instances and hosts; [`source`]: an image that instances come from
//! - [`app_heap`]: a heap for the host in the guest's memory; [`references`]: objects of the host that guests refer to

pub mod app_heap;
pub mod blocking;
pub mod call;
mod called;
mod config;
mod driver;
pub mod embedder;
mod futex;
mod gate;
mod history;
mod host;
pub mod instance;
pub mod instantiate;
pub mod layout;
mod leave;
mod meeting;
mod pace;
mod place;
pub mod policy;
pub mod program;
mod progress;
mod record;
pub mod references;
mod resources;
pub mod source;
pub mod start;
mod thread;
pub mod wasi_calls;
mod watcher;

pub use call::{Environment, Failure};
pub use called::Called;
pub use config::{configure, listen, refused, set_image_mode};
pub use driver::{Done, Prepared, Report, Request, Target};
pub use embedder::{Embedder, NativeModule};
pub use instance::HostParts;
pub use instantiate::{Blueprint, Made, Refusal, instantiate, restore, restore_store};
pub use meeting::set_limit as set_stop_limit;
pub use program::Program;
pub use record::Outcome;
pub use resources::describe;
pub use resources::mode::VARIABLE as DETERMINISTIC;
pub use source::Source;
pub use start::Starting;
