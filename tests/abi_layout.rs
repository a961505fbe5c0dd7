//! The headers are WAMR's, at source level: every prototype, enum value, structure layout, type and macro is checked by
//! compiling C and C++ made from the facts.

#[path = "abi/facts.rs"]
mod facts;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use facts::{enums, functions, macros, records, typedefs};

const PRELUDE: &str = r#"
#include <stddef.h>
#ifdef __cplusplus
#define CHECK(what, why) static_assert(what, why)
#define ALIGN_OF(type) alignof(type)
#else
#define CHECK(what, why) _Static_assert(what, why)
#define ALIGN_OF(type) _Alignof(type)
#endif
"#;

/// What a user of the headers writes with their macros and inline functions.
const USES: &str = r#"
#ifdef _WASM_EXPORT_H
static int32_t host(wasm_exec_env_t exec_env, uint32_t offset) {
    wasm_module_inst_t module_inst = get_module_inst(exec_env);
    void *native = 0;
    uint64_t app = module_malloc(8, &native);
    module_free(app);
    return validate_app_addr(offset, 4) && validate_app_str_addr(offset)
           && addr_native_to_app(addr_app_to_native(offset)) == offset;
}
static void raw(wasm_exec_env_t exec_env, uint64_t *args) {
    native_raw_return_type(int32_t, args);
    native_raw_get_arg(int32_t, x, args);
    native_raw_set_return(x + (exec_env != 0));
}
#define host_wrapper host
NativeSymbol symbols[] = {
    EXPORT_WASM_API(host), EXPORT_WASM_API2(host),
    EXPORT_WASM_API_WITH_SIG(raw, "(i)i"), EXPORT_WASM_API_WITH_SIG2(host, "(i)i"),
    EXPORT_WASM_API_WITH_ATT(host, "(i)i", 0), EXPORT_WASM_API_WITH_ATT2(host, "(i)i", 0),
};
#endif
#ifdef _WASM_C_API_H_
#ifndef __cplusplus
static wasm_val_t values[] = { WASM_I32_VAL(1), WASM_I64_VAL(2), WASM_F32_VAL(3.f), WASM_F64_VAL(4.), WASM_INIT_VAL,
                               WASM_REF_VAL(0) };
wasm_val_vec_t vector_of_values = WASM_ARRAY_VEC(values);
#endif
wasm_val_vec_t empty = WASM_EMPTY_VEC;
int kilobytes[KILOBYTE(2)];
wasm_functype_t *type(void) {
    return wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_anyref(), wasm_valtype_new_f64());
}
void names(wasm_name_t *out) { wasm_name_new_from_string(out, "x"); wasm_name_delete(out); wasm_name_new_empty(out); }
CHECK(MEMORY_PAGE_SIZE == 65536, "page"); 
#endif
"#;

fn check(name: &str, includes: &[&str], facts_of: &[&str]) {
    let all = facts::facts();
    let facts: Vec<_> = facts_of.iter().map(|header| &all["headers"][*header]).collect();
    check_facts(name, includes, &facts, &["c11", "gnu17"]);
}

fn check_facts(name: &str, includes: &[&str], facts: &[&Value], c_standards: &[&str]) {
    let mut c = PRELUDE.to_owned();
    for header in includes {
        c += &format!("#include \"{header}\"\n");
    }
    for header in facts {
        for part in [macros(header), typedefs(header), enums(header), records(header), functions(header)] {
            c += &part;
        }
    }
    // `MEMORY_PAGE_SIZE` is a constant, not a constant expression, in C.
    c += &USES.replace("CHECK(MEMORY_PAGE_SIZE == 65536, \"page\"); ", "");

    let dir = tempfile::tempdir().unwrap();
    let in_c = c_standards.iter().map(|standard| ("gcc", "c", *standard));
    for (compiler, extension, standard) in in_c.chain([("g++", "cc", "c++17")]) {
        let standard = format!("-std={standard}");
        let file = dir.path().join(format!("{name}.{extension}"));
        std::fs::write(&file, &c).unwrap();
        let output = Command::new(compiler)
            .args([&standard, "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-Wno-deprecated-declarations"])
            .args(["-Wno-missing-field-initializers", "-fsyntax-only", "-I"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
            .arg(&file)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compiler} {standard}:\n{}", &errors[..errors.len().min(6000)]);
    }
}

#[test]
fn lib_export() {
    check("lib_export", &["lib_export.h"], &["lib_export.h"]);
}

#[test]
fn wasm_export() {
    check("wasm_export", &["wasm_export.h"], &["wasm_export.h", "lib_export.h"]);
}

#[test]
fn wasm_c_api() {
    check("wasm_c_api", &["wasm_c_api.h"], &["wasm_c_api.h"]);
}

#[test]
fn both_headers_together() {
    check("export_first", &["wasm_export.h", "wasm_c_api.h"], &[]);
    check("c_api_first", &["wasm_c_api.h", "wasm_export.h"], &[]);
}

/// All by the one that includes the others, and each by itself. They need POSIX, as WAMR's do.
#[test]
fn helper_headers() {
    let all = facts::helpers();
    let headers = all["headers"].as_object().unwrap();
    assert_eq!(headers.len(), 15);
    let facts: Vec<_> = headers.values().collect();
    let names = ["bh_platform.h", "bh_read_file.h", "bh_getopt.h"];
    check_facts("helpers", &names, &facts, &["gnu11", "gnu17"]);
    check_facts("helpers_and_api", &["wasm_export.h", "bh_platform.h", "wasm_c_api.h"], &[], &["gnu17"]);
    for name in headers.keys() {
        check_facts("helper", &[name], &[], &["gnu17"]);
    }
}

#[test]
fn a_wrong_prototype_is_noticed() {
    let mut all = facts::facts();
    let f = &mut all["headers"]["wasm_export.h"]["functions"][0];
    assert_eq!(f["name"], "wasm_runtime_init");
    f["ret"] = "int".into();
    let c = format!("{PRELUDE}#include \"wasm_export.h\"\n{}", functions(&all["headers"]["wasm_export.h"]));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrong.c");
    std::fs::write(&file, c).unwrap();
    let output = Command::new("gcc")
        .args(["-std=c11", "-Werror", "-fsyntax-only", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("incompatible-pointer-types"));
}
