//! What is printed, and how.

use std::ffi::CString;

use wayfarer_program::policy::EXIT_CHECKPOINTED;

/// Prints on C's stdout, the stream that the library prints on as well: so everything comes in the order it happened.
pub(crate) fn print(text: &str) {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // SAFETY: the format takes one C string, which is what it gets.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

/// Brings what was printed to where it belongs.
pub(crate) fn flush() {
    // SAFETY: NULL stands for all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// First line of the help text.
pub(crate) const USAGE: &str = "Usage: iwasm [OPTION...] FILE [ARGUMENT...]\n";

/// The help text.
pub(crate) fn help() -> String {
    format!(
        "{USAGE}\
Runs the program in FILE, WebAssembly or compiled by wamrc. Options come before FILE; what comes after it is the program's.

Running:
  -f NAME, --function NAME  call the exported function NAME with the arguments, in place of the entry point
  --interp                  run WebAssembly in the interpreter, as is the default
  --llvm-jit, --fast-jit, --multi-tier-jit
                            compile what is hot while it runs: the three do the same
  --llvm-jit-opt-level=N    optimization level of that, 1 to 3 (3)
  --llvm-jit-size-level=N   code model of that, 1 to 3 (3); on x86-64 all are the small one
  --deterministic           NaNs have the same bits in every engine and on every machine
  --enable-linux-perf       tell perf the names of compiled functions
  --repl                    read function names with their arguments from stdin, and call them
  --stack-size=N            bytes of WebAssembly stack, if more than 8 MiB
  --heap-size=N             bytes of heap for the host in the program's memory (0)
  --max-threads=N           let the program start so many threads at a time (4 if not given)
  --timeout=MS              stop the program after so many milliseconds
  --stdio-map=fopen=N,...   which functions are fopen, fdopen, freopen and fclose, where the module's names don't say so:
                            by index; `none`: open streams are not to be known
  --native-lib=FILE.so      host functions from a shared library (up to 8)
  -v=N                      log level: 0 fatal errors, 1 errors, 2 warnings (default), 3 debug, 4 or 5 verbose
  --help, -h                print this
  --version                 print version and supported proposals

What a WASI program may use (each up to 8 times):
  --env=NAME=VALUE          an environment variable
  --dir=DIRECTORY           a directory, under its own name
  --map-dir=GUEST::HOST     the directory HOST, under the name GUEST
  --wasi=NAME               whose files it sees: `linux` (default); `portable`, the same by what every system has; or
                            `memory`, which travels in images: directories are read into it, also out of a tar file
  --record=FILE             log its WASI calls in FILE, for `wayfarer log`; FILE is gone on with if it is of this program
  --addr-pool=A/BITS[,...]  addresses for its sockets
  --allow-resolve=DOMAIN    a domain, or *SUFFIX, that it may look up

Checkpoint and restore:
  --checkpoint=IMAGE        write checkpoints to IMAGE, when the signal asks for one or as below
  --checkpoint-signal=NAME  the signal that asks for one (USR2)
  --checkpoint-at=N         take one at the Nth stable point
  --checkpoint-every=TIME   take one each time TIME has passed, like 500ms, 10s, 2m, 1h
  --checkpoint-then=WHAT    `continue` (default), or `exit` with status {EXIT_CHECKPOINTED}
  --checkpoint-group=FOLDER:N  a checkpoint is of all N programs that meet in FOLDER, a pipeline say, with what is on its
                            way between them
  --group-limit=TIME        how long the others of the group are waited for (30s)
  --checkpoint-mode=MODE    permissions of IMAGE, in octal (0600: only its owner may read it)
  --checkpoint-files=POLICY[:PREFIX]
                            of open files (below PREFIX) IMAGE has path, size and time, to `reopen` them (default), or
                            their hash (`reopen-hash`); all bytes (`carry`); or the path alone (`ignore`) (several times)
  --stop-limit=TIME         how long a thread in a native function is waited for (5s)
  --restore=IMAGE           go on from IMAGE with the same FILE and directories
  --restore-files=WHAT[:PREFIX]
                            what becomes of open files (below PREFIX, as the program has it; the longest counts): they must be
                            the `same` as at the checkpoint (default); may be `changed`; have grown and are `truncate`d; or
                            those that IMAGE carries `replace` what is there (several times)
"
    )
}

/// What `--version` prints. `api` is the version of WAMR's interface.
pub(crate) fn version(api: (u32, u32, u32)) -> String {
    let (major, minor, patch) = api;
    let mut text = format!(
        "iwasm {major}.{minor}.{patch}\n\nWayfarer {}, for hosts of WAMR {major}.{minor}.{patch}. Engines: interpreter, compiled code.\n\n\
         WebAssembly proposals\n  always on:\n",
        env!("CARGO_PKG_VERSION")
    );
    for name in ALWAYS_ON {
        text += &format!("    - {name}\n");
    }
    text += "  part of this build (1) or not (0):\n";
    for (name, switch, on) in IN_THIS_BUILD {
        text += &format!("    - {name} via {switch}: {}\n", u8::from(*on));
    }
    text += "  not supported:\n";
    for name in UNSUPPORTED {
        text += &format!("    - {name}\n");
    }
    text
}

const ALWAYS_ON: &[&str] = &[
    "Mutable globals",
    "Multi-value",
    "Non-trapping float-to-int conversions",
    "Sign-extension operators",
    "WebAssembly C and C++ API",
];

/// Proposal, WAMR's name for the switch that turns it on, and whether it is.
const IN_THIS_BUILD: &[(&str, &str, bool)] = &[
    ("Bulk memory operations", "WASM_ENABLE_BULK_MEMORY", true),
    ("Extended constant expressions", "WASM_ENABLE_EXTENDED_CONST_EXPR", true),
    ("Fixed-width SIMD", "WASM_ENABLE_SIMD", true),
    ("Garbage collection", "WASM_ENABLE_GC", false),
    ("Legacy exception handling", "WASM_ENABLE_EXCE_HANDLING", false),
    ("Memory64", "WASM_ENABLE_MEMORY64", false),
    ("Multiple memories", "WASM_ENABLE_MULTI_MEMORY", false),
    ("Reference types", "WASM_ENABLE_REF_TYPES", true),
    ("Tail call", "WASM_ENABLE_TAIL_CALL", true),
    ("Threads", "WASM_ENABLE_SHARED_MEMORY", false),
    ("Typed function references", "WASM_ENABLE_GC", false),
];

const UNSUPPORTED: &[&str] = &[
    "Branch hinting",
    "Custom annotation syntax in the text format",
    "Exception handling",
    "JS string builtins",
    "Relaxed SIMD",
];
