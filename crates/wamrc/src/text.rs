//! What is printed.

use std::time::Duration;

use crate::args::{ALIASES, List, TARGETS};

/// The help text.
pub(crate) const HELP: &str = "\
Usage: wamrc [OPTION...] -o OUTPUT FILE
Compiles the WebAssembly module in FILE, or in the .aot file FILE, for `iwasm` and hosts of libiwasm.

What comes out:
  -o OUTPUT                 file to write
  --format=FORMAT           `aot` (default); `object`, which makes OUTPUT, OUTPUT.1 and so on of a large module;
                            `llvmir-unopt`, `llvmir-opt`
  --emit-custom-sections=A  all are kept, there is no need to name them

For which machine (default: this one, with all it has):
  --target=ARCH             an architecture, or LLVM's triple; `help` lists them
  --target-abi=ABI          goes with an architecture; `help` lists them
  --cpu=CPU                 LLVM's name of a processor; `help` lists them
  --cpu-features=+A,-B      features with and without; `+help` lists them

How:
  --opt-level=N             0 to 3 (3), as clang has them
  --size-level=N            code model: 3 small (default), 2 kernel, 1 medium, 0 large; what a target lacks is 3
  --bounds-checks=0|1       find accesses outside memory by guard pages (0, default) or by comparing (1)
  --disable-simd            refuse a module that uses SIMD
  --disable-bulk-memory     refuse one that uses bulk memory operations
  --disable-ref-types       refuse one that uses reference types
  --no-checkpoint           code that cannot be stopped: no checkpoints, timeouts, wasm_runtime_terminate
  --precise-stable-points   a poll at each stable point: slower, but counts them as the interpreter does
  --deterministic           NaNs have the same bits in every engine and on every machine; `iwasm --deterministic`
                            runs such code only
  --no-continuations        smaller; frames that are restored are interpreted until they return
  --watch=NAME,...          functions that a host wants to watch (wayfarer_watch_function), by name or index: they are
                            interpreted; can be given several times
  --stdio-map=fopen=N,...   which functions are fopen, fdopen, freopen and fclose, where the module's names don't say so:
                            by index; `none`: open streams are not to be known
  --threads=N               compile with so many threads (one for each processor)
  --mllvm=OPTION            an option of LLVM's own

  -v=N                      log level, 0 to 5; from 2 on, the default, there are notes, from 3 on time and memory
  --help, -h                print this
  --version, --llvm-version print the version

Accepted, as what they ask for is so: --enable-bulk-memory-opt, --enable-call-indirect-overlong,
--enable-extended-const, --enable-lime1, --enable-linux-perf, --enable-multi-thread, --enable-simd, --enable-tail-call,
--disable-aux-stack-check, --disable-llvm-lto, --invoke-c-api-import, --stack-bounds-checks=1.
Accepted with a note, as they change nothing that a program could see: --call-stack-features,
--disable-llvm-intrinsics, --disable-llvm-jump-tables, --enable-builtin-intrinsics, --enable-dump-call-stack,
--enable-llvm-passes, --enable-memory-profiling, --enable-perf-profiling, --enable-segue,
--native-lib, --use-prof-file, whose file must be there; and whatever comes after FILE.
Refused: --enable-gc, --enable-indirect-mode, --enable-llvm-pgo, --enable-shared-chain, --enable-shared-heap,
--stack-usage, --xip, -sgx.
";

/// First line of the help text.
pub(crate) fn usage_line() -> &'static str {
    &HELP[..HELP.find('\n').map_or(0, |end| end + 1)]
}

/// What `--version` prints. The first line is the version of WAMR's interface.
pub(crate) fn version() -> String {
    format!("wamrc 2.4.3\n\n{}\n", wayfarer_compiler::producer())
}

/// A list of what an option can be.
///
/// # Errors
/// A message, if the target is none.
pub(crate) fn list(list: &List) -> Result<String, String> {
    let lines = |title: String, names: &[String]| {
        names.iter().fold(title + "\n", |text, name| format!("{text}  {name}\n"))
    };
    let known = |triple: &Option<String>| {
        wayfarer_compiler::known(triple.as_deref()).map_err(|e| format!("Error: {e}"))
    };
    let of = |triple: &Option<String>| triple.clone().unwrap_or_else(|| "this machine".to_owned());
    Ok(match list {
        List::Targets => {
            let names = TARGETS.iter().map(|(name, _)| name).chain(ALIASES.iter().map(|(name, _)| name));
            let names: Vec<_> = names.map(|name| (*name).to_owned()).collect();
            lines("Architectures (or a full triple, of Linux):".to_owned(), &names)
        }
        List::Abis => {
            let names: Vec<_> =
                TARGETS.iter().map(|(name, abis)| format!("{name}: {}", abis.join(", "))).collect();
            lines("ABIs, the default first:".to_owned(), &names)
        }
        List::Processors(triple) => {
            lines(format!("Processors of {}:", of(triple)), &known(triple)?.processors)
        }
        List::Features(triple) => {
            lines(format!("Processor features of {}:", of(triple)), &known(triple)?.features)
        }
    })
}

/// Time and peak memory.
pub(crate) fn usage(time: Duration) -> String {
    // SAFETY: plain numbers, for which zeros are fine.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a place for the answer.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    // Linux counts KiB.
    format!("time {:.3} s, peak memory {} MiB", time.as_secs_f64(), usage.ru_maxrss / 1024)
}
