//! What compiled code and the runtime agree on. The compiler only knows offsets, the runtime only structs; a test in the
//! runtime holds them together. All sizes and offsets are in bytes, pointers have 64 bits.
//!
//! - [`vmctx`], [`func`], [`table`]: layouts of what compiled code reads
//! - [`Helper`]: functions of the runtime that compiled code calls
//! - [`TrapCode`]: why guest code stopped
//! - [`symbol`]: names of what an object file defines
//! - [`compiler`]: the functions of the compiler as a shared object
//!
//! # Calls
//!
//! A guest function takes the instance's context as its first parameter, marked `swiftself` where the target has a
//! register for it, then its WebAssembly parameters. Up to [`MAX_RETURNED`] results that are not vectors come back as
//! values, more (or a vector among several) in the thread's result area ([`vmctx::RESULTS`]), one or two slots each.
//! How exactly is only known to the compiler: the runtime calls through an *entry* (see [`symbol::entry`]).
//!
//! # Going on
//!
//! A captured frame goes on interpreted. At a loop header it may do so in the loop's *continuation*: code of that loop
//! alone, which ends where control leaves the loop. What the frame is by then is in the interpreter's frame: see
//! [`symbol::continuation`].
//!
//! # Stopping
//!
//! Where a callee may have found a request (a *call*), compiled code has a landing pad. The runtime stops a thread by a
//! forced unwind; each pad appends a [`record`] to the capture area that [`vmctx::CAPTURE`] points into, and lets the unwind
//! go on. Code that finds a request itself (a *poll*) appends its record and leaves for good ([`Helper::Leave`]); only code
//! that is asked at every stable point has pads there, too, and goes on if nothing is to be done. There is always room for
//! a record: [`MAX_CAPTURED`] bytes before the landing pads of a frame run, and while code runs.

#![no_std]

pub mod compiler;
mod trap_code;

pub use trap_code::TrapCode;

/// Changes with anything here.
pub const VERSION: u32 = 4;

/// A function's results are returned as values up to this number, unless one of several is a vector.
pub const MAX_RETURNED: usize = 2;

/// Room in the capture area before the landing pads of a frame run (bytes). Functions have at most 50,000 locals; with
/// inlining one frame has several pads.
pub const MAX_CAPTURED: usize = 64 << 20;

/// What a landing pad writes: this, then the state in slots: live locals in order, then operands.
pub mod record {
    /// Function index (32 bits).
    pub const FUNC: u64 = 0;
    /// What the frame was doing (32 bits): a [`crate::Point`].
    pub const KIND: u64 = 4;
    /// Offset of the stable point (32 bits).
    pub const OFFSET: u64 = 8;
    /// Number of slots (32 bits).
    pub const SLOTS: u64 = 12;
    /// Size of this part.
    pub const SIZE: u64 = 16;
}

/// The context of an instance: its compiled code's view of it.
///
/// The fixed part is followed by, each pointer-sized: the addresses of all globals (their storage), of all tables
/// ([`table`]), of all functions that are imported ([`func`]); then the type ids of the module's types (32 bits each).
pub mod vmctx {
    /// Lowest address the native stack may reach; all ones while a request is pending.
    pub const LIMIT: u64 = 0;
    /// First byte of memory 0. Never changes.
    pub const MEMORY_BASE: u64 = 8;
    /// Address of memory 0's size in bytes (64 bits). The address never changes.
    pub const MEMORY_LEN: u64 = 16;
    /// The helper functions' addresses, by [`crate::Helper`].
    pub const HELPERS: u64 = 24;
    /// The result area of the thread that runs.
    pub const RESULTS: u64 = 32;
    /// The instance.
    pub const INSTANCE: u64 = 40;
    /// The execution environment of the thread that runs.
    pub const ENV: u64 = 48;
    /// The list of the code of all functions of the module that are not imported: addresses, 0 where there is none yet.
    /// Null if the module was compiled as a whole.
    pub const CODE: u64 = 56;
    /// Where the next record of a captured frame goes.
    pub const CAPTURE: u64 = 64;
    /// Where the stack pointer was in a function that goes to [`crate::Helper::LeaveEntry`].
    pub const STACK: u64 = 72;
    /// Size of the fixed part.
    pub const SIZE: u64 = 128;

    /// Where the address of global `index` is.
    pub const fn global(index: u32) -> u64 {
        SIZE + 8 * index as u64
    }

    /// Where the address of table `index` is.
    pub const fn table(globals: u32, index: u32) -> u64 {
        global(globals) + 8 * index as u64
    }

    /// Where the address of imported function `index` is.
    pub const fn import(globals: u32, tables: u32, index: u32) -> u64 {
        table(globals, tables) + 8 * index as u64
    }

    /// Where the id of type `index` is.
    pub const fn type_id(globals: u32, tables: u32, imports: u32, index: u32) -> u64 {
        import(globals, tables, imports) + 4 * index as u64
    }
}

/// A function of the store; references to functions are their addresses.
pub mod func {
    /// Type id (32 bits); equal ids mean equal types.
    pub const TYPE: u64 = 0;
    /// The context whose code it is, null if it is not compiled.
    pub const VMCTX: u64 = 8;
    /// Its code, if it is compiled.
    pub const CODE: u64 = 16;
}

/// A table.
pub mod table {
    /// Address of the elements, 64 bits each.
    pub const ELEMS: u64 = 0;
    /// Number of elements (64 bits).
    pub const LEN: u64 = 8;
}

