//! Relocations against another linker's: for each machine, LLVM's linker puts the same objects at the same addresses, and
//! every byte must be the same.

mod common;

use common::{compile, run};
use object::read::elf::{FileHeader, SectionHeader};
use std::fmt::Write;
use std::process::Command;
use wayfarer_loader::{Code, LoadedSection, Machine};

/// The functions of the runtime that the objects name, with the addresses that the loader has for them. (Some have two:
/// there is a `floor` in Rust's own libraries, and one in the C library.)
fn externals() -> Vec<(String, usize)> {
    let host = Machine::host().unwrap();
    let objects = ["calls.c", "other.c", "pads.ll"].map(|name| compile(host, name, &[]));
    let code = Code::load(&[&objects[0], &objects[1], &objects[2]]).unwrap();
    let word = |address: usize| {
        // SAFETY: stubs and the section below have an address at these places.
        unsafe { (address as *const usize).read() }
    };
    let stubs =
        code.stubs().map(|s| (s.name.trim_end_matches("@plt").to_owned(), word(s.address + s.size - 8)));
    let mut externals: Vec<_> = stubs.collect();
    let personality = code.sections().find(|s| s.name.starts_with(".data.DW.ref.")).unwrap();
    externals.push(("__gcc_personality_v0".into(), word(personality.address)));
    assert_eq!(externals.len(), 5, "{externals:x?}");
    externals
}

/// Words that LLVM's linker reserves at the start of `.got`.
fn reserved(machine: Machine) -> usize {
    match machine {
        Machine::S390x => 3,
        Machine::Riscv64 => 1,
        _ => 0,
    }
}

/// Links `objects` where `code` has them. Returns the linked file.
fn link(machine: Machine, objects: &[Vec<u8>], code: &Code, externals: &[(String, usize)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    // A segment of its own for `.got`: with the words that are reserved in front it overlaps what is before it, which
    // it must not do in the file.
    let mut script = String::from("PHDRS { a PT_LOAD; b PT_LOAD; c PT_LOAD; }\nSECTIONS {\n");
    let mut segment = "a";
    let mut command = Command::new("ld.lld-19");
    for (i, object) in objects.iter().enumerate() {
        let path = dir.path().join(format!("{i}.o"));
        std::fs::write(&path, object).unwrap();
        // Under its own name the linker would take it apart.
        run(Command::new("llvm-objcopy-19").args(["--rename-section", ".eh_frame=.tables"]).arg(&path));
        command.arg(path);
    }
    for (i, section) in code.sections().enumerate() {
        let (name, address) = (&section.name, section.address);
        match section.object {
            Some(object) => {
                let name = if name == ".eh_frame" { ".tables" } else { name };
                let file = dir.path().join(format!("{object}.o"));
                writeln!(script, ".s{i} {address:#x} : {{ {}({name}) }} :{segment}", file.display()).unwrap();
            }
            None => {
                let address = address - 8 * reserved(machine);
                writeln!(script, ".s{i} {address:#x} : {{ *(.got) }} :b").unwrap();
                segment = "c";
            }
        }
    }
    script.push_str("/DISCARD/ : { *(.comment) *(.note*) *(.llvm_addrsig) *(.riscv.attributes) }\n}\n");
    let script_path = dir.path().join("script");
    std::fs::write(&script_path, script).unwrap();
    for (name, address) in externals {
        // Calls go by our stub, which is near; the linker would have to make one of its own.
        let stub = code.stubs().find(|s| s.name == format!("{name}@plt"));
        command.arg(format!("--defsym={name}={:#x}", stub.map_or(*address, |s| s.address)));
    }
    let out = dir.path().join("out");
    command.args([
        "-O0",
        "--no-relax",
        "--no-check-sections",
        "--build-id=none",
        "-z",
        "norelro",
        "-e",
        "0",
        "-T",
    ]);
    run(command.arg(script_path).arg("-o").arg(&out));
    std::fs::read(out).unwrap()
}

/// The bytes of a section of a linked file; none if it has no such section or it is all zero.
fn section<'f>(file: &'f [u8], name: &str) -> &'f [u8] {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(file).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, file).unwrap();
    let found = sections.section_by_name(endian, name.as_bytes());
    found.map_or(&[], |(_, s)| s.data(endian, file).unwrap())
}

