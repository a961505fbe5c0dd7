//! WASI preview 1 for Linux hosts, with WAMR's socket extension.
//!
//! [`FUNCTIONS`] holds every function as data: an engine links them by name and calls them with plain
//! numbers. A function sees its guest only through `wayfarer-guest`, so this crate knows no engine; and the guest's files only
//! through `wayfarer-files`, so it is the same for every file system that a guest may have.
//!
//! | module | job |
//! |---|---|
//! | [`ctx`](WasiCtx), `builder` | one instance's WASI state, and how a host sets it up |
//! | [`back_end`](BackEnd) | which file system a guest's directories are of |
//! | `table` | the descriptor table: ours, every entry knows how it came to be |
//! | [`path_open`](PathOpen) | what `path_open` was given for a descriptor |
//! | `fd`, `dir`, `path`, `process`, `clock`, `poll` | the functions |
//! | `sockets`, `socket_options`, `socket_address` | `sock_*`: preview 1 and WAMR's extension |
//! | `io` | reads, writes and waits |
//! | `parameters`, `names` | what parameters and descriptors are called, for those who tell others of calls |
//! | `channels`, `unix_peer` | pipes and streams between guests that are checkpointed together |
//! | `interrupted` | how far interrupted calls had come |
//! | `locks` | locks on files that a host takes for its guest |
//! | `signals` | system calls that would end the process by a signal |
//! | `streams` | standard streams that are regular files |
//! | `save`, `restore` | the image's part: choices about it, and what can go wrong |
//! | [`file_choice`](FilePolicy) | what images hold of open files, and what a restore does about changed ones: by path |
//! | `beside` | content of files that travels beside the image's part, and not in it |
//! | `placing` | files of an image that are put where they were, and taken back if that fails |
//! | `resources` | what it holds, kind by kind: saved, checked, made again, described |
//!
//! # Interrupts
//! A call that waits polls its descriptors together with [`Interrupt::wake_fd`]. When the runtime asks for
//! the thread, the call ends with [`Outcome::Interrupted`]; the runtime makes it again, with the same arguments,
//! after the checkpoint or in the restored process. How far it has come (bytes written, time waited) is kept, in the
//! image too, and the call made again goes on from there: the guest gets what it would have got undisturbed.

mod abi;
mod back_end;
mod beside;
mod builder;
mod channels;
mod clock;
mod ctx;
mod dir;
mod fd;
mod file_choice;
mod functions;
mod interrupted;
mod io;
mod locks;
mod names;
mod parameters;
mod path;
mod path_open;
mod placing;
mod poll;
mod process;
mod resources;
mod restore;
mod save;
mod signals;
mod socket_address;
mod socket_options;
mod sockets;
mod streams;
mod table;
mod unix_peer;

use interrupted::Progress;
use std::borrow::Cow;
use std::cell::Cell;
use wayfarer_guest::{GuestMemory, Interrupt, OutOfBounds};

pub use back_end::{BackEnd, UnknownBackEnd};
pub use beside::{Beside, ContentBeside, FileBeside};
pub use builder::{InitError, WasiBuilder};
pub use channels::ChannelEnd;
pub use ctx::{DescriptorState, WasiCtx};
pub use file_choice::{ByPrefix, FileChoice, FilePolicy, UnknownWord};
pub use functions::FUNCTIONS;
pub use interrupted::call_ended;
pub use locks::{Lock, LockError};
pub use parameters::{Parameter, ParameterKind};
pub use path_open::PathOpen;
pub use resources::describe_record;
pub use restore::{RestoreError, RestorePolicy};
pub use save::{Identity, SaveError, SavePolicy};
pub use signals::without_file_size_signal;
pub use socket_address::text_of as socket_address;
pub use streams::{StreamPosition, after_fork, before_fork, stream_positions};
pub use wayfarer_files::{Errno, Sparse};

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The call's result: an [`Errno`] as a number, 0 for success.
    Errno(u16),
    /// `proc_exit`: the program is to end with this code.
    Exit(u32),
    /// The runtime wants the thread: make the call again, with the same arguments, on this thread or in the restored
    /// program. It goes on where it was.
    Interrupted,
    /// The instance is to trap with this message (without WAMR's `Exception: ` prefix).
    Trap(Cow<'static, str>),
}

/// Type of a parameter or result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
}

