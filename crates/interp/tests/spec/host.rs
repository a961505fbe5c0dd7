//! The `spectest` module that the test suite imports from: a module of its own, whose functions the host has.

use std::sync::Arc;
use wayfarer_module::FuncType;
use wayfarer_runtime::{Func, HostFunc, Store};

/// What `spectest` offers.
pub(crate) const SPECTEST: &str = r#"(module
    (import "spectest" "print" (func $print))
    (import "spectest" "print_i32" (func $print_i32 (param i32)))
    (import "spectest" "print_i64" (func $print_i64 (param i64)))
    (import "spectest" "print_f32" (func $print_f32 (param f32)))
    (import "spectest" "print_f64" (func $print_f64 (param f64)))
    (import "spectest" "print_i32_f32" (func $print_i32_f32 (param i32 f32)))
    (import "spectest" "print_f64_f64" (func $print_f64_f64 (param f64 f64)))
    (export "print" (func $print))
    (export "print_i32" (func $print_i32))
    (export "print_i64" (func $print_i64))
    (export "print_f32" (func $print_f32))
    (export "print_f64" (func $print_f64))
    (export "print_i32_f32" (func $print_i32_f32))
    (export "print_f64_f64" (func $print_f64_f64))
    (table (export "table") 10 20 funcref)
    (memory (export "memory") 1 2)
    (global (export "global_i32") i32 (i32.const 666))
    (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6))
    (global (export "global_f64") f64 (f64.const 666.6)))"#;

/// A memory that it offers in the threads proposal's files: there is one in a module at most.
pub(crate) const SHARED_MEMORY: &str = r#"(module (memory (export "shared_memory") 1 2 shared))"#;

/// A host function that does nothing, of this type.
pub(crate) fn print(store: &Arc<Store>, name: &str, ty: &FuncType) -> *const Func {
    let host = HostFunc {
        name: ("spectest".into(), name.into()),
        restartable: true,
        call: Box::new(|_, _| Ok(())),
        data: None,
    };
    store.add_host_func(ty, host)
}
