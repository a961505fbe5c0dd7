//! Call stacks of traps: which functions were running, innermost first.

use std::ffi::c_char;

use wayfarer_program::stacks::add_line;
use wayfarer_runtime::MOST_TRACED;

use super::ffi::{guard, put_error};
use super::instance::WASMModuleInstanceCommon;
use super::log::print;
use super::types::{wasm_exec_env_t, wasm_module_inst_t};

/// Prints the call stack of the instance's last trap: a line for each function, innermost first, with the byte of the module
/// it was at (0 for compiled ones) and its name. Nothing if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_dump_call_stack(exec_env: wasm_exec_env_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(text) = unsafe { text_of(exec_env) } {
            print(&text);
        }
    });
}

/// Size of the text that wasm_runtime_dump_call_stack_to_buf writes, with its end; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_call_stack_buf_size(exec_env: wasm_exec_env_t) -> u32 {
    guard(0, || {
        // SAFETY: as the caller promises.
        unsafe { text_of(exec_env) }.map_or(0, |text| size(&text))
    })
}

/// Writes the call stack of the instance's last trap to `buf`, cut off to fit in `len` bytes with its end. Returns how many
/// those are; 0 if there is none. With a NULL buffer as wasm_runtime_get_call_stack_buf_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_dump_call_stack_to_buf(
    exec_env: wasm_exec_env_t,
    buf: *mut c_char,
    len: u32,
) -> u32 {
    guard(0, || {
        // SAFETY: as the caller promises.
        let Some(text) = (unsafe { text_of(exec_env) }) else { return 0 };
        if buf.is_null() {
            return size(&text);
        }
        // SAFETY: as the caller promises.
        unsafe { put_error(buf, len, &text) };
        size(&text).min(len)
    })
}

fn size(text: &str) -> u32 {
    // 256 lines of 255 bytes.
    text.len() as u32 + 1
}

/// # Safety
/// The exec env is NULL or alive.
unsafe fn text_of(exec_env: wasm_exec_env_t) -> Option<String> {
    // SAFETY: as the caller promises.
    unsafe { exec_env.as_ref() }.and_then(|env| env.instance()).and_then(describe)
}

/// The text for the last trap of an instance, once: `None` if there was no trap since.
///
/// # Safety
/// `module_inst` is NULL or alive.
pub unsafe fn take(module_inst: wasm_module_inst_t) -> Option<String> {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() }?;
    let text = describe(instance);
    instance.keep_trace(Vec::new());
    text
}

/// The text for an instance's last trap.
fn describe(instance: &WASMModuleInstanceCommon) -> Option<String> {
    let trace = instance.trace();
    if trace.is_empty() {
        return None;
    }
    let mut text = String::from("\n");
    for (n, frame) in trace.iter().enumerate() {
        add_line(&mut text, n, frame.offset, &frame.loaded.module, frame.func);
    }
    if trace.len() == MOST_TRACED {
        text.push_str("...\n");
    }
    text.push('\n');
    Some(text)
}
