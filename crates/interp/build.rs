//! Chooses how instructions are dispatched: see `src/exec/dispatch.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let env = |name| std::env::var(name).unwrap_or_default();
    // Where LLVM turns a call in tail position into a jump once it optimizes. Elsewhere a loop dispatches.
    let arch = matches!(env("CARGO_CFG_TARGET_ARCH").as_str(), "x86_64" | "aarch64");
    let optimizing = matches!(env("OPT_LEVEL").as_str(), "2" | "3" | "s" | "z");
    if arch && optimizing {
        println!("cargo::rustc-cfg=tail_dispatch");
    }
}
