//! Import module `spectest` of the WebAssembly test suite: functions that print their arguments.

use crate::LibcFunction;
use crate::call::{LibcCall, LibcTrap, raw_params};

/// The functions of import module `spectest`.
pub static SPECTEST_FUNCTIONS: &[LibcFunction] = &[
    LibcFunction { name: "print", signature: "()", call: print },
    LibcFunction { name: "print_i32", signature: "(i)", call: print_i32 },
    LibcFunction { name: "print_i64", signature: "(I)", call: print_i64 },
    LibcFunction { name: "print_i32_f32", signature: "(if)", call: print_i32_f32 },
    LibcFunction { name: "print_f64_f64", signature: "(FF)", call: print_f64_f64 },
    LibcFunction { name: "print_f32", signature: "(f)", call: print_f32 },
    LibcFunction { name: "print_f64", signature: "(F)", call: print_f64 },
];

/// A failed write is ignored: the suite checks that the call is made, not what a terminal makes of it.
fn line(call: &mut LibcCall<'_>, text: std::fmt::Arguments<'_>) -> Result<u64, LibcTrap> {
    let _ = writeln!(call.stdout, "{text}");
    Ok(0)
}

fn f32_of(raw: u64) -> f32 {
    f32::from_bits(raw as u32)
}

fn print(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [] = raw_params(args)?;
    line(call, format_args!("spectest.print()"))
}

fn print_i32(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a] = raw_params(args)?;
    line(call, format_args!("spectest.print_i32({})", a as i32))
}

fn print_i64(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a] = raw_params(args)?;
    line(call, format_args!("spectest.print_i64({})", a as i64))
}

fn print_i32_f32(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a, b] = raw_params(args)?;
    line(call, format_args!("spectest.print_i32_f32({}, {})", a as i32, f32_of(b)))
}

fn print_f64_f64(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a, b] = raw_params(args)?;
    line(call, format_args!("spectest.print_f64_f64({}, {})", f64::from_bits(a), f64::from_bits(b)))
}

fn print_f32(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a] = raw_params(args)?;
    line(call, format_args!("spectest.print_f32({})", f32_of(a)))
}

fn print_f64(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a] = raw_params(args)?;
    line(call, format_args!("spectest.print_f64({})", f64::from_bits(a)))
}
