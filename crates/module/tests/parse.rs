//! What `parse` takes from each section.

use wayfarer_module::*;

fn module(text: &str) -> Module {
    parse(wat::parse_str(text).unwrap().into()).unwrap()
}

fn expr(op: ConstOp) -> ConstExpr {
    ConstExpr([op].into())
}

fn limits(min: u64, max: Option<u64>) -> Limits {
    Limits { min, max }
}

#[test]
fn modules_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Module>();
    shared::<FuncPoints>();
}

#[test]
fn empty_module() {
    let module = module("(module)");
    assert_eq!(&module.bytes[..], b"\0asm\x01\0\0\0");
    // SHA-256 of those eight bytes.
    let digest: String = module.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476");
    assert!(module.types.is_empty() && module.funcs.is_empty() && module.exports.is_empty());
    assert!(module.tables.is_empty() && module.memories.is_empty() && module.globals.is_empty());
    assert_eq!((module.start, module.code_start), (None, 0));
    assert!(!module.uses_memory_grow_or_size);
}

#[test]
fn types() {
    use ValType::*;
    let module = module(
        "(module
            (type (func))
            (type (func (param i32 i64 f32 f64 v128 funcref externref) (result externref v128))))",
    );
    assert_eq!(module.types.len(), 2);
    assert_eq!(module.types[0], FuncType { params: [].into(), results: [].into() });
    assert_eq!(module.types[1].params[..], [I32, I64, F32, F64, V128, FuncRef, ExternRef]);
    assert_eq!(module.types[1].results[..], [ExternRef, V128]);
    assert_eq!((module.types[1].param_slots(), module.types[1].result_slots()), (8, 3));
}

#[test]
fn imports_come_first_in_each_index_space() {
    let module = module(
        r#"(module
            (type (func (param i32)))
            (type (func (result i64)))
            (import "a" "t" (table 1 2 externref))
            (import "a" "f" (func (type 1)))
            (import "b" "" (memory 3))
            (import "a" "g" (global (mut f64)))
            (import "ä" "f" (func (type 0)))
            (func (type 0))
            (table 4 funcref)
            (global i32 (i32.const 5)))"#,
    );
    let table = TableType { elem: ValType::ExternRef, limits: limits(1, Some(2)) };
    let memory = MemoryType { limits: limits(3, None), shared: false };
    let global = GlobalType { val: ValType::F64, mutable: true };
    let imports: Vec<_> =
        module.imports.iter().map(|import| (&*import.module, &*import.name, import.ty)).collect();
    assert_eq!(
        imports,
        [
            ("a", "t", ImportType::Table(table)),
            ("a", "f", ImportType::Func(1)),
            ("b", "", ImportType::Memory(memory)),
            ("a", "g", ImportType::Global(global)),
            ("ä", "f", ImportType::Func(0)),
        ]
    );
    assert_eq!(
        (
            module.num_imported_funcs,
            module.num_imported_tables,
            module.num_imported_memories,
            module.num_imported_globals
        ),
        (2, 1, 1, 1)
    );
    assert_eq!(module.funcs.iter().map(|func| func.ty).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(module.funcs.iter().map(|func| func.body.is_some()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(module.func_type(0).results[..], [ValType::I64]);
    assert_eq!(module.tables[0].ty, table);
    assert_eq!(module.tables[1].ty, TableType { elem: ValType::FuncRef, limits: limits(4, None) });
    assert_eq!(module.memories[..], [memory]);
    assert_eq!((module.globals[0].ty, &module.globals[0].init), (global, &None));
    assert_eq!(module.globals[1].init, Some(expr(ConstOp::I32Const(5))));
}

#[test]
fn memories_and_tables() {
    let module = module("(module (memory 1 65536) (table 0 funcref) (table 7 7 externref))");
    assert_eq!(module.memories[..], [MemoryType { limits: limits(1, Some(65536)), shared: false }]);
    let tables: Vec<_> = module.tables.iter().map(|table| (table.ty.elem, table.ty.limits)).collect();
    assert_eq!(tables, [(ValType::FuncRef, limits(0, None)), (ValType::ExternRef, limits(7, Some(7)))]);
    assert!(module.tables.iter().all(|table| table.init.is_none()));
}

#[test]
fn globals_and_constant_expressions() {
    use ConstOp::*;
    let module = module(
        r#"(module
            (import "" "i" (global i32))
            (import "" "j" (global i64))
            (func)
            (global (mut i32) (i32.const -1))
            (global i64 (i64.const -2))
            (global f32 (f32.const nan:0x200001))
            (global f64 (f64.const -0))
            (global v128 (v128.const i32x4 1 2 3 4))
            (global funcref (ref.null func))
            (global externref (ref.null extern))
            (global funcref (ref.func 0))
            (global i32 (i32.sub (i32.mul (global.get 0) (i32.const 3)) (i32.add (i32.const 1) (i32.const 2))))
            (global i64 (i64.add (i64.mul (global.get 1) (i64.const 3)) (i64.sub (i64.const 1) (i64.const 2)))))"#,
    );
    let inits: Vec<&[ConstOp]> =
        module.globals.iter().filter_map(|global| Some(&*global.init.as_ref()?.0)).collect();
    let expected: &[&[ConstOp]] = &[
        &[I32Const(-1)],
        &[I64Const(-2)],
        &[F32Const(0x7fa0_0001)],
        &[F64Const(0x8000_0000_0000_0000)],
        &[V128Const(0x0000_0004_0000_0003_0000_0002_0000_0001)],
        &[RefNull(ValType::FuncRef)],
        &[RefNull(ValType::ExternRef)],
        &[RefFunc(0)],
        &[GlobalGet(0), I32Const(3), I32Mul, I32Const(1), I32Const(2), I32Add, I32Sub],
        &[GlobalGet(1), I64Const(3), I64Mul, I64Const(1), I64Const(2), I64Sub, I64Add],
    ];
    assert_eq!(inits, expected);
    assert_eq!(module.globals[2].ty, GlobalType { val: ValType::I32, mutable: true });
    assert_eq!(module.globals[3].ty, GlobalType { val: ValType::I64, mutable: false });
}

#[test]
fn exports_and_start() {
    let module = module(
        r#"(module
            (func (export "f")) (func (export "g"))
            (table (export "t") 1 funcref) (memory (export "m") 1)
            (global (export "") i32 (i32.const 0))
            (export "g again" (func 1))
            (start 1))"#,
    );
    let exports: Vec<_> = module.exports.iter().map(|e| (&*e.name, e.kind, e.index)).collect();
    use ExternKind::*;
    assert_eq!(
        exports,
        [
            ("f", Func, 0),
            ("g", Func, 1),
            ("t", Table, 0),
            ("m", Memory, 0),
            ("", Global, 0),
            ("g again", Func, 1)
        ]
    );
    assert_eq!(module.start, Some(1));
    assert_eq!(module.export("m").map(|e| e.kind), Some(Memory));
    assert_eq!(module.export("").map(|e| e.kind), Some(Global));
    assert!(module.export("x").is_none());
}