/// What is in memory.
fn loaded(section: &LoadedSection) -> &[u8] {
    // SAFETY: the section's code is alive: `section` is borrowed from it.
    unsafe { std::slice::from_raw_parts(section.address as *const u8, section.size) }
}

/// Compares what the compiler makes.
fn compare(machine: Machine, options: &[&str]) {
    // What is written in LLVM's language is not for clang's options.
    let objects = [
        compile(machine, "calls.c", options),
        compile(machine, "other.c", options),
        compile(machine, "pads.ll", &[]),
        compile(machine, "more_pads.ll", &[]),
    ];
    let compared = compare_objects(machine, &format!("{machine} {options:?}"), &objects);
    assert!(compared > 1500, "{machine} {options:?}: {compared} bytes");
}

/// Compares objects with one of each relocation, of which a compiler needs some hardly ever.
fn compare_every(machine: Machine, options: &[&str], kinds: &[&str]) {
    let name = format!("every-{machine}.s");
    let objects = [compile(machine, &name, options), compile(machine, "absolute.s", options)];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("every.o");
    std::fs::write(&path, &objects[0]).unwrap();
    let listed = run(Command::new("llvm-readobj-19").arg("-r").arg(path));
    for kind in kinds {
        assert!(listed.contains(&format!(" {kind} ")), "{name} has no {kind}");
    }
    compare_objects(machine, &name, &objects);
}

/// Loads objects, links them with LLVM's linker, compares all bytes of all sections. Returns how many there were.
fn compare_objects(machine: Machine, what: &str, objects: &[Vec<u8>]) -> usize {
    let slices: Vec<&[u8]> = objects.iter().map(|o| &o[..]).collect();
    let code = Code::load_for(machine, &slices).unwrap();
    let externals = externals();
    let linked = link(machine, objects, &code, &externals);
    let mut compared = 0;
    for (i, at) in code.sections().enumerate() {
        let ours = loaded(at);
        let theirs = section(&linked, &format!(".s{i}"));
        if at.object.is_none() {
            compare_got(machine, &code, &externals, ours, theirs.get(8 * reserved(machine)..).unwrap_or(&[]));
            continue;
        }
        // Of what is only zeros a file has no bytes.
        let theirs = if theirs.is_empty() { vec![0; ours.len()] } else { theirs.to_vec() };
        if let Some(first) = ours.iter().zip(&theirs).position(|(a, b)| a != b) {
            let near = first & !7..(first + 8).min(ours.len());
            panic!(
                "{what}: {at:?} +{first:#x}: {:02x?}, expected {:02x?}",
                &ours[near.clone()],
                &theirs[near]
            );
        }
        assert_eq!(ours.len(), theirs.len(), "{what}: {at:?}");
        compared += ours.len();
    }
    println!("{what}: {compared} bytes are the same");
    compared
}

/// The words with addresses. Theirs lead to our stubs where ours lead to the functions themselves.
fn compare_got(machine: Machine, code: &Code, externals: &[(String, usize)], ours: &[u8], theirs: &[u8]) {
    let words = |bytes: &[u8]| -> Vec<usize> {
        let word = |w: &[u8]| match machine {
            Machine::S390x => u64::from_be_bytes(w.try_into().unwrap()) as usize,
            _ => u64::from_le_bytes(w.try_into().unwrap()) as usize,
        };
        bytes.chunks(8).map(word).collect()
    };
    let direct = |address: usize| {
        let name = code.stubs().find(|s| s.address == address).map(|s| s.name.trim_end_matches("@plt"));
        externals.iter().find(|(n, _)| Some(&**n) == name).map_or(address, |(_, address)| *address)
    };
    let theirs: Vec<usize> = words(theirs).into_iter().map(direct).collect();
    assert_eq!(words(ours), theirs, "{machine}");
}

const OPTIONS: [&[&str]; 5] = [
    &[],
    &["-O0"],
    &["-fno-plt"],
    &["-ffunction-sections", "-fdata-sections"],
    // Symbols that others might replace: everything goes by words with addresses.
    &["-fvisibility=default"],
];

