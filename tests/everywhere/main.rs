//! Stops programs at every stable point, and has what comes of the image print, write and compute the same as
//! if nothing had happened.
//!
//! For each guest of `tests/guests`: every one of the first stable points, and random later ones; in the interpreter, and
//! in pairs of the interpreter and compiled code. That is a sample; `WAYFARER_TEST_FULL=1` takes 500 first and 125 later
//! points of each guest, 100 and 50 of each pair, and 25 of CPython in each pair; `WAYFARER_TEST_LONG=1` four times as many.

mod across;
mod cpython;
mod harness;
mod linked;
mod moved;
mod pairs;
mod points;
#[allow(dead_code, reason = "shared with the tests of the command lines")]
#[path = "../cli/support.rs"]
mod support;
mod waiting;

use harness::guests;
use harness::streams::Kind;

/// Three tests for each guest.
macro_rules! guests {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        mod guest {
            $(
                #[test]
                fn $name() {
                    super::points::everywhere(stringify!($name), super::Kind::Pipes);
                }
            )*
        }

        mod pairs_of {
            $(
                #[test]
                fn $name() {
                    super::pairs::everywhere(stringify!($name));
                }
            )*
        }

        mod twins {
            $(
                #[test]
                fn $name() {
                    super::pairs::twins(stringify!($name));
                }
            )*
        }
    };
}

guests! {
    append args_env atomics br_table bulk_memory call_in_expression call_indirect_nested clocks deep_operand_stack
    deep_recursion descriptors exit_code externref_table files floats funcref_table globals heap
    host_callback integers loop_params loops memory_grow multi_value nan_payloads printf_floats readdir
    recursion seed_file select_br_if start_function stdin_echo table_operations tail_calls v128_locals
}

#[test]
fn every_guest_of_the_manifest_has_its_test() {
    assert_eq!(guests::names(), NAMES);
}

/// The guests above have pipes.
#[test]
fn standard_streams_that_are_files() {
    for name in ["stdin_echo", "printf_floats", "seed_file", "start_function"] {
        points::everywhere(name, Kind::Files);
    }
}