/// One importable function.
#[derive(Clone, Copy, Debug)]
pub struct WasiFunction {
    /// Import name; the module is `wasi_snapshot_preview1` or `wasi_unstable`.
    pub name: &'static str,
    /// Signature in WAMR's native-symbol language, like `(i*~)i`. The WebAssembly type follows from it.
    pub signature: &'static str,
    /// Runs the function. `args` are the parameters, 32-bit ones zero-extended.
    pub call: fn(&WasiCtx, &GuestMemory<'_>, &dyn Interrupt, args: &[u64]) -> Outcome,
}

impl WasiFunction {
    /// The function of that name.
    pub fn find(name: &str) -> Option<&'static WasiFunction> {
        FUNCTIONS.iter().find(|f| f.name == name)
    }

    /// WebAssembly types of the parameters.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + Clone {
        let (params, _) = self.split();
        params.iter().map(|letter| val_type(*letter))
    }

    /// WebAssembly types of the results: one `i32`, or none for `proc_exit`.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + Clone {
        let (_, results) = self.split();
        results.iter().map(|letter| val_type(*letter))
    }

    fn split(&self) -> (&'static [u8], &'static [u8]) {
        let inner = self.signature.strip_prefix('(').unwrap_or(self.signature);
        let (params, results) = inner.split_once(')').unwrap_or((inner, ""));
        (params.as_bytes(), results.as_bytes())
    }
}

fn val_type(letter: u8) -> ValType {
    if letter == b'I' { ValType::I64 } else { ValType::I32 }
}

/// One call in progress, as the functions see it.
pub(crate) struct Call<'a> {
    pub(crate) ctx: &'a WasiCtx,
    pub(crate) memory: &'a GuestMemory<'a>,
    pub(crate) interrupt: &'a dyn Interrupt,
    args: &'a [u64],
    progress: Cell<Progress>,
}

impl<'a> Call<'a> {
    /// How far the call has come, before it was interrupted.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.get()
    }

    /// Notes how far it has come, should it be interrupted.
    pub(crate) fn note(&self, progress: Progress) {
        self.progress.set(progress);
    }

    /// When the call was first made, guest monotonic nanoseconds.
    pub(crate) fn start(&self) -> u64 {
        let progress = self.progress();
        progress.start.unwrap_or_else(|| {
            let now = table::lock(&self.ctx.clocks).monotonic();
            self.note(Progress { start: Some(now), ..progress });
            now
        })
    }

    /// Parameter `i`, an `i32` seen as unsigned.
    pub(crate) fn u32(&self, i: usize) -> u32 {
        self.u64(i) as u32
    }

    /// Parameter `i`, an `i64`.
    pub(crate) fn u64(&self, i: usize) -> u64 {
        self.args.get(i).copied().unwrap_or(0)
    }

    /// Parameter `i`, a guest address.
    pub(crate) fn ptr(&self, i: usize) -> u64 {
        u64::from(self.u32(i))
    }

    /// Parameter `i`, the address of a result of `size` bytes: checked before the call has any effect.
    pub(crate) fn out(&self, i: usize, size: u64) -> Result<u64, Stop> {
        self.memory.range(self.ptr(i), size)?;
        Ok(self.ptr(i))
    }

    /// Parameters `i` and `i + 1`: address and length of bytes.
    pub(crate) fn bytes(&self, i: usize) -> Result<Vec<u8>, Stop> {
        Ok(self.memory.read_vec(self.ptr(i), self.ptr(i + 1))?)
    }
}

/// Why a function did not just succeed.
pub(crate) enum Stop {
    Errno(Errno),
    Exit(u32),
    Interrupted,
    Trap(Cow<'static, str>),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(errno: rustix::io::Errno) -> Self {
        Stop::Errno(errno.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Stop::Errno(error.into())
    }
}

impl From<OutOfBounds> for Stop {
    fn from(_: OutOfBounds) -> Self {
        Stop::Trap(Cow::Borrowed("out of bounds memory access"))
    }
}

/// What every function returns: success, or why not.
pub(crate) type Ended = Result<(), Stop>;

/// Runs `function` as a call from the table.
pub(crate) fn run(
    name: &str,
    function: fn(&Call<'_>) -> Ended,
    ctx: &WasiCtx,
    memory: &GuestMemory<'_>,
    interrupt: &dyn Interrupt,
    args: &[u64],
) -> Outcome {
    let progress = Cell::new(ctx.interrupted.take(name, args));
    let call = Call { ctx, memory, interrupt, args, progress };
    match function(&call) {
        Ok(()) => Outcome::Errno(0),
        Err(Stop::Errno(errno)) => Outcome::Errno(errno as u16),
        Err(Stop::Exit(code)) => Outcome::Exit(code),
        Err(Stop::Interrupted) => {
            ctx.interrupted.put(name, args, call.progress());
            Outcome::Interrupted
        }
        Err(Stop::Trap(message)) => Outcome::Trap(message),
    }
}
