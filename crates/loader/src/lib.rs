//! ELF relocatable objects into executable memory.
//!
//! [`Code::load`] links objects against each other and against a fixed list of functions of the runtime, maps the result,
//! and registers its unwind tables, so that an unwind can pass through it. [`Code::announce`] tells tools (perf, gdb) the
//! names of what was loaded.

mod error;
mod machine;

pub use error::{Fault, LoadError};
pub use machine::Machine;

use std::ops::Range;

/// Loaded code. Dropping it unregisters its unwind tables and unmaps it: nothing may be running in it, or hold addresses
/// of it, by then.
#[derive(Debug)]
pub struct Code {
    functions: Vec<Function>,
    text: Range<usize>,
}

/// A function of loaded code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its symbol's name.
    pub name: String,
    /// Where it is.
    pub address: usize,
    /// Its size in bytes.
    pub size: usize,
}

/// How perf is told about functions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PerfMode {
    /// Not at all.
    #[default]
    Off,
    /// By `/tmp/perf-PID.map`: names for `perf report`.
    Map,
    /// By `/tmp/jit-PID.dump`: names and code for `perf record -k mono`, `perf inject -j`.
    JitDump,
}

impl Code {
    /// Loads objects for the machine this program runs on. They are linked against each other by the names of their
    /// symbols that are not local; they need not stay afterwards.
    pub fn load(objects: &[&[u8]]) -> Result<Code, LoadError> {
        let machine = Machine::host().ok_or(LoadError::Host(std::env::consts::ARCH))?;
        Code::load_for(machine, objects)
    }

    /// Loads objects for a given machine. For another machine than this program's own it relocates them, but what it
    /// returns can only be looked at.
    pub fn load_for(_machine: Machine, _objects: &[&[u8]]) -> Result<Code, LoadError> {
        Err(LoadError::Empty)
    }

    /// The address of what a symbol that is not local names, function or data.
    pub fn symbol(&self, _name: &str) -> Option<*const u8> {
        None
    }

    /// The addresses that are executable.
    pub fn range(&self) -> Range<usize> {
        self.text.clone()
    }

    /// All functions, local ones too, by address.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = &Function> {
        self.functions.iter()
    }

    /// The function that `address` is in.
    pub fn function_at(&self, address: usize) -> Option<&Function> {
        let at = self.functions.partition_point(|f| f.address <= address).checked_sub(1)?;
        self.functions.get(at).filter(|f| address - f.address < f.size)
    }

    /// Tells tools about the functions. `names` turns a symbol's name into what people call the function; where it has
    /// nothing to say the symbol's name is taken. The error is of the file that could not be written.
    pub fn announce(
        &mut self,
        _perf: PerfMode,
        _gdb: bool,
        _names: impl Fn(&str) -> Option<String>,
    ) -> std::io::Result<()> {
        Ok(())
    }
}
