//! `wamrc`: WAMR's name for the program that compiles ahead of time. There is no compiler in this release; the program
//! is here to say so to whoever calls it.

use std::process::ExitCode;

const HELP: &str = "\
Usage: wamrc --help | --version
Compiling WebAssembly ahead of time is not part of this release of Wayfarer: there is no option that would do it.
`iwasm` and hosts of libiwasm run .wasm files in the interpreter.
";

fn main() -> ExitCode {
    match std::env::args_os().nth(1).as_ref().and_then(|w| w.to_str()) {
        Some("--help" | "-h") => print!("{HELP}"),
        Some("--version") => println!(
            "wamrc 2.4.3\n\nWayfarer {}, without a compiler: nothing can be compiled with this build.",
            env!("CARGO_PKG_VERSION")
        ),
        _ => {
            println!(
                "wamrc: compiling ahead of time is not part of this release of Wayfarer; run the .wasm file with iwasm"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
