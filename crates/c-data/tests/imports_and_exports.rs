//! Imports and exports own their names and types.

use wayfarer_c_data::types::*;
use wayfarer_c_data::vectors::wasm_name_t;

#[test]
fn imports_and_exports() {
    let limits = wasm_limits_t { min: 1, max: NO_MAX };
    // SAFETY: everything is made and deleted here.
    unsafe {
        let memory = wasm_memorytype_new(&raw const limits);
        let (mut module, mut name) = (wasm_name_t::text("m"), wasm_name_t::text("n"));
        let import =
            wasm_importtype_new(&raw mut module, &raw mut name, wasm_memorytype_as_externtype(memory));
        let copy = wasm_importtype_copy(import);
        wasm_importtype_delete(import);
        assert_eq!((*wasm_importtype_module(copy)).to_text(), "m");
        assert_eq!((*wasm_importtype_name(copy)).to_text(), "n");
        let memory = wasm_externtype_as_memorytype_const(wasm_importtype_type(copy));
        assert_eq!(*wasm_memorytype_limits(memory), limits);
        wasm_importtype_delete(copy);

        let table = wasm_tabletype_new(wasm_valtype_new(129), &raw const limits);
        assert_eq!(wasm_valtype_kind(wasm_tabletype_element(table)), 129);
        assert_eq!((*wasm_tabletype_limits(table)).min, 1);
        let mut name = wasm_name_t::text("t");
        let export = wasm_exporttype_new(&raw mut name, wasm_tabletype_as_externtype(table));
        assert_eq!((*wasm_exporttype_name(export)).size, 2, "the NUL counts");
        assert_eq!(wasm_externtype_kind(wasm_exporttype_type(export)), EXTERN_TABLE);
        wasm_exporttype_delete(export);

        let global = wasm_globaltype_new(wasm_valtype_new(3), 1);
        assert_eq!(wasm_valtype_kind(wasm_globaltype_content(global)), 3);
        assert_eq!(wasm_globaltype_mutability(global), 1);
        wasm_globaltype_delete(global);
    }
}
