//! Machine code of this machine, as text.

use crate::error::{CompileError, Result};
use crate::options::Options;
use crate::target::Target;
use inkwell::llvm_sys::disassembler::{
    LLVMCreateDisasmCPUFeatures, LLVMDisasmContextRef, LLVMDisasmDispose, LLVMDisasmInstruction,
    LLVMDisassembler_Option_PrintImmHex, LLVMSetDisasmOptions,
};
use inkwell::targets::{InitializationConfig, Target as LlvmTarget};
use std::ffi::{CStr, CString, c_char};
use std::fmt::Write;
use std::ptr::null_mut;
use std::sync::Once;

/// Longest text of an instruction.
const LINE: usize = 256;

/// The instructions in `code`, a line for each: its distance from the first, its bytes, its text. Bytes that are none are shown as they
/// are.
///
/// # Errors
/// LLVM cannot do that for this machine.
pub(crate) fn disassemble(code: &[u8]) -> Result<String> {
    let disassembler = Disassembler::for_host()?;
    let (mut text, mut at) = (String::new(), 0);
    while at < code.len() {
        let (len, instruction) = disassembler.instruction(&code[at..], at);
        let mut bytes = String::new();
        for byte in &code[at..at + len] {
            let _ = write!(bytes, "{byte:02x} ");
        }
        let _ = writeln!(text, "{at:6x}  {bytes:<30} {instruction}");
        at += len;
    }
    Ok(text)
}

struct Disassembler(LLVMDisasmContextRef);

impl Disassembler {
    fn for_host() -> Result<Disassembler> {
        static INITIALIZED: Once = Once::new();
        let target = Target::new(&Options::default())?;
        INITIALIZED.call_once(|| {
            let config = InitializationConfig { disassembler: true, ..InitializationConfig::default() };
            LlvmTarget::initialize_x86(&config);
            LlvmTarget::initialize_aarch64(&config);
            LlvmTarget::initialize_riscv(&config);
            LlvmTarget::initialize_system_z(&config);
        });
        let failed = || CompileError::Target(format!("LLVM has no disassembler for {}", target.triple));
        let text = |text: &str| CString::new(text).map_err(|_| failed());
        let (triple, cpu, features) = (text(&target.triple)?, text(&target.cpu)?, text(&target.features)?);
        // SAFETY: strings, which are copied; nobody is asked what operands refer to.
        let context = unsafe {
            LLVMCreateDisasmCPUFeatures(
                triple.as_ptr(),
                cpu.as_ptr(),
                features.as_ptr(),
                null_mut(),
                0,
                None,
                None,
            )
        };
        if context.is_null() {
            return Err(failed());
        }
        // SAFETY: made above.
        unsafe { LLVMSetDisasmOptions(context, LLVMDisassembler_Option_PrintImmHex) };
        Ok(Disassembler(context))
    }

    /// The first instruction of `code`, which is `at` bytes from where addresses are counted: its length, one at least, and its
    /// text.
    fn instruction(&self, code: &[u8], at: usize) -> (usize, String) {
        let mut line = [0 as c_char; LINE];
        // SAFETY: the context is alive, the bytes are only read, and at most `LINE` are written.
        let len = unsafe {
            LLVMDisasmInstruction(
                self.0,
                code.as_ptr().cast_mut(),
                code.len() as u64,
                at as u64,
                line.as_mut_ptr(),
                LINE,
            )
        };
        if len == 0 {
            return (1, "(no instruction)".to_owned());
        }
        // SAFETY: LLVM ends the text within its limit; the last byte is 0 in any case.
        let text = unsafe {
            line[LINE - 1] = 0;
            CStr::from_ptr(line.as_ptr())
        };
        (len.min(code.len()), text.to_string_lossy().trim().replace('\t', " "))
    }
}

impl Drop for Disassembler {
    fn drop(&mut self) {
        // SAFETY: made once, and ended here only.
        unsafe { LLVMDisasmDispose(self.0) };
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::disassemble;

    #[test]
    fn instructions_and_what_is_none() {
        // lea eax, [rdi + 2*rsi]; ret; and an opcode that is none in this mode.
        let text = disassemble(&[0x8d, 0x04, 0x77, 0xc3, 0x06]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[0].starts_with("     0  8d 04 77 ") && lines[0].ends_with("leal (%rdi,%rsi,2), %eax"),
            "{text}"
        );
        assert!(lines[1].starts_with("     3  c3 ") && lines[1].ends_with("retq"), "{text}");
        assert!(lines[2].starts_with("     4  06 ") && lines[2].ends_with("(no instruction)"), "{text}");
    }
}