/// Functions of the runtime. Each takes the context first; `slots` is an area for arguments and results: a slot (64 bits)
/// for each value, two for a vector, low half first; small values are zero-extended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Helper {
    /// `()`: a request is pending at a loop header or before a call that is made again. May unwind. Code that is to stop
    /// at every stable point calls this.
    Poll,
    /// `()`: as [`Helper::Poll`], with the frame's record written already. Does not return.
    Leave,
    /// `()`: at a function's entry, a request is pending or the stack is short. May unwind or trap. As [`Helper::Poll`].
    Entry,
    /// `() -> ptr`: as [`Helper::Entry`], with the frame's record written already. Does not return.
    LeaveEntry,
    /// `(code: i32)`: ends the run with that [`TrapCode`]. Does not return.
    Trap,
    /// `(func: ptr, slots: ptr) -> i32`: calls any function. 1: it was interrupted and has to be called again after a
    /// poll. May unwind or trap.
    Call,
    /// `(index: i32, slots: ptr)`: calls a function of the module that has no compiled code. May unwind or trap.
    Interpret,
    /// `(pages: i32) -> i32`
    MemoryGrow,
    /// `(to: i32, from: i32, count: i32)`
    MemoryCopy,
    /// `(to: i32, byte: i32, count: i32)`
    MemoryFill,
    /// `(segment: i32, to: i32, from: i32, count: i32)`
    MemoryInit,
    /// `(segment: i32)`
    DataDrop,
    /// `(table: i32, index: i32) -> i64`
    TableGet,
    /// `(table: i32, index: i32, value: i64)`
    TableSet,
    /// `(table: i32, value: i64, count: i32) -> i32`
    TableGrow,
    /// `(table: i32, start: i32, value: i64, count: i32)`
    TableFill,
    /// `(to_table: i32, from_table: i32, to: i32, from: i32, count: i32)`
    TableCopy,
    /// `(table: i32, segment: i32, to: i32, from: i32, count: i32)`
    TableInit,
    /// `(segment: i32)`
    ElemDrop,
    /// `(index: i32) -> i64`
    RefFunc,
    /// `(how: i32, address: i64, expected: i64, timeout: i64) -> i32`: `memory.atomic.wait32` and `wait64`; `how` is a sum of what
    /// is in [`wait`]. 3: it was interrupted and has to be executed again after a poll. May trap.
    AtomicWait,
    /// `(address: i64, count: i32) -> i32`: `memory.atomic.notify`. May trap.
    AtomicNotify,
}

/// How to wait.
pub mod wait {
    /// For 64 bits, not 32.
    pub const WIDE: u32 = 1;
    /// The code does not poll: only what ends the thread ends its wait.
    pub const WITHOUT_POLL: u32 = 2;
    /// The result of a wait that was interrupted.
    pub const INTERRUPTED: u32 = 3;
}

impl Helper {
    /// How many there are.
    pub const COUNT: usize = Helper::AtomicNotify as usize + 1;
}

/// What a captured frame was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Point {
    /// About to execute the first instruction.
    Entry,
    /// At a loop header.
    Loop,
    /// Waiting for a callee.
    Call,
    /// About to make a call.
    BeforeCall,
}

/// Names of what object files define. `{}` is a number in decimal.
pub mod symbol {
    extern crate alloc;
    use alloc::format;
    use alloc::string::String;

    use crate::compiler::Loop;

    /// The code of function `index`.
    pub fn func(index: u32) -> String {
        format!("f{index}")
    }

    /// The function whose code, or whose loop's continuation, a symbol names.
    pub fn func_of(symbol: &str) -> Option<u32> {
        let (kind, index) = symbol.split_at_checked(1)?;
        match kind {
            "f" => index.parse().ok(),
            "c" => index.split_once('.')?.0.parse().ok(),
            _ => None,
        }
    }

    /// Also defined for a function whose code only has the runtime interpret it.
    pub fn interpreted(index: u32) -> String {
        format!("i{index}")
    }

    /// `extern "C" fn(vmctx, code, slots)`: calls a function of type `index` with arguments from slots, which its results
    /// replace.
    pub fn entry(index: u32) -> String {
        format!("t{index}")
    }

    /// `extern "C" fn(vmctx, state, frame)`: continues a function at a loop header. `state` is as
    /// captured, one slot or two each: live locals, then operands; it has one slot at least.
    ///
    /// Afterwards its first slot says how it ended. 0: the function returned, its results are in the frame's first slots.
    /// Otherwise control left the loop: it goes on at the instruction at this offset, which is the `end` of the loop or
    /// of a block around it, the header of a loop around it (a stable point), or a call in tail position. The `frame` had
    /// all locals in its first slots, and then all operands, and has them again: what the loop does not change is
    /// not touched.
    pub fn continuation(at: Loop) -> String {
        format!("c{}.{}", at.func, at.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::symbol;
    use crate::compiler::Loop;

    #[test]
    fn functions_of_symbols() {
        assert_eq!(symbol::func_of(&symbol::func(12)), Some(12));
        let header = Loop { func: 12, offset: 345 };
        assert_eq!(symbol::continuation(header), "c12.345");
        assert_eq!(symbol::func_of(&symbol::continuation(header)), Some(12));
        for other in [symbol::entry(1), symbol::interpreted(1)] {
            assert_eq!(symbol::func_of(&other), None);
        }
        assert_eq!(symbol::func_of(""), None);
        assert_eq!(symbol::func_of("free"), None);
    }
}
