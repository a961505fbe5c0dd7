//! An ELF file that says where functions are, for debuggers. It has their names and unwind tables, not their code: that
//! they read from memory.

use crate::{Function, Machine};
use object::elf;
use std::ops::Range;

/// Section numbers.
const TEXT: u16 = 1;
const STRTAB: u16 = 4;
const SHSTRTAB: u16 = 5;
const SECTIONS: u16 = 6;
const SECTION_NAMES: &[u8] = b"\0.text\0.eh_frame\0.symtab\0.strtab\0.shstrtab\0";

/// The file for functions in `text`, with unwind tables that are at `tables_at` in memory. In this machine's byte order.
pub(crate) fn image(
    machine: Machine,
    text: &Range<usize>,
    functions: &[Function],
    tables_at: usize,
    tables: &[u8],
) -> Vec<u8> {
    let mut strings = vec![0];
    let mut symbols = vec![0; size_of::<elf::Sym64<object::Endianness>>()];
    for f in functions {
        let info = elf::STB_GLOBAL.0 << 4 | elf::STT_FUNC.0;
        symbols.extend_from_slice(&(strings.len() as u32).to_ne_bytes());
        symbols.extend_from_slice(&[info, 0]);
        symbols.extend_from_slice(&TEXT.to_ne_bytes());
        symbols.extend_from_slice(&(f.address as u64).to_ne_bytes());
        symbols.extend_from_slice(&(f.size as u64).to_ne_bytes());
        strings.extend(f.name.bytes().map(|b| if b == 0 { b'?' } else { b }));
        strings.push(0);
    }

    let mut out = vec![0; 64];
    let mut headers = vec![0; 64];
    let mut section = |name: &[u8], kind: elf::SectionType, flags: u64, address: usize, data: &[u8], size| {
        out.resize(out.len().next_multiple_of(8), 0);
        let name = SECTION_NAMES.windows(name.len()).position(|w| w == name).expect("a name of the list");
        let is_symbols = kind == elf::SHT_SYMTAB;
        headers.extend_from_slice(&(name as u32).to_ne_bytes());
        headers.extend_from_slice(&kind.0.to_ne_bytes());
        // Flags, address, place in the file, size.
        for word in [flags, address as u64, out.len() as u64, size as u64] {
            headers.extend_from_slice(&word.to_ne_bytes());
        }
        // The names of the symbols; how many of them are local.
        let (link, info) = if is_symbols { (u32::from(STRTAB), 1u32) } else { (0, 0) };
        headers.extend_from_slice(&link.to_ne_bytes());
        headers.extend_from_slice(&info.to_ne_bytes());
        for word in [8, if is_symbols { 24u64 } else { 0 }] {
            headers.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(data);
    };
    let alloc = elf::SHF_ALLOC.0;
    let code = alloc | elf::SHF_EXECINSTR.0;
    section(b".text\0", elf::SHT_NOBITS, code, text.start, &[], text.len());
    section(b".eh_frame\0", elf::SHT_PROGBITS, alloc, tables_at, tables, tables.len());
    section(b".symtab\0", elf::SHT_SYMTAB, 0, 0, &symbols, symbols.len());
    section(b".strtab\0", elf::SHT_STRTAB, 0, 0, &strings, strings.len());
    section(b".shstrtab\0", elf::SHT_STRTAB, 0, 0, SECTION_NAMES, SECTION_NAMES.len());
    out.resize(out.len().next_multiple_of(8), 0);
    let headers_at = out.len() as u64;
    out.extend_from_slice(&headers);

    let order = if cfg!(target_endian = "big") { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
    let mut header = elf::ELFMAG.to_vec();
    header.extend_from_slice(&[elf::ELFCLASS64.0, order.0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend_from_slice(&elf::ET_EXEC.0.to_ne_bytes());
    header.extend_from_slice(&machine.elf().0.to_ne_bytes());
    header.extend_from_slice(&1u32.to_ne_bytes());
    for word in [0, 0, headers_at] {
        header.extend_from_slice(&word.to_ne_bytes());
    }
    header.extend_from_slice(&0u32.to_ne_bytes());
    for half in [64, 0, 0, 64, SECTIONS, SHSTRTAB] {
        header.extend_from_slice(&half.to_ne_bytes());
    }
    out[..64].copy_from_slice(&header);
    out
}
