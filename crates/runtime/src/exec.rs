//! Execution environments: one guest thread's stacks.

use crate::engine::Checkpointer;
use crate::func::Func;
use crate::instance::Instance;
use crate::raw_frame::RawFrame;
use crate::region::Region;
use crate::store::Store;
use crate::threads::{GuestThread, Registered};
use crate::trace::{MOST_TRACED, TraceFrame};
use crate::watch::Watched;
use std::cell::Cell;
use std::ffi::c_void;
use std::io;
use std::sync::Arc;
use wayfarer_snapshot::view::Entry;

/// No operand stack is smaller than this, whatever the host asked for: pages are only used once touched, and a guest
/// that ran under another runtime's accounting must not overflow here.
const MIN_STACK: usize = 8 << 20;

/// Where frame records start in their region (bytes). Both regions start on a page, and in a recursion both stacks grow in
/// step: at the same offset in their pages, processors would take each load from one for a load of what was just stored
/// to the other ("4K aliasing").
const STAGGER: usize = 2048 + 64;

/// Results that a function can have (wasmparser's limit).
const MAX_RESULTS: usize = 1000;

/// One thread's stacks. Engines decide what is in them; the embedder decides who runs on them.
#[derive(Debug)]
pub struct ExecEnv {
    /// Before the store, whose requests it is registered for.
    registered: Registered,
    store: Arc<Store>,
    /// Operand stack: locals and operands of all frames, in 64-bit slots.
    pub values: Region,
    /// Frame records of the engine.
    pub frames: Region,
    /// Slots of `values` in use by calls that are suspended by a host function on top of them.
    pub values_used: usize,
    /// Bytes of `frames` in use likewise.
    pub frames_used: usize,
    /// Results of compiled functions that return more than fit into registers.
    pub results: Region,
    /// Where compiled code writes the state of a frame that it leaves.
    pub left: Region,
    /// Address space that an engine captured frames in, for the next time.
    pub kept: Option<Region>,
    /// A thread that is captured is not wanted for a checkpoint, it just has to be continued.
    pub goes_on: bool,
    /// Frames of a thread that is being captured, innermost first.
    pub captured: Vec<RawFrame>,
    /// The innermost run of compiled code, for the engine; null outside.
    pub native: *mut c_void,
    /// The functions that a trap ended, innermost first, at most [`MOST_TRACED`](crate::MOST_TRACED). Engines add to it; the
    /// embedder takes it after a call that failed.
    pub trace: Vec<TraceFrame>,
    /// Calls of watched functions on this thread's stack.
    pub watched: Watched,
    /// Host functions on this thread's stack, outermost first: each is suspended between two runs of guest code, or
    /// running now.
    pub host_stack: Vec<*const Func>,
    /// How many calls from the host into the guest are active.
    pub depth: u32,
    /// Why the outermost active call was made.
    pub entry: Entry,
    /// WASI thread id; 0 for a main thread.
    pub tid: u32,
    /// The instance that a host function without one is called for, when the host calls it directly; may be null.
    pub instance: *const Instance,
    /// Where the native stack ends on which the host runs this environment, if it said so; else 0.
    pub stack_boundary: Cell<usize>,
    /// For the embedder.
    pub user_data: *mut c_void,
}

// SAFETY: an environment may move to another thread between calls; the raw pointers are to objects of its store.
unsafe impl Send for ExecEnv {}

impl ExecEnv {
    /// An environment whose operand stack holds at least `stack_size` bytes.
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn new(store: Arc<Store>, stack_size: usize) -> io::Result<ExecEnv> {
        let size = stack_size.max(MIN_STACK);
        Ok(ExecEnv {
            registered: Registered::new(store.control()),
            store,
            values: Region::zeroed(size)?,
            frames: Region::zeroed(size)?,
            values_used: 0,
            frames_used: STAGGER,
            results: Region::zeroed(MAX_RESULTS * 16)?,
            left: Region::zeroed(wayfarer_abi::MAX_CAPTURED)?,
            kept: None,
            goes_on: false,
            captured: Vec::new(),
            native: std::ptr::null_mut(),
            trace: Vec::new(),
            watched: Watched::default(),
            host_stack: Vec::new(),
            depth: 0,
            entry: Entry::Call,
            tid: 0,
            instance: std::ptr::null(),
            stack_boundary: Cell::new(0),
            user_data: std::ptr::null_mut(),
        })
    }

    /// Has room for so many bytes of operands and of frame records, and for as much again as there always is. What a
    /// stack that another engine had takes up here, nobody could know before.
    ///
    /// # Errors
    /// mmap(2)'s; the stacks stay as they are then. Also if a run is on them.
    pub fn make_room(&mut self, values: usize, frames: usize) -> io::Result<()> {
        if self.values_used != 0 || self.frames_used != STAGGER {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        for (region, bytes) in [(&mut self.values, values), (&mut self.frames, frames + STAGGER)] {
            if bytes > region.reserved() {
                *region = Region::zeroed(bytes.saturating_add(MIN_STACK))?;
            }
        }
        Ok(())
    }

    /// Adds a frame to [`ExecEnv::trace`]; false if there is no more room.
    pub fn traced(&mut self, frame: TraceFrame) -> bool {
        if self.trace.len() < MOST_TRACED {
            self.trace.push(frame);
        }
        self.trace.len() < MOST_TRACED
    }

    /// The store whose guest runs here.
    #[inline]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// As those who ask something of it know it.
    pub fn thread(&self) -> &Arc<GuestThread> {
        self.registered.thread()
    }

    /// Makes it one for another store's guests. Not while guest code runs in it: then it stays as it is, and this is false.
    pub fn set_store(&mut self, store: Arc<Store>) -> bool {
        let idle = self.depth == 0;
        if idle {
            self.registered = Registered::new(store.control());
            self.store = store;
        }
        idle
    }

    /// Who takes checkpoints of this store.
    pub fn checkpointer(&self) -> Option<Arc<dyn Checkpointer>> {
        self.store.checkpointer()
    }
}
