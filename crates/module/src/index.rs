//! Numbers of functions: there are two ways to count them, and the only conversions between the two are here.

use crate::module::Module;

/// A function of a module, by its place among all, imported ones first: what WebAssembly calls its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct FuncIdx(pub u32);

/// A function that a module defines, by its place among those: an index into what there is only of functions with a body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct DefinedFuncIdx(pub u32);

impl Module {
    /// The place of a function among those that the module defines; `None` if it is imported, or beyond them.
    #[inline]
    pub fn defined(&self, func: FuncIdx) -> Option<DefinedFuncIdx> {
        let defined = func.0.checked_sub(self.num_imported_funcs)?;
        ((func.0 as usize) < self.funcs.len()).then_some(DefinedFuncIdx(defined))
    }

    /// The functions that the module defines, in order.
    pub fn defined_funcs(&self) -> impl DoubleEndedIterator<Item = FuncIdx> + Clone + use<> {
        (self.num_imported_funcs..self.funcs.len() as u32).map(FuncIdx)
    }

    /// How many functions the module defines.
    pub fn defined_count(&self) -> usize {
        self.funcs.len() - self.num_imported_funcs as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_functions_are_counted_by_one_of_the_two() {
        let text = "(module (import \"m\" \"f\" (func)) (import \"m\" \"g\" (func)) (func) (func) (func))";
        let module = crate::parse(wat::parse_str(text).unwrap().into()).unwrap();
        let places: Vec<_> = (0..7).map(|index| module.defined(FuncIdx(index)).map(|d| d.0)).collect();
        assert_eq!(places, [None, None, Some(0), Some(1), Some(2), None, None]);
        assert_eq!(module.defined_funcs().map(|func| func.0).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(module.defined_count(), 3);
    }
}
