//! The compiled code of a module as text, with its stable points.

use std::fmt::Write;

use wayfarer_abi::symbol;
use wayfarer_aot::Artifact;
use wayfarer_loader::Code;
use wayfarer_module::{Module, StablePoint, stable_points};

use super::{LEVEL, compiler};

/// Compiled code that can be listed.
pub struct NativeListings {
    library: &'static compiler::Library,
    code: Code,
    /// Who compiled it.
    compiler: String,
}

impl NativeListings {
    /// The code of an artifact; of a module without one, it is compiled as it would be if it ran.
    ///
    /// # Errors
    /// There is no compiler, which disassembles, too, or what it says; or the artifact is for another machine.
    pub fn new(module: &Module, artifact: Option<&Artifact>) -> Result<NativeListings, String> {
        let library = compiler::find()?.library()?;
        let made;
        let artifact = match artifact {
            Some(artifact) => artifact,
            None => {
                let options = super::options(module, (LEVEL, LEVEL));
                let bytes = library.compile(&module.bytes, &options, &|_, _| {})?;
                made = Artifact::parse(&bytes).map_err(|e| e.to_string())?;
                &made
            }
        };
        artifact.target.check_host().map_err(|e| e.to_string())?;
        let objects: Vec<&[u8]> = artifact.objects.iter().map(|object| &*object.bytes).collect();
        let code = Code::load(&objects).map_err(|e| e.to_string())?;
        Ok(NativeListings { library, code, compiler: artifact.compiler.clone() })
    }

    /// Who compiled the code.
    pub fn compiler(&self) -> &str {
        &self.compiler
    }

    /// A function's stable points, its code, and that of its continuations.
    ///
    /// # Errors
    /// An instruction that nobody knows, or what the compiler says.
    pub fn func(&self, module: &Module, func: u32) -> Result<String, String> {
        let points = stable_points(module, func).map_err(|e| e.to_string())?;
        let mut text = String::new();
        for point in &points.points {
            let _ = writeln!(text, "  {}", described(module, &points.locals, point));
        }
        if self.code.symbol(&symbol::interpreted(func)).is_some() {
            text.push_str("  is interpreted: too large to be compiled\n");
        }
        let mut found: Vec<_> =
            self.code.symbols().filter(|f| symbol::func_of(&f.name) == Some(func)).collect();
        // The function itself, then its loops as they are in the module.
        found.sort_by_key(|f| f.name.split_once('.').and_then(|(_, offset)| offset.parse::<u32>().ok()));
        for part in found {
            // SAFETY: a function of the code that `self` keeps, which nobody writes to.
            let bytes = unsafe { std::slice::from_raw_parts(part.address as *const u8, part.size) };
            let _ = match part.name.split_once('.') {
                None => writeln!(text, "  code, {} bytes:", part.size),
                Some((_, at)) => {
                    writeln!(text, "  continuation at {}, {} bytes:", place(module, at), part.size)
                }
            };
            text.push_str(&self.library.disassemble(bytes)?);
        }
        Ok(text)
    }
}

/// An offset of the code section, as one in the module.
fn place(module: &Module, offset: &str) -> String {
    match offset.parse::<usize>() {
        Ok(offset) => format!("{:#x}", module.code_start + offset),
        Err(_) => offset.to_owned(),
    }
}

/// A stable point, and what is recorded there.
fn described(module: &Module, locals: &[wayfarer_module::ValType], point: &StablePoint) -> String {
    let live = point.live.iter().enumerate().filter(|(_, live)| **live);
    let mut recorded: Vec<String> = live.map(|(i, _)| format!("local {i} {}", name(locals[i]))).collect();
    recorded.extend(point.stack.iter().map(|&ty| format!("operand {}", name(ty))));
    let recorded = if recorded.is_empty() { "nothing".to_owned() } else { recorded.join(", ") };
    let kind = format!("{:?}", point.kind);
    format!("{:#8x} {kind:<10} {recorded}", module.code_start + point.offset as usize)
}

fn name(ty: wayfarer_module::ValType) -> String {
    format!("{ty:?}").to_lowercase()
}
