//! perf and gdb are told what compiled functions are called.

use std::sync::atomic::{AtomicBool, Ordering};

use wayfarer_loader::{Code, PerfMode};
use wayfarer_module::Module;

use crate::log::warning;

/// How perf is told: `map` or `jitdump`; also if the host did not ask for it.
pub(crate) const PERF_VARIABLE: &str = "WAYFARER_PERF";

/// Set to 1: gdb is told.
pub(crate) const GDB_VARIABLE: &str = "WAYFARER_GDB";

/// Whether the host asked for perf's sake.
static PERF: AtomicBool = AtomicBool::new(false);

/// Has perf told of code that is loaded from now on.
pub(crate) fn enable_perf(enable: bool) {
    PERF.store(enable, Ordering::Relaxed);
}

fn perf_mode() -> PerfMode {
    match super::variable(c"WAYFARER_PERF") {
        Some(value) if value == "map" => PerfMode::Map,
        Some(value) if value == "jitdump" => PerfMode::JitDump,
        Some(value) if value == "off" => PerfMode::Off,
        other => {
            if let Some(value) = other {
                warning!("{PERF_VARIABLE}={}: expected map, jitdump or off", value.display());
            }
            if PERF.load(Ordering::Relaxed) { PerfMode::Map } else { PerfMode::Off }
        }
    }
}

/// Tells those who want to know of code that was just loaded.
pub(super) fn announce(module: &Module, code: &mut Code) {
    let perf = perf_mode();
    let gdb = super::variable(c"WAYFARER_GDB").is_some_and(|value| value == "1");
    if perf == PerfMode::Off && !gdb {
        return;
    }
    if let Err(e) = code.announce(perf, gdb, |symbol| name(module, symbol)) {
        warning!("perf cannot be told of compiled code: {e}");
    }
}

/// What people call what a symbol names: see `wayfarer_abi::symbol`.
fn name(module: &Module, symbol: &str) -> Option<String> {
    let (kind, rest) = (symbol.get(..1)?, symbol.get(1..)?);
    let number = |text: &str| text.parse::<u32>().ok();
    let function =
        |index: u32| module.func_name(index).map_or_else(|| format!("wasm function {index}"), str::to_owned);
    match kind {
        "f" => number(rest).map(function),
        "i" => number(rest).map(|index| format!("{} (interpreted)", function(index))),
        "c" => {
            let (index, offset) = rest.split_once('.')?;
            Some(format!("{} (from loop at {})", function(number(index)?), number(offset)?))
        }
        "s" => number(rest).map(|index| format!("{} (jump)", function(index))),
        "t" => number(rest).map(|index| format!("entry of type {index}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source() {
        let wasm = wat::parse_str("(module (func $first) (func))").unwrap();
        let module = wayfarer_module::parse(wasm.into()).unwrap();
        for (symbol, expected) in [
            ("f0", Some("first")),
            ("f1", Some("wasm function 1")),
            ("i0", Some("first (interpreted)")),
            ("c0.17", Some("first (from loop at 17)")),
            ("s0", Some("first (jump)")),
            ("t3", Some("entry of type 3")),
            ("memcpy", None),
            ("fx", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(name(&module, symbol).as_deref(), expected, "{symbol}");
        }
    }
}
