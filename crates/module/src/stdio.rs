//! Which functions of a module are those of C's streams: by their names, or as somebody says who knows a module without any.

use crate::module::{ExternKind, Module};
use crate::types::ValType;
use std::fmt;

/// A function of C's streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StdioFunction {
    /// `FILE *fopen(const char *path, const char *mode)`.
    Fopen,
    /// `FILE *fdopen(int fd, const char *mode)`, or `__fdopen`.
    Fdopen,
    /// `FILE *freopen(const char *path, const char *mode, FILE *stream)`.
    Freopen,
    /// `int fclose(FILE *stream)`.
    Fclose,
}

/// Names of the functions.
const NAMES: [(&str, StdioFunction); 5] = [
    ("fopen", StdioFunction::Fopen),
    ("fdopen", StdioFunction::Fdopen),
    ("__fdopen", StdioFunction::Fdopen),
    ("freopen", StdioFunction::Freopen),
    ("fclose", StdioFunction::Fclose),
];

impl StdioFunction {
    /// Its parameters, all of type i32, as is its result.
    fn params(self) -> usize {
        match self {
            StdioFunction::Fclose => 1,
            StdioFunction::Fopen | StdioFunction::Fdopen => 2,
            StdioFunction::Freopen => 3,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }
}

/// Where a module has the functions of C's streams.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Stdio {
    /// Where exports and the name section say.
    #[default]
    Named,
    /// It does not matter.
    Off,
    /// There: functions with their indices.
    At(Vec<(StdioFunction, u32)>),
}

impl Stdio {
    /// Reads `fopen=17,fdopen=23,...`, or `none`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Stdio, String> {
        if text == "none" {
            return Ok(Stdio::Off);
        }
        let item = |item: &str| {
            let (name, index) = item.split_once('=')?;
            let function = NAMES.iter().find(|(known, _)| *known == name)?.1;
            Some((function, index.parse().ok()?))
        };
        let items: Option<Vec<_>> = text.split(',').map(item).collect();
        let expected = "expected none, or a list like fopen=17,fdopen=23,freopen=24,fclose=19";
        items.map(Stdio::At).ok_or_else(|| expected.to_owned())
    }
}

/// Why functions are not those of C's streams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotStdio {
    function: StdioFunction,
    index: u32,
    why: &'static str,
}

impl fmt::Display for NotStdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {} cannot be {}: {}", self.index, self.function.name(), self.why)
    }
}

impl std::error::Error for NotStdio {}

impl Module {
    /// The functions of C's streams, by index. None, if they are not named, or those are not there by which streams come and
    /// go.
    ///
    /// # Errors
    /// [`NotStdio`], of those that were not found by their names.
    pub fn stdio_functions(&self) -> Result<Vec<(StdioFunction, u32)>, NotStdio> {
        let mut functions = match &self.stdio {
            Stdio::Off => return Ok(Vec::new()),
            Stdio::At(functions) => {
                for &(function, index) in functions {
                    let fail = |why| NotStdio { function, index, why };
                    if index as usize >= self.funcs.len() {
                        return Err(fail("the module has no such function"));
                    }
                    if !self.is_local(index) {
                        return Err(fail("it is imported"));
                    }
                    if !self.has_type_of(function, index) {
                        return Err(fail("its type is another"));
                    }
                }
                functions.clone()
            }
            Stdio::Named => self.named_stdio.get_or_init(|| self.find_stdio()).clone(),
        };
        functions.sort_unstable_by_key(|&(function, index)| (index, function));
        functions.dedup_by_key(|(_, index)| *index);
        let has = |wanted| functions.iter().any(|&(function, _)| function == wanted);
        let opens = has(StdioFunction::Fopen) || has(StdioFunction::Fdopen);
        Ok(if opens && has(StdioFunction::Fclose) { functions } else { Vec::new() })
    }

