//! Builds the C function of the C interface (`src/capi/c/`) and names the shared library.

fn main() {
    // Hosts linked against WAMR's library look for it by this name.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libiwasm.so.2");

    // Libraries that `iwasm --native-lib` loads call back into the API; the rest of the program is none of theirs.
    for symbols in ["wasm_*", "wayfarer_*", "get_package_type", "bh_*", "b_*", "os_*", "wa_strdup"] {
        println!("cargo:rustc-link-arg-bin=iwasm=-Wl,--export-dynamic-symbol={symbols}");
    }

    println!("cargo:rerun-if-changed=src/capi/c");
    println!("cargo:rerun-if-changed=include");
    cc::Build::new()
        .file("src/capi/c/variadic.c")
        .include("include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("iwasm_c");
}
