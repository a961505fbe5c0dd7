//! Imported constants.

/// The value of a [`LibcGlobal`], and with it its WebAssembly type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum GlobalValue {
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
}

/// An immutable global the guest may import.
#[derive(Clone, Copy, Debug)]
pub struct LibcGlobal {
    /// Import module.
    pub module: &'static str,
    /// Import name.
    pub name: &'static str,
    /// Its value.
    pub value: GlobalValue,
}

/// The constants of import module `global`, which asm.js-style compilers import.
pub static GLOBALS: &[LibcGlobal] = &[
    // The one NaN every engine agrees on: positive, quiet, no payload. `f64::NAN`'s bits are not promised to be that.
    LibcGlobal {
        module: "global",
        name: "NaN",
        value: GlobalValue::F64(f64::from_bits(0x7FF8_0000_0000_0000)),
    },
    LibcGlobal { module: "global", name: "Infinity", value: GlobalValue::F64(f64::INFINITY) },
];

/// The globals of import module `spectest`, for the WebAssembly test suite.
pub static SPECTEST_GLOBALS: &[LibcGlobal] = &[
    LibcGlobal { module: "spectest", name: "global_i32", value: GlobalValue::I32(666) },
    LibcGlobal { module: "spectest", name: "global_i64", value: GlobalValue::I64(666) },
    LibcGlobal { module: "spectest", name: "global_f32", value: GlobalValue::F32(666.6) },
    LibcGlobal { module: "spectest", name: "global_f64", value: GlobalValue::F64(666.6) },
];
