//! Names of functions, for messages and call stacks.

use crate::module::{ExternKind, ImportType, Module};
use std::ops::Range;
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// What each function is called, by function index.
#[derive(Debug)]
pub(crate) struct FuncNames(Box<[FuncName]>);

#[derive(Clone, Debug)]
enum FuncName {
    None,
    /// Index into [`Module::imports`].
    Import(u32),
    /// Index into [`Module::exports`].
    Export(u32),
    /// In the name section: range of [`Module::bytes`].
    Bytes(Range<usize>),
}

impl Module {
    /// What function `index` is called: in the `name` custom section, else as an export, else (an imported one) the
    /// import's field name. A malformed name section counts as far as it can be read.
    pub fn func_name(&self, index: u32) -> Option<&str> {
        let names = self.func_names.get_or_init(|| FuncNames::new(self));
        match names.0.get(index as usize)? {
            FuncName::None => None,
            FuncName::Import(import) => Some(&self.imports[*import as usize].name),
            FuncName::Export(export) => Some(&self.exports[*export as usize].name),
            FuncName::Bytes(range) => str::from_utf8(&self.bytes[range.clone()]).ok(),
        }
    }
}

impl FuncNames {
    fn new(module: &Module) -> FuncNames {
        let mut names = vec![FuncName::None; module.funcs.len()];
        let imports = (0..).zip(&module.imports);
        let imported_funcs = imports.filter(|(_, import)| matches!(import.ty, ImportType::Func(_)));
        for (name, (import, _)) in names.iter_mut().zip(imported_funcs) {
            *name = FuncName::Import(import);
        }
        // Backward, so that the first of several exports stays.
        for (export, item) in module.exports.iter().enumerate().rev() {
            if item.kind == ExternKind::Func {
                names[item.index as usize] = FuncName::Export(export as u32);
            }
        }
        if let Some((_, range)) = module.customs.iter().find(|(name, _)| &**name == "name") {
            // What is behind a fault is not worth an error: names are for people.
            let _ = read_name_section(&module.bytes, range.clone(), &mut names);
        }
        FuncNames(names.into())
    }
}

/// Takes function names from the name section at `range` (appendix "Custom Sections" of the core specification) until
/// its end or the first fault.
fn read_name_section(bytes: &[u8], range: Range<usize>, names: &mut [FuncName]) -> wasmparser::Result<()> {
    let start = range.start as u64;
    for subsection in NameSectionReader::new(BinaryReader::new(&bytes[range], start)) {
        let Name::Function(map) = subsection? else {
            continue;
        };
        for naming in map {
            let naming = naming?;
            if let Some(name) = names.get_mut(naming.index as usize).filter(|_| !naming.name.is_empty()) {
                // A part of `bytes`; kept as a range because the module cannot borrow from itself.
                let start = naming.name.as_ptr().addr() - bytes.as_ptr().addr();
                *name = FuncName::Bytes(start..start + naming.name.len());
            }
        }
    }
    Ok(())
}
