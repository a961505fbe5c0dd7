//! What an object file says, checked as far as one file can be checked alone.

use crate::{LoadError, Machine};
use object::elf::{self, FileHeader64, Rela64};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, SectionIndex, SymbolIndex};
use std::borrow::Cow;

/// A relocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    /// Where in the section.
    pub(crate) offset: u64,
    pub(crate) kind: elf::RelocationType,
    /// Index of the symbol, which may not exist.
    pub(crate) symbol: usize,
    pub(crate) addend: i64,
}

/// The alignment every mapping has; no section may ask for more.
pub(crate) const MAX_ALIGN: u64 = 4096;

/// An object file.
pub(crate) struct Input<'a> {
    endian: Endianness,
    /// By their ELF index.
    pub(crate) sections: Vec<Section<'a>>,
    /// By their ELF index.
    pub(crate) symbols: Vec<Symbol<'a>>,
    /// Sections of which one copy is kept among all objects.
    pub(crate) comdats: Vec<Comdat<'a>>,
}

/// A section of an object file.
pub(crate) struct Section<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Where it goes; `None` if it is not loaded.
    pub(crate) part: Option<Part>,
    pub(crate) align: u64,
    /// Size in memory.
    pub(crate) size: u64,
    /// `size` bytes, or none if all of them are zero.
    pub(crate) data: &'a [u8],
    /// As they are in the file.
    pub(crate) relocations: &'a [Rela64<Endianness>],
}

/// Parts of the image. In memory they are in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    /// Code that runs.
    Text,
    /// Code that hardly ever runs.
    ColdText,
    /// Constants, landing pad tables.
    ReadOnly,
    /// Unwind tables.
    EhFrame,
    /// Constants that relocations write addresses into.
    RelocatedReadOnly,
    /// Variables.
    Data,
    /// Variables that are zero at first.
    Zero,
}

/// A symbol of an object file.
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) binding: Binding,
    pub(crate) place: Place,
    /// Offset in its section, or an absolute value.
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) is_function: bool,
    pub(crate) is_section: bool,
}

/// Who sees a symbol, and what gives way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binding {
    Local,
    Global,
    /// Gives way to a global one, and to another weak one that came first.
    Weak,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Undefined,
    Absolute,
    /// In the section with this index, which exists.
    Section(usize),
}

/// A group of sections that other objects may have as well.
pub(crate) struct Comdat<'a> {
    pub(crate) signature: &'a [u8],
    pub(crate) members: Vec<usize>,
}

