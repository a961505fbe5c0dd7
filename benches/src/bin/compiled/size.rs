//! How much larger what can be stopped is: machine code of functions, hot (what runs as long as nobody asks for anything)
//! and cold (polls that found something, landing pads), tables for unwinding, continuations.

use crate::goal;
use crate::options::Options;
use object::{Object, ObjectSection, SectionFlags, elf};
use std::fmt;
use wayfarer_bench::engines::wayfarer::compiled::{checkpointable, plain};
use wayfarer_bench::programs::PROGRAMS;
use wayfarer_bench::statistics::geometric_mean;
use wayfarer_bench::{Error, artifacts};
use wayfarer_compiler::{Options as CompilerOptions, Output};

/// Sizes in bytes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sizes {
    pub(crate) hot: u64,
    pub(crate) cold: u64,
    /// What is neither, read-only or not: constants, tables for unwinding.
    pub(crate) data: u64,
}

impl Sizes {
    /// Of what is loaded of object files.
    pub(crate) fn of(objects: &[Vec<u8>]) -> Result<Sizes, Error> {
        let mut sizes = Sizes::default();
        for object in objects {
            for section in object::File::parse(object.as_slice())?.sections() {
                let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
                let name = section.name()?;
                if sh_flags.0 & elf::SHF_ALLOC.0 == 0 {
                    continue;
                }
                *match (sh_flags.0 & elf::SHF_EXECINSTR.0 != 0, is_cold(name)) {
                    (true, false) => &mut sizes.hot,
                    (true, true) => &mut sizes.cold,
                    (false, _) => &mut sizes.data,
                } += section.size();
            }
        }
        Ok(sizes)
    }
}

fn is_cold(section: &str) -> bool {
    [".text.split", ".text.unlikely", ".text.cold"].iter().any(|prefix| section.starts_with(prefix))
        || section.ends_with(".cold")
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hot, {} cold, {} tables and constants", self.hot, self.cold, self.data)
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let build = artifacts::programs()?;
    println!("\nsize: bytes of machine code, and relative to the same without checkpoints");
    println!(
        "{:16}{:>9}{:>9}{:>9}{:>8}{:>10}{:>9}{:>15}",
        "", "plain", "hot", "cold", "hot", "hot+cold", "tables", "continuations"
    );
    let (mut hot, mut all) = (Vec::new(), Vec::new());
    for program in PROGRAMS.iter().filter(|program| options.selects(program.name)) {
        let wasm = std::fs::read(build.join(program.name).with_extension("wasm"))?;
        let module = wayfarer_module::parse(wasm.as_slice().into())?;
        let compile = |options: &CompilerOptions| -> Result<Output, Error> {
            Ok(wayfarer_compiler::compile(&module, options, &|_, _| {})?)
        };
        let (with, without) = (compile(&checkpointable())?, compile(&plain())?);
        let (sizes, plain) = (Sizes::of(&with.code)?, Sizes::of(&without.code)?);
        let continuations = Sizes::of(&with.continuations)?;
        let plain_text = plain.hot + plain.cold;
        let ratios = [sizes.hot, sizes.hot + sizes.cold].map(|size| size as f64 / plain_text as f64);
        println!(
            "{:16}{plain_text:>9}{:>9}{:>9}{:>8.3}{:>10.3}{:>9}{:>15}",
            program.name,
            sizes.hot,
            sizes.cold,
            ratios[0],
            ratios[1],
            sizes.data,
            continuations.hot + continuations.cold + continuations.data
        );
        hot.push(ratios[0]);
        all.push(ratios[1]);
    }
    println!("hot and cold: {:.3} in the mean", geometric_mean(&all));
    println!("{}", goal::at_most("  hot, mean", geometric_mean(&hot), 1.35, ""));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn cold_is_what_compilers_call_so() {
        for (name, cold) in
            [(".text", false), (".text.split.f1", true), (".text.unlikely.", true), (".text.f1", false)]
        {
            assert_eq!(super::is_cold(name), cold, "{name}");
        }
    }
}