    fn find_stdio(&self) -> Vec<(StdioFunction, u32)> {
        // Streams of files need it. Most modules without it need not have their names read.
        if !self.imports.iter().any(|import| &*import.name == "path_open") {
            return Vec::new();
        }
        let mut found = Vec::new();
        let known =
            |name: &str| NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function);
        let mut add = |name: &str, index: u32| {
            if let Some(function) = known(name)
                && self.is_local(index)
                && self.has_type_of(function, index)
                && !found.contains(&(function, index))
            {
                found.push((function, index));
            }
        };
        for export in self.exports.iter().filter(|export| export.kind == ExternKind::Func) {
            add(&export.name, export.index);
        }
        for index in self.num_imported_funcs..self.funcs.len() as u32 {
            add(self.func_name(index).unwrap_or_default(), index);
        }
        // Names need not be unique. Of several functions called `fopen` nobody knows which is C's.
        let one = |function| found.iter().filter(|(f, _)| *f == function).count() == 1;
        let is_clear = |function| function == StdioFunction::Fdopen || one(function);
        found.iter().copied().filter(|&(function, _)| is_clear(function)).collect()
    }

    fn is_local(&self, index: u32) -> bool {
        (self.num_imported_funcs..self.funcs.len() as u32).contains(&index)
    }

    fn has_type_of(&self, function: StdioFunction, index: u32) -> bool {
        let ty = self.func_type(index);
        let all_i32 = |types: &[ValType]| types.iter().all(|ty| *ty == ValType::I32);
        // Optimizers take away results that nobody looks at. That of `fclose` is not needed here either.
        let results = if function == StdioFunction::Fclose { 0..=1 } else { 1..=1 };
        ty.params.len() == function.params()
            && results.contains(&ty.results.len())
            && all_i32(&ty.params)
            && all_i32(&ty.results)
    }
}

#[cfg(test)]
mod tests {
    use super::StdioFunction::{Fclose, Fdopen, Fopen, Freopen};
    use super::*;

    fn module(text: &str) -> Module {
        let bytes = wat::parse_str(format!("(module (import \"w\" \"path_open\" (func)) {text})")).unwrap();
        crate::parse(bytes.into()).unwrap()
    }

    fn function(name: &str, params: usize) -> String {
        format!("(func ${name} (param {}) (result i32) i32.const 0)", "i32 ".repeat(params))
    }

    fn all() -> String {
        [("fopen", 2), ("__fdopen", 2), ("freopen", 3), ("fclose", 1)]
            .map(|(name, n)| function(name, n))
            .concat()
    }

    #[test]
    fn they_are_found_by_their_names_and_types() {
        let expected = vec![(Fopen, 1), (Fdopen, 2), (Freopen, 3), (Fclose, 4)];
        assert_eq!(module(&all()).stdio_functions(), Ok(expected));
        let exported = "(func (export \"fopen\") (param i32 i32) (result i32) i32.const 0)
            (func (export \"fclose\") (param i32) (result i32) i32.const 0)";
        assert_eq!(module(exported).stdio_functions(), Ok(vec![(Fopen, 1), (Fclose, 2)]));
        let without_result = function("fopen", 2) + "(func $fclose (param i32))";
        assert_eq!(module(&without_result).stdio_functions(), Ok(vec![(Fopen, 1), (Fclose, 2)]));
        // Without one that closes, nobody would know when a stream is gone.
        assert_eq!(module(&function("fopen", 2)).stdio_functions(), Ok(vec![]));
        assert_eq!(module(&(function("fopen", 3) + &function("fclose", 1))).stdio_functions(), Ok(vec![]));
        let twice = all() + "(func (export \"fopen\") (param i32 i32) (result i32) i32.const 0)";
        assert_eq!(module(&twice).stdio_functions().unwrap(), [(Fdopen, 2), (Freopen, 3), (Fclose, 4)]);
    }

    #[test]
    fn a_module_without_files_has_none() {
        let bytes = wat::parse_str(format!("(module {})", all())).unwrap();
        assert_eq!(crate::parse(bytes.into()).unwrap().stdio_functions(), Ok(vec![]));
    }

    #[test]
    fn somebody_may_say_where_they_are() {
        let mut module = module(&all());
        module.stdio = Stdio::parse("fopen=1,fclose=4").unwrap();
        assert_eq!(module.stdio_functions(), Ok(vec![(Fopen, 1), (Fclose, 4)]));
        module.stdio = Stdio::parse("none").unwrap();
        assert_eq!(module.stdio_functions(), Ok(vec![]));
        for (text, why) in [
            ("fopen=9,fclose=4", "function 9 cannot be fopen: the module has no such function"),
            ("fopen=0,fclose=4", "function 0 cannot be fopen: it is imported"),
            ("fdopen=1,fclose=2", "function 2 cannot be fclose: its type is another"),
        ] {
            module.stdio = Stdio::parse(text).unwrap();
            assert_eq!(module.stdio_functions().unwrap_err().to_string(), why);
        }
        for text in ["", "fopen", "fopen=", "fopen=x", "open=1", "fopen=1;fclose=2", "fopen=-1"] {
            assert!(Stdio::parse(text).unwrap_err().contains("fopen=17"), "{text}");
        }
    }
}