#[test]
fn element_segments() {
    use ConstOp::*;
    let module = module(
        r#"(module
            (import "" "base" (global i32))
            (table 10 funcref) (table $x 10 externref)
            (func) (func)
            (elem (i32.const 1) func 0 1)
            (elem (table 0) (global.get 0) funcref (ref.func 1) (ref.null func))
            (elem (table $x) (i32.const 2) externref (ref.null extern))
            (elem func 1)
            (elem declare func 0))"#,
    );
    let active = |index, op| SegmentMode::Active { index, offset: expr(op) };
    let expected = [
        (ValType::FuncRef, vec![RefFunc(0), RefFunc(1)], active(0, I32Const(1))),
        (ValType::FuncRef, vec![RefFunc(1), RefNull(ValType::FuncRef)], active(0, GlobalGet(0))),
        (ValType::ExternRef, vec![RefNull(ValType::ExternRef)], active(1, I32Const(2))),
        (ValType::FuncRef, vec![RefFunc(1)], SegmentMode::Passive),
        (ValType::FuncRef, vec![RefFunc(0)], SegmentMode::Declared),
    ];
    assert_eq!(module.elems.len(), expected.len());
    for (segment, (ty, items, mode)) in module.elems.iter().zip(expected) {
        assert_eq!((segment.ty, &segment.mode), (ty, &mode));
        assert_eq!(segment.items[..], items.into_iter().map(expr).collect::<Vec<_>>()[..]);
    }
}

#[test]
fn data_segments() {
    let module = module(
        r#"(module (memory 1)
            (data (i32.const 8) "active")
            (data "passive")
            (data (memory 0) (i32.const 0) "")
            (func (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 1))))"#,
    );
    let data: Vec<_> = module.datas.iter().map(|segment| &module.bytes[segment.data.clone()]).collect();
    assert_eq!(data, [&b"active"[..], b"passive", b""]);
    let active = |at| SegmentMode::Active { index: 0, offset: expr(ConstOp::I32Const(at)) };
    let modes: Vec<_> = module.datas.iter().map(|segment| segment.mode.clone()).collect();
    assert_eq!(modes, [active(8), SegmentMode::Passive, active(0)]);
}

