//! Objects to one image: where everything goes, what is patched with what.

use crate::input::{Binding, Input, Part, Relocation};
use crate::machine::{Fixup, Patch, Reach, STUB, Use};
use crate::symbols::{Definition, definitions, drop_second_copies, globals};
use crate::{Fault, LoadError, Machine};
use std::collections::HashMap;
use std::ops::Range;

/// Code and data must be within reach of each other by signed 32-bit distances.
const MAX_SIZE: u64 = 0x7f00_0000;

/// A place that is yet to be decided.
const UNPLACED: u64 = u64::MAX;

/// Objects put together; offsets are in bytes from the image's start.
pub(crate) struct Plan<'a> {
    machine: Machine,
    pub(crate) inputs: Vec<Input<'a>>,
    /// By object and symbol index.
    definitions: Vec<Vec<Definition>>,
    /// By name: symbols that are not local.
    pub(crate) globals: HashMap<&'a [u8], Definition>,
    /// By object and section index; meaningless for sections that are not loaded.
    places: Vec<Vec<u64>>,
    /// By object and section index: the group of text whose stubs are near.
    groups: Vec<Vec<usize>>,
    islands: Vec<Island>,
    got: HashMap<Definition, u64>,
    reach: Reach,
    pub(crate) layout: Layout,
}

/// Where the parts of the image are.
#[derive(Clone, Default, Debug)]
pub(crate) struct Layout {
    /// Code and stubs.
    pub(crate) text: Range<u64>,
    /// Everything that is constant once relocations are applied.
    pub(crate) read_only: Range<u64>,
    /// Unwind tables, with the zero that ends them.
    pub(crate) eh_frame: Range<u64>,
    /// Words with addresses.
    pub(crate) got: Range<u64>,
    /// Variables.
    pub(crate) data: Range<u64>,
    /// Size of the whole.
    pub(crate) size: u64,
}

/// Jumps to what code near by cannot reach.
#[derive(Default)]
struct Island {
    start: u64,
    /// The number of each target's stub.
    stubs: HashMap<Definition, u64>,
}

impl Island {
    fn add(&mut self, target: Definition) {
        let next = self.stubs.len() as u64;
        self.stubs.entry(target).or_insert(next);
    }

    fn stub(&self, target: Definition) -> Option<u64> {
        Some(self.start + self.stubs.get(&target)? * STUB as u64)
    }

    fn size(&self) -> u64 {
        (self.stubs.len() * STUB) as u64
    }
}

impl<'a> Plan<'a> {
    /// Decides everything but the address. `page` is the size of the machine's pages, or a multiple.
    pub(crate) fn new(
        machine: Machine,
        objects: &[&'a [u8]],
        page: u64,
        reach: Reach,
    ) -> Result<Plan<'a>, LoadError> {
        if objects.is_empty() {
            return Err(LoadError::Empty);
        }
        let inputs = objects.iter().enumerate().map(|(i, data)| Input::parse(machine, i, data));
        let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        drop_second_copies(&mut inputs)?;
        let globals = globals(&inputs)?;
        let definitions =
            (0..inputs.len()).map(|object| definitions(&inputs[object], object, &globals)).collect();
        let per_section = |i: &Input<'_>| vec![0; i.sections.len()];
        let places = inputs.iter().map(per_section).collect();
        let groups = inputs.iter().map(|i| vec![0; i.sections.len()]).collect();
        let mut plan = Plan {
            machine,
            inputs,
            definitions,
            globals,
            places,
            groups,
            islands: Vec::new(),
            got: HashMap::new(),
            reach,
            layout: Layout::default(),
        };
        let order = plan.order();
        plan.group_text(&order)?;
        plan.collect_indirections()?;
        plan.lay_out(&order, page)?;
        Ok(plan)
    }

    /// All sections that are loaded, `(object, section)`, in the order they have in memory.
    fn order(&self) -> Vec<(usize, usize)> {
        let sections = self.inputs.iter().enumerate().flat_map(|(object, input)| {
            let loaded = input.sections.iter().enumerate().filter(|(_, s)| s.part.is_some());
            loaded.map(move |(section, _)| (object, section))
        });
        let mut order: Vec<_> = sections.collect();
        order.sort_by_key(|&(object, section)| self.inputs[object].sections[section].part);
        order
    }

