//! `wayfarer disasm`: the code that the interpreter, or with `--native` the processor, runs of a module.

use std::io::{BufWriter, ErrorKind, Write};
use std::sync::Arc;

use iwasm::compiled::NativeListings;
use wayfarer_aot::{Artifact, is_artifact};
use wayfarer_interp::Listings;
use wayfarer_module::{ExternKind, FuncType, Module, ValType};

use crate::args::Disasm;

/// Prints the code of the functions that were asked for.
///
/// # Errors
/// Why that cannot be done.
pub(crate) fn run(disasm: &Disasm) -> Result<(), String> {
    let path = disasm.path.display();
    let bytes = std::fs::read(&disasm.path).map_err(|e| format!("{path}: {e}"))?;
    let artifact = match is_artifact(&bytes) {
        true => Some(Artifact::parse(&bytes).map_err(|e| format!("{path}: {e}"))?),
        false => None,
    };
    let bytes = artifact.as_ref().map_or_else(|| Arc::from(bytes), |artifact| artifact.module.clone());
    let module = wayfarer_module::parse(bytes).map_err(|e| format!("{path}: {e}"))?;
    let functions = match &disasm.func {
        None => (module.num_imported_funcs..module.funcs.len() as u32).collect(),
        Some(wanted) => functions_called(&module, wanted).map_err(|why| format!("{path}: {why}"))?,
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let module = Arc::new(module);
    let listing: Box<Lister> = if disasm.native {
        let listings =
            NativeListings::new(&module, artifact.as_ref()).map_err(|why| format!("{path}: {why}"))?;
        let module = module.clone();
        Box::new(move |func| {
            Ok(format!("compiled by {}\n{}", listings.compiler(), listings.func(&module, func)?))
        })
    } else {
        let listings = Listings::new(&module);
        Box::new(move |func| match listings.func(func) {
            Ok(listing) => Ok(listing.to_string()),
            Err(why) => Err(why.to_string()),
        })
    };
    let listed = list(&module, &functions, &*listing, &mut out).and_then(|failures| {
        out.flush()?;
        Ok(failures)
    });
    match listed {
        Ok(0) => Ok(()),
        Ok(1) => Err(format!("{path}: a function cannot be listed")),
        Ok(failures) => Err(format!("{path}: {failures} functions cannot be listed")),
        // Readers that stop reading, like `head`, are no error.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(format!("standard output: {e}")),
    }
}

/// The functions of this index, or else of this name, which have code.
fn functions_called(module: &Module, wanted: &str) -> Result<Vec<u32>, String> {
    let all = 0..module.funcs.len() as u32;
    let found: Vec<u32> = match wanted.parse::<u32>() {
        Ok(index) => all.filter(|&func| func == index).collect(),
        Err(_) => {
            let exported = |func| {
                let mut exports = module.exports.iter();
                exports.any(|e| e.kind == ExternKind::Func && e.index == func && &*e.name == wanted)
            };
            all.filter(|&func| module.func_name(func) == Some(wanted) || exported(func)).collect()
        }
    };
    if found.is_empty() {
        return Err(format!("there is no function `{wanted}`"));
    }
    let local: Vec<u32> = found.into_iter().filter(|&func| func >= module.num_imported_funcs).collect();
    if local.is_empty() {
        return Err(format!("function `{wanted}` is imported: it has no code"));
    }
    Ok(local)
}

/// The listing of a function, or why there is none.
type Lister<'a> = dyn Fn(u32) -> Result<String, String> + 'a;

/// Writes the code of functions; returns how many have none.
fn list(
    module: &Module,
    functions: &[u32],
    listing: &Lister<'_>,
    out: &mut impl Write,
) -> std::io::Result<usize> {
    let mut failures = 0;
    for &func in functions {
        let name = module.func_name(func).map(|name| format!(" \"{}\"", name.escape_debug()));
        let name = name.unwrap_or_default();
        write!(out, "function {func}{name} {}: ", signature(module.func_type(func)))?;
        match listing(func) {
            Ok(listing) => writeln!(out, "{listing}")?,
            Err(why) => {
                failures += 1;
                writeln!(out, "{why}\n")?;
            }
        }
    }
    Ok(failures)
}

/// `(i32, i64) -> (f64)`
fn signature(ty: &FuncType) -> String {
    let types = |types: &[ValType]| {
        types.iter().map(|ty| format!("{ty:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
    };
    match &*ty.results {
        [] => format!("({})", types(&ty.params)),
        results => format!("({}) -> ({})", types(&ty.params), types(results)),
    }
}
