//! Walking the bodies of a validated module once more, with or without the types of the operand stack.

use crate::features::FEATURES;
use crate::index::FuncIdx;
use crate::module::Module;
use wasmparser::{BinaryReader, FuncToValidate, FuncValidator, FuncValidatorAllocations, ValidatorResources};

impl Module {
    /// A reader of the body of local function `func`, at its first byte (the number of local declarations). Its
    /// positions are offsets in [`Module::bytes`].
    ///
    /// # Panics
    /// If `func` is imported or out of range.
    pub fn body_reader(&self, func: u32) -> BinaryReader<'_> {
        let body = self.funcs[func as usize].body.clone().expect("only a local function has a body");
        let start = body.start as u64;
        BinaryReader::new_features(&self.bytes[body], start, FEATURES)
    }

    /// A validator for the body of local function `func`, at the start: whoever feeds it the body's locals and
    /// instructions can ask it for the operand stack's types at each. Allocations of a finished one can be given back.
    ///
    /// # Panics
    /// If `func` is imported or out of range.
    pub fn func_validator(
        &self,
        func: u32,
        allocations: FuncValidatorAllocations,
    ) -> FuncValidator<ValidatorResources> {
        assert!(self.defined(FuncIdx(func)).is_some(), "only a local function has a body");
        let resources = self.resources.clone().expect("`parse` keeps them if there are bodies");
        FuncToValidate { resources, index: func, ty: self.funcs[func as usize].ty, features: FEATURES }
            .into_validator(allocations)
    }
}
