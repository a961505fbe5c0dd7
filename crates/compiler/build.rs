//! Builds the little C++ there is, against the headers of the LLVM that the `llvm-sys` crate links.

use std::env;
use std::process::Command;

const FILES: [&str; 4] = ["src/features.cpp", "src/nans.cpp", "src/process.cpp", "src/promote.cpp"];

fn main() {
    // Where `llvm-sys` looks, too.
    let prefix = env::var("LLVM_SYS_191_PREFIX").ok().map(|prefix| format!("{prefix}/bin/llvm-config"));
    let names = ["llvm-config-19".to_owned(), "llvm-config".to_owned()];
    let include_dir = prefix.into_iter().chain(names).find_map(|program| {
        let output =
            Command::new(program).arg("--includedir").output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    let include_dir = include_dir.expect("llvm-config-19, of Debian's llvm-19-dev, or LLVM_SYS_191_PREFIX");
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LLVM_SYS_191_PREFIX");
    cc::Build::new()
        .cpp(true)
        .files(FILES)
        .std("c++17")
        // As LLVM is built.
        .flag("-fno-rtti")
        .flag("-fno-exceptions")
        .flag(format!("-isystem{include_dir}"))
        .warnings(true)
        .compile("wayfarer_llvm");
}
