//! Loaded code: [`Code`].

use crate::announce::{self, PerfMode};
use crate::eh_frame;
use crate::link::Plan;
use crate::machine::{Reach, STUB};
use crate::memory::{self, Access, Mapping};
use crate::symbols::Definition;
use crate::unwind::Registration;
use crate::{LoadError, Machine};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

/// Loaded code. Dropping it unregisters its unwind tables and unmaps it: nothing may be running in it, or hold addresses
/// of it, by then.
pub struct Code {
    // These refer to the mapping, so they come before it: fields are dropped in order.
    gdb: Option<announce::gdb::Registration>,
    _unwind: Option<Registration>,
    mapping: Mapping,
    machine: Machine,
    symbols: HashMap<Box<[u8]>, usize>,
    functions: Vec<Function>,
    stubs: Vec<Function>,
    sections: Vec<LoadedSection>,
    text: Range<usize>,
    eh_frame: Range<usize>,
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

/// Where a section was put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedSection {
    /// The object, counted from 0 in the order they were given; `None` for `.got`, the words with addresses that the
    /// loader made.
    pub object: Option<usize>,
    /// The section's name.
    pub name: String,
    /// Where it is.
    pub address: usize,
    /// Its size in bytes.
    pub size: usize,
}

impl Code {
    /// Loads objects for the machine this program runs on. They are linked against each other by the names of their
    /// symbols that are not local; they need not stay afterwards.
    pub fn load(objects: &[&[u8]]) -> Result<Code, LoadError> {
        let machine = Machine::host().ok_or(LoadError::Host(std::env::consts::ARCH))?;
        Code::load_for(machine, objects)
    }

    /// Loads objects for a given machine. For another machine than this program's own it relocates them, but what it
    /// returns can only be looked at: nothing becomes executable, nothing is registered.
    pub fn load_for(machine: Machine, objects: &[&[u8]]) -> Result<Code, LoadError> {
        Code::load_within(machine, objects, machine.reach())
    }

    /// As [`Code::load_for`], with branches of a given reach.
    pub(crate) fn load_within(machine: Machine, objects: &[&[u8]], reach: Reach) -> Result<Code, LoadError> {
        let native = Machine::host() == Some(machine);
        let plan = Plan::new(machine, objects, memory::page_size(), reach)?;
        let mut mapping = Mapping::new(plan.layout.size as usize)?;
        let base = mapping.start() as u64;
        let here = |range: &Range<u64>| range.start as usize..range.end as usize;
        let there = |range: &Range<u64>| (base + range.start)..(base + range.end);

        // SAFETY: the mapping is new.
        let image = unsafe { mapping.bytes_mut() };
        plan.write(image, base)?;
        let tables = &image[here(&plan.layout.eh_frame)];
        let bounds =
            eh_frame::Bounds { text: there(&plan.layout.text), read_only: there(&plan.layout.read_only) };
        let big = machine == Machine::S390x;
        let entries = eh_frame::check(tables, base + plan.layout.eh_frame.start, big, &bounds)?;

        let absolute = |range: &Range<u64>| {
            let range = there(range);
            range.start as usize..range.end as usize
        };
        let text = absolute(&plan.layout.text);
        let eh_frame = absolute(&plan.layout.eh_frame);
        mapping.protect(here(&plan.layout.read_only), Access::Read)?;
        let mut unwind = None;
        if native {
            memory::flush_instruction_cache(text.clone())?;
            mapping.protect(here(&plan.layout.text), Access::Execute)?;
            if entries > 0 {
                // SAFETY: the tables were checked, are constant now, and live in the mapping, which is dropped later.
                unwind = Some(unsafe { Registration::new(eh_frame.start) });
            }
        } else {
            mapping.protect(here(&plan.layout.text), Access::Read)?;
        }

        let address = |definition| plan.address(definition, base).map(|a| a as usize);
        let symbols = plan.globals.iter();
        let symbols = symbols.filter_map(|(&name, &d)| Some((Box::from(name), address(d)?))).collect();
        Ok(Code {
            gdb: None,
            _unwind: unwind,
            machine,
            symbols,
            functions: functions(&plan, base),
            stubs: stubs(&plan, base),
            sections: sections(&plan, base),
            text,
            eh_frame,
            mapping,
        })
    }

    /// The address of what a symbol that is not local names, function or data.
    pub fn symbol(&self, name: &str) -> Option<*const u8> {
        self.symbols.get(name.as_bytes()).map(|&address| address as *const u8)
    }

