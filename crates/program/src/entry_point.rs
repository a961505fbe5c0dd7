//! Where a program begins that is run as a command line does, and its arguments.

use std::ffi::CStr;

use wayfarer_guest::GuestMemory;
use wayfarer_module::{ExternKind, FuncIdx, ValType};
use wayfarer_runtime::{Func, Instance};
use wayfarer_snapshot::view::Entry;

use crate::program::Program;

/// Names of `main` that toolchains use.
const MAIN: [&str; 3] = ["main", "__main_argc_argv", "_main"];

/// The function called `_start` takes or returns something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAStart;

/// WASI's entry point, which says its status by `proc_exit`: the exported `_start`, if there is one.
///
/// # Errors
/// It is none, by its type.
pub fn wasi_start(instance: &Instance) -> Result<Option<&Func>, NotAStart> {
    let module = instance.module();
    let Some(export) = module.export("_start").filter(|e| e.kind == ExternKind::Func) else {
        return Ok(None);
    };
    let ty = module.func_type(export.index);
    if ty.params.is_empty() && ty.results.is_empty() {
        Ok(instance.func(export.index))
    } else {
        Err(NotAStart)
    }
}

/// C's entry point.
#[derive(Clone, Copy, Debug)]
pub struct Main<'a> {
    /// The function.
    pub func: &'a Func,
    /// Whether it takes `argc` and `argv`.
    pub takes_arguments: bool,
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoMain {
    /// Nothing of its names is exported.
    Missing,
    /// What is exported is the host's.
    Imported,
    /// It has another type than `main` has in C.
    Type,
}

impl Main<'_> {
    /// The `main` of an instance, under one of its names.
    ///
    /// # Errors
    /// [`NoMain`].
    pub fn of(instance: &Instance) -> Result<Main<'_>, NoMain> {
        let module = instance.module();
        let main = MAIN.iter().find_map(|name| module.export(name).filter(|e| e.kind == ExternKind::Func));
        let main = main.ok_or(NoMain::Missing)?;
        if module.defined(FuncIdx(main.index)).is_none() {
            return Err(NoMain::Imported);
        }
        let func = instance.func(main.index).ok_or(NoMain::Missing)?;
        let ty = module.func_type(main.index);
        let takes_arguments = match (&*ty.params, &*ty.results) {
            ([], [] | [ValType::I32]) => false,
            ([ValType::I32, ValType::I32], [ValType::I32]) => true,
            _ => return Err(NoMain::Type),
        };
        Ok(Main { func, takes_arguments })
    }
}

/// Copies arguments into the guest, to where `allocate` finds so many bytes of room: an array of addresses, with a null at the
/// end, and the strings after it. Its address, or `None` if there is no room.
pub fn copy_arguments(
    memory: &GuestMemory<'_>,
    args: &[&CStr],
    allocate: impl FnOnce(u64) -> Option<u64>,
) -> Option<u64> {
    let pointers = (args.len() + 1) * 4;
    let strings: usize = args.iter().map(|a| a.to_bytes_with_nul().len()).sum();
    let argv = allocate((pointers + strings) as u64)?;
    let mut string = argv + pointers as u64;
    for (i, arg) in args.iter().enumerate() {
        memory.write_u32(argv + 4 * i as u64, string as u32).ok()?;
        memory.write(string, arg.to_bytes_with_nul()).ok()?;
        string += arg.to_bytes_with_nul().len() as u64;
    }
    memory.write_u32(argv + 4 * args.len() as u64, 0).ok()?;
    Some(argv)
}

impl Program {
    /// Arguments of the program's entry point, if it was restored in the middle of that and memory is as it was: they are
    /// where they belong.
    pub fn main_in_place(&self) -> Option<Vec<u64>> {
        let (entry, args) = self.next_in_place()?;
        (entry == Entry::Main).then_some(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_array_and_its_strings() {
        let mut bytes = [0xFF; 64];
        let memory = GuestMemory::from_slice(&mut bytes);
        let mut asked = 0;
        let argv = copy_arguments(&memory, &[c"one", c""], |size| {
            asked = size;
            Some(8)
        });
        assert_eq!((argv, asked), (Some(8), 12 + 4 + 1));
        let word = |at| memory.read_u32(at).unwrap();
        assert_eq!([word(8), word(12), word(16)], [20, 24, 0]);
        assert_eq!(memory.read_vec(20, 6).unwrap(), b"one\0\0\xFF");
        assert_eq!(copy_arguments(&memory, &[c"one"], |_| None), None, "no room");
        assert_eq!(copy_arguments(&memory, &[c"one"], |_| Some(60)), None, "outside");
    }
}
