//! Every instruction of WebAssembly 2.0, and of threads, that is not about control flow, locals or calls, in a function of its own.

/// Parameters, result, and the instructions that take and give these, one a line.
const INSTRUCTIONS: &[(&[&str], &str, &str)] = &[
    (&[], "i32", "i32.const -7\nmemory.size\ntable.size $t\nglobal.get $i32\nglobal.get $constant_i32"),
    (&[], "i64", "i64.const -7\nglobal.get $i64\nglobal.get $constant_i64"),
    (&[], "f32", "f32.const nan:0x200000\nglobal.get $f32\nglobal.get $constant_f32"),
    (&[], "f64", "f64.const -nan:0x4000000000000\nglobal.get $f64\nglobal.get $constant_f64"),
    (&[], "v128", "v128.const i64x2 1 2\nglobal.get $v128\nglobal.get $constant_v128"),
    (&[], "funcref", "ref.null func\nref.func $f\nglobal.get $funcref"),
    (&["i32"], "", "global.set $i32"),
    (&["i64"], "", "global.set $i64"),
    (&["f32"], "", "global.set $f32"),
    (&["f64"], "", "global.set $f64"),
    (&["v128"], "", "global.set $v128"),
    (&["funcref"], "", "global.set $funcref"),
    (&["i32"], "funcref", "table.get $t"),
    (&["i32", "funcref"], "", "table.set $t"),
    (&["funcref", "i32"], "i32", "table.grow $t"),
    (&["i32", "funcref", "i32"], "", "table.fill $t"),
    (
        &["i32", "i32", "i32"],
        "",
        "table.copy $t $u\ntable.init $t $elem\nmemory.copy\nmemory.fill\nmemory.init $data",
    ),
    (&["i32"], "i32", "memory.grow"),
    (&[], "", "atomic.fence"),
    (&["i32"], "i32", "i32.atomic.load\ni32.atomic.load8_u\ni32.atomic.load16_u"),
    (&["i32", "i32"], "", "i32.atomic.store\ni32.atomic.store8\ni32.atomic.store16\ni32.atomic.store offset=4294967288"),
    (&["i32", "i32"], "i32", "i32.atomic.rmw.add\ni32.atomic.rmw8.add_u\ni32.atomic.rmw16.add_u\ni32.atomic.rmw.sub\ni32.atomic.rmw8.sub_u\ni32.atomic.rmw16.sub_u\ni32.atomic.rmw.and\ni32.atomic.rmw8.and_u\ni32.atomic.rmw16.and_u\ni32.atomic.rmw.or\ni32.atomic.rmw8.or_u\ni32.atomic.rmw16.or_u\ni32.atomic.rmw.xor\ni32.atomic.rmw8.xor_u\ni32.atomic.rmw16.xor_u\ni32.atomic.rmw.xchg\ni32.atomic.rmw8.xchg_u\ni32.atomic.rmw16.xchg_u"),
    (&["i32", "i32", "i32"], "i32", "i32.atomic.rmw.cmpxchg\ni32.atomic.rmw8.cmpxchg_u\ni32.atomic.rmw16.cmpxchg_u"),
    (&["i32"], "i64", "i64.atomic.load\ni64.atomic.load8_u\ni64.atomic.load16_u\ni64.atomic.load32_u"),
    (&["i32", "i64"], "", "i64.atomic.store\ni64.atomic.store8\ni64.atomic.store16\ni64.atomic.store32\ni64.atomic.store offset=4294967288"),
    (&["i32", "i64"], "i64", "i64.atomic.rmw.add\ni64.atomic.rmw8.add_u\ni64.atomic.rmw16.add_u\ni64.atomic.rmw32.add_u\ni64.atomic.rmw.sub\ni64.atomic.rmw8.sub_u\ni64.atomic.rmw16.sub_u\ni64.atomic.rmw32.sub_u\ni64.atomic.rmw.and\ni64.atomic.rmw8.and_u\ni64.atomic.rmw16.and_u\ni64.atomic.rmw32.and_u\ni64.atomic.rmw.or\ni64.atomic.rmw8.or_u\ni64.atomic.rmw16.or_u\ni64.atomic.rmw32.or_u\ni64.atomic.rmw.xor\ni64.atomic.rmw8.xor_u\ni64.atomic.rmw16.xor_u\ni64.atomic.rmw32.xor_u\ni64.atomic.rmw.xchg\ni64.atomic.rmw8.xchg_u\ni64.atomic.rmw16.xchg_u\ni64.atomic.rmw32.xchg_u"),
    (&["i32", "i64", "i64"], "i64", "i64.atomic.rmw.cmpxchg\ni64.atomic.rmw8.cmpxchg_u\ni64.atomic.rmw16.cmpxchg_u\ni64.atomic.rmw32.cmpxchg_u"),
    (&["i32", "i32"], "i32", "memory.atomic.notify"),
    (&["i32", "i32", "i64"], "i32", "memory.atomic.wait32"),
    (&["i32", "i64", "i64"], "i32", "memory.atomic.wait64"),
    (&["funcref"], "i32", "ref.is_null"),
    (&["externref"], "i32", "ref.is_null"),
    (&[], "", "data.drop $data\nelem.drop $elem"),
    (
        &["i32"],
        "i32",
        "i32.eqz\ni32.clz\ni32.ctz\ni32.popcnt\ni32.extend8_s\ni32.extend16_s
        i32.load\ni32.load8_s\ni32.load8_u\ni32.load16_s\ni32.load16_u
        i32.load offset=4\ni32.load8_s offset=4294967295\ni32.load16_u align=1",
    ),
    (
        &["i32"],
        "i64",
        "i64.extend_i32_s\ni64.extend_i32_u
        i64.load\ni64.load8_s\ni64.load8_u\ni64.load16_s\ni64.load16_u\ni64.load32_s\ni64.load32_u",
    ),
    (&["i32"], "f32", "f32.load\nf32.convert_i32_s\nf32.convert_i32_u\nf32.reinterpret_i32"),
    (&["i32"], "f64", "f64.load\nf64.convert_i32_s\nf64.convert_i32_u"),
    (&["i64"], "i32", "i64.eqz\ni32.wrap_i64"),
    (&["i64"], "i64", "i64.clz\ni64.ctz\ni64.popcnt\ni64.extend8_s\ni64.extend16_s\ni64.extend32_s"),
    (&["i64"], "f32", "f32.convert_i64_s\nf32.convert_i64_u"),
    (&["i64"], "f64", "f64.convert_i64_s\nf64.convert_i64_u\nf64.reinterpret_i64"),
    (
        &["f32"],
        "i32",
        "i32.trunc_f32_s\ni32.trunc_f32_u\ni32.trunc_sat_f32_s\ni32.trunc_sat_f32_u\ni32.reinterpret_f32",
    ),
    (&["f32"], "i64", "i64.trunc_f32_s\ni64.trunc_f32_u\ni64.trunc_sat_f32_s\ni64.trunc_sat_f32_u"),
    (&["f32"], "f64", "f64.promote_f32"),
    (&["f32"], "f32", "f32.abs\nf32.neg\nf32.ceil\nf32.floor\nf32.trunc\nf32.nearest\nf32.sqrt"),
    (&["f64"], "i32", "i32.trunc_f64_s\ni32.trunc_f64_u\ni32.trunc_sat_f64_s\ni32.trunc_sat_f64_u"),
    (
        &["f64"],
        "i64",
        "i64.trunc_f64_s\ni64.trunc_f64_u\ni64.trunc_sat_f64_s\ni64.trunc_sat_f64_u\ni64.reinterpret_f64",
    ),
    (&["f64"], "f32", "f32.demote_f64"),
    (&["f64"], "f64", "f64.abs\nf64.neg\nf64.ceil\nf64.floor\nf64.trunc\nf64.nearest\nf64.sqrt"),
    (
        &["i32", "i32"],
        "i32",
        "i32.add\ni32.sub\ni32.mul\ni32.div_s\ni32.div_u\ni32.rem_s\ni32.rem_u\ni32.and\ni32.or\ni32.xor\ni32.shl
        i32.shr_s\ni32.shr_u\ni32.rotl\ni32.rotr
        i32.eq\ni32.ne\ni32.lt_s\ni32.lt_u\ni32.gt_s\ni32.gt_u\ni32.le_s\ni32.le_u\ni32.ge_s\ni32.ge_u",
    ),
    (
        &["i64", "i64"],
        "i64",
        "i64.add\ni64.sub\ni64.mul\ni64.div_s\ni64.div_u\ni64.rem_s\ni64.rem_u\ni64.and\ni64.or\ni64.xor\ni64.shl
        i64.shr_s\ni64.shr_u\ni64.rotl\ni64.rotr",
    ),
    (
        &["i64", "i64"],
        "i32",
        "i64.eq\ni64.ne\ni64.lt_s\ni64.lt_u\ni64.gt_s\ni64.gt_u\ni64.le_s\ni64.le_u\ni64.ge_s\ni64.ge_u",
    ),
    (&["f32", "f32"], "f32", "f32.add\nf32.sub\nf32.mul\nf32.div\nf32.min\nf32.max\nf32.copysign"),
    (&["f64", "f64"], "f64", "f64.add\nf64.sub\nf64.mul\nf64.div\nf64.min\nf64.max\nf64.copysign"),
    (&["f32", "f32"], "i32", "f32.eq\nf32.ne\nf32.lt\nf32.gt\nf32.le\nf32.ge"),
    (&["f64", "f64"], "i32", "f64.eq\nf64.ne\nf64.lt\nf64.gt\nf64.le\nf64.ge"),
    (&["i32", "i32"], "", "i32.store\ni32.store8\ni32.store16\ni32.store offset=100000"),
    (&["i32", "i64"], "", "i64.store\ni64.store8\ni64.store16\ni64.store32"),
    (&["i32", "f32"], "", "f32.store"),
    (&["i32", "f64"], "", "f64.store"),
    // Vectors.
    (
        &["i32"],
        "v128",
        "v128.load\nv128.load8x8_s\nv128.load8x8_u\nv128.load16x4_s\nv128.load16x4_u\nv128.load32x2_s
        v128.load32x2_u\nv128.load8_splat\nv128.load16_splat\nv128.load32_splat\nv128.load64_splat\nv128.load32_zero
        v128.load64_zero\ni8x16.splat\ni16x8.splat\ni32x4.splat",
    ),
    (&["i64"], "v128", "i64x2.splat"),
    (&["f32"], "v128", "f32x4.splat"),
    (&["f64"], "v128", "f64x2.splat"),
    (&["i32", "v128"], "", "v128.store\nv128.store offset=16"),
    (
        &["i32", "v128"],
        "v128",
        "v128.load8_lane 0\nv128.load8_lane 15\nv128.load16_lane 7\nv128.load32_lane 3\nv128.load64_lane 1",
    ),
    (
        &["i32", "v128"],
        "",
        "v128.store8_lane 0\nv128.store8_lane 15\nv128.store16_lane 7\nv128.store32_lane 3\nv128.store64_lane 1",
    ),
    (
        &["v128"],
        "i32",
        "i8x16.extract_lane_s 3\ni8x16.extract_lane_u 3\ni16x8.extract_lane_s 7\ni16x8.extract_lane_u 7
        i32x4.extract_lane 1\nv128.any_true\ni8x16.all_true\ni16x8.all_true\ni32x4.all_true\ni64x2.all_true
        i8x16.bitmask\ni16x8.bitmask\ni32x4.bitmask\ni64x2.bitmask",
    ),
    (&["v128"], "i64", "i64x2.extract_lane 1"),
    (&["v128"], "f32", "f32x4.extract_lane 3"),
    (&["v128"], "f64", "f64x2.extract_lane 0"),
    (&["v128", "i32"], "v128", "i8x16.replace_lane 15\ni16x8.replace_lane 1\ni32x4.replace_lane 2"),
    (&["v128", "i64"], "v128", "i64x2.replace_lane 1"),
    (&["v128", "f32"], "v128", "f32x4.replace_lane 1"),
    (&["v128", "f64"], "v128", "f64x2.replace_lane 1"),
    (
        &["v128", "i32"],
        "v128",
        "i8x16.shl\ni8x16.shr_s\ni8x16.shr_u\ni16x8.shl\ni16x8.shr_s\ni16x8.shr_u\ni32x4.shl\ni32x4.shr_s\ni32x4.shr_u
        i64x2.shl\ni64x2.shr_s\ni64x2.shr_u",
    ),
    (
        &["v128"],
        "v128",
        "v128.not
        i8x16.abs\ni8x16.neg\ni8x16.popcnt\ni16x8.abs\ni16x8.neg\ni32x4.abs\ni32x4.neg\ni64x2.abs\ni64x2.neg
        i16x8.extend_low_i8x16_s\ni16x8.extend_low_i8x16_u\ni16x8.extend_high_i8x16_s\ni16x8.extend_high_i8x16_u
        i32x4.extend_low_i16x8_s\ni32x4.extend_low_i16x8_u\ni32x4.extend_high_i16x8_s\ni32x4.extend_high_i16x8_u
        i64x2.extend_low_i32x4_s\ni64x2.extend_low_i32x4_u\ni64x2.extend_high_i32x4_s\ni64x2.extend_high_i32x4_u
        i16x8.extadd_pairwise_i8x16_s\ni16x8.extadd_pairwise_i8x16_u
        i32x4.extadd_pairwise_i16x8_s\ni32x4.extadd_pairwise_i16x8_u
        f32x4.abs\nf32x4.neg\nf32x4.sqrt\nf32x4.ceil\nf32x4.floor\nf32x4.trunc\nf32x4.nearest
        f64x2.abs\nf64x2.neg\nf64x2.sqrt\nf64x2.ceil\nf64x2.floor\nf64x2.trunc\nf64x2.nearest
        i32x4.trunc_sat_f32x4_s\ni32x4.trunc_sat_f32x4_u\ni32x4.trunc_sat_f64x2_s_zero\ni32x4.trunc_sat_f64x2_u_zero
        f32x4.convert_i32x4_s\nf32x4.convert_i32x4_u\nf64x2.convert_low_i32x4_s\nf64x2.convert_low_i32x4_u
        f32x4.demote_f64x2_zero\nf64x2.promote_low_f32x4",
    ),
    (
        &["v128", "v128"],
        "v128",
        "i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31\ni8x16.swizzle
        v128.and\nv128.andnot\nv128.or\nv128.xor
        i8x16.eq\ni8x16.ne\ni8x16.lt_s\ni8x16.lt_u\ni8x16.gt_s\ni8x16.gt_u\ni8x16.le_s\ni8x16.le_u\ni8x16.ge_s
        i8x16.ge_u
        i16x8.eq\ni16x8.ne\ni16x8.lt_s\ni16x8.lt_u\ni16x8.gt_s\ni16x8.gt_u\ni16x8.le_s\ni16x8.le_u\ni16x8.ge_s
        i16x8.ge_u
        i32x4.eq\ni32x4.ne\ni32x4.lt_s\ni32x4.lt_u\ni32x4.gt_s\ni32x4.gt_u\ni32x4.le_s\ni32x4.le_u\ni32x4.ge_s
        i32x4.ge_u
        i64x2.eq\ni64x2.ne\ni64x2.lt_s\ni64x2.gt_s\ni64x2.le_s\ni64x2.ge_s
        f32x4.eq\nf32x4.ne\nf32x4.lt\nf32x4.gt\nf32x4.le\nf32x4.ge
        f64x2.eq\nf64x2.ne\nf64x2.lt\nf64x2.gt\nf64x2.le\nf64x2.ge
        i8x16.narrow_i16x8_s\ni8x16.narrow_i16x8_u\ni16x8.narrow_i32x4_s\ni16x8.narrow_i32x4_u
        i8x16.add\ni8x16.add_sat_s\ni8x16.add_sat_u\ni8x16.sub\ni8x16.sub_sat_s\ni8x16.sub_sat_u
        i8x16.min_s\ni8x16.min_u\ni8x16.max_s\ni8x16.max_u\ni8x16.avgr_u
        i16x8.add\ni16x8.add_sat_s\ni16x8.add_sat_u\ni16x8.sub\ni16x8.sub_sat_s\ni16x8.sub_sat_u\ni16x8.mul
        i16x8.min_s\ni16x8.min_u\ni16x8.max_s\ni16x8.max_u\ni16x8.avgr_u\ni16x8.q15mulr_sat_s
        i16x8.extmul_low_i8x16_s\ni16x8.extmul_low_i8x16_u\ni16x8.extmul_high_i8x16_s\ni16x8.extmul_high_i8x16_u
        i32x4.add\ni32x4.sub\ni32x4.mul\ni32x4.min_s\ni32x4.min_u\ni32x4.max_s\ni32x4.max_u\ni32x4.dot_i16x8_s
        i32x4.extmul_low_i16x8_s\ni32x4.extmul_low_i16x8_u\ni32x4.extmul_high_i16x8_s\ni32x4.extmul_high_i16x8_u
        i64x2.add\ni64x2.sub\ni64x2.mul
        i64x2.extmul_low_i32x4_s\ni64x2.extmul_low_i32x4_u\ni64x2.extmul_high_i32x4_s\ni64x2.extmul_high_i32x4_u
        f32x4.add\nf32x4.sub\nf32x4.mul\nf32x4.div\nf32x4.min\nf32x4.max\nf32x4.pmin\nf32x4.pmax
        f64x2.add\nf64x2.sub\nf64x2.mul\nf64x2.div\nf64x2.min\nf64x2.max\nf64x2.pmin\nf64x2.pmax",
    ),
    (&["v128", "v128", "v128"], "v128", "v128.bitselect"),
];

