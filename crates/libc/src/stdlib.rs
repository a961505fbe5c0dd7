//! `stdlib.h`: the guest's heap, numbers in text, and the ways a program ends itself.

use crate::call::{LibcCall, LibcTrap, int, params, uint};
use crate::number::{self, Parsed};

pub(crate) fn malloc(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [size] = params(args)?;
    uint(call.host.malloc(size))
}

pub(crate) fn realloc(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr, size] = params(args)?;
    uint(call.host.realloc(addr, size))
}

pub(crate) fn calloc(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [count, size] = params(args)?;
    let Some(total) = count.checked_mul(size) else { return uint(0) };
    let addr = call.host.malloc(total);
    if addr != 0 {
        crate::string::fill(call.host.memory(), addr, 0, total)?;
    }
    uint(addr)
}

/// Upstream's, of its pthread library: no more aligned than [`malloc`]'s, as the heap knows nothing else that can be freed. -1 if there
/// is no room.
pub(crate) fn posix_memalign(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [at, _alignment, size] = params(args)?;
    call.host.memory().range(at.into(), 4)?;
    let addr = call.host.malloc(size);
    call.host.memory().write_u32(at.into(), addr)?;
    int(if addr == 0 { -1 } else { 0 })
}

pub(crate) fn free(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr] = params(args)?;
    call.host.free(addr);
    Ok(0)
}

pub(crate) fn atoi(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [text] = params(args)?;
    int(number::parse(call.host.memory(), text, 10)?.to_i32())
}

pub(crate) fn strtol(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    int(parse(call, args)?.to_i32())
}

pub(crate) fn strtoul(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    uint(parse(call, args)?.to_u32())
}

fn parse(call: &mut LibcCall<'_>, args: &[u64]) -> Result<Parsed, LibcTrap> {
    let [text, end, base] = params(args)?;
    let memory = call.host.memory();
    if !number::valid_base(base) {
        return Ok(Parsed::default());
    }
    let parsed = number::parse(memory, text, base)?;
    if end != 0 {
        memory.write_u32(end.into(), text.wrapping_add(parsed.length))?;
    }
    Ok(parsed)
}

/// Ends the run with an exception that carries the function's one argument.
fn end(name: &str, args: &[u64]) -> Result<u64, LibcTrap> {
    let [code] = params(args)?;
    Err(LibcTrap::Exception(format!("env.{name}({})", code as i32)))
}

pub(crate) fn exit(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    end("exit", args)
}

pub(crate) fn abort(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    end("abort", args)
}

pub(crate) fn abort_stack_overflow(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    end("abortStackOverflow", args)
}

pub(crate) fn null_function(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    end("nullFunc_X", args)
}

/// A catch block begins: nothing to be done, since [`cxa_throw`] never gets there.
pub(crate) fn cxa_begin_catch(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [_exception] = params(args)?;
    Ok(0)
}

pub(crate) fn cxa_throw(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [_exception, _type, _destructor] = params(args)?;
    Err(LibcTrap::Exception("exception thrown by stdc++".to_owned()))
}
