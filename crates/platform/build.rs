//! Builds the functions with variable argument lists, which stable Rust cannot define.

fn main() {
    println!("cargo::rerun-if-changed=src/logging.c");
    cc::Build::new()
        .file("src/logging.c")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("wayfarer_logging");
}
