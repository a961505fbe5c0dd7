//! Types of values keep their numbers, and limits that nobody declared are WAMR's.

use wayfarer_c_data::kinds::{val_type, valkind};
use wayfarer_c_data::limits::table_max;
use wayfarer_module::{Limits, TableType, ValType};

#[test]
fn types_of_values_have_a_number_each() {
    use ValType::{ExternRef, F32, F64, FuncRef, I32, I64, V128};
    let kinds = [I32, I64, F32, F64, V128, ExternRef, FuncRef].map(|ty| (ty, valkind(ty)));
    assert_eq!(kinds.map(|(_, kind)| kind), [0, 1, 2, 3, 4, 128, 129]);
    assert!(kinds.iter().all(|&(ty, kind)| val_type(kind) == Some(ty)));
    assert_eq!([5, 127, 130].map(val_type), [None; 3]);
}

#[test]
fn a_table_without_a_maximum_has_one() {
    let max = |min, max| table_max(&TableType { elem: ValType::FuncRef, limits: Limits { min, max } });
    assert_eq!(
        [max(1, None), max(1000, None), max(1, Some(7)), max(1, Some(1 << 40))],
        [1024, 2000, 7, u32::MAX]
    );
}