#[test]
fn code() {
    let module = module("(module (func) (func (local i64) (nop)))");
    // Payload of the code section: count, then size and body of each.
    let code = &module.bytes[module.code_start..];
    assert_eq!(code[..2], [2, 2]);
    let bodies: Vec<_> = module.funcs.iter().map(|func| func.body.clone().unwrap()).collect();
    assert_eq!(bodies[0].start, module.code_start + 2);
    assert_eq!(module.bytes[bodies[0].clone()], [0x00, 0x0b]);
    assert_eq!(module.bytes[bodies[1].clone()], [0x01, 0x01, 0x7e, 0x01, 0x0b]);
    let mut reader = module.body_reader(1);
    assert_eq!(reader.original_position() as usize, bodies[1].start);
    assert_eq!(reader.read_var_u32().unwrap(), 1);
}

#[test]
fn func_validator_knows_the_module() {
    let module = module("(module (func) (func (param i64) (result i64) (local.get 0)))");
    let mut validator = module.func_validator(1, Default::default());
    let mut reader = module.body_reader(1);
    validator.read_locals(&mut reader).unwrap();
    let offset = reader.original_position();
    reader.visit_operator(&mut validator.visitor(offset)).unwrap().unwrap();
    assert_eq!(validator.get_operand_type(0), Some(Some(wasmparser::ValType::I64)));
}

#[test]
fn custom_sections() {
    let module = module(
        r#"(module (@custom "a" (before first) "one") (func) (@custom "b" (after code) "") (@custom "a" "two"))"#,
    );
    let customs: Vec<_> =
        module.customs.iter().map(|(name, range)| (&**name, &module.bytes[range.clone()])).collect();
    assert_eq!(customs, [("a", &b"one"[..]), ("b", b""), ("a", b"two")]);
    assert_eq!(module.custom_section("a"), Some(&b"one"[..]));
    assert_eq!(module.custom_section("c"), None);
}

#[test]
fn memory_grow_and_size_are_noticed() {
    for (body, expected) in [
        ("(drop (memory.grow (i32.const 0)))", true),
        ("(drop (memory.size))", true),
        // The opcodes' values as an immediate and as a block type.
        ("(drop (i32.const 0x40))", false),
        ("(drop (i32.const 0x3f)) (block)", false),
    ] {
        let module = module(&format!("(module (memory 1) (func) (func {body}))"));
        assert_eq!(module.uses_memory_grow_or_size, expected, "{body}");
    }
}

#[test]
fn accepted_proposals() {
    module("(module (func (result i32 i32) (i32.const 0) (i32.const 0)))");
    module("(module (func (drop (i32.extend8_s (i32.trunc_sat_f32_s (f32.const 0))))))");
    module("(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))");
    module("(module (func $f (return_call $f)))");
    module("(module (func (drop (i8x16.add (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))");
    // `call_indirect` with its table index in a LEB128 longer than needed.
    let mut overlong =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x04\x04\x01\x70\0\x01\x0a".to_vec();
    overlong.extend(b"\x0b\x01\x09\x00\x41\0\x11\x00\x80\x80\x00\x0b");
    parse(overlong.into()).unwrap();
}

#[test]
fn refused_proposals() {
    for text in [
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (memory 1 shared))",
        "(module (tag))",
        "(module (type (struct)))",
        "(module (func (param anyref)))",
        "(module (func (param (ref func))))",
        "(module (table 1 funcref (ref.null func)))",
        "(module (func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
        "(module (func (drop (i32.atomic.load (i32.const 0)))))",
        "(module (func (param i64 i64) (i64.add128 (local.get 0) (local.get 0) (local.get 0) (local.get 0)) drop drop))",
    ] {
        let error = parse(wat::parse_str(text).unwrap().into()).expect_err(text);
        assert!(!error.message.is_empty() && error.offset.is_some(), "{text}: {error:?}");
    }
}

#[test]
fn value_types() {
    use ValType::*;
    for (ty, slots, is_ref, theirs) in [
        (I32, 1, false, wasmparser::ValType::I32),
        (I64, 1, false, wasmparser::ValType::I64),
        (F32, 1, false, wasmparser::ValType::F32),
        (F64, 1, false, wasmparser::ValType::F64),
        (V128, 2, false, wasmparser::ValType::V128),
        (FuncRef, 1, true, wasmparser::ValType::FUNCREF),
        (ExternRef, 1, true, wasmparser::ValType::EXTERNREF),
    ] {
        assert_eq!((ty.slots(), ty.is_ref()), (slots, is_ref));
        assert_eq!(ValType::from_wasmparser(theirs), Some(ty));
    }
    assert_eq!(ValType::from_wasmparser(wasmparser::ValType::Ref(wasmparser::RefType::ANYREF)), None);
}
