//! Nothing. A build script has what procedural macros are built with among its dependencies.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
