//! `iwasm --native-lib`.

use std::process::Command;

use crate::support::{Folder, iwasm};

/// Calls back into the library API, which `iwasm` has to export for that.
const LIBRARY: &str = r#"
#include <stdio.h>
#include "wasm_export.h"

static uint32_t
peek(wasm_exec_env_t exec_env, uint32_t address)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(exec_env);
    unsigned char *p = wasm_runtime_addr_app_to_native(inst, address);
    return p ? *p : 0;
}

static NativeSymbol symbols[] = { { "peek", (void *)peek, "(i)i", NULL } };

#ifdef REFUSES
int init_native_lib(void) { return 4; }
#else
int init_native_lib(void) { printf("init\n"); return 0; }
#endif

void deinit_native_lib(void) { printf("deinit\n"); }

#ifndef SAYS_NOTHING
uint32_t
get_native_lib(char **module, NativeSymbol **natives)
{
    *module = "lib";
    *natives = symbols;
    return 1;
}
#endif
"#;

const GUEST: &str = r#"(module
    (import "lib" "peek" (func $peek (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 5) "A")
    (func (export "peek") (param i32) (result i32) (call $peek (local.get 0))))"#;

fn library(folder: &Folder, name: &str, define: &str) -> String {
    let source = folder.write("library.c", LIBRARY);
    let output = folder.text(name);
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", define, "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/include")])
        .args(["-o", &output, &source])
        .status();
    assert!(compiled.expect("a C compiler").success());
    output
}

#[test]
fn functions_come_from_libraries() {
    let folder = Folder::new();
    let guest = folder.module("guest.wasm", GUEST);
    let option = format!("--native-lib={}", library(&folder, "good.so", "-DGOOD"));
    iwasm([&*option, "-f", "peek", &guest, "5"]).expect("init\n0x41:i32\ndeinit\n", 0);
}

#[test]
fn a_library_that_cannot_be_used_is_only_a_warning() {
    let folder = Folder::new();
    let guest = folder.module("nothing.wasm", r#"(module (func (export "f")))"#);
    let refuses = library(&folder, "refuses.so", "-DREFUSES");
    let says_nothing = library(&folder, "says_nothing.so", "-DSAYS_NOTHING");
    for (path, why, before) in [
        (&*refuses, "init_native_lib returned 4", ""),
        (&*says_nothing, "there is no get_native_lib in it", "init\n"),
    ] {
        let option = format!("--native-lib={path}");
        let warning = format!("{before}warning: failed to load native library {path}: {why}\n");
        iwasm([&*option, "-f", "f", &guest]).expect(&format!("{warning}\n"), 0);
        iwasm([&*option, "-v=1", "-f", "f", &guest]).expect(&format!("{before}\n"), 0);
    }
    let missing = iwasm(["--native-lib=/no/such.so", "-f", "f", &guest]);
    let start = "warning: failed to load native library /no/such.so: /no/such.so: cannot open";
    assert!(missing.stdout.starts_with(start), "{missing:?}");
    assert!(missing.stdout.ends_with("\n\n"), "it goes on: {missing:?}");
    assert_eq!(missing.status, Some(0));
}
