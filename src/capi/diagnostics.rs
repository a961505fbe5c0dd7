//! Reports on a running guest.

use wayfarer_runtime::ExecEnv;

use super::exec_env::WASMExecEnv;
use super::ffi::guard;
use super::log::{Level, log};
use super::types::wasm_exec_env_t;

/// Logs, at the verbose level, how much memory the guest of an exec env uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_dump_mem_consumption(exec_env: wasm_exec_env_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(env) = unsafe { exec_env.as_ref() } {
            dump(env);
        }
    });
}

fn dump(env: &WASMExecEnv) {
    let Some(instance) = env.instance() else { return };
    let line = |what: &str, bytes: u64| log(Level::Verbose, format_args!("{what}: {bytes}"));
    let engine = instance.engine_instance();
    let memory = engine.guest_memory();
    log(Level::Verbose, format_args!("Memory consumption summary (bytes):"));
    line("Module binary", engine.module().bytes.len() as u64);
    line("Linear memory", memory.len());
    line("Interpreter stack", env.look_at(|e: &ExecEnv| e.values.reserved()) as u64);
    line("Total interpreter stack used", env.look_at(|e: &ExecEnv| e.values_used * size_of::<u64>()) as u64);
    let heap = instance.parts.heap.as_ref();
    let used = heap.and_then(|heap| heap.used(&memory).ok()).unwrap_or(0);
    line("App heap", heap.map_or(0, |heap| u64::from(heap.size())));
    line("Total app heap used", u64::from(used));
}