impl<'a> Input<'a> {
    /// Reads object number `object`.
    pub(crate) fn parse(machine: Machine, object: usize, data: &'a [u8]) -> Result<Input<'a>, LoadError> {
        let bad = |why: String| LoadError::Malformed { object, why };
        let err = |e: object::read::Error| bad(e.to_string());
        let unsupported = |what: String| LoadError::Unsupported { object, what };

        let header = FileHeader64::<Endianness>::parse(data).map_err(err)?;
        let endian = header.endian().map_err(err)?;
        if header.e_machine(endian) != machine.elf() {
            let found = header.e_machine(endian).0;
            return Err(LoadError::Machine { object, expected: machine, found });
        }
        let big = endian == Endianness::Big;
        if big != (machine == Machine::S390x) || header.e_type(endian) != elf::ET_REL {
            return Err(bad("not a relocatable file of this machine's byte order".into()));
        }
        let table = header.sections(endian, data).map_err(err)?;
        let mut sections = Vec::with_capacity(table.len());
        for section in table.iter() {
            let name = String::from_utf8_lossy(table.section_name(endian, section).map_err(err)?);
            let part = part(endian, section, &name).map_err(|what| unsupported(format!("{what} {name}")))?;
            let align = section.sh_addralign(endian).max(1);
            let size = section.sh_size(endian);
            if part.is_some() && (!align.is_power_of_two() || align > MAX_ALIGN) {
                return Err(unsupported(format!("a section aligned to {align}, {name}")));
            }
            let data = if part.is_some() { section.data(endian, data).map_err(err)? } else { &[] };
            sections.push(Section { name, part, align, size, data, relocations: &[] });
        }
        for section in table.iter() {
            let target = section.sh_info(endian) as usize;
            let applies = sections.get(target).is_some_and(|s| s.part.is_some());
            match section.sh_type(endian) {
                elf::SHT_RELA => {
                    let (relocations, _) =
                        section.rela(endian, data).map_err(err)?.unwrap_or((&[], SectionIndex(0)));
                    let Some(target) = sections.get_mut(target) else {
                        return Err(bad("relocations of a section that does not exist".into()));
                    };
                    if !target.relocations.is_empty() {
                        return Err(bad(format!("relocations of section {} are in two places", target.name)));
                    }
                    if applies {
                        target.relocations = relocations;
                    }
                }
                elf::SHT_REL | elf::SHT_CREL | elf::SHT_RELR if applies => {
                    return Err(unsupported("relocations without addends, or packed ones".into()));
                }
                _ => {}
            }
        }

        let table_of_symbols = table.symbols(endian, data, elf::SHT_SYMTAB).map_err(err)?;
        let mut symbols = Vec::with_capacity(table_of_symbols.len());
        for (index, symbol) in table_of_symbols.enumerate() {
            let name = table_of_symbols.symbol_name(endian, symbol).map_err(err)?;
            let shown = || String::from_utf8_lossy(name).into_owned();
            let binding = match symbol.st_bind() {
                elf::STB_LOCAL => Binding::Local,
                elf::STB_GLOBAL => Binding::Global,
                elf::STB_WEAK => Binding::Weak,
                other => return Err(unsupported(format!("symbol {} of binding {}", shown(), other.0))),
            };
            let kind = symbol.st_type();
            let value = symbol.st_value(endian);
            let size = symbol.st_size(endian);
            let place = match symbol.st_shndx(endian) {
                elf::SHN_UNDEF => Place::Undefined,
                elf::SHN_ABS => Place::Absolute,
                elf::SHN_COMMON => return Err(unsupported(format!("the common symbol {}", shown()))),
                _ => {
                    let section = table_of_symbols.symbol_section(endian, symbol, index).map_err(err)?;
                    let Some(SectionIndex(section)) = section else {
                        return Err(unsupported(format!("symbol {} in a special section", shown())));
                    };
                    let Some(owner) = sections.get(section) else {
                        return Err(bad(format!("symbol {} is in a section that does not exist", shown())));
                    };
                    // A label may stand at a section's end.
                    let inside = value.checked_add(size).is_some_and(|end| end <= owner.size);
                    if owner.part.is_some() && !inside {
                        return Err(bad(format!("symbol {} reaches out of {}", shown(), owner.name)));
                    }
                    if owner.part.is_some() && matches!(kind, elf::STT_TLS | elf::STT_GNU_IFUNC) {
                        return Err(unsupported(format!("symbol {} of type {}", shown(), kind.0)));
                    }
                    Place::Section(section)
                }
            };
            let is_function = kind == elf::STT_FUNC;
            let is_section = kind == elf::STT_SECTION;
            symbols.push(Symbol { name, binding, place, value, size, is_function, is_section });
        }

        let mut comdats = Vec::new();
        for section in table.iter() {
            let Some((flags, members)) = section.group(endian, data).map_err(err)? else { continue };
            if flags.0 & elf::GRP_COMDAT.0 == 0 {
                continue;
            }
            let signature = SymbolIndex(section.sh_info(endian) as usize);
            let Some(signature) = symbols.get(signature.0) else {
                return Err(bad("a group of sections has no symbol".into()));
            };
            if signature.name.is_empty() {
                return Err(unsupported("a group of sections without a name".into()));
            }
            let members = members.iter().map(|m| m.get(endian) as usize).collect();
            comdats.push(Comdat { signature: signature.name, members });
        }
        Ok(Input { endian, sections, symbols, comdats })
    }

    /// A relocation of a section; both exist.
    pub(crate) fn relocation(&self, section: usize, index: usize) -> Relocation {
        let relocation = &self.sections[section].relocations[index];
        Relocation {
            offset: relocation.r_offset.get(self.endian),
            kind: relocation.r_type(self.endian, false),
            symbol: relocation.r_sym(self.endian, false) as usize,
            addend: relocation.r_addend.get(self.endian),
        }
    }

    /// What to call a symbol in an error.
    pub(crate) fn symbol_name(&self, index: usize) -> String {
        match self.symbols.get(index) {
            Some(Symbol { is_section: true, place: Place::Section(section), .. }) => {
                self.sections[*section].name.clone().into_owned()
            }
            Some(symbol) => String::from_utf8_lossy(symbol.name).into_owned(),
            None => format!("number {index}"),
        }
    }
}

/// Where a section goes. The error says what is wrong with it.
fn part(
    endian: Endianness,
    section: &elf::SectionHeader64<Endianness>,
    name: &str,
) -> Result<Option<Part>, &'static str> {
    let flags = section.sh_flags(endian).0;
    let has = |flag: elf::SectionFlags| flags & flag.0 != 0;
    let kind = section.sh_type(endian);
    // Notes are for linkers and debuggers.
    if !has(elf::SHF_ALLOC) || kind == elf::SHT_NOTE {
        return Ok(None);
    }
    if has(elf::SHF_TLS) {
        return Err("the thread-local section");
    }
    if has(elf::SHF_COMPRESSED) {
        return Err("the compressed section");
    }
    let writable = has(elf::SHF_WRITE);
    match (kind, has(elf::SHF_EXECINSTR)) {
        (elf::SHT_NOBITS, false) if writable => Ok(Some(Part::Zero)),
        (elf::SHT_PROGBITS, true) if !writable => {
            let cold = [".text.split.", ".text.unlikely"].iter().any(|cold| name.starts_with(cold));
            Ok(Some(if cold { Part::ColdText } else { Part::Text }))
        }
        (_, false) if name == ".eh_frame" && is_unwind(kind) => Ok(Some(Part::EhFrame)),
        (elf::SHT_PROGBITS, false) if !writable => Ok(Some(Part::ReadOnly)),
        (elf::SHT_PROGBITS, false) => {
            // References to the personality function are made by the compiler, which does not write to them.
            let constant = [".data.rel.ro", ".data.DW.ref."].iter().any(|c| name.starts_with(c));
            Ok(Some(if constant { Part::RelocatedReadOnly } else { Part::Data }))
        }
        _ => Err("a section of a kind that is not loaded,"),
    }
}

/// Whether unwind tables come in sections of this type.
fn is_unwind(kind: elf::SectionType) -> bool {
    kind == elf::SHT_PROGBITS || kind == elf::SHT_X86_64_UNWIND
}
