//! A module that is compiled in parts while it runs, those first that are needed first.

use crate::compile::{Part, compile_asked};
use crate::error::Result;
use crate::function::Survey;
use crate::options::{Format, Options};
use crate::process::{Fatal, guarded};
use crate::{CompileError, features};
use wayfarer_abi::compiler::Loop;
use wayfarer_module::{FuncIdx, Module};

/// A module, and what is found out about all of it before parts can be compiled. Threads may share it.
#[derive(Debug)]
pub struct Session {
    module: Module,
    options: Options,
    survey: Survey,
}

impl Session {
    /// Begins with a module, for this machine.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn new(module: Module, options: Options) -> Result<Session> {
        features::check_target(&options)?;
        let size_level = features::size_level(&options)?;
        let options = Options { size_level, in_parts: true, format: Format::Object, ..options };
        let survey = Survey::of(&module)?;
        Ok(Session { module, options, survey })
    }

    /// Compiles functions (not imported ones) and continuations at loop headers to an object file, with the
    /// entries for the functions' types. What cannot be compiled is left out, as [`crate::compile()`] does.
    ///
    /// What LLVM cannot go on after is told to `fatal`, which must not return.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn compile(&self, funcs: &[u32], loops: &[Loop], fatal: &dyn Fn(&str)) -> Result<Vec<u8>> {
        let all = funcs.iter().copied().chain(loops.iter().map(|at| at.func));
        if let Some(func) = all.into_iter().find(|&func| self.module.defined(FuncIdx(func)).is_none()) {
            return Err(CompileError::Llvm(format!("function {func} has no body")));
        }
        let mut entries: Vec<u32> = funcs.iter().map(|&func| self.module.funcs[func as usize].ty).collect();
        entries.sort_unstable();
        entries.dedup();
        let part = Part { funcs: funcs.to_vec(), loops: loops.to_vec(), entries };
        guarded(Fatal(fatal), || compile_asked(&self.module, &self.options, &part, &self.survey))
    }
}