    fn is_text(&self, object: usize, section: usize) -> bool {
        matches!(self.inputs[object].sections[section].part, Some(Part::Text | Part::ColdText))
    }

    /// Divides the text, so that stubs can be put within reach of the calls that need them.
    fn group_text(&mut self, order: &[(usize, usize)]) -> Result<(), LoadError> {
        let mut size = 0u64;
        for &(object, section) in order {
            let s = &self.inputs[object].sections[section];
            let needed = s.size.saturating_add(s.align);
            if needed > MAX_SIZE {
                return Err(LoadError::TooLarge { size: needed });
            }
            if self.is_text(object, section) {
                let full = size > 0 && size.saturating_add(needed) > self.reach.group;
                if full || self.islands.is_empty() {
                    self.islands.push(Island::default());
                    size = 0;
                }
                size = size.saturating_add(needed);
            }
            // Data uses the stubs of the text's last part, which is next to it.
            self.groups[object][section] = self.islands.len().saturating_sub(1);
        }
        if self.islands.is_empty() {
            self.islands.push(Island::default());
        }
        Ok(())
    }

    /// Finds which stubs and which words with addresses there have to be.
    fn collect_indirections(&mut self) -> Result<(), LoadError> {
        for object in 0..self.inputs.len() {
            for section in 0..self.inputs[object].sections.len() {
                for index in 0..self.inputs[object].sections[section].relocations.len() {
                    let Some((needs, definition, addend)) = self.look_up(object, section, index)? else {
                        continue;
                    };
                    let group = self.groups[object][section];
                    match (needs, definition) {
                        (Use::Got, _) => {
                            self.got.insert(definition, UNPLACED);
                        }
                        (Use::Near | Use::Branch, Definition::External(_)) => {
                            self.islands[group].add(definition);
                        }
                        (Use::Branch, Definition::Section { object, section, offset })
                            if self.groups[object][section] != group =>
                        {
                            let offset = self.branch_target(offset, addend);
                            self.islands[group].add(Definition::Section { object, section, offset });
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a branch to `offset` of a section leads.
    fn branch_target(&self, offset: u64, addend: i64) -> u64 {
        offset.wrapping_add_signed(addend.wrapping_add(self.machine.branch_bias()))
    }

    /// What a relocation refers to; `None` if that does not matter.
    fn look_up(
        &self,
        object: usize,
        section: usize,
        index: usize,
    ) -> Result<Option<(Use, Definition, i64)>, LoadError> {
        let input = &self.inputs[object];
        let Relocation { kind, symbol, addend, .. } = input.relocation(section, index);
        let error = |why| self.relocation_error(object, section, index, why);
        let needs = self.machine.classify(kind).ok_or_else(|| error(Fault::Unsupported))?;
        if needs == Use::Nothing {
            return Ok(None);
        }
        let Some(&definition) = self.definitions[object].get(symbol) else {
            let why = format!("a relocation of section {} refers to symbol {symbol}", section);
            return Err(LoadError::Malformed { object, why });
        };
        match definition {
            Definition::Undefined => Err(LoadError::Undefined { symbol: input.symbol_name(symbol), object }),
            Definition::NotLoaded => Err(error(Fault::NotLoaded)),
            _ => Ok(Some((needs, definition, addend))),
        }
    }

    fn relocation_error(&self, object: usize, section: usize, index: usize, why: Fault) -> LoadError {
        let input = &self.inputs[object];
        let Relocation { offset, kind, symbol, .. } = input.relocation(section, index);
        LoadError::Relocation {
            object,
            section: input.sections[section].name.clone().into_owned(),
            offset,
            kind: self.machine.relocation_name(kind),
            symbol: input.symbol_name(symbol),
            why,
        }
    }

    fn lay_out(&mut self, order: &[(usize, usize)], page: u64) -> Result<(), LoadError> {
        let mut layout = Layout::default();
        let mut end = 0u64;
        // Cannot overflow: each step adds less than `MAX_SIZE`, and is followed by a look at the sum.
        let place = |end: &mut u64, size: u64, align: u64| {
            let start = end.next_multiple_of(align);
            *end = start + size;
            if *end > MAX_SIZE { Err(LoadError::TooLarge { size: *end }) } else { Ok(start) }
        };
        let mut rest = order.iter().copied().peekable();
        let mut island = 0;
        while let Some((object, section)) = rest.next_if(|&(o, s)| self.is_text(o, s)) {
            let group = self.groups[object][section];
            while island < group {
                self.islands[island].start = place(&mut end, self.islands[island].size(), 8)?;
                island += 1;
            }
            let s = &self.inputs[object].sections[section];
            self.places[object][section] = place(&mut end, s.size, s.align)?;
        }
        for island in &mut self.islands[island..] {
            island.start = place(&mut end, island.size(), 8)?;
        }
        layout.text = 0..place(&mut end, 0, page)?;

        let part_of = |plan: &Plan<'_>, (o, s): (usize, usize)| plan.inputs[o].sections[s].part;
        let start = end;
        for part in [Part::ReadOnly, Part::EhFrame, Part::RelocatedReadOnly] {
            if part == Part::EhFrame {
                layout.eh_frame = place(&mut end, 0, 8)?..0;
            }
            while let Some((object, section)) = rest.next_if(|&at| part_of(self, at) == Some(part)) {
                let s = &self.inputs[object].sections[section];
                // Unwind tables are read as one: there must be no gap, which would end them.
                let align = if part == Part::EhFrame { s.align.min(4) } else { s.align };
                self.places[object][section] = place(&mut end, s.size, align)?;
            }
            if part == Part::EhFrame {
                place(&mut end, 4, 1)?;
                layout.eh_frame.end = end;
            }
        }
        let got = place(&mut end, (self.got.len() * 8) as u64, 8)?;
        self.place_got(got);
        layout.got = got..end;
        layout.read_only = start..place(&mut end, 0, page)?;

        let start = end;
        for (object, section) in rest {
            let s = &self.inputs[object].sections[section];
            self.places[object][section] = place(&mut end, s.size, s.align)?;
        }
        layout.data = start..place(&mut end, 0, page)?;
        layout.size = end;
        self.layout = layout;
        Ok(())
    }

    /// Gives each word with an address its place, in the order of the symbol tables, local symbols last: LLVM's linker has
    /// the same order, so that the two can be compared.
    fn place_got(&mut self, start: u64) {
        let mut next = start;
        for local in [false, true] {
            for (input, definitions) in self.inputs.iter().zip(&self.definitions) {
                for (symbol, definition) in input.symbols.iter().zip(definitions) {
                    if (symbol.binding == Binding::Local) != local {
                        continue;
                    }
                    if let Some(slot) = self.got.get_mut(definition).filter(|slot| **slot == UNPLACED) {
                        *slot = next;
                        next += 8;
                    }
                }
            }
        }
    }

    /// What a symbol of an object is; the index is valid.
    pub(crate) fn definition(&self, object: usize, symbol: usize) -> Definition {
        self.definitions[object][symbol]
    }

    /// Where a section is in the image, if it is loaded.
    pub(crate) fn place(&self, object: usize, section: usize) -> Option<u64> {
        self.inputs[object].sections[section].part?;
        Some(self.places[object][section])
    }

    /// The address of a definition in an image at `base`; `None` if it has none.
    pub(crate) fn address(&self, definition: Definition, base: u64) -> Option<u64> {
        match definition {
            Definition::Section { object, section, offset } => {
                Some(base.wrapping_add(self.place(object, section)?).wrapping_add(offset))
            }
            Definition::Absolute(value) => Some(value),
            Definition::External(external) => Some(external.address()),
            Definition::NotLoaded | Definition::Undefined => None,
        }
    }

    /// All stubs: name of the target if it is a function of the runtime, place in the image.
    pub(crate) fn stubs(&self) -> impl Iterator<Item = (Option<&'static str>, u64)> {
        self.islands.iter().flat_map(|island| {
            island.stubs.keys().map(|&target| {
                let name = match target {
                    Definition::External(external) => Some(external.name()),
                    _ => None,
                };
                (name, island.stub(target).expect("a key"))
            })
        })
    }

    /// Writes the image that will run at `base` into `image`, zeros of `layout.size` bytes.
    pub(crate) fn write(&self, image: &mut [u8], base: u64) -> Result<(), LoadError> {
        let at = |offset: u64| offset as usize;
        if self.machine == Machine::X86_64 {
            // Between functions: a jump that went astray traps. Elsewhere zeros do that.
            image[at(self.layout.text.start)..at(self.layout.text.end)].fill(0xcc);
        }
        for island in &self.islands {
            for &target in island.stubs.keys() {
                let stub = at(island.stub(target).expect("a key"));
                let address = self.address(target, base).expect("stubs lead somewhere");
                image[stub..stub + STUB].copy_from_slice(&self.machine.stub(address));
            }
        }
        for (&definition, &slot) in &self.got {
            let address = self.address(definition, base).expect("found when it was collected");
            let bytes = match self.machine {
                Machine::S390x => address.to_be_bytes(),
                _ => address.to_le_bytes(),
            };
            image[at(slot)..at(slot) + 8].copy_from_slice(&bytes);
        }
        let mut fixups = Vec::new();
        for (object, input) in self.inputs.iter().enumerate() {
            for (index, section) in input.sections.iter().enumerate() {
                let Some(place) = self.place(object, index) else { continue };
                let bytes = &mut image[at(place)..at(place + section.size)];
                // What has no data is zero, and the image is.
                if !section.data.is_empty() {
                    bytes.copy_from_slice(section.data);
                }
                let address = base.wrapping_add(place);
                let indices = self.fixups(object, index, base, address, &mut fixups)?;
                self.machine
                    .apply(&fixups, &mut Patch { bytes, address })
                    .map_err(|(fixup, fault)| self.relocation_error(object, index, indices[fixup], fault))?;
            }
        }
        Ok(())
    }

    /// Looks up a section's relocations. Returns the index each had.
    fn fixups(
        &self,
        object: usize,
        section: usize,
        base: u64,
        address: u64,
        fixups: &mut Vec<Fixup>,
    ) -> Result<Vec<usize>, LoadError> {
        fixups.clear();
        let mut indices = Vec::new();
        let input = &self.inputs[object];
        let island = &self.islands[self.groups[object][section]];
        for index in 0..input.sections[section].relocations.len() {
            let Some((needs, definition, addend)) = self.look_up(object, section, index)? else { continue };
            let Relocation { offset, kind, .. } = input.relocation(section, index);
            let error = |why| self.relocation_error(object, section, index, why);
            let direct = self.address(definition, base).ok_or_else(|| error(Fault::NotLoaded))?;
            let indirect = match (needs, definition) {
                (Use::Got, _) => self.got.get(&definition).copied(),
                (Use::Near | Use::Branch, Definition::External(_)) => island.stub(definition),
                _ => None,
            };
            let mut value = match indirect {
                Some(place) => base.wrapping_add(place),
                None => direct,
            }
            .wrapping_add_signed(addend);
            if let (Use::Branch, Definition::Section { object, section, offset: target }) =
                (needs, definition)
            {
                let distance = value.wrapping_sub(address.wrapping_add(offset)).cast_signed();
                let target = self.branch_target(target, addend);
                let veneer = island.stub(Definition::Section { object, section, offset: target });
                if let Some(veneer) = veneer.filter(|_| distance.unsigned_abs() >= self.reach.branch) {
                    value =
                        base.wrapping_add(veneer).wrapping_sub(self.machine.branch_bias().cast_unsigned());
                }
            }
            fixups.push(Fixup { offset, kind, value, addend });
            indices.push(index);
        }
        Ok(indices)
    }
}
