//! A program and its host: a store whose instances are checkpointed and restored as one.
//!
//! - [`program`]: a store, with what takes its checkpoints; [`instance`]: the host's parts of an instance; [`embedder`]: what
//!   is asked of the program that all this is part of
//! - [`instantiate`]: how instances come to be; [`layout`]: memory and app heap; [`start`]: what is to be run first;
//!   [`entry_point`]: where a program begins
//! - [`call`]: calls from the host; [`wasi_calls`]: WASI's functions; `called`: which native functions guests
//!   have called; [`blocking`]: those that wait; `streams`: which of C's streams belong to which descriptors
//! - [`policy`]: the settings, from flags or the environment; `place`: whether images can be written where they say;
//!   `config`: the ones in force in this process
//! - `watcher`: the signal and the timer; `pace`: how fast they may follow each other
//! - `driver`: takes a store's checkpoints; `gate`: who may be in the guest meanwhile; `meeting`: the threads
//!   that are; `group`: processes that stop for each other's images; `leave`: ends the process afterwards;
//!   `suspend`: the threads stand still until they are told; `stacks`: who calls whom, as text; `forks`: what children of the
//!   process find; `lock`: locks that they do
//! - `kept`: calls of an image that the host has not continued
//! - `history`: what the host does with a store, and doing it again; `host`: all of its stores
//! - `resources`: kinds of state that the host adds to an image, each saved, checked, restored and described in one place;
//!   `record`: what an image holds of instances and hosts; [`source`]: an image that instances come from
//! - [`locks`]: what threads of a guest wait for among themselves; `wait_graph`: who waits for whom
//! - [`guest_threads`]: threads that guests start
//! - `recording`: the log of what guests ask of WASI
//! - [`guest_heap`]: room for the host in the guest's memory; [`app_heap`]: a heap of its own there; [`references`]: objects of the host that guests refer to

pub mod app_heap;
pub mod blocking;
pub mod call;
mod called;
mod config;
mod driver;
pub mod embedder;
pub mod entry_point;
mod forks;
mod gate;
mod group;
pub mod guest_heap;
pub mod guest_threads;
mod history;
mod host;
pub mod instance;
pub mod instantiate;
mod kept;
pub mod layout;
mod leave;
mod lock;
pub mod locks;
mod meeting;
mod order;
mod pace;
mod place;
pub mod policy;
pub mod program;
mod progress;
mod record;
mod recording;
pub mod references;
mod resources;
pub mod source;
pub mod stacks;
pub mod start;
mod streams;
mod suspend;
pub mod wait_graph;
pub mod wasi_calls;
mod watcher;

pub use call::{Environment, Failure};
pub use called::Called;
pub use config::{configure, listen, refused, set_image_mode};
pub use embedder::{Embedder, NativeModule, NativeModules};
pub use group::{DEFAULT_LIMIT as DEFAULT_GROUP_LIMIT, GroupOrder, GroupSettings, MOST_MEMBERS};
pub use guest_threads::{Spawned, ThreadContext, set_limit as set_thread_limit};
pub use instance::HostParts;
pub use instantiate::{Blueprint, Made, Refusal, instantiate, restore, restore_store};
pub use kept::Taken;
pub use meeting::set_limit as set_stop_limit;
pub use order::{Done, Leaves, Prepared, Report, Request, Target, Wanted};
pub use program::Program;
pub use record::Outcome;
pub use recording::choose as set_record;
pub use resources::mode::VARIABLE as DETERMINISTIC;
pub use resources::{describe, describe_together};
pub use source::Source;
pub use start::Starting;
pub use wait_graph::WaitGraph;
