//! Branches that do not reach their targets.

use crate::machine::{Reach, STUB};
use crate::test_objects::{check_calls, compile};
use crate::{Code, Fault, LoadError, Machine};

/// So short a reach that every call between sections needs help.
const SHORT: Reach = Reach { group: 64, branch: 0 };

#[test]
fn code_runs_with_every_call_by_a_stub() {
    let host = Machine::host().unwrap();
    let objects = ["calls.c", "other.c"].map(|name| compile(host, name, &["-ffunction-sections"]));
    let code = Code::load_within(host, &[&objects[0], &objects[1]], SHORT).unwrap();
    assert!(
        code.stubs().filter(|s| s.name == "veneer").count() > 3,
        "{:?}",
        code.stubs().collect::<Vec<_>>()
    );
    check_calls(&code);
    let code = Code::load_for(host, &[&objects[0], &objects[1]]).unwrap();
    assert_eq!(code.stubs().filter(|s| s.name == "veneer").count(), 0, "none without need");
}

/// The little-endian word at an address of loaded code.
fn word(code: &Code, address: usize) -> u32 {
    assert!(code.range().contains(&address));
    // SAFETY: it is mapped, and the code is alive.
    u32::from_le(unsafe { (address as *const u32).read() })
}

/// Where the `b` or `bl` at an address leads.
fn branch(code: &Code, address: usize) -> usize {
    let word = word(code, address);
    assert_eq!(word & 0x7c00_0000, 0x1400_0000, "{word:#x} at {address:#x}");
    let distance = (word.cast_signed() << 6 >> 6) as isize * 4;
    address.wrapping_add_signed(distance)
}

/// Where the stub at an address leads.
fn through(code: &Code, stub: usize) -> (String, usize) {
    let found = code.stubs().find(|s| s.address == stub).expect("a stub");
    let low = word(code, stub + STUB - 8);
    let high = word(code, stub + STUB - 4);
    (found.name.clone(), low as usize | (high as usize) << 32)
}

#[test]
fn aarch64_far_calls_go_by_stubs() {
    let object = compile(Machine::Aarch64, "far-aarch64.s", &[]);
    let code = Code::load_for(Machine::Aarch64, &[&object]).unwrap();
    let address = |name: &str| code.symbol(name).unwrap() as usize;
    let (first, last, beside) = (address("first"), address("last"), address("beside"));
    assert!(last - first > 128 << 20);
    assert_eq!(through(&code, branch(&code, first)), ("veneer".into(), last));
    assert_eq!(branch(&code, first + 4), beside, "no stub where none is needed");
    assert_eq!(through(&code, branch(&code, last)), ("veneer".into(), first + 4), "the addend counts");
    // The runtime's functions have a stub in reach of each call.
    let stubs = [first + 8, last + 4].map(|call| through(&code, branch(&code, call)));
    assert_eq!(stubs[0].0, "memcpy@plt");
    assert_eq!(stubs[0], stubs[1]);
    assert_eq!(code.stubs().count(), 4);
}

#[test]
fn what_no_stub_can_reach_is_an_error() {
    let object = compile(Machine::Aarch64, "stuck-aarch64.s", &[]);
    let error = Code::load_for(Machine::Aarch64, &[&object]).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("object 0: R_AARCH64_CALL26 at .text+0x0 against last: 0x90000"), "{text}");
    assert!(text.ends_with("does not fit 28 bits"), "{text}");
    assert!(matches!(error, LoadError::Relocation { why: Fault::Overflow { .. }, .. }));
}
