//! Arguments, environment, clocks, random bytes, exit.
#![allow(missing_docs)]
mod common;
use common::*;
use wayfarer_wasi::{Errno, Outcome, WasiBuilder};

fn strings(guest: &mut Guest, name: &str) -> Vec<String> {
    guest.try_call(&format!("{name}_sizes_get"), &[RESULT, RESULT + 4]).unwrap();
    let (count, size) = (guest.u32(RESULT) as usize, guest.u32(RESULT + 4) as usize);
    guest.try_call(&format!("{name}_get"), &[PATH, DATA]).unwrap();
    let all = guest.get(DATA, size).to_vec();
    assert_eq!(all.last().copied().unwrap_or(0), 0);
    let starts: Vec<_> = (0..count as u64).map(|i| guest.u32(PATH + 4 * i)).collect();
    starts
        .iter()
        .map(|at| {
            let tail = &all[*at as usize - DATA as usize..];
            let end = tail.iter().position(|b| *b == 0).unwrap();
            String::from_utf8(tail[..end].to_vec()).unwrap()
        })
        .collect()
}

#[test]
fn arguments_and_environment_arrive_as_given() {
    let mut builder = WasiBuilder::new();
    builder.arg("prog").arg("").arg("two words").env("A=1").env("B=");
    let mut guest = Guest::new(&builder);
    assert_eq!(strings(&mut guest, "args"), ["prog", "", "two words"]);
    assert_eq!(strings(&mut guest, "environ"), ["A=1", "B="]);
    let mut none = Guest::new(&WasiBuilder::new());
    assert!(strings(&mut none, "args").is_empty());
}

#[test]
fn addresses_outside_of_memory_trap() {
    let mut guest = Guest::new(WasiBuilder::new().arg("prog"));
    let end = guest.memory.len() as u64;
    let trap = Outcome::Trap("out of bounds memory access".into());
    assert_eq!(guest.call("args_sizes_get", &[RESULT, end - 3]), trap);
    assert_eq!(guest.call("args_get", &[end, DATA]), trap);
    assert_eq!(guest.call("args_get", &[PATH, end - 2]), trap);
    assert_eq!(guest.call("random_get", &[DATA, u64::from(u32::MAX)]), trap);
    assert_eq!(guest.call("clock_time_get", &[0, 0, end - 7]), trap);
}

#[test]
fn clocks_run_and_have_a_resolution() {
    let mut guest = Guest::new(&WasiBuilder::new());
    for clock in 0..4 {
        guest.try_call("clock_res_get", &[clock, RESULT]).unwrap();
        assert!((1..=1_000_000_000).contains(&guest.u64(RESULT)), "clock {clock}");
        guest.try_call("clock_time_get", &[clock, 0, RESULT]).unwrap();
        let first = guest.u64(RESULT);
        guest.try_call("clock_time_get", &[clock, 0, RESULT]).unwrap();
        assert!(guest.u64(RESULT) >= first, "clock {clock}");
    }
    guest.try_call("clock_time_get", &[0, 0, RESULT]).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(now.abs_diff(guest.u64(RESULT)) < 5_000_000_000);
    assert_eq!(guest.try_call("clock_time_get", &[4, 0, RESULT]).unwrap_err(), Errno::Inval);
    assert_eq!(guest.try_call("clock_res_get", &[4, RESULT]).unwrap_err(), Errno::Inval);
}

#[test]
fn random_bytes_fill_the_whole_buffer_and_nothing_else() {
    let mut guest = Guest::new(&WasiBuilder::new());
    guest.try_call("random_get", &[DATA, 10_000]).unwrap();
    let first = guest.get(DATA, 10_000).to_vec();
    assert!(first.iter().filter(|b| **b == 0).count() < 200);
    assert!(guest.get(DATA + 10_000, 100).iter().all(|b| *b == 0));
    guest.try_call("random_get", &[DATA, 10_000]).unwrap();
    assert_ne!(guest.get(DATA, 10_000), first);
    guest.try_call("random_get", &[DATA, 0]).unwrap();
}

#[test]
fn exit_and_raise_end_the_program_not_the_host() {
    let mut guest = Guest::new(&WasiBuilder::new());
    assert_eq!(guest.call("proc_exit", &[42]), Outcome::Exit(42));
    assert_eq!(guest.call("proc_raise", &[6]), Outcome::Trap("wasi proc raise 6".into()));
    assert_eq!(guest.call("sched_yield", &[]), Outcome::Errno(0));
}