#[test]
fn x86_64() {
    compare_every(
        Machine::X86_64,
        &[],
        &[
            "R_X86_64_16",
            "R_X86_64_32",
            "R_X86_64_32S",
            "R_X86_64_64",
            "R_X86_64_8",
            "R_X86_64_GOTPCREL",
            "R_X86_64_GOTPCRELX",
            "R_X86_64_PC16",
            "R_X86_64_PC32",
            "R_X86_64_PC64",
            "R_X86_64_PC8",
            "R_X86_64_PLT32",
            "R_X86_64_REX_GOTPCRELX",
        ],
    );
    OPTIONS.iter().for_each(|options| compare(Machine::X86_64, options));
}

#[test]
fn aarch64() {
    compare_every(
        Machine::Aarch64,
        &[],
        &[
            "R_AARCH64_ABS16",
            "R_AARCH64_ABS32",
            "R_AARCH64_ABS64",
            "R_AARCH64_ADD_ABS_LO12_NC",
            "R_AARCH64_ADR_GOT_PAGE",
            "R_AARCH64_ADR_PREL_LO21",
            "R_AARCH64_ADR_PREL_PG_HI21",
            "R_AARCH64_ADR_PREL_PG_HI21_NC",
            "R_AARCH64_CALL26",
            "R_AARCH64_CONDBR19",
            "R_AARCH64_GOTPCREL32",
            "R_AARCH64_GOT_LD_PREL19",
            "R_AARCH64_JUMP26",
            "R_AARCH64_LD64_GOT_LO12_NC",
            "R_AARCH64_LDST128_ABS_LO12_NC",
            "R_AARCH64_LDST16_ABS_LO12_NC",
            "R_AARCH64_LDST32_ABS_LO12_NC",
            "R_AARCH64_LDST64_ABS_LO12_NC",
            "R_AARCH64_LDST8_ABS_LO12_NC",
            "R_AARCH64_LD_PREL_LO19",
            "R_AARCH64_PLT32",
            "R_AARCH64_PREL16",
            "R_AARCH64_PREL32",
            "R_AARCH64_PREL64",
            "R_AARCH64_TSTBR14",
        ],
    );
    OPTIONS.iter().for_each(|options| compare(Machine::Aarch64, options));
}

#[test]
fn riscv64() {
    compare_every(
        Machine::Riscv64,
        &["-march=rv64gc"],
        &[
            "R_RISCV_32",
            "R_RISCV_32_PCREL",
            "R_RISCV_64",
            "R_RISCV_ADD16",
            "R_RISCV_ADD32",
            "R_RISCV_ADD64",
            "R_RISCV_ADD8",
            "R_RISCV_ALIGN",
            "R_RISCV_BRANCH",
            "R_RISCV_CALL_PLT",
            "R_RISCV_GOT32_PCREL",
            "R_RISCV_GOT_HI20",
            "R_RISCV_JAL",
            "R_RISCV_PCREL_HI20",
            "R_RISCV_PCREL_LO12_I",
            "R_RISCV_PCREL_LO12_S",
            "R_RISCV_PLT32",
            "R_RISCV_RELAX",
            "R_RISCV_RVC_BRANCH",
            "R_RISCV_RVC_JUMP",
            "R_RISCV_SET16",
            "R_RISCV_SET6",
            "R_RISCV_SET8",
            "R_RISCV_SET_ULEB128",
            "R_RISCV_SUB16",
            "R_RISCV_SUB32",
            "R_RISCV_SUB6",
            "R_RISCV_SUB64",
            "R_RISCV_SUB8",
            "R_RISCV_SUB_ULEB128",
        ],
    );
    OPTIONS.iter().for_each(|options| compare(Machine::Riscv64, options));
    compare(Machine::Riscv64, &["-mno-relax"]);
    compare(Machine::Riscv64, &["-march=rv64g", "-mabi=lp64d"]);
}

#[test]
fn s390x() {
    compare_every(
        Machine::S390x,
        &["-march=zEC12"],
        &[
            "R_390_16",
            "R_390_32",
            "R_390_64",
            "R_390_8",
            "R_390_GOTENT",
            "R_390_PC12DBL",
            "R_390_PC16",
            "R_390_PC16DBL",
            "R_390_PC24DBL",
            "R_390_PC32",
            "R_390_PC32DBL",
            "R_390_PC64",
            "R_390_PLT12DBL",
            "R_390_PLT16DBL",
            "R_390_PLT24DBL",
            "R_390_PLT32DBL",
        ],
    );
    OPTIONS.iter().for_each(|options| compare(Machine::S390x, options));
    compare(Machine::S390x, &["-march=z13"]);
}
