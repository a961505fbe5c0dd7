//! Builds the C function that calls functions with vectors.

fn main() {
    println!("cargo::rerun-if-changed=src/vector_call.c");
    cc::Build::new()
        .file("src/vector_call.c")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("wayfarer_vector_call");
}