    /// The addresses that are executable: functions, what is between them, jumps that the loader made.
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

    /// The jumps that the loader made, by address: `memcpy@plt` leads to `memcpy`, `veneer` to a function that is out of a
    /// branch's reach.
    pub fn stubs(&self) -> impl ExactSizeIterator<Item = &Function> {
        self.stubs.iter()
    }

    /// Where sections are, by address: what debuggers need to place an object's debug information.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = &LoadedSection> {
        self.sections.iter()
    }

    /// The machine the code is for.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The bytes at `range`, addresses of text or unwind tables.
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start >= self.text.start && range.end <= self.text.end.max(self.eh_frame.end));
        let start = self.mapping.start();
        // SAFETY: both are constant since they were loaded, and so is what lies between them.
        unsafe { self.mapping.bytes(range.start - start..range.end - start) }
    }

    /// Tells tools about the functions, and about the jumps that the loader made. `names` turns a symbol's name into what
    /// people call the function; where it has nothing to say the symbol's name is taken. gdb is told until the code is
    /// dropped, perf for good. The error is of the file that could not be written.
    ///
    /// For code of this program's own machine; of another's there is nothing to tell.
    pub fn announce(
        &mut self,
        perf: PerfMode,
        gdb: bool,
        names: impl Fn(&str) -> Option<String>,
    ) -> std::io::Result<()> {
        if Machine::host() != Some(self.machine) {
            return Ok(());
        }
        let named = self.functions.iter().chain(&self.stubs);
        let named: Vec<Function> = named
            .map(|f| Function { name: names(&f.name).unwrap_or_else(|| f.name.clone()), ..*f })
            .collect();
        if gdb {
            let tables = self.bytes(self.eh_frame.clone());
            let image = announce::elf::image(self.machine, &self.text, &named, self.eh_frame.start, tables);
            // The last one is gone before the new one is there: gdb would find every name twice.
            self.gdb = None;
            self.gdb = Some(announce::gdb::Registration::new(image));
        }
        match perf {
            PerfMode::Off => Ok(()),
            PerfMode::Map => announce::perf_map::write(&named),
            PerfMode::JitDump => {
                announce::jitdump::write(self.machine, &named, |f| self.bytes(f.address..f.address + f.size))
            }
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Code");
        f.field("machine", &self.machine)
            .field("range", &self.text)
            .field("functions", &self.functions.len());
        f.finish_non_exhaustive()
    }
}

fn functions(plan: &Plan<'_>, base: u64) -> Vec<Function> {
    let mut functions = Vec::new();
    for (object, input) in plan.inputs.iter().enumerate() {
        for (index, symbol) in input.symbols.iter().enumerate().filter(|(_, s)| s.is_function) {
            let definition = plan.definition(object, index);
            let own = matches!(definition, Definition::Section { object: o, .. } if o == object);
            let Some(address) = plan.address(definition, base).filter(|_| own) else { continue };
            let name = String::from_utf8_lossy(symbol.name).into_owned();
            functions.push(Function { name, address: address as usize, size: symbol.size as usize });
        }
    }
    functions.sort_by_key(|f| f.address);
    functions
}

fn stubs(plan: &Plan<'_>, base: u64) -> Vec<Function> {
    let name = |target: Option<&str>| target.map_or_else(|| "veneer".into(), |name| format!("{name}@plt"));
    let stubs = plan.stubs().map(|(target, place)| Function {
        name: name(target),
        address: (base + place) as usize,
        size: STUB,
    });
    let mut stubs: Vec<_> = stubs.collect();
    stubs.sort_by_key(|f| f.address);
    stubs
}

fn sections(plan: &Plan<'_>, base: u64) -> Vec<LoadedSection> {
    let mut sections = Vec::new();
    for (object, input) in plan.inputs.iter().enumerate() {
        for (index, section) in input.sections.iter().enumerate() {
            let Some(place) = plan.place(object, index) else { continue };
            sections.push(LoadedSection {
                object: Some(object),
                name: section.name.clone().into_owned(),
                address: (base + place) as usize,
                size: section.size as usize,
            });
        }
    }
    let got = &plan.layout.got;
    let (address, size) = ((base + got.start) as usize, (got.end - got.start) as usize);
    sections.push(LoadedSection { object: None, name: ".got".into(), address, size });
    sections.sort_by_key(|s| s.address);
    sections
}
