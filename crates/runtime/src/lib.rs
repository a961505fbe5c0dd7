//! What every engine runs on: the store and what is in it, execution environments, traps, host functions, requests.
//!
//! - [`store`]: the owner of everything; [`instance`], [`instantiate`]: modules at work
//! - [`life`]: how long objects live; [`collect`]: freeing what nobody uses
//! - [`memory`], [`table`], [`global`], [`func`]: the objects; [`values`]: how values look in slots
//! - [`pages`]: which of a memory's pages were ever touched; [`written`]: which were written to
//! - [`exec`]: a guest thread's stacks; [`native_stack`]: the host's; [`engine`]: the interface between runtime and engines
//! - [`control`]: requests to a running program; [`threads`]: those of it who are to see them; `wake`: ends its waits; [`requests`]: what a
//!   thread does for them; [`trap`]: why it stopped
//! - [`registry`]: lists for signal handlers; [`fork`]: children of this process; [`futex`]: waiting for a word; [`library`]: the file of this code
//! - [`specific`]: values that a thread keeps under keys
//! - [`waits`]: `memory.atomic.wait` and `notify`, on the queues of `wayfarer_wait_queue`
//! - [`code_address`]: addresses of code, by how it is called
//! - [`vm`]: what compiled code sees of an instance; `limits`: the words that it polls
//! - [`watch`]: functions whose calls somebody wants to be told of
//! - [`changes`]: what happened to a store between two moments, and making it happen again
//! - [`raw_frame`]: frames on the way between an engine and the view; [`capture`], [`restore`]: the store to and from the Wasm view; [`integrity`]: whether that fits the modules; [`image`]: to and from images

pub mod beside;
mod capture;
pub mod changes;
pub mod code_address;
pub mod collect;
mod const_eval;
pub mod control;
pub mod engine;
pub mod exec;
pub mod fork;
pub mod func;
pub mod global;
pub mod image;
pub mod instance;
pub mod instantiate;
pub mod integrity;
mod lay_out;
pub mod library;
pub mod life;
mod limits;
pub mod memory;
pub mod native_stack;
pub mod pages;
pub mod raw_frame;
pub mod region;
pub mod registry;
pub mod requests;
pub mod restore;
pub mod specific;
pub mod store;
mod sync;
pub mod table;
pub mod threads;
pub mod trace;
pub mod trap;
pub mod types;
pub mod values;
pub mod vm;
pub mod waits;
mod wake;
pub mod watch;
pub mod written;

pub use changes::{ChangeWatch, Changes};
pub use code_address::{CompiledFunc, ContinuationCode, EntryCode, HelperCode, PreparedFunc};
pub use control::{Control, PollAction};
pub use engine::{AfterCheckpoint, CaptureError, Checkpointer, Engine, ModuleCode, ResumeError};
pub use exec::ExecEnv;
pub use func::{Caller, Func, HostCall, HostError, HostFunc};
pub use global::Global;
pub use instance::{Extern, Instance, LoadedModule};
pub use instantiate::{Beside, InstantiateError, InstantiateOptions};
pub use life::Used;
pub use memory::{Memory, MemoryPlan};
pub use raw_frame::RawFrame;
pub use store::{Runtime, Store};
pub use table::Table;
pub use threads::GuestThread;
pub use trace::{MOST_TRACED, TraceFrame};
pub use trap::{Trap, TrapCode};
pub use types::{TypeId, TypeRegistry};
pub use vm::{Entered, NativeCode, VmContext, VmCtx};
pub use watch::{Unwatchable, WatchId, Watcher};
pub use wayfarer_abi::compiler::Loop;
pub use wayfarer_wait_queue::{RawLock, futex};
pub use written::WriteTracker;