/// Each instruction with its parameters and result (empty if there is none).
#[allow(dead_code, reason = "shared by several programs")]
pub(crate) fn each() -> impl Iterator<Item = (&'static [&'static str], &'static str, &'static str)> {
    let lines = |(params, result, instructions): &(_, _, &'static str)| {
        let (params, result) = (*params, *result);
        instructions.lines().map(move |instruction| (params, result, instruction.trim()))
    };
    INSTRUCTIONS.iter().flat_map(lines)
}

/// What the instructions refer to.
pub(crate) const REFERRED: &str = "
    (memory 1 10)
    (table $t 4 funcref)
    (table $u 4 funcref)
    (elem $elem func $f)
    (data $data \"data\")
    (func $f)
    (global $i32 (mut i32) (i32.const 1))
    (global $i64 (mut i64) (i64.const 1))
    (global $f32 (mut f32) (f32.const 1))
    (global $f64 (mut f64) (f64.const 1))
    (global $v128 (mut v128) (v128.const i64x2 1 1))
    (global $funcref (mut funcref) (ref.null func))
    (global $constant_i32 i32 (i32.const 2))
    (global $constant_i64 i64 (i64.const 2))
    (global $constant_f32 f32 (f32.const 2))
    (global $constant_f64 f64 (f64.const 2))
    (global $constant_v128 v128 (v128.const i64x2 2 2))
";

/// All of them in one module in text form.
#[allow(dead_code, reason = "shared by several programs")]
pub(crate) fn module() -> String {
    let mut text = format!("(module {REFERRED}");
    for (params, result, instructions) in INSTRUCTIONS {
        let operands: String = (0..params.len()).map(|n| format!("local.get {n} ")).collect();
        let params = params.join(" ");
        for instruction in instructions.lines() {
            let result = if result.is_empty() { String::new() } else { format!("(result {result})") };
            text += &format!("(func (param {params}) {result} {operands} {})\n", instruction.trim());
        }
    }
    text + ")"
}
